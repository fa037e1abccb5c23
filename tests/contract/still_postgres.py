"""A Postgres whose clock stands still until it is moved, so that a test can come to an instant to the microsecond."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from psycopg import AsyncConnection

from adapters.postgres.audit import PostgresBooksAudit
from adapters.postgres.events import PostgresEventQueries
from adapters.postgres.objects import PostgresObjectRows
from adapters.postgres.pool import open_pool
from adapters.postgres.provenance_log import PostgresProvenanceQueries
from adapters.postgres.queries import PostgresQueries
from adapters.postgres.session import Pool, Session
from adapters.postgres.store import PostgresStore
from tests.contract.harnesses import Clock
from tests.contract.postgres_harness import PostgresHarness


class _StillSession(Session):
    def __init__(self, connection: AsyncConnection[Any], clock: Clock) -> None:
        super().__init__(connection, timedelta(0))
        self._clock = clock

    def at(self, clock: datetime) -> datetime:
        """Whatever the database's clock says."""
        return super().at(self._clock())


class _StillStore(PostgresStore):
    def __init__(self, pool: Pool, clock: Clock) -> None:
        super().__init__(pool)
        self._clock = clock

    def session(self, connection: AsyncConnection[Any]) -> Session:
        return _StillSession(connection, self._clock)


class _StillQueries(PostgresQueries):
    def __init__(self, pool: Pool, clock: Clock) -> None:
        super().__init__(pool)
        self._clock = clock

    async def now(self) -> datetime:
        return self._clock()


@dataclass(slots=True, kw_only=True)
class StillPostgres(PostgresHarness):
    clock: Clock
    audit: PostgresBooksAudit

    async def advance(self, seconds: float) -> None:
        self.clock.advance(seconds)


@asynccontextmanager
async def on_still_postgres(url: str) -> AsyncIterator[StillPostgres]:
    clock = Clock()
    async with open_pool(url, size=12) as pool:
        store, queries = _StillStore(pool, clock), _StillQueries(pool, clock)
        rows, audit = PostgresObjectRows(pool), PostgresBooksAudit(pool)
        known = PostgresProvenanceQueries(pool)
        harness = StillPostgres(url, store, queries, rows, known, PostgresEventQueries(pool), clock=clock, audit=audit)
        try:
            yield harness
        finally:
            for owner in list(harness.owners):
                await harness.die(owner)
