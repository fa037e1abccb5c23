"""A stream of server-sent events, cut into events without ever holding more than one of them."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import msgspec

from adapters.image_models.openai.answers import NULL


class Event(msgspec.Struct):
    """As much of an event as is needed to know what to do with it. `picture` stays in the bytes it came in."""

    type: msgspec.Raw = NULL
    partial_image_index: msgspec.Raw = NULL
    usage: msgspec.Raw = NULL
    error: msgspec.Raw = NULL
    output_format: msgspec.Raw = NULL


@dataclass(slots=True)
class EventBuffer:
    """Takes pieces of any length, gives whole events."""

    rest: bytearray = field(default_factory=bytearray)

    def feed(self, piece: bytes) -> Iterator[bytearray]:
        """Each event that `piece` completes, as it was written. The bytes are handed over, not copied: events are megabytes."""
        searched = max(0, len(self.rest) - 3)
        self.rest += piece
        while (end := _end(self.rest, searched)) is not None:
            whole, self.rest = self.rest, self.rest[end:]
            del whole[end:]
            searched = 0
            yield whole


def content(event: bytearray) -> tuple[str, memoryview | bytes]:
    """The event's name and data; several lines of data are one text, as the format has it."""
    name, found = "", list[memoryview]()
    at, whole = 0, memoryview(event)
    while at < len(event):
        end = event.find(b"\n", at)
        stop = len(event) if end < 0 else end
        line = whole[at : stop - (stop > at and event[stop - 1] == 13)]
        at = stop + 1
        if bytes(line[:5]) == b"data:":
            found.append(line[6:] if bytes(line[5:6]) == b" " else line[5:])
        elif bytes(line[:6]) == b"event:":
            name = bytes(line[6:]).decode("utf-8", "replace").strip()
    return name, found[0] if len(found) == 1 else b"\n".join(found)


def _end(buffer: bytearray, start: int) -> int | None:
    """Where the first event ends: behind an empty line, whose end may be written in two ways."""
    plain, windows = buffer.find(b"\n\n", start), buffer.find(b"\n\r\n", start)
    ends = [at + length for at, length in ((plain, 2), (windows, 3)) if at >= 0]
    return min(ends, default=None)
