"""A stream of server-sent events, cut into events without ever holding more than one of them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from adapters.image_models.openai.bounds import TooLarge

_EMPTY_LINES = re.compile(rb"\n*")
_END = b"\n\n"
"""An empty line."""
_HEAD_BYTES = 300


@dataclass(frozen=True, slots=True)
class Event:
    """`head`: its first bytes, which is all but the picture in it."""

    name: str
    data: memoryview | bytes
    head: bytes


@dataclass(slots=True)
class EventBuffer:
    """Takes pieces of any length, gives whole events. What it does for a piece is in proportion to the bytes of the piece, and to
    its lines, of which it takes no more than `most_lines` in all. `rest` has the format's three ways to end a line as one."""

    most_lines: int
    rest: bytearray = field(default_factory=bytearray)
    _at: int = 0
    """Where in `rest` the next event begins."""
    _searched: int = 0
    """No event ends before this."""
    _had_return: bool = False
    """The last byte was the first of a line end that may have two."""

    def feed(self, piece: bytes) -> Iterator[Event]:
        """Each event with data that `piece` completes. Raises TooLarge."""
        if not piece:
            return
        del self.rest[: self._at]
        self._searched, self._at = max(0, self._searched - self._at), 0
        lines = piece.removeprefix(b"\n") if self._had_return else piece
        self._had_return = piece.endswith(b"\r")
        self.rest += lines.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        while (written := self._next()) is not None:
            if event := self._read(written):
                yield event

    def _next(self) -> bytearray | None:
        blank = _EMPTY_LINES.match(self.rest, self._at)
        self._at = blank.end() if blank else self._at
        found = self.rest.find(_END, max(self._at, self._searched))
        if found < 0:
            self._searched = max(self._at, len(self.rest) - len(_END) + 1)
            return None
        start, end = self._at, found + len(_END)
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
            line = whole[at:end]
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
