"""The contract's store on a real Postgres: an empty database per test, its clock moved by an offset."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection

from adapters.postgres.changes import Bell, Ear
from adapters.postgres.events import PostgresEventQueries
from adapters.postgres.objects import PostgresObjectRows
from adapters.postgres.pool import open_pool
from adapters.postgres.provenance_log import PostgresProvenanceQueries
from adapters.postgres.queries import PostgresQueries
from adapters.postgres.store import PostgresStore
from application.events import Changes, LocalChanges
from domain.generations import GenerationId


@dataclass(slots=True)
class PostgresHarness:
    url: str
    store: PostgresStore
    queries: PostgresQueries
    object_rows: PostgresObjectRows
    provenance: PostgresProvenanceQueries
    events: PostgresEventQueries
    owners: dict[int, AsyncConnection[Any]] = field(default_factory=dict)

    async def advance(self, seconds: float) -> None:
        self.store.offset += timedelta(seconds=seconds)
        self.queries.offset = self.store.offset

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[Changes]:
        changes, bell = LocalChanges(), Bell(self.url)
        self.store.tell = bell.tell
        async with bell.hung(), Ear(self.url, changes).open():
            with changes.watch(GenerationId(UUID(int=0))) as any_of_them:
                assert await any_of_them.changed(30), "nobody listens"
            yield changes

    async def alive(self, owner: int) -> None:
        connection = await AsyncConnection.connect(self.url, autocommit=True)
        await connection.execute("SELECT pg_advisory_lock(%s)", (owner,))
        self.owners[owner] = connection

    async def die(self, owner: int) -> None:
        if connection := self.owners.pop(owner, None):
            await connection.execute("SELECT pg_advisory_unlock_all()")
            await connection.close()


@asynccontextmanager
async def on_postgres(url: str) -> AsyncIterator[PostgresHarness]:
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(open_pool(url, size=12))
        reads = PostgresQueries(pool), PostgresObjectRows(pool), PostgresProvenanceQueries(pool), PostgresEventQueries(pool)
        harness = PostgresHarness(url, PostgresStore(pool), *reads)
        try:
            yield harness
        finally:
            for owner in list(harness.owners):
                await harness.die(owner)
