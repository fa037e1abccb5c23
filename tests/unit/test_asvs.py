"""docs/asvs.md answers every requirement of its chapters once, names tests that exist, and tells numbers as the code has them."""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path

import pytest

from application.api_keys import Authenticate
from application.registration import INVITATION_DAYS
from domain.limits import LIMITS
from domain.sessions import SessionRules
from entrypoints.http.signing_in import SECONDS
from entrypoints.settings import Settings

TESTS = Path(__file__).parents[1]
PAGE = (TESTS.parent / "docs" / "asvs.md").read_text()

LEVELS = {
    "4.1": "12233",
    "4.2": "23333",
    "4.3": "22",
    "4.4": "1222",
    "5.1": "2",
    "5.2": "112333",
    "5.3": "113",
    "5.4": "222",
    "6.1": "122",
    "6.2": "111111112222",
    "6.3": "11223333",
    "6.4": "112233",
    "6.5": "22222333",
    "6.6": "2223",
    "6.7": "33",
    "6.8": "2222",
    "7.1": "222",
    "7.2": "1111",
    "7.3": "22",
    "7.4": "11222",
    "7.5": "223",
    "7.6": "22",
    "8.1": "1233",
    "8.2": "1123",
    "8.3": "133",
    "8.4": "23",
    "9.1": "111",
    "9.2": "1222",
    "10.1": "22",
    "10.2": "223",
    "10.3": "22223",
    "10.4": "1111122222233333",
    "10.5": "22222",
    "10.6": "22",
    "10.7": "222",
}
"""ASVS 5.0.0: of each section, the levels of its requirements in their order."""

TEST_ID = re.compile(r"`([a-z_/]+\.py)::(\w+(?:::\w+)*)`")
BY_TEST = "test ids"
WORDS = ("documented", "does not apply", "not shown", "not met", "not claimed")
LEFT_OPEN = {"Tests to write": "not shown", "Things to do": "not met"}


@dataclass(frozen=True, slots=True)
class Row:
    id: str
    level: str
    gist: str
    answer: str

    @property
    def verdict(self) -> str:
        """What the answer begins with; empty for what is no answer."""
        if TEST_ID.match(self.answer):
            return BY_TEST
        return next((word for word in WORDS if re.match(rf"{word}: \S+ ?\S", self.answer)), "")


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def under(heading: str) -> list[str]:
    """The lines below a heading, up to the next."""
    return PAGE.partition(f"# {heading}\n")[2].partition("\n#")[0].splitlines()


ROWS = [Row(*cells(line)) for line in PAGE.splitlines() if re.match(r"\| \d+\.\d+\.\d+ \|", line)]


@cache
def claims_of(path: str) -> frozenset[str]:
    """Its tests; none if there is no such file."""
    file = TESTS / path
    return frozenset(_named(ast.parse(file.read_text()))) if file.is_file() else frozenset()


def _named(parent: ast.Module | ast.ClassDef) -> Iterator[str]:
    for child in parent.body:
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef) and child.name.startswith("test_"):
            yield child.name
        elif isinstance(child, ast.ClassDef) and child.name.startswith("Test"):
            yield from (f"{child.name}::{name}" for name in _named(child))


def test_every_requirement_is_answered_once_and_at_its_level() -> None:
    asked = [(f"{section}.{n}", level) for section, levels in LEVELS.items() for n, level in enumerate(levels, start=1)]
    assert [(row.id, row.level) for row in ROWS] == asked
    chapters = Counter(id.partition(".")[0] for id, _ in asked)
    assert chapters == {"4": 16, "5": 13, "6": 47, "7": 19, "8": 13, "9": 7, "10": 36}


def test_every_answer_is_a_test_or_a_reason_and_every_gist_is_short() -> None:
    assert [row for row in ROWS if not row.verdict] == []
    assert [row for row in ROWS if not 3 <= len(row.gist.split()) <= 12] == []
    assert [row for row in ROWS if row.verdict == "not claimed" and row.level != "3"] == []


def test_every_test_that_it_names_exists() -> None:
    named = TEST_ID.findall(PAGE)
    assert len(named) > 100
    assert PAGE.count(".py::") == len(named), "an id that is not written as one would go unseen"
    assert (
        sorted({f"{path}::{test}" for path, test in named if not (TESTS / path).is_file() or test not in claims_of(path)}) == []
    )


def test_what_it_points_to_on_itself_is_there() -> None:
    headings = {heading.lower().replace(" ", "-") for heading in re.findall(r"(?m)^#+ (.+)$", PAGE)}
    assert set(re.findall(r"\]\(#([^)]+)\)", PAGE)) <= headings
    assert all("](#" in row.answer for row in ROWS if row.verdict == "documented")


def test_its_counts_are_those_of_its_rows() -> None:
    head, _, *told = [cells(line) for line in PAGE.splitlines() if line.startswith("| ") and len(cells(line)) == 2 + len(WORDS)]
    assert head == ["chapter", BY_TEST, *WORDS]
    seen = Counter((row.id.partition(".")[0], row.verdict) for row in ROWS)
    chapters = dict.fromkeys(row.id.partition(".")[0] for row in ROWS)
    rows = [[chapter, *(str(seen[chapter, word]) for word in head[1:])] for chapter in chapters]
    assert told == [*rows, ["all", *(str(sum(row.verdict == word for row in ROWS)) for word in head[1:])]]


@pytest.mark.parametrize(("heading", "verdict"), LEFT_OPEN.items())
def test_what_is_left_open_is_listed_at_its_end(heading: str, verdict: str) -> None:
    listed = [line.removeprefix("- ").partition(":")[0] for line in under(heading) if line.startswith("- ")]
    assert listed == [row.id for row in ROWS if row.verdict == verdict]


def test_its_numbers_are_those_of_the_code() -> None:
    rules, known = SessionRules(), {field.name: field.default for field in (*fields(Authenticate), *fields(Settings))}
    assert [cells(line) for line in under("What we decided") if line.startswith("| ")][2:] == [
        ["a session that nobody uses ends after", f"{rules.idle.days} days"],
        ["a session ends in any case after", f"{rules.absolute.days} days"],
        ["a fresh sign-in is younger than", f"{rules.fresh.seconds // 60} minutes"],
        ["a sign-in that was begun must end within", f"{SECONDS // 60} minutes"],
        ["sessions of one account at once", str(LIMITS["sessions"])],
        ["API keys of one account at once", str(LIMITS["keys"])],
        ["a known API key is not looked up again for", f"{known['seconds']:.0f} second"],
        ["a signed link lives at most", f"{LIMITS['link_seconds'] // 60} minutes"],
        ["an invitation is good for", f"{INVITATION_DAYS} days"],
        ["bytes of an upload", str(LIMITS["upload_bytes"])],
        ["bytes of a mask", str(LIMITS["mask_bytes"])],
        ["pixels of an upload", str(LIMITS["upload_pixels"])],
        ["pixels of its longer side", str(LIMITS["upload_side"])],
        ["pictures in one file", str(LIMITS["upload_frames"])],
        ["memory of a process that decodes it", f"{known['picture_memory_mb']} MB"],
    ]
    settled = {"session_idle_seconds": rules.idle, "session_seconds": rules.absolute, "fresh_seconds": rules.fresh}
    assert {name: known[name] for name in settled} == {name: span.total_seconds() for name, span in settled.items()}
