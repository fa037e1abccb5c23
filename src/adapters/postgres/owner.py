"""Proof of life: an advisory lock held on a connection of its own for as long as this process lives."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import psycopg
from psycopg import AsyncConnection

from application.ports import StoreUnavailable


class Owner:
    """A process that lost its connection may be taken for dead once its leases lapse: until it holds the lock again it starts no
    call, and if it cannot get it back in `patience` seconds it must let go of the calls it has out."""

    def __init__(self, url: str, *, patience: float) -> None:
        self._url = url
        self._patience = patience
        self._number = secrets.randbits(62)
        self._held = False
        self.lost = asyncio.Event()
        """Set when the lock could not be had back in time."""

    def __call__(self) -> int:
        if not self._held:
            raise StoreUnavailable("the proof of life is not held")
        return self._number

    @asynccontextmanager
    async def alive(self) -> AsyncIterator[None]:
        """The lock is held inside this block, but for the time it takes to reconnect."""
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
        await connection.execute("SELECT pg_advisory_lock(%s)", (self._number,))
        self._held = True
        return connection

    async def _keep(self, connection: AsyncConnection[Any]) -> None:
        while True:
            try:
                async with connection:
                    while True:
                        await asyncio.sleep(0.5)
                        async with asyncio.timeout(self._patience / 2):  # a connection can go silent without an error
                            await connection.execute("SELECT 1")
            except (psycopg.Error, OSError, TimeoutError):
                self._held = False
                connection = await self._take_back()

    async def _take_back(self) -> AsyncConnection[Any]:
        loop = asyncio.get_running_loop()
        until = loop.time() + self._patience
        while True:
            with suppress(psycopg.Error, OSError, TimeoutError):
                async with asyncio.timeout_at(until):
                    return await self._take()
            if loop.time() >= until:
                self.lost.set()
            await asyncio.sleep(0.2)
