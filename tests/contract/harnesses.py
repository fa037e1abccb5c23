"""The stores that must keep the same promises, and how a test reaches each of them.

**A new store joins here**: write an async context manager that yields a StoreHarness over an *empty* store, and put it into
`each_store` under its name. Every test with the fixture `harness` then runs on it too. Ten transactions must be able to be
open at once.
"""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol

import pytest

from adapters.memory import MemoryEventQueries, MemoryObjectRows, MemoryProvenanceQueries, MemoryQueries, MemoryStore
from application.events import Changes, EventQueries
from application.object_rows import ObjectRows
from application.provenance import ProvenanceQueries
from application.queries import Queries
from application.store import Store
from tests.contract.postgres_harness import on_postgres


class StoreHarness(Protocol):
    """A store under test. Its clock may run by itself, as a database's does: tests read it by `tx.now()` and never expect it to
    stand still."""

    @property
    def store(self) -> Store: ...

    @property
    def queries(self) -> Queries: ...

    @property
    def object_rows(self) -> ObjectRows: ...

    @property
    def provenance(self) -> ProvenanceQueries: ...

    @property
    def events(self) -> EventQueries: ...

    def listening(self) -> AbstractAsyncContextManager[Changes]:
        """What is committed while this block lasts is heard."""

    async def advance(self, seconds: float) -> None:
        """Move the store's clock forward by at least that much."""

    async def alive(self, owner: int) -> None:
        """A process holds this advisory lock from now on."""

    async def die(self, owner: int) -> None:
        """That process is gone, and its lock with it."""


@dataclass(slots=True)
class Clock:
    """The database's clock in memory: it stands still until it is moved."""

    now: datetime = datetime(2030, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@dataclass(slots=True)
class MemoryHarness:
    clock: Clock = field(default_factory=Clock)
    store: MemoryStore = field(init=False)
    queries: MemoryQueries = field(init=False)
    object_rows: MemoryObjectRows = field(init=False)
    provenance: MemoryProvenanceQueries = field(init=False)
    events: MemoryEventQueries = field(init=False)

    def __post_init__(self) -> None:
        self.store = MemoryStore(self.clock)
        self.queries = MemoryQueries(self.store)
        self.object_rows = MemoryObjectRows(self.queries)
        self.provenance = MemoryProvenanceQueries(self.store)
        self.events = MemoryEventQueries(self.store)

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[Changes]:
        yield self.store.changes

    async def advance(self, seconds: float) -> None:
        self.clock.advance(seconds)

    async def alive(self, owner: int) -> None:
        self.store.alive(owner)

    async def die(self, owner: int) -> None:
        self.store.die(owner)


@pytest.fixture(name="harness", params=["memory", "postgres"])
async def each_store(request: pytest.FixtureRequest) -> AsyncIterator[StoreHarness]:
    if request.param == "memory":
        yield MemoryHarness()
    else:
        async with on_postgres(request.getfixturevalue("database_url")) as harness:
            yield harness
