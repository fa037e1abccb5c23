"""Proof of life: an advisory lock held on a connection of its own for as long as this process lives."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import psycopg
from psycopg import AsyncConnection

from adapters.postgres.session import unavailable
from application.store import StoreUnavailable

PING_SECONDS = 0.5


class Owner:
    """A process that lost its connection may be taken for dead once its leases lapse. `patience` seconds after the database last
    answered on it, it starts no call until it holds the lock again, and must let go of the calls it has out (`lost`).

    The lock is shared: nobody competes for it, so a new connection need not wait until the server notices that the old one died.
    """

    def __init__(self, url: str, *, patience: float) -> None:
        self._url = url
        self._patience = patience
        self._number = secrets.randbits(62)
        self._proven = 0.0
        self.lost = asyncio.Event()

    def __call__(self) -> int:
        if asyncio.get_running_loop().time() > self._proven + self._patience:
            raise StoreUnavailable("the proof of life is not held")
        return self._number

    @asynccontextmanager
    async def alive(self) -> AsyncIterator[None]:
        """The lock is held inside this block, but for the time it takes to reconnect. Raises StoreUnavailable at its begin."""
        with unavailable():
            connection = await self._take()
        keeping = asyncio.create_task(self._keep(connection))
        try:
            yield
        finally:
            keeping.cancel()
            with suppress(asyncio.CancelledError):
                await keeping

    async def _take(self) -> AsyncConnection[Any]:
        connection = await AsyncConnection.connect(self._url, autocommit=True)
        await connection.execute("SELECT pg_advisory_lock_shared(%s)", (self._number,))
        self._proven = asyncio.get_running_loop().time()
        return connection

    async def _keep(self, connection: AsyncConnection[Any]) -> None:
        while True:
            try:
                while await self._answers(connection):  # noqa: ASYNC110 - the database is asked; no event can tell
                    await asyncio.sleep(PING_SECONDS)
            finally:
                await connection.close()
            connection = await self._take_back()

    async def _answers(self, connection: AsyncConnection[Any]) -> bool:
        """Asked in a task that is left behind when the line is silent: cancelling a query waits for the same silent line."""
        asked = asyncio.get_running_loop().time()
        asking = asyncio.create_task(_ask(connection))
        done, _ = await asyncio.wait([asking], timeout=self._patience / 3)
        if not done or not asking.result():
            return False
        self._proven = asked
        return True

    async def _take_back(self) -> AsyncConnection[Any]:
        loop = asyncio.get_running_loop()
        while True:
            taking = asyncio.create_task(self._try())
            await asyncio.wait([taking], timeout=max(0.2, self._proven + self._patience - loop.time()))
            if taking.done() and (connection := taking.result()):
                return connection
            if loop.time() >= self._proven + self._patience:
                self.lost.set()
            await asyncio.sleep(0.2)

    async def _try(self) -> AsyncConnection[Any] | None:
        with suppress(psycopg.Error, OSError):
            return await self._take()
        return None


async def _ask(connection: AsyncConnection[Any]) -> bool:
    with suppress(psycopg.Error, OSError):
        await connection.execute("SELECT 1")
        return True
    return False
