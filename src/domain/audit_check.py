"""Whether the audit records are what they were when their heads were signed."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum

from domain.audit_chain import BEGINNING, Head, Link, seal

HEAD_DUE = timedelta(hours=6)
"""After its end, by when a day's last record must stand under a head."""
MOST_TOLD = 200
_MIDNIGHT = time(23, 59, 59, 999_999)


class Flaw(StrEnum):
    """What can be wrong with the chain."""

    EDITED = "edited"
    MISSING = "missing"
    REORDERED = "reordered"
    DOUBLED = "doubled"
    UNREADABLE = "unreadable"
    TRUNCATED = "truncated"
    DAY_REMOVED = "day_removed"
    FOREIGN_HASH = "foreign_hash"
    HEAD_INVALID = "head_invalid"
    HEAD_MISSING = "head_missing"


@dataclass(frozen=True, slots=True)
class ChainFinding:
    """A flaw and its place; `day` is null for a row or a head that tells none."""

    flaw: Flaw
    day: date | None
    number: int | None
    says: str


@dataclass(slots=True)
class ChainCheck:
    """Told every day that has records, in order, then `end`. `heads` are those whose signature is good, by day; of a defect that
    repeats, no more than MOST_TOLD are told, and `cut` is true."""

    heads: Mapping[date, Sequence[Head]]
    now: datetime
    findings: list[ChainFinding] = field(default_factory=list)
    cut: bool = False
    unsigned: int = 0
    """Records that came after the last head of their day: nothing outside the database speaks of them yet."""
    _before: str | None = BEGINNING
    _told: date | None = None

    def day(self, day: date, links: Sequence[Link]) -> None:
        """Its links by number; at least one."""
        self._removed(day)
        for finding in (*_walk(day, self._before, links), *self._against_heads(day, links)):
            self.find(finding)
        cut_off = any(head.count > links[-1].number for head in self.heads.get(day, ()))
        self._before, self._told = None if cut_off else links[-1].hash, day

    def end(self) -> None:
        self._removed(date.max)

    def find(self, finding: ChainFinding) -> None:
        if len(self.findings) < MOST_TOLD:
            self.findings.append(finding)
        else:
            self.cut = True

    def _removed(self, until: date) -> None:
        """Days under heads of which nothing is left."""
        for day in sorted(self.heads):
            if (self._told is None or self._told < day) and day < until:
                most = max(head.count for head in self.heads[day])
                self.find(ChainFinding(Flaw.DAY_REMOVED, day, None, f"{most} records were signed, none is there"))
                self._before = None

    def _against_heads(self, day: date, links: Sequence[Link]) -> Iterator[ChainFinding]:
        heads, last = sorted(self.heads.get(day, ()), key=lambda head: head.count), links[-1].number
        hashes = {link.number: link.hash for link in links}
        for head in heads:
            if hashes.get(head.count, head.hash) != head.hash:
                yield ChainFinding(Flaw.FOREIGN_HASH, day, head.count, "its hash is not the one that was signed")
        signed = heads[-1].count if heads else 0
        self.unsigned += sum(link.number > signed for link in links)
        if signed > last:
            yield ChainFinding(Flaw.TRUNCATED, day, last, f"{signed} records were signed, the last that is there is {last}")
        if signed < last and self.now - HEAD_DUE > datetime.combine(day, _MIDNIGHT, UTC):
            yield ChainFinding(Flaw.HEAD_MISSING, day, last, f"no head was signed over more than {signed} records")


def _walk(day: date, before: str | None, links: Sequence[Link]) -> Iterator[ChainFinding]:
    """`before`: the hash the day follows; null where it is not known, for what follows a gap cannot be checked."""
    known, due = [before, *(link.hash for link in links)], 1
    for link in links:
        if link.number > due:
            which = f"{due}" if link.number == due + 1 else f"{due} to {link.number - 1}"
            yield ChainFinding(Flaw.MISSING, day, due, f"{which} of the day {'is' if which == str(due) else 'are'} missing")
            before = None
        elif link.number < due:
            yield ChainFinding(Flaw.DOUBLED, day, link.number, "this number is none, or another record has it")
            before = None
        if before is not None and link.hash != seal(before, day, link.record):
            if any(each and link.hash == seal(each, day, link.record) for each in known):
                yield ChainFinding(Flaw.REORDERED, day, link.number, "it followed another record when it was written")
            else:
                yield ChainFinding(Flaw.EDITED, day, link.number, "it is not what it was, or the record before it is not")
        before, due = link.hash, link.number + 1
