"""What an account can do with its library: mark a generation, label it, and keep it in collections."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from uuid import UUID

from application.library import LibraryStore, LibraryTransaction
from application.ports import NewId
from application.store import IdempotencyKey, Remembered, Store
from domain import limits
from domain.accounts import Caller
from domain.errors import IdempotencyMismatch, InvalidRequest
from domain.generations import GenerationId
from domain.library import Collection, CollectionId, check_name, spread

Once = tuple[IdempotencyKey, str] | None
"""The caller's key for a request, and the fingerprint of its body."""
WINDOWS = (0, 16, 256, 4_096, limits.LIMITS["collection_items"])
"""So many behind the one that moves are spread anew with it, where no place is left between its neighbours; so many as to write a
lot only after as many moves to one spot."""


class Where(Enum):
    """A place in a collection that no other item names."""

    FIRST = "first"
    LAST = "last"  # one that is in already stays where it is


@dataclass(frozen=True, slots=True)
class ChangeGeneration:
    store: LibraryStore

    async def __call__(
        self,
        caller: Caller,
        generation_id: GenerationId,
        *,
        favourite: bool | None = None,
        metadata: Mapping[str, str] | None = None,
        add: Sequence[CollectionId] = (),
        remove: Sequence[CollectionId] = (),
    ) -> None:
        """What is None stays; metadata is replaced whole. All or nothing.

        Raises NotFound, InvalidRequest, InvalidText, CardNumberRefused, LimitExceeded.
        """
        labels = None if metadata is None else limits.metadata(metadata)
        if both := {*add} & {*remove}:
            raise InvalidRequest("a collection is named twice", field="collections", collection=str(min(both)))
        async with self.store.transaction() as tx:
            generation = await tx.generations.lock(generation_id, caller.account_id, caller.mode)
            if favourite is not None:
                generation.favourite = favourite
            if labels is not None:
                generation.metadata = labels
            tx.generations.save(generation)
            for id in sorted({*add, *remove}):
                collection = await tx.collections.lock(id, caller.account_id, caller.mode)
                if id in remove:
                    collection.let_go(await tx.collections.take_out(id, [generation_id]))
                    tx.collections.save(collection)
                else:
                    await collect(tx, collection, [generation_id])


async def collect(tx: LibraryTransaction, collection: Collection, generations: Sequence[GenerationId]) -> None:
    """At its end, in this order, those that are not in it; the caller holds its lock and theirs. Raises LimitExceeded."""
    inside = await tx.collections.inside(collection.id, generations)
    new = [each for each in dict.fromkeys(generations) if each not in inside]
    await tx.collections.put(collection.id, dict(zip(new, collection.take_in(len(new)), strict=True)))
    tx.collections.save(collection)


@dataclass(frozen=True, slots=True)
class RestoreGeneration:
    """Out of the trash; one that is not in it stays where it is."""

    store: Store

    async def __call__(self, caller: Caller, generation_id: GenerationId) -> None:
        """Raises NotFound."""
        async with self.store.transaction() as tx:
            generation = await tx.generations.lock(generation_id, caller.account_id, caller.mode)
            generation.trashed_at = None
            tx.generations.save(generation)


@dataclass(frozen=True, slots=True)
class MakeCollection:
    store: LibraryStore
    new_id: NewId

    async def __call__(self, caller: Caller, name: str, once: Once = None) -> CollectionId:
        """The same one for the same key. Raises InvalidText, CardNumberRefused, LimitExceeded, IdempotencyMismatch."""
        check_name(name)
        async with self.store.transaction() as tx:
            await tx.accounts.lock(caller.account_id)
            if once and (seen := await tx.remembered(once[0])):
                if seen.fingerprint != once[1]:
                    raise IdempotencyMismatch
                return CollectionId(seen.thing)
            others = await tx.collections.count(caller.account_id, caller.mode)
            id = CollectionId(self.new_id())
            tx.collections.add(Collection.named(id, caller.account_id, caller.mode, name, await tx.now(), others))
            if once:
                tx.remember(once[0], Remembered(once[1], id))
        return id


@dataclass(frozen=True, slots=True)
class ChangeCollection:
    store: LibraryStore

    async def __call__(
        self, caller: Caller, collection_id: CollectionId, *, name: str | None = None, cover: GenerationId | Where | None = None
    ) -> None:
        """What is None stays. The cover is one of its items; Where.FIRST: whichever comes first.

        Raises NotFound, InvalidText, CardNumberRefused, InvalidRequest.
        """
        async with self.store.transaction() as tx:
            collection = await tx.collections.lock(collection_id, caller.account_id, caller.mode)
            if name is not None:
                collection.name = check_name(name)
            if isinstance(cover, Where):
                collection.cover = None
            elif cover:
                if cover not in await tx.collections.inside(collection_id, [cover]):
                    raise InvalidRequest("the cover is one of the collection", field="cover")
                collection.cover = cover
            tx.collections.save(collection)


@dataclass(frozen=True, slots=True)
class RemoveCollection:
    """What is in it stays in the library. A large one is emptied some at a time: whoever is interrupted asks again."""

    store: LibraryStore
    batch: int = 1_000

    async def __call__(self, caller: Caller, collection_id: CollectionId) -> None:
        """Raises NotFound."""
        is_empty = False
        while not is_empty:
            async with self.store.transaction() as tx:
                collection = await tx.collections.lock(collection_id, caller.account_id, caller.mode)
                gone = await tx.collections.empty(collection_id, self.batch)
                collection.let_go(gone)
                is_empty = len(gone) < self.batch  # by what there was and not by the count, so that there is an end
                if is_empty:
                    await tx.collections.remove(collection_id)
                else:
                    tx.collections.save(collection)


@dataclass(frozen=True, slots=True)
class PutItem:
    """Put a generation into a collection, or elsewhere in it: behind another one, first, or last."""

    store: LibraryStore

    async def __call__(
        self,
        caller: Caller,
        collection_id: CollectionId,
        generation_id: GenerationId,
        where: GenerationId | Where = Where.LAST,
    ) -> None:
        """Raises NotFound, InvalidRequest, LimitExceeded."""
        async with self.store.transaction() as tx:
            await tx.generations.lock(generation_id, caller.account_id, caller.mode)
            collection = await tx.collections.lock(collection_id, caller.account_id, caller.mode)
            await collect(tx, collection, [generation_id])
            if where is Where.LAST:
                return
            low = None
            if isinstance(where, UUID):
                low = (await tx.collections.inside(collection_id, [where])).get(where)
                if low is None or where == generation_id:
                    raise InvalidRequest("after names another one of the collection", field="after")
            places = await self._room(tx, collection, generation_id, low)
            collection.last_place = max(collection.last_place, *places.values())
            await tx.collections.put(collection_id, places)
            tx.collections.save(collection)

    async def _room(
        self, tx: LibraryTransaction, collection: Collection, moved: GenerationId, low: int | None
    ) -> Mapping[GenerationId, int]:
        """Where it goes, with those that make room for it."""
        for window in WINDOWS:
            found = await tx.collections.following(collection.id, low, window + 1, moved)
            shifted, high = [id for id, _ in found[:window]], found[window][1] if len(found) > window else None
            if places := spread(low, 1 + len(shifted), high):
                return dict(zip((moved, *shifted), places, strict=True))
        raise AssertionError("behind the last one there is always room")


@dataclass(frozen=True, slots=True)
class TakeItemOut:
    store: LibraryStore

    async def __call__(self, caller: Caller, collection_id: CollectionId, generation_id: GenerationId) -> None:
        """One that is not in it is not in it afterwards either. Raises NotFound."""
        async with self.store.transaction() as tx:
            collection = await tx.collections.lock(collection_id, caller.account_id, caller.mode)
            collection.let_go(await tx.collections.take_out(collection_id, [generation_id]))
            tx.collections.save(collection)
