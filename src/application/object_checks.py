"""Whether each row's object is there and is what the row says."""

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum

from application.digests import sha256_of
from application.object_rows import ObjectRows, SpokenObject, Walk
from application.ports import ObjectMissing, ObjectStorage
from application.store import Store
from domain.objects import ObjectKey

AT_ONCE = 16
HASHED_AT_ONCE = 2
"""A picture each is in memory."""


class Fault(StrEnum):
    MISSING = "missing"
    OTHER_SIZE = "other_size"
    OTHER_CONTENT = "other_content"


@dataclass(frozen=True, slots=True)
class Wrong:
    """A row and its object disagree."""

    key: ObjectKey
    fault: Fault


@dataclass(frozen=True, slots=True)
class CheckObjects:
    """Compare rows with their objects. Nothing is locked: what seems wrong is asked for again, as it may have been deleted
    by then."""

    rows: ObjectRows
    storage: ObjectStorage

    async def __call__(self, found: Sequence[SpokenObject], *, hashes: bool = False) -> Sequence[Wrong]:
        """With `hashes`, what is said of a content is compared with the content itself."""
        by_owner = defaultdict[str, list[SpokenObject]](list)
        for each in found:
            by_owner[each.key.of_owner].append(each)
        places = asyncio.Semaphore(AT_ONCE)

        async def of_owner(prefix: str, spoken: list[SpokenObject]) -> list[Wrong]:
            async with places:
                return await self._compare(prefix, spoken)

        wrong = [each for seen in await asyncio.gather(*(of_owner(*each) for each in by_owner.items())) for each in seen]
        if hashes:
            known = {each.key for each in wrong}
            wrong += await self._hashed([each for each in found if each.sha256 and each.key not in known])
        still = await self.rows.spoken_of([each.key for each in wrong]) if wrong else ()
        return [each for each in wrong if each.key in still]

    async def _compare(self, prefix: str, spoken: Sequence[SpokenObject]) -> list[Wrong]:
        there = {stored.key: stored.bytes async for stored in self.storage.list(prefix)}
        missing = [Wrong(each.key, Fault.MISSING) for each in spoken if each.key not in there]
        sizes = [each for each in spoken if each.bytes is not None and there.get(each.key, each.bytes) != each.bytes]
        return [*missing, *(Wrong(each.key, Fault.OTHER_SIZE) for each in sizes)]

    async def _hashed(self, spoken: Sequence[SpokenObject]) -> list[Wrong]:
        places, wrong = asyncio.Semaphore(HASHED_AT_ONCE), list[Wrong]()

        async def compare(each: SpokenObject) -> None:
            async with places:
                try:
                    content = await self.storage.get(each.key)
                    seen = await sha256_of(content)
                except ObjectMissing:
                    wrong.append(Wrong(each.key, Fault.MISSING))
                    return
            if seen != each.sha256:
                wrong.append(Wrong(each.key, Fault.OTHER_CONTENT))

        await asyncio.gather(*map(compare, spoken))
        return wrong


@dataclass(frozen=True, slots=True)
class VerifyObjects:
    """Walk through every row that speaks of an object; memory is that of one batch."""

    rows: ObjectRows
    check: CheckObjects
    batch: int = 500

    async def __call__(self, *, hashes: bool = False, told: Callable[[int], None] = lambda _: None) -> AsyncIterator[Wrong]:
        """What is wrong, as it is found; `told` how many rows were looked at each time."""
        for walk in Walk:
            after, last = "", self.batch
            while last == self.batch:
                found = await self.rows.walk(walk, after, self.batch)
                for each in await self.check(found, hashes=hashes):
                    yield each
                last, after = len(found), found[-1].place if found else after
                told(last)


@dataclass(frozen=True, slots=True)
class _Round:
    """Where a round through all rows is. `wrong` so far; `before`: in the round before it."""

    walk: Walk = Walk.PICTURES
    after: str = ""
    wrong: int = 0
    before: int = 0

    def written(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def read(cls, text: str | None) -> "_Round":
        said = json.loads(text) if text else {}
        return cls(**said | {"walk": Walk(said["walk"])}) if said else cls()

    def goes_on(self, found: Sequence[SpokenObject], limit: int, wrong: int) -> "_Round":
        now = replace(self, wrong=self.wrong + wrong)
        if len(found) == limit:
            return replace(now, after=found[-1].place)
        walks = tuple(Walk)
        if self.walk is walks[-1]:
            return _Round(before=now.wrong)
        return replace(now, walk=walks[walks.index(self.walk) + 1], after="")


@dataclass(frozen=True, slots=True)
class SampleObjects:
    """A slice of all rows each time, one after the other, round and round: so that an object which is gone is noticed without
    anybody asking for it."""

    NAME = "objects"

    store: Store
    rows: ObjectRows
    check: CheckObjects
    batch: int = 1_000

    async def __call__(self) -> tuple[Sequence[Wrong], int]:
        """What is wrong in this slice; and how many are in this round or, if they were more, in the last."""
        async with self.store.transaction() as tx:
            at = _Round.read(await tx.turns.place(self.NAME))
        found = await self.rows.walk(at.walk, at.after, self.batch)
        wrong = await self.check(found)
        then = at.goes_on(found, self.batch, len(wrong))
        async with self.store.transaction() as tx:
            await tx.turns.move(self.NAME, then.written())
        return wrong, max(then.wrong, then.before)
