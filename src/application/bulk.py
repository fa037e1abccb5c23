"""Acts on many generations at once, in short transactions."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from application.archives import RequestArchive
from application.collecting import Once, collect
from application.generations import DeleteGeneration
from application.library import LibraryQueries, LibraryStore, LibraryTransaction
from application.queries import GenerationFilter
from domain.accounts import Caller
from domain.archives import Archive, ArchiveId
from domain.bulk import BulkAction, BulkOutcome, check_act, must_be_all, outcome_of
from domain.errors import AssetInUse, LimitExceeded, NotFinished, NotFound
from domain.generations import GenerationId
from domain.library import CollectionId
from domain.limits import LIMITS
from domain.media import AssetId

Outcomes = Mapping[GenerationId, BulkOutcome]
PURGED_AT_ONCE = 4


@dataclass(frozen=True, slots=True)
class ManyDone:
    """`archive`: its id, and itself if it was made just now."""

    outcomes: Outcomes
    archive: tuple[ArchiveId, Archive | None] | None = None


@dataclass(frozen=True, slots=True)
class ActOnMany:
    """`batch` rows are locked at a time, for as long as one statement takes. What one request does not reach in `seconds` is left
    as it was, and said."""

    store: LibraryStore
    library: LibraryQueries
    dispose: DeleteGeneration
    pack: RequestArchive
    batch: int = 500
    seconds: float = 18.0
    looks: float = 8.0
    """Seconds to find what matches."""
    clock: Callable[[], float] = time.monotonic

    async def __call__(
        self,
        caller: Caller,
        action: BulkAction,
        generations: Sequence[GenerationId] | GenerationFilter,
        *,
        collection: CollectionId | None = None,
        atomic: bool = False,
        once: Once = None,
    ) -> ManyDone:
        """The generations that are named, or all that match. `atomic`: all of them or none, at most a batch. `once` counts for
        an archive.

        Raises InvalidRequest, NotFound (the collection), LimitExceeded, and if `atomic` NotAllPossible; for an archive
        TooManyArchives and IdempotencyMismatch.
        """
        check_act(action, collection, atomic=atomic)
        if isinstance(generations, GenerationFilter):
            generations = await self._matching(caller, generations)
        named = list(dict.fromkeys(generations))
        if atomic and len(named) > self.batch:
            raise LimitExceeded("so many cannot be changed at one moment", field="atomic", limit=self.batch)
        if action is BulkAction.ARCHIVE:
            return await self._archive(caller, named, once, atomic=atomic)
        until, outcomes = self.clock() + self.seconds, dict[GenerationId, BulkOutcome]()
        size = PURGED_AT_ONCE if action is BulkAction.PURGE else self.batch
        for start in range(0, len(named), size):
            some = named[start : start + size]
            if self.clock() > until:
                outcomes |= dict.fromkeys(some, BulkOutcome.NOT_REACHED)
            elif action is BulkAction.PURGE:
                outcomes |= zip(some, await asyncio.gather(*(self._purge(caller, each) for each in some)), strict=True)
            else:
                outcomes |= await self._act(caller, action, some, collection, atomic=atomic)
        return ManyDone(outcomes)

    async def _matching(self, caller: Caller, matching: GenerationFilter) -> Sequence[GenerationId]:
        """Raises LimitExceeded, also for a search that looks through more than there is time for."""
        found, after, until, most = list[GenerationId](), None, self.clock() + self.looks, LIMITS["bulk_matches"]
        while True:
            page, after = await self.library.matching(caller.account_id, caller.mode, matching, after, self.batch)
            found += page
            if len(found) > most:
                raise LimitExceeded(f"more than {most:,} match; narrow the filter", field="filter", limit=most)
            if not after:
                return found
            if self.clock() > until:
                raise LimitExceeded("too many are to be looked through; narrow the filter", field="filter", limit=most)

    async def _act(
        self, caller: Caller, action: BulkAction, some: Sequence[GenerationId], collection: CollectionId | None, *, atomic: bool
    ) -> Outcomes:
        async with self.store.transaction() as tx:
            found = {each.id: each for each in await tx.shelf.lock(some, caller.account_id, caller.mode)}
            outcomes = {each: outcome_of(action, found.get(each)) for each in some}
            if atomic:
                must_be_all(outcomes)
            possible = [each for each, outcome in outcomes.items() if outcome is BulkOutcome.DONE]
            try:
                await _do(tx, caller, action, possible, collection)
            except LimitExceeded:
                if atomic:
                    raise
                outcomes |= dict.fromkeys(possible, BulkOutcome.COLLECTION_FULL)
        return outcomes

    async def _purge(self, caller: Caller, generation: GenerationId) -> BulkOutcome:
        try:
            await self.dispose(caller, generation, purge=True)
        except NotFound:
            return BulkOutcome.NOT_FOUND
        except NotFinished:
            return BulkOutcome.NOT_FINISHED
        except AssetInUse:
            return BulkOutcome.IN_USE
        return BulkOutcome.DONE

    async def _archive(self, caller: Caller, named: Sequence[GenerationId], once: Once, *, atomic: bool) -> ManyDone:
        async with self.store.transaction() as tx:
            found = {each.id: each for each in await tx.shelf.find(named, caller.account_id, caller.mode)}
            outcomes = {each: outcome_of(BulkAction.ARCHIVE, found.get(each)) for each in named}
            # What was possible when the key was new may no longer be: a repeat is answered with the same archive all the same.
            is_repeat = once is not None and await tx.remembered(once[0]) is not None
            if atomic and not is_repeat:
                must_be_all(outcomes)
            possible = [each for each, outcome in outcomes.items() if outcome is BulkOutcome.DONE]
            pictures: Sequence[AssetId] = await tx.shelf.pictures(possible, LIMITS["archive_assets"] + 1)
        if len(pictures) > LIMITS["archive_assets"] and not is_repeat:
            raise LimitExceeded("an archive holds so many pictures at most", field="action", limit=LIMITS["archive_assets"])
        return ManyDone(outcomes, await self.pack(caller, pictures, once) if pictures or is_repeat else None)


async def _do(
    tx: LibraryTransaction,
    caller: Caller,
    action: BulkAction,
    generations: Sequence[GenerationId],
    collection_id: CollectionId | None,
) -> None:
    """Raises NotFound, LimitExceeded."""
    if action in (BulkAction.FAVOURITE, BulkAction.UNFAVOURITE):
        await tx.shelf.mark(generations, favourite=action is BulkAction.FAVOURITE)
    elif action in (BulkAction.TRASH, BulkAction.RESTORE):
        await tx.shelf.trash(generations, await tx.now() if action is BulkAction.TRASH else None)
    elif collection_id:
        collection = await tx.collections.lock(collection_id, caller.account_id, caller.mode)
        if action is BulkAction.ADD:
            await collect(tx, collection, generations)
        else:
            collection.let_go(await tx.collections.take_out(collection_id, generations))
            tx.collections.save(collection)
