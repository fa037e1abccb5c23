"""Forms with a picture, read as they come in: never more than the limit, never onto a disk, not too many at once."""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any

from litestar import Request

from domain.errors import IntakeBusy, InvalidRequest
from domain.limits import LIMITS
from domain.media import UPLOADED, AssetKind
from entrypoints.http.forms import Form, Part, read_form

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
_PARTS = {"file": Part(LIMITS["upload_bytes"], is_file=True), "purpose": Part(LIMITS["name_characters"])}


@dataclass(frozen=True, slots=True)
class UploadForm:
    """A picture to bring in, what for, and the SHA-256 of its file."""

    file: bytes
    purpose: AssetKind
    sha256: str

    @property
    def said(self) -> bytes:
        """Of which repeats are told: what was understood of the form."""
        return f"{self.purpose} {self.sha256}".encode()


class Share:
    """The part of the memory for forms that one of them takes, until its block ends."""

    def __init__(self, uploads: "Uploads") -> None:
        self._uploads, self.bytes = uploads, 0

    def keep(self, more: int) -> None:
        """Raises IntakeBusy when all forms together would have too much."""
        most = self._uploads.most_bytes
        if most is not None and self._uploads.held + more > most:
            raise IntakeBusy(limit=most)
        self.bytes += more
        self._uploads.held += more


@dataclass(slots=True)
class Uploads:
    """The forms that this process reads or has in hand. Each is in memory, so there is an end to how many, and to the bytes of
    all of them together."""

    most: int = 32
    most_bytes: int | None = None
    under_way: int = 0
    held: int = 0

    @asynccontextmanager
    async def form(self, request: Request[Any, Any, Any], schema: dict[str, Any] = FORM_SCHEMA) -> AsyncIterator[UploadForm]:
        """What was sent, which keeps its place until the block ends. Raises IntakeBusy, TooManyBytes, InvalidRequest,
        InvalidText, RequestEntityTooLarge, or BodyLate."""
        with self.place() as share:
            form = await self.read(request, {name: _PARTS[name] for name in schema["properties"]}, share.keep)
            if not form.files:
                raise InvalidRequest("file is missing", field="file")
            yield UploadForm(form.files[0].content, _purpose(form.texts.get("purpose", PURPOSES[0])), form.files[0].sha256)

    async def read(self, request: Request[Any, Any, Any], parts: Mapping[str, Part], keep: Callable[[int], None]) -> Form:
        """Raises what `read_form` raises, IntakeBusy, RequestEntityTooLarge, or BodyLate."""
        async with aclosing(request.stream()) as stream:
            return await read_form(request.content_type[1].get("boundary", ""), stream, parts, keep)

    @contextmanager
    def place(self) -> Iterator[Share]:
        if self.under_way >= self.most:
            raise IntakeBusy(limit=self.most)
        self.under_way += 1
        share = Share(self)
        try:
            yield share
        finally:
            self.under_way -= 1
            self.held -= share.bytes


def _purpose(said: str) -> AssetKind:
    if said not in PURPOSES:
        raise InvalidRequest("purpose is reference or mask", field="purpose", allowed=[kind.value for kind in PURPOSES])
    return AssetKind(said)
