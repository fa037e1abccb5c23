"""How a check is written down: rows, and the rules each of them must keep."""

from dataclasses import dataclass

MOST_OF_ONE = 100
"""Findings of one check that are told; a defect that repeats says nothing new."""

Rule = tuple[str, str]
"""What must never be true of a row, and a text that says so; both are SQL over the check's rows."""


@dataclass(frozen=True, slots=True)
class Check:
    """One pass over `rows` (what follows FROM), each named by `table` and `key` (SQL texts); `before` is what follows WITH."""

    table: str
    key: str
    rows: str
    rules: tuple[Rule, ...]
    before: str = ""

    @property
    def statement(self) -> bytes:
        said = ",\n".join(f"CASE WHEN {wrong} THEN {text} END" for wrong, text in self.rules)
        # OFFSET hides the LIMIT from the planner: it would fetch row by row in hope of an early end, and sound books have none.
        found = f"SELECT {self.table} AS kept_in, {self.key} AS key, concat_ws('; ', {said}) AS says FROM {self.rows} OFFSET 0"
        with_ = f"WITH {self.before} " if self.before else ""
        return f"{with_}SELECT * FROM ({found}) found WHERE says <> '' ORDER BY key LIMIT {MOST_OF_ONE + 1}".encode()


def differs(name: str, written: str, due: str, because: str, *, when: str = "true") -> Rule:
    """A number that should be another one. Where `due` is null nothing is due."""
    says = f"{name} is %s, {because} %s"
    return f"({when}) AND ({due}) IS NOT NULL AND ({written}) IS DISTINCT FROM ({due})", _said(says, written, due)


def missing(thing: str, says: str) -> Rule:
    return f"{thing} IS NULL", f"'{says}'"


def _said(text: str, *values: str) -> str:
    shown = ", ".join(f"coalesce(({value})::text, 'empty')" for value in values)
    return f"format('{text}', {shown})"
