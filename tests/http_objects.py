"""Objects and links for the HTTP surface: whatever a test has put on the stage."""

import hmac
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from application.ports import CursorSigner, LinkedObject, LinkedObjects, ObjectMissing
from domain.errors import NotFound
from domain.media import FileFormat
from domain.objects import ObjectKey

if TYPE_CHECKING:
    from tests.http_stage import Stage


@dataclass
class Links(LinkedObjects):
    stage: "Stage"

    async def open(self, path: str, query: str) -> LinkedObject:
        self.stage.told = (path, query)
        if found := self.stage.links.get((path, query)):
            return found
        raise NotFound

    async def receive(self, path: str, query: str, content_type: str, pieces: AsyncIterator[bytes]) -> None:
        self.stage.told = (path, query, content_type, b"".join([piece async for piece in pieces]))
        if self.stage.refusal:
            raise self.stage.refusal


@dataclass
class Objects:
    """Object storage, as far as HTTP asks."""

    stage: "Stage"

    async def get(self, key: ObjectKey) -> bytes:
        if key not in self.stage.contents:
            raise ObjectMissing
        return self.stage.contents[key]

    def link(self, key: ObjectKey, *, format: FileFormat, file_name: str, expires_at: datetime) -> str:
        return f"/files/{key}?name={file_name}&expires={int(expires_at.timestamp())}"


class Hmac(CursorSigner):
    def sign(self, message: bytes) -> tuple[str, bytes]:
        return "k1", hmac.digest(b"secret", message, "sha256")

    def verify(self, kid: str, message: bytes, mac: bytes) -> bool:
        return kid == "k1" and hmac.compare_digest(self.sign(message)[1], mac)
