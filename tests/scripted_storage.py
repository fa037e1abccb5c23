"""Objects in memory, which fail and wait when told."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from application.ports import ObjectMissing, ObjectStorage, ObjectTooLarge, PutLink, StorageUnavailable, StoredObject
from domain.media import FileFormat
from domain.objects import ObjectKey

LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
T = TypeVar("T")


async def patiently(waiting: Awaitable[T]) -> T:
    async with asyncio.timeout(20):
        return await waiting


@dataclass(slots=True)
class Gate:
    """Where the work of others stands still: `reached` when someone comes, who goes on once it is `opened`."""

    reached: asyncio.Event = field(default_factory=asyncio.Event)
    opened: asyncio.Event = field(default_factory=asyncio.Event)

    async def pass_through(self) -> None:
        self.reached.set()
        await self.opened.wait()

    async def wait(self) -> None:
        await patiently(self.reached.wait())

    def open(self) -> None:
        self.opened.set()


class ScriptedStorage(ObjectStorage):
    """Objects in memory. `down`: it does not answer at all; `broken`: it never takes these keys; `gates`: by (verb, key)."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.down = False
        self.modified = LONG_AGO
        self.cleared: datetime | None = None
        self.broken: set[ObjectKey] = set()
        self.gates: dict[tuple[str, ObjectKey], Gate] = {}

    def gate(self, verb: str, key: ObjectKey) -> Gate:
        """Whoever next does this with this key waits at the gate, before anything has happened."""
        gate = self.gates[verb, key] = Gate()
        return gate

    async def _come(self, verb: str, key: ObjectKey) -> None:
        if gate := self.gates.pop((verb, key), None):
            await gate.pass_through()
        await asyncio.sleep(0)
        if self.down:
            raise StorageUnavailable

    async def put(self, key: ObjectKey, content: bytes, content_type: str) -> None:
        await self._come("put", key)
        if key in self.broken:
            raise StorageUnavailable
        self.objects[str(key)] = content

    async def put_new(self, key: ObjectKey, content: bytes, content_type: str) -> bool:
        await self._come("put", key)
        if key in self.broken:
            raise StorageUnavailable
        return self.objects.setdefault(str(key), content) is content

    async def put_file(self, key: ObjectKey, path: Path, content_type: str) -> None:
        await self.put(key, path.read_bytes(), content_type)

    async def get(self, key: ObjectKey, at_most: int | None = None) -> bytes:
        await self._come("get", key)
        if str(key) not in self.objects:
            raise ObjectMissing(str(key))
        if at_most is not None and len(self.objects[str(key)]) > at_most:
            raise ObjectTooLarge
        return self.objects[str(key)]

    async def delete(self, key: ObjectKey) -> None:
        await self._come("delete", key)
        self.objects.pop(str(key), None)

    async def list(self, prefix: str) -> AsyncIterator[StoredObject]:
        if self.down:
            raise StorageUnavailable
        for key in sorted(self.objects):
            if key.startswith(prefix) and key in self.objects:
                yield StoredObject(ObjectKey.parse(key), len(self.objects[key]), self.modified)

    def link(self, key: ObjectKey, *, format: FileFormat, file_name: str, expires_at: datetime) -> str:
        return f"/{key}"

    def link_to_put(self, key: ObjectKey, *, content_type: str, bytes: int, expires_at: datetime) -> PutLink:
        return PutLink(f"/{key}", {"content-type": content_type, "content-length": str(bytes)})

    async def clear_remnants(self, before: datetime) -> int:
        self.cleared = before
        if self.down:
            raise StorageUnavailable
        return 0
