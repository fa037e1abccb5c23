"""Whoever changed something tells every process, after the commit and outside of it; each process listens on one connection.

A NOTIFY inside a transaction costs more than the transaction. It carries an id and nothing else, and may be lost: whoever waits
for it looks now and then all the same.
"""

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager, suppress
from typing import Any
from uuid import UUID

import psycopg
from psycopg import AsyncConnection, sql

from adapters.postgres.writes import QUEUE
from application.events import LocalChanges
from domain.generations import GenerationId

CHANGED = "generation_changed"
_WORK = f"procrastinate_queue_v1#{QUEUE}"
_THERE_IS_WORK = '{"type":"job_inserted","job_id":0}'
_NOTIFY = "SELECT pg_notify(channel, said) FROM unnest(%s::text[], %s::text[]) AS told(channel, said)"
_MOST = 1_000
"""NOTIFYs in one statement."""
_COALESCED_SECONDS, _AGAIN_SECONDS = 0.005, 0.5


class Bell:
    """Tells the workers of every process that tokens wait, and whoever follows generations which of them changed: at most one
    statement each five milliseconds, after the commit. What it loses is found by looking."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._untold = dict[tuple[str, str], None]()
        self._rung = asyncio.Event()

    def ring(self) -> None:
        self._untold[_WORK, _THERE_IS_WORK] = None
        self._rung.set()

    def tell(self, generations: Collection[GenerationId]) -> None:
        self._untold.update(dict.fromkeys((CHANGED, str(generation)) for generation in generations))
        self._rung.set()

    @asynccontextmanager
    async def hung(self) -> AsyncIterator[None]:
        """The bell works inside this block."""
        ringing = asyncio.create_task(self._keep_ringing())
        try:
            yield
        finally:
            await _end(ringing)

    async def _keep_ringing(self) -> None:
        while True:
            with suppress(psycopg.Error, OSError):
                async with await AsyncConnection.connect(self._url, autocommit=True) as connection:
                    while True:
                        await self._rung.wait()
                        await self._tell(connection)
                        await asyncio.sleep(_COALESCED_SECONDS)
            await asyncio.sleep(_AGAIN_SECONDS)

    async def _tell(self, connection: AsyncConnection[Any]) -> None:
        telling = list(self._untold)[:_MOST]
        for each in telling:  # what changes once more meanwhile is told once more
            del self._untold[each]
        if not self._untold:
            self._rung.clear()
        try:
            await connection.execute(_NOTIFY, ([channel for channel, _ in telling], [said for _, said in telling]))
        except BaseException:
            self._untold.update(dict.fromkeys(telling))
            self._rung.set()
            raise


class Ear:
    """Wakes those who wait in this process for what any process tells; all of them, when the line was lost meanwhile."""

    def __init__(self, url: str, changes: LocalChanges) -> None:
        self._url = url
        self._changes = changes

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """It hears inside this block."""
        listening = asyncio.create_task(self._keep_listening())
        try:
            yield
        finally:
            await _end(listening)

    async def _keep_listening(self) -> None:
        while True:
            with suppress(psycopg.Error, OSError):
                async with await AsyncConnection.connect(self._url, autocommit=True) as connection:
                    await connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(CHANGED)))
                    self._changes.tell_all()
                    async for told in connection.notifies():
                        with suppress(ValueError):
                            self._changes.tell([GenerationId(UUID(told.payload))])
            await asyncio.sleep(_AGAIN_SECONDS)


async def _end(task: "asyncio.Task[None]") -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
