"""Ports through which a process draws breath: it can be made to die at any of its port calls, before it or after it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any, Final, TypeVar

from application.ports import ObjectStorage, PutLink, StoredObject
from application.store import Store, Transaction
from domain.media import FileFormat
from domain.objects import ObjectKey

T = TypeVar("T")


class Died:
    """What is left of work whose process died."""


DIED: Final = Died()


class Breath:
    """Counts port calls. The one after the last never returns; without a last one they go on for ever."""

    def __init__(self, last: int | None = None) -> None:
        self._left = last
        self.over = asyncio.Event()

    def last(self, calls: int | None) -> None:
        self._left = calls

    async def draw(self) -> None:
        if self._left is None:
            return
        if self._left == 0:
            self.over.set()
            await asyncio.Event().wait()
        self._left -= 1

    async def live(self, work: "asyncio.Task[T]") -> T | Died:
        """The work's result, or its death: nothing that it has not done by then is done."""
        over = asyncio.create_task(self.over.wait())
        await asyncio.wait({work, over}, return_when=asyncio.FIRST_COMPLETED)
        over.cancel()
        if work.done():
            return work.result()
        await bury(work)
        return DIED


async def bury(work: "asyncio.Task[Any]") -> None:
    """However often it has to be told: the dead tidy nothing up."""
    while not work.done():
        work.cancel()
        await asyncio.sleep(0)
    with suppress(asyncio.CancelledError):
        await work


class MortalStore(Store):
    def __init__(self, store: Store, breath: Breath) -> None:
        self._store, self._breath = store, breath

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        await self._breath.draw()
        async with self._store.transaction() as tx:
            yield tx
            await self._breath.draw()  # all is said, nothing is done
        await self._breath.draw()  # all is done, nobody knows


class MortalStorage(ObjectStorage):
    def __init__(self, storage: ObjectStorage, breath: Breath) -> None:
        self._storage, self._breath = storage, breath

    async def put(self, key: ObjectKey, content: bytes, content_type: str) -> None:
        await self._breath.draw()
        await self._storage.put(key, content, content_type)
        await self._breath.draw()

    async def put_new(self, key: ObjectKey, content: bytes, content_type: str) -> bool:
        await self._breath.draw()
        was_put = await self._storage.put_new(key, content, content_type)
        await self._breath.draw()
        return was_put

    async def put_file(self, key: ObjectKey, path: Path, content_type: str) -> None:
        await self._breath.draw()
        await self._storage.put_file(key, path, content_type)
        await self._breath.draw()

    async def get(self, key: ObjectKey, at_most: int | None = None) -> bytes:
        await self._breath.draw()
        return await self._storage.get(key, at_most)

    async def delete(self, key: ObjectKey) -> None:
        await self._breath.draw()
        await self._storage.delete(key)
        await self._breath.draw()

    async def list(self, prefix: str) -> AsyncIterator[StoredObject]:
        async for found in self._storage.list(prefix):
            await self._breath.draw()
            yield found

    def link(self, key: ObjectKey, *, format: FileFormat, file_name: str, expires_at: datetime) -> str:
        return self._storage.link(key, format=format, file_name=file_name, expires_at=expires_at)

    def link_to_put(self, key: ObjectKey, *, content_type: str, bytes: int, expires_at: datetime) -> PutLink:
        return self._storage.link_to_put(key, content_type=content_type, bytes=bytes, expires_at=expires_at)

    async def clear_remnants(self, before: datetime) -> int:
        await self._breath.draw()
        return await self._storage.clear_remnants(before)
