"""One connection inside one transaction: reads that see what was staged, and the database's clock."""

from datetime import datetime, timedelta
from typing import Any

import psycopg
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from adapters.postgres.writes import Writes
from application.store import StoreUnavailable
from domain.generations import GenerationId

Pool = AsyncConnectionPool[AsyncConnection[Any]]


AWAY = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    PoolTimeout,
    psycopg.errors.ReadOnlySqlTransaction,  # a primary that was demoted
    psycopg.errors.IdleInTransactionSessionTimeout,
)


class unavailable:  # noqa: N801 - reads as a clause: `with unavailable():`
    """A vendor's exception dies here: the database is away, or the caller hears of a defect."""

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, AWAY):
            raise StoreUnavailable(type(error).__name__) from error


class Session:
    """`offset` is added to every reading of the database's clock: tests pass time with it."""

    def __init__(self, connection: AsyncConnection[Any], offset: timedelta) -> None:
        self._connection = connection
        self._offset = offset
        self._last_now: datetime | None = None
        self._just_read = False
        self.writes = Writes()
        self.woke = False
        self.changed = set[GenerationId]()

    async def flush(self) -> None:
        self.woke |= await self.writes.send(self._connection)

    async def read(self, statement: str, **parameters: Any) -> Any:
        """The first column of the first row, or None."""
        rows = await self.read_all(statement, **parameters)
        return rows[0] if rows else None

    async def read_all(self, statement: str, **parameters: Any) -> list[Any]:
        """The first column of every row. What was staged is written first, so that it is seen."""
        await self.flush()
        self._just_read = False
        cursor = await self._connection.execute(statement.encode(), parameters)
        return [row[0] for row in await cursor.fetchall()]

    async def now(self) -> datetime:
        """The clock at this moment. A lock's load has read it in passing: whoever asks right after is spared a round trip."""
        if not self._just_read:
            self.at(await self.read("SELECT clock_timestamp()"))
        self._just_read = False
        return self.last_now

    def at(self, clock: datetime) -> datetime:
        """The service's time at a reading of the clock, made by the statement before."""
        self._last_now, self._just_read = clock + self._offset, True
        return self._last_now

    @property
    def last_now(self) -> datetime:
        """The latest reading in this transaction: when its rows are made."""
        if not self._last_now:
            raise AssertionError("the clock has not been read in this transaction")
        return self._last_now
