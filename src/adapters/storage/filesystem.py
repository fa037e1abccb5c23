"""Objects as files: one folder tree, whole files only, and links the service signs and serves itself."""

import asyncio
import base64
import binascii
import re
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

from adapters.storage.file_names import disposition, safe_name
from adapters.storage.whole_files import WholeFiles
from application.ports import LinkedObject, LinkedObjects, ObjectMissing, ObjectStorage, PutLink, Signer, StoredObject
from domain.errors import NotFound
from domain.limits import LIMITS
from domain.media import FileFormat, file_format
from domain.objects import ObjectKey

_ABANDONED = timedelta(minutes=1)
_BATCH = 500
_QUERY = re.compile(
    r"(?P<signed>format=(?P<format>[a-z]+)&name=(?P<name>[A-Za-z0-9._-]+)&expires=(?P<expires>\d{1,12}))"
    r"&kid=(?P<kid>[A-Za-z0-9_-]+)&signature=(?P<signature>[A-Za-z0-9_-]+)",
    re.ASCII,
)


class FilesystemStorage(ObjectStorage, LinkedObjects):
    """Files of mode 0600 under `root`, shared by every process of one machine. `clock` tells the time links are measured by.

    A link is `/files/<key>?format=…&name=…&expires=<unix seconds>&kid=…&signature=<base64url>`; the signature covers the key
    and the whole query, character by character.
    """

    def __init__(self, root: Path, *, signer: Signer, clock: Callable[[], datetime]) -> None:
        self._files, self._signer, self._clock = WholeFiles(root), signer, clock
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
        return self._signed(key, f"format={format}&name={safe_name(file_name, format)}", expires_at)

    def link_to_put(self, key: ObjectKey, *, content_type: str, bytes: int, expires_at: datetime) -> PutLink:
        url = self._signed(key, f"type={content_type}&bytes={bytes}", expires_at)
        return PutLink(url, {"content-length": str(bytes), "content-type": content_type})

    def _signed(self, key: ObjectKey, what: str, expires_at: datetime) -> str:
        assert (expires_at - self._clock()).total_seconds() <= LIMITS["link_seconds"], "a link lives ten minutes at most"
        signed = f"{'/'.join(key.plain_parts)}?{what}&expires={int(expires_at.timestamp())}"
        kid, mac = self._signer.sign(signed.encode())
        return f"/files/{signed}&kid={kid}&signature={_base64url(mac)}"

    async def open(self, path: str, signature: str) -> LinkedObject:
        """`path` is what follows `/files/`, `signature` the whole query, both exactly as they came."""
        asked = _QUERY.fullmatch(signature)
        if asked is None or not self._is_ours(path, asked):
            raise NotFound
        try:
            format, key = file_format(asked["format"]), ObjectKey.parse(path)
            left = datetime.fromtimestamp(int(asked["expires"]), UTC) - self._clock()
            if left <= timedelta(0):
                raise NotFound
            content = await self.get(key)
        except (ValueError, ObjectMissing):
            raise NotFound from None
        return LinkedObject(content, format.content_type, disposition(format, asked["name"]), int(left.total_seconds()))

    def _is_ours(self, path: str, asked: re.Match[str]) -> bool:
        try:
            mac = base64.urlsafe_b64decode(asked["signature"] + "=" * (-len(asked["signature"]) % 4))
            message = f"{path}?{asked['signed']}".encode()
        except (binascii.Error, UnicodeEncodeError):
            return False
        # Base64 has several spellings of the same bytes: only ours counts.
        return self._signer.verify(asked["kid"], message, mac) and _base64url(mac) == asked["signature"]


def _base64url(mac: bytes) -> str:
    return base64.urlsafe_b64encode(mac).rstrip(b"=").decode()
