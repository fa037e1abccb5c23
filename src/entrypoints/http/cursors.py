"""Cursors: where a page ended, signed, so that nobody can make one up or carry it to another list, filter or account."""

import base64
import binascii
import hashlib
import re
import struct
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import msgspec

from application.ports import CursorSigner
from application.queries import Position
from domain.accounts import Caller
from domain.errors import InvalidCursor
from domain.limits import LIMITS

_CURSOR = re.compile(r"([A-Za-z0-9_-]{1,64})\.([A-Za-z0-9_-]{1,64})\.([A-Za-z0-9_-]{43})", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_POSITION = struct.Struct(">q16s")
_VERSION = struct.Struct(">q")
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Cursors:
    """The cursors of one list, filtered in one way, for one caller. A filter counts by what it asks for, so that a new kind of
    filter breaks no cursor that is under way."""

    signer: CursorSigner
    list_name: str
    caller: Caller
    matching: object

    def at(self, position: Position) -> str:
        instant, row = position
        return self._write(_POSITION.pack((instant - _EPOCH) // _MICROSECOND, row.bytes))

    def position(self, cursor: str | None) -> Position | None:
        """Raises InvalidCursor."""
        if cursor is None:
            return None
        microseconds, row = self._read(cursor, _POSITION)
        return _EPOCH + timedelta(microseconds=microseconds), UUID(bytes=row)

    def at_place(self, place: int, row: UUID) -> str:
        return self._write(_POSITION.pack(place, row.bytes))

    def place(self, cursor: str | None) -> tuple[int, UUID] | None:
        """Raises InvalidCursor."""
        if cursor is None:
            return None
        place, row = self._read(cursor, _POSITION)
        return place, UUID(bytes=row)

    def at_version(self, version: int) -> str:
        return self._write(_VERSION.pack(version))

    def version(self, cursor: str | None) -> int | None:
        """Raises InvalidCursor."""
        if cursor is None:
            return None
        version: int = self._read(cursor, _VERSION)[0]
        return version

    def _write(self, place: bytes) -> str:
        kid, mac = self.signer.sign(self._message(place))
        cursor = f"{kid}.{_base64(place)}.{_base64(mac)}"
        assert _CURSOR.fullmatch(cursor), "the signer's name for its key does not fit into a cursor"
        return cursor

    def _read(self, cursor: str, form: struct.Struct) -> tuple[int, bytes]:
        found = _CURSOR.fullmatch(cursor) if len(cursor) <= LIMITS["cursor_characters"] else None
        if not found:
            raise InvalidCursor(field="after")
        place, mac = _bytes(found[2]), _bytes(found[3])
        if len(place) != form.size or not self.signer.verify(found[1], self._message(place), mac):
            raise InvalidCursor(field="after")
        instant, *row = form.unpack(place)
        return instant, row[0] if row else b""

    def _message(self, place: bytes) -> bytes:
        asked = {name: value for name, value in msgspec.to_builtins(self.matching).items() if value not in (None, (), [])}
        matching = hashlib.sha256(msgspec.json.encode(asked, order="deterministic")).digest()
        owner = self.caller.account_id.bytes + self.caller.mode.encode()
        return b"\0".join((b"cursor", self.list_name.encode(), owner, matching, place))


def _base64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    """Base64 has several spellings of the same bytes: only ours counts."""
    try:
        content = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except binascii.Error:
        content = b""
    if _base64(content) != text:
        raise InvalidCursor(field="after")
    return content
