"""Forms (multipart/form-data), read as they come in: never more than their limits, never onto a disk.

What a form may hold is told by name beforehand; anything else ends the reading at once.
"""

import hashlib
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

from multipart import MultipartError, MultipartSegment, PushMultipartParser

from domain.errors import InvalidRequest, InvalidText, LimitExceeded, TooManyBytes


@dataclass(frozen=True, slots=True)
class Part:
    """What may come under a name: one text, or up to `most` files, of at most so many bytes. `said`: its name if refused."""

    bytes: int
    is_file: bool = False
    most: int = 1
    said: str = ""


@dataclass(frozen=True, slots=True)
class File:
    """A file that was sent, with the SHA-256 of its bytes in hexadecimal digits."""

    name: str
    content: bytes
    sha256: str


@dataclass(slots=True)
class Form:
    """What was sent: texts by name, and files in their order."""

    texts: dict[str, str] = field(default_factory=dict)
    files: list[File] = field(default_factory=list)


def _unbounded(more: int) -> None: ...


async def read_form(
    boundary: str, stream: AsyncIterator[bytes], parts: Mapping[str, Part], keep: Callable[[int], None] = _unbounded
) -> Form:
    """`keep` is told of each so many bytes that are kept from now on, and may refuse them. Raises InvalidRequest, InvalidText,
    LimitExceeded, TooManyBytes, and whatever the stream raises; all with the `field` where one is to blame."""
    reading = _Reading(parts, keep)
    try:
        with PushMultipartParser(boundary.encode(), max_segment_count=sum(part.most for part in parts.values()) + 1) as parser:
            async for chunk in stream:
                for event in parser.parse(chunk) if chunk else ():
                    reading.take(event)
    except (MultipartError, UnicodeError):
        raise InvalidRequest("the body is not a form") from None
    return reading.form


class _Reading:
    """A form half read. Bytes are kept where they are taken out of without being copied: a large file copied would stop the event
    loop for as long; and they are digested as they come."""

    def __init__(self, parts: Mapping[str, Part], keep: Callable[[int], None]) -> None:
        self.form = Form()
        self._parts, self._keep = parts, keep
        self._name, self._part, self._content, self._digest = "", Part(0), BytesIO(), hashlib.sha256()

    def take(self, event: Any) -> None:
        if isinstance(event, MultipartSegment):
            self._begin(event)
        elif event:
            self._go_on(event)
        elif event is None:
            self._end()

    def _begin(self, segment: MultipartSegment) -> None:
        name = segment.name
        part = self._parts.get(name or "")
        if name is None or part is None:
            raise InvalidRequest(
                "there is no such part in this form", allowed=sorted(self._parts), **_named(name), reason="unknown"
            )
        said = part.said or name
        if part.is_file != (segment.filename is not None):
            raise InvalidRequest(f"{said} is sent as a {'file' if part.is_file else 'text, not as a file'}", field=said)
        seen = sum(file.name == name for file in self.form.files) if part.is_file else int(name in self.form.texts)
        if seen >= part.most:
            if part.most > 1:
                raise LimitExceeded(f"there may be at most {part.most} of {said}", field=said, limit=part.most)
            raise InvalidRequest(f"{said} is given twice", field=said)
        self._name, self._part, self._content, self._digest = name, part, BytesIO(), hashlib.sha256()

    def _go_on(self, more: bytes) -> None:
        part, said = self._part, self._part.said or self._name
        if self._content.tell() + len(more) > part.bytes:
            if part.is_file:
                raise TooManyBytes(f"{said} may have at most {part.bytes} bytes", field=said, limit=part.bytes)
            raise InvalidText(f"{said} is longer than {part.bytes} bytes", field=said, limit=part.bytes, reason="too_long")
        self._keep(len(more))
        self._content.write(more)
        if part.is_file:
            self._digest.update(more)

    def _end(self) -> None:
        name, said, content = self._name, self._part.said or self._name, self._content.getvalue()
        self._content = BytesIO()
        if self._part.is_file:
            self.form.files.append(File(name, content, self._digest.hexdigest()))
            return
        try:
            self.form.texts[name] = content.decode()
        except UnicodeDecodeError:
            raise InvalidText(f"{said} is not UTF-8", field=said, reason="encoding") from None


def _named(name: str | None) -> dict[str, str]:
    """A name that could be one of ours may be told; whatever else stands there may be anything."""
    return {"field": name} if name and len(name) <= 40 and name.isascii() and name.replace("_", "").isalpha() else {}
