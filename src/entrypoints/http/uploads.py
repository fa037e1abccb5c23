"""Forms with a picture, read as they come in: never more than the limit, never onto a disk, not too many at once."""

from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from litestar import Request
from multipart import MultipartError, MultipartSegment, PushMultipartParser

from domain.errors import IntakeBusy, InvalidRequest, TooManyBytes
from domain.limits import LIMITS
from domain.media import UPLOADED, AssetKind

FORM_SLACK = 64 * 1024  # what a form may hold beside the picture
PURPOSES = UPLOADED
FORM_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "file": {"type": "string", "format": "binary", "contentMediaType": "application/octet-stream"},
        "purpose": {"type": "string", "enum": [kind.value for kind in PURPOSES], "default": AssetKind.REFERENCE.value},
    },
    "required": ["file"],
    "additionalProperties": False,
}


FILE_SCHEMA: dict[str, Any] = FORM_SCHEMA | {"properties": {"file": FORM_SCHEMA["properties"]["file"]}}


@dataclass(frozen=True, slots=True)
class UploadForm:
    """A picture to bring in, and what for."""

    file: bytes
    purpose: AssetKind


@dataclass(slots=True)
class Uploads:
    """The forms that this process reads or has in hand. Each is in memory, so there is an end to how many."""

    most: int = 32
    under_way: int = 0

    @asynccontextmanager
    async def form(self, request: Request[Any, Any, Any], schema: dict[str, Any] = FORM_SCHEMA) -> AsyncIterator[UploadForm]:
        """What was sent, which keeps its place until the block ends. Raises IntakeBusy, TooManyBytes, InvalidRequest,
        RequestEntityTooLarge, or BodyLate."""
        with self.place():
            yield await self._read(request, tuple(schema["properties"]))

    async def _read(self, request: Request[Any, Any, Any], allowed: tuple[str, ...]) -> UploadForm:
        boundary = request.content_type[1].get("boundary", "")
        try:
            async with aclosing(request.stream()) as stream:
                parts = await _parts(boundary, stream, allowed)
        except (MultipartError, UnicodeError):
            raise InvalidRequest("the body is not a form") from None
        if "file" not in parts:
            raise InvalidRequest("file is missing", field="file")
        return UploadForm(parts["file"].getvalue(), _purpose(parts["purpose"].getvalue()) if "purpose" in parts else PURPOSES[0])

    @contextmanager
    def place(self) -> Iterator[None]:
        if self.under_way >= self.most:
            raise IntakeBusy(limit=self.most)
        self.under_way += 1
        try:
            yield
        finally:
            self.under_way -= 1


async def _parts(boundary: str, stream: AsyncIterator[bytes], allowed: tuple[str, ...]) -> dict[str, BytesIO]:
    """Kept where bytes are taken out without being copied: a large file copied would stop the event loop for as long."""
    parts = dict[str, BytesIO]()
    part = BytesIO()
    with PushMultipartParser(boundary.encode(), max_segment_count=len(allowed)) as parser:
        async for chunk in stream:
            for event in parser.parse(chunk) if chunk else ():
                if isinstance(event, MultipartSegment):
                    part = parts[_name(event, parts, allowed)] = BytesIO()
                elif event:
                    part.write(event)
                    if part.tell() > LIMITS["upload_bytes"]:
                        raise TooManyBytes(field="file", limit=LIMITS["upload_bytes"])
    return parts


def _name(part: MultipartSegment, seen: dict[str, BytesIO], allowed: tuple[str, ...]) -> str:
    name = part.name
    if name not in allowed:
        raise InvalidRequest("there is no such part in this form", allowed=list(allowed))
    if name in seen:
        raise InvalidRequest(f"{name} is given twice", field=name)
    if (name == "file") != (part.filename is not None):
        raise InvalidRequest("file is sent as a file, and nothing else is", field=name)
    return str(name)


def _purpose(said: bytes) -> AssetKind:
    if said not in [kind.value.encode() for kind in PURPOSES]:
        raise InvalidRequest("purpose is reference or mask", field="purpose", allowed=[kind.value for kind in PURPOSES])
    return AssetKind(said.decode())
