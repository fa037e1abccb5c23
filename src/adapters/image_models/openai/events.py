"""A stream of server-sent events, cut into events without ever holding more than one of them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from adapters.image_models.openai.bounds import TooLarge

_EMPTY_LINES = re.compile(rb"[\r\n]*")
_END = re.compile(rb"\n\r?\n")
"""An empty line, whose end may be written in two ways."""
_END_BYTES = 3
_HEAD_BYTES = 300


@dataclass(frozen=True, slots=True)
class Event:
    """`head`: its first bytes, as they were written, which is all but the picture in it."""

    name: str
    data: memoryview | bytes
    head: bytes


@dataclass(slots=True)
class EventBuffer:
    """Takes pieces of any length, gives whole events. What it does for a piece is in proportion to the bytes of the piece, and to
    its lines, of which it takes no more than `most_lines` in all."""

    most_lines: int
    rest: bytearray = field(default_factory=bytearray)
    _at: int = 0
    """Where in `rest` the next event begins."""
    _searched: int = 0
    """No event ends before this."""

    def feed(self, piece: bytes) -> Iterator[Event]:
        """Each event with data that `piece` completes. Raises TooLarge."""
        del self.rest[: self._at]
        self._searched, self._at = max(0, self._searched - self._at), 0
        self.rest += piece
        while (written := self._next()) is not None:
            if event := self._read(written):
                yield event

    def _next(self) -> bytearray | None:
        blank = _EMPTY_LINES.match(self.rest, self._at)
        self._at = blank.end() if blank else self._at
        found = _END.search(self.rest, max(self._at, self._searched))
        if not found:
            self._searched = max(self._at, len(self.rest) - _END_BYTES + 1)
            return None
        start, end = self._at, found.end()
        if len(self.rest) - end > end - start:
            self._at = end
            return self.rest[start:end]
        written, self.rest = (
            self.rest,
            self.rest[end:],
        )  # events are megabytes: they are handed over, and the little rest is copied
        del written[end:], written[:start]
        self._at = self._searched = 0
        return written

    def _read(self, written: bytearray) -> Event | None:
        """None for an event without data, which is a sign of life. Several lines of data are one text, as the format has it."""
        name, found = "", list[memoryview]()
        at, whole = 0, memoryview(written)
        while at < len(written):
            end = written.find(b"\n", at)
            line = whole[at : end - (end > at and written[end - 1] == 13)]
            at = end + 1
            self.most_lines -= bool(line)
            if self.most_lines < 0:
                raise TooLarge
            start = bytes(line[:6])
            if start.startswith(b"data:"):
                found.append(line[6:] if start == b"data: " else line[5:])
            elif start == b"event:":
                name = bytes(line[6:106]).decode("utf-8", "replace").strip()
        data = found[0] if len(found) == 1 else b"\n".join(found)
        return Event(name, data, bytes(whole[:_HEAD_BYTES])) if data else None
