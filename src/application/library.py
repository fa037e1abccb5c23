"""What the store keeps of the library: collections, and what lies in them."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from application.collected import Collected
from application.queries import GenerationFilter, Position
from application.store import Transaction
from domain.accounts import AccountId, Mode
from domain.bulk import Shelved
from domain.generations import Generation, GenerationId
from domain.library import Collection, CollectionId
from domain.media import Asset, AssetId
from domain.statistics import Days, Statistics


class Collections(Collected, Protocol):
    """Collections with their items. Items change only under the lock of their collection."""

    def add(self, collection: Collection) -> None:
        """Written before the transaction ends."""

    async def count(self, account: AccountId, mode: Mode) -> int:
        """How many there are. Steady while the account is locked."""
        ...

    async def lock(self, collection: CollectionId, account: AccountId, mode: Mode) -> Collection:
        """Others who lock it wait until this transaction ends. Of several the smallest id is locked first. Raises NotFound if it
        is missing, or not this account's in this mode."""
        ...

    def save(self, collection: Collection) -> None: ...

    async def remove(self, collection: CollectionId) -> None:
        """By whoever has emptied it."""

    async def inside(self, collection: CollectionId, generations: Sequence[GenerationId]) -> Mapping[GenerationId, int]:
        """The places of those that lie in it."""
        ...

    async def put(self, collection: CollectionId, places: Mapping[GenerationId, int]) -> None:
        """Each comes in, or moves, to this place."""

    async def take_out(self, collection: CollectionId, generations: Sequence[GenerationId]) -> Sequence[GenerationId]:
        """Those of them that lay in it."""
        ...

    async def empty(self, collection: CollectionId, limit: int) -> Sequence[GenerationId]:
        """Take so many out, at most, whichever; answers which."""
        ...

    async def following(
        self, collection: CollectionId, place: int | None, limit: int, but: GenerationId
    ) -> Sequence[tuple[GenerationId, int]]:
        """The next ones behind this place (None: the first ones), in order, without that one."""
        ...


class Shelf(Protocol):
    """Many of an account's generations at once."""

    async def lock(self, generations: Sequence[GenerationId], account: AccountId, mode: Mode) -> Sequence[Shelved]:
        """Those of them that are this account's in this mode and not erased, by their ids; nobody else changes them until this
        transaction ends."""
        ...

    async def find(self, generations: Sequence[GenerationId], account: AccountId, mode: Mode) -> Sequence[Shelved]:
        """The same without locks, in any order."""
        ...

    async def pictures(self, generations: Sequence[GenerationId], limit: int) -> Sequence[AssetId]:
        """So many of theirs at most. No locks."""
        ...

    async def mark(self, generations: Sequence[GenerationId], *, favourite: bool) -> None: ...

    async def trash(self, generations: Sequence[GenerationId], at: datetime | None) -> None:
        """Into the trash, unless they lie there already; None: out of it."""


class LibraryTransaction(Transaction, Protocol):
    """Lock order: as in `Transaction`; generations by their ids, and then collections, by theirs."""

    @property
    def shelf(self) -> Shelf: ...

    @property
    def collections(self) -> Collections: ...


class LibraryStore(Protocol):
    """The same system of record as `Store`, with collections."""

    def transaction(self) -> AbstractAsyncContextManager[LibraryTransaction]:
        """As in `Store`."""
        ...


@dataclass(frozen=True, slots=True)
class CollectionRow:
    """`picture`: of its cover, or else of the first of its items that has one; None if neither has, nor any of the first few."""

    collection: Collection
    picture: Asset | None


@dataclass(frozen=True, slots=True)
class ItemRow:
    place: int
    generation: Generation
    assets: Sequence[Asset]


class LibraryQueries(Protocol):
    async def matching(
        self, account: AccountId, mode: Mode, matching: GenerationFilter, after: Position | None, limit: int
    ) -> tuple[Sequence[GenerationId], Position | None]:
        """As a page of `Queries.generations`, but no more than ids, and where the next page begins."""
        ...

    async def collections(
        self, account: AccountId, mode: Mode, holding: GenerationId | None, after: Position | None, limit: int
    ) -> Sequence[CollectionRow]:
        """Newest first; only those that hold this generation, if one is named."""
        ...

    async def collection(self, collection: CollectionId, account: AccountId, mode: Mode) -> CollectionRow:
        """Raises NotFound."""
        ...

    async def items(
        self, collection: CollectionId, account: AccountId, mode: Mode, after: tuple[int, GenerationId] | None, limit: int
    ) -> Sequence[ItemRow]:
        """In their owner's order, without the trash. Raises NotFound."""
        ...


class StatisticsQueries(Protocol):
    async def __call__(self, account: AccountId, mode: Mode, asked: Days) -> Statistics:
        """Of what was delivered in these days, what has been erased since included."""
        ...
