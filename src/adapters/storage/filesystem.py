"""Objects as files: one folder tree, whole files only, and links the service signs and serves itself."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

from adapters.storage.file_names import disposition, safe_name
from adapters.storage.own_links import TO_PUT, TO_READ, OwnLinks
from adapters.storage.whole_files import WholeFiles
from application.ports import LinkedObject, LinkedObjects, ObjectMissing, ObjectStorage, PutLink, Signer, StoredObject
from domain.errors import InvalidRequest, NotFound
from domain.media import FileFormat, file_format
from domain.objects import ObjectKey

_ABANDONED = timedelta(minutes=1)
_BATCH = 500
_PIECE = 1 << 18


class FilesystemStorage(ObjectStorage, LinkedObjects):
    """Files of mode 0600 under `root`, shared by every process of one machine. `clock` tells the time links are measured by."""

    def __init__(self, root: Path, *, signer: Signer, clock: Callable[[], datetime]) -> None:
        self._files, self._links = WholeFiles(root), OwnLinks(signer, clock)
        self._files.clear(datetime.now(UTC) - _ABANDONED)

    async def put(self, key: ObjectKey, content: bytes, content_type: str) -> None:
        """`content_type` isn't kept: a link carries the format."""
        await asyncio.to_thread(self._files.put, self._files.path(key), content)

    async def put_new(self, key: ObjectKey, content: bytes, content_type: str) -> bool:
        return await asyncio.to_thread(self._files.put, self._files.path(key), content, over=False)

    async def put_file(self, key: ObjectKey, path: Path, content_type: str) -> None:
        await asyncio.to_thread(self._files.put_file, self._files.path(key), path)

    async def get(self, key: ObjectKey, at_most: int | None = None) -> bytes:
        return await asyncio.to_thread(self._files.get, self._files.path(key), at_most)

    async def delete(self, key: ObjectKey) -> None:
        await asyncio.to_thread(self._files.delete, self._files.path(key))

    async def list(self, prefix: str) -> AsyncIterator[StoredObject]:
        found = self._files.walk(prefix)
        while batch := await asyncio.to_thread(lambda: tuple(islice(found, _BATCH))):
            for stored in batch:
                yield stored

    async def clear_remnants(self, before: datetime) -> int:
        return await asyncio.to_thread(self._files.clear, before)

    def link(self, key: ObjectKey, *, format: FileFormat, file_name: str, expires_at: datetime) -> str:
        return self._links.to(key, f"format={format}&name={safe_name(file_name, format)}", expires_at)

    def link_to_put(self, key: ObjectKey, *, content_type: str, bytes: int, expires_at: datetime) -> PutLink:
        url = self._links.to(key, f"type={content_type}&bytes={bytes}", expires_at)
        return PutLink(url, {"content-length": str(bytes), "content-type": content_type})

    async def open(self, path: str, query: str) -> LinkedObject:
        link = self._links.follow(TO_READ, path, query)
        try:
            format, file = file_format(link.said["format"]), self._files.path(link.key)
            there = await asyncio.to_thread(self._files.seen, file)
        except (ValueError, ObjectMissing):
            raise NotFound from None
        shown = disposition(format, link.said["name"])

        async def pieces(first: int, past: int) -> AsyncIterator[bytes]:
            with self._files.reading(file, there) as reading:
                reading.seek(first)
                while first < past and (piece := await asyncio.to_thread(reading.read, min(past - first, _PIECE))):
                    yield piece
                    first += len(piece)

        return LinkedObject(there.bytes, there.tag, format.content_type, shown, link.seconds_left, pieces)

    async def receive(self, path: str, query: str, content_type: str, pieces: AsyncIterator[bytes]) -> None:
        link = self._links.follow(TO_PUT, path, query)
        if content_type != link.said["type"]:
            raise InvalidRequest("the link is for another type", field="Content-Type", allowed=[link.said["type"]])
        wanted = int(link.said["bytes"])
        file, come, aside = self._files.path(link.key), 0, await asyncio.to_thread(self._files.aside)
        try:
            async for piece in pieces:
                come += len(piece)
                if come > wanted:
                    break
                await asyncio.to_thread(aside.write, piece)
            if come != wanted:
                raise InvalidRequest("the link is for another length", field="Content-Length", limit=wanted)
            await asyncio.to_thread(self._files.settle, aside, file)
        finally:
            aside.drop()
