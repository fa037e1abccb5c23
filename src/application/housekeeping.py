"""What is done for the generations, objects and ways in that everyone forgot."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from application.access import AccessStore, AccessTransaction
from application.generations import erase_bytes, erase_rows, resolve_hold
from application.ports import ObjectMissing, ObjectStorage, StorageUnavailable, StoredObject
from application.queries import Queries
from application.store import Store, StoreUnavailable
from domain.attempts import BrokenManifest, Manifest
from domain.errors import AssetInUse, NotFound
from domain.events import EVENTS_KEPT
from domain.generations import GenerationId, Next
from domain.joining import JOINABLE
from domain.objects import ObjectClass, ObjectKey
from domain.registration import TRIAL_KEPT
from domain.sessions import SessionRules

TRASH = timedelta(days=7)
KEYS_KEPT = timedelta(hours=24)
REMNANTS_KEPT = timedelta(hours=24)
"""No put takes that long."""


@dataclass(frozen=True, slots=True)
class KeepHouse:
    """End what has waited too long, wake what nobody will wake, empty the trash. Any number may run at once."""

    store: Store
    storage: ObjectStorage
    batch: int = 100

    async def __call__(self) -> Mapping[str, int]:
        """How many tokens were missing, how many keys, events and undelivered requests were forgotten, how many generations were
        expired and purged, and at how many it failed: one that cannot be dealt with does not keep the others waiting."""
        async with self.store.transaction() as tx:
            woken = await tx.wakeups.top_up(await tx.now())
        async with self.store.transaction() as tx:
            now = await tx.now()
            forgotten = await tx.forget(now - KEYS_KEPT)
            told = await tx.events.forget(now - EVENTS_KEPT, self.batch * 10)
            undelivered = await tx.undelivered.forget(now - JOINABLE, self.batch * 10)
            overdue = await tx.generations.past_deadline(now, self.batch)
            old = await tx.generations.trashed_before(now - TRASH, self.batch)
        expired = [await self._attend(self._expire, generation_id) for generation_id in overdue]
        purged = [await self._attend(self._purge, generation_id) for generation_id in old]
        failed = [*expired, *purged].count(None)
        counts = {"expired": expired.count(True), "purged": purged.count(True), "failed": failed}
        counts |= {"woken": woken, "keys_forgotten": forgotten, "events_forgotten": told}
        return counts | {"undelivered_forgotten": undelivered}

    async def _attend(self, act: Callable[[GenerationId], Awaitable[bool]], generation_id: GenerationId) -> bool | None:
        try:
            return await act(generation_id)
        except (StoreUnavailable, StorageUnavailable):
            raise
        except Exception:
            return None

    async def _expire(self, generation_id: GenerationId) -> bool:
        async with self.store.transaction() as tx:
            generation = await tx.generations.lock(generation_id)
            if generation.expire(await tx.now()) is not Next.ENDED:
                return False
            await resolve_hold(tx, generation)
            tx.generations.save(generation)
            return True

    async def _purge(self, generation_id: GenerationId) -> bool:
        """Left for a later round while an unfinished edit needs one of its pictures, and for good if its owner has taken it out
        of the trash since it was looked for there."""
        try:
            async with self.store.transaction() as tx:
                generation = await tx.generations.lock(generation_id)
                if not generation.trashed_at or generation.trashed_at >= await tx.now() - TRASH:
                    return False
                copies = await erase_rows(tx, generation)
                tx.generations.save(generation)
        except AssetInUse:
            return False
        await erase_bytes(self.storage, generation, copies)
        return True


@dataclass(frozen=True, slots=True)
class SweepObjects:
    """Delete bytes that no row speaks of, once nothing can speak of them any more by the rule of their class, and what never
    became an object.

    Runs for ever: a put that comes late is found by the next sweep, and written down as our loss.
    """

    store: Store
    storage: ObjectStorage
    queries: Queries
    batch: int = 500

    async def __call__(self) -> int:
        """How many objects were deleted."""
        async with self.store.transaction() as tx:
            now = await tx.now()
        await self.storage.clear_remnants(now - REMNANTS_KEPT)
        swept = 0
        async for found in self.orphans():
            await self.delete(found)
            swept += len(found)
        return swept

    async def orphans(self) -> AsyncIterator[Sequence[StoredObject]]:
        """Those that are to go, as they are found, some at a time; nothing is deleted."""
        batch = list[StoredObject]()
        async for found in self.storage.list(""):
            batch.append(found)
            if len(batch) == self.batch:
                yield await self._orphans_of(batch)
                batch = []
        yield await self._orphans_of(batch)

    async def _orphans_of(self, found: Sequence[StoredObject]) -> Sequence[StoredObject]:
        keys = set(await self.queries.orphans(found))
        return [each for each in found if each.key in keys]

    async def delete(self, orphans: Sequence[StoredObject]) -> None:
        for each in orphans:
            if each.key.object_class is ObjectClass.OUTPUTS:
                await self._book_loss(each.key)
            await self.storage.delete(each.key)

    async def _book_loss(self, key: ObjectKey) -> None:
        """Bytes that came after the end were paid by us: their attempt says so, before what tells of it is deleted."""
        try:
            manifest = Manifest.read(await self.storage.get(key)) if key.is_manifest else None
        except ObjectMissing:
            return
        except BrokenManifest:
            manifest = None
        with suppress(NotFound):
            async with self.store.transaction() as tx:
                generation = await tx.generations.lock(GenerationId(key.owner))
                if generation.note_loss(int(key.path[0]), manifest, await tx.now()):
                    tx.generations.save(generation)


@dataclass(frozen=True, slots=True)
class ForgetAccess:
    """Remove sessions that ended by themselves, invitations that are good no longer, and who had trial credits long ago. Any
    number may run at once."""

    store: AccessStore
    rules: SessionRules
    batch: int = 1_000

    async def __call__(self) -> Mapping[str, int]:
        """How many of each were removed."""
        return {
            "sessions_forgotten": await self._all(self._sessions),
            "invitations_forgotten": await self._all(lambda tx, now: tx.invitations.forget(now, self.batch)),
            "trials_forgotten": await self._all(lambda tx, now: tx.trials.forget(now - TRIAL_KEPT, self.batch)),
        }

    async def _sessions(self, tx: AccessTransaction, now: datetime) -> int:
        return await tx.sessions.end_older(now - self.rules.absolute, now - self.rules.idle, self.batch)

    async def _all(self, forget: Callable[[AccessTransaction, datetime], Awaitable[int]]) -> int:
        forgotten = 0
        while True:
            async with self.store.transaction() as tx:
                last = await forget(tx, await tx.now())
            forgotten += last
            if last < self.batch:
                return forgotten
