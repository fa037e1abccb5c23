"""Keeping the audit chain honest: heads of it are signed and kept outside the database, and it is checked against them."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Protocol

from application.ports import ObjectStorage, Signer, StoredObject
from application.store import Store
from domain.audit_chain import BrokenHead, Head, Link, Tip
from domain.audit_check import ChainCheck, ChainFinding, Flaw
from domain.objects import ObjectKey

_AT_A_TIME = 50


class AuditSigner(Signer, Protocol):
    """Signs the heads of the audit chain."""


@dataclass(frozen=True, slots=True)
class UnreadableRecord:
    """A row that holds what no record of ours can hold."""


class AuditTrail(Protocol):
    """The audit records as they are written, for whoever checks them. Takes no locks and changes nothing."""

    async def tip(self) -> Tip | None:
        """Where the chain ends."""
        ...

    async def tips(self, since: date | None) -> Sequence[Tip]:
        """Where each day's chain ends, the oldest day first; from that day on, or of all."""
        ...

    def links(self) -> AsyncIterator[Link | UnreadableRecord]:
        """All of it at one instant, by day and number; what cannot be read comes anywhere."""
        ...

    async def newest(self, limit: int, day: date | None = None) -> Sequence[Link]:
        """The newest first; of that day alone, if one is named."""
        ...


@dataclass(frozen=True, slots=True)
class SignHeads:
    """Sign where the chain ends and put that outside the database: at once when a day has ended or a new one has its first
    record, else no more often than `every`, and never twice the same. Any number may run at once."""

    store: Store
    trail: AuditTrail
    storage: ObjectStorage
    signer: AuditSigner
    every: timedelta

    async def __call__(self) -> Mapping[str, int]:
        """How many heads were signed."""
        tip = await self.trail.tip()
        if not tip:
            return {"heads": 0}
        async with self.store.transaction() as tx:
            now = await tx.now()
        known = await self._keys(tip.day)
        if ObjectKey.audit_head(tip.day, tip.number, tip.hash) in known:
            return {"heads": 0}
        if known and tip.day == now.date() and await self._is_young(max(known), now):
            return {"heads": 0}
        # A day that another has followed never grows, and heads are put in the order of their days: where the last day has one,
        # the days before it have theirs.
        since = tip.day if known else None
        known = known or await self._keys(None)
        signed = 0
        for each in await self.trail.tips(since):
            head = Head.signed(each, now, self.signer.sign)
            if head.key not in known:
                signed += await self.storage.put_new(head.key, head.write(), "application/json")
        return {"heads": signed}

    async def _keys(self, day: date | None) -> frozenset[ObjectKey]:
        return frozenset([each.key async for each in self.storage.list(ObjectKey.audit_heads(day))])

    async def _is_young(self, key: ObjectKey, now: datetime) -> bool:
        """Whether this head of ours is younger than `every`."""
        try:
            head = Head.read(await self.storage.get(key))
        except BrokenHead:
            return False
        return self.signer.verify(head.kid, head.message, head.signature) and now < head.signed_at + self.every


@dataclass(frozen=True, slots=True)
class ChainReport:
    """`records` and `heads`: how many were examined. `unsigned`: records that no head speaks of yet. `cut`: a defect repeats more
    often than is told."""

    records: int
    heads: int
    unsigned: int
    findings: Sequence[ChainFinding]
    cut: bool

    @property
    def is_clean(self) -> bool:
        return not self.findings


@dataclass(frozen=True, slots=True)
class VerifyAudit:
    """Recompute the whole chain, and compare it with every head that was ever signed."""

    store: Store
    trail: AuditTrail
    storage: ObjectStorage
    signer: AuditSigner

    async def __call__(self) -> ChainReport:
        """Raises StoreUnavailable, or StorageUnavailable."""
        # The heads first: records only become more, so that whatever was signed by now must be among those read after it.
        heads, broken = await self._heads()
        async with self.store.transaction() as tx:
            now = await tx.now()
        check, records, links = ChainCheck(_by_day(heads), now), 0, list[Link]()
        for finding in broken:
            check.find(finding)
        async for link in self.trail.links():
            records += 1
            if isinstance(link, UnreadableRecord):
                check.find(ChainFinding(Flaw.UNREADABLE, None, None, "a row holds what no record of ours can hold"))
                continue
            if links and links[0].day != link.day:
                check.day(links[0].day, links)
                links = []
            links.append(link)
        if links:
            check.day(links[0].day, links)
        check.end()
        return ChainReport(records, len(heads), check.unsigned, check.findings, check.cut)

    async def _heads(self) -> tuple[list[Head], list[ChainFinding]]:
        """Those that are ours, and what is wrong with the others."""
        stored = [each async for each in self.storage.list(ObjectKey.audit_heads())]
        read = list[Head | ChainFinding]()
        for first in range(0, len(stored), _AT_A_TIME):
            read += await asyncio.gather(*(self._read(each) for each in stored[first : first + _AT_A_TIME]))
        heads = [each for each in read if isinstance(each, Head)]
        return heads, [each for each in read if isinstance(each, ChainFinding)]

    async def _read(self, stored: StoredObject) -> Head | ChainFinding:
        try:
            head = Head.read(await self.storage.get(stored.key))
        except BrokenHead:
            return ChainFinding(Flaw.HEAD_INVALID, None, None, f"{stored.key} is no head")
        if head.key != stored.key:
            return ChainFinding(Flaw.HEAD_INVALID, head.day, head.count, f"{stored.key} is the place of another head")
        if not self.signer.verify(head.kid, head.message, head.signature):
            says = f"the signature of {stored.key} is not by a key of ours"
            return ChainFinding(Flaw.HEAD_INVALID, head.day, head.count, says)
        return head


def _by_day(heads: Sequence[Head]) -> Mapping[date, Sequence[Head]]:
    days: dict[date, list[Head]] = {}
    for head in heads:
        days.setdefault(head.day, []).append(head)
    return days
