"""Chunks: the instants, in microseconds since 1970, at which generations were created that have a word in common."""

import struct
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

CHUNK = 256
"""So many instants at most in one chunk."""
WIDTH = 6
_SPAN = 1 << 8 * WIDTH  # nearly nine years
_FIRST = struct.Struct(">q")


@dataclass(frozen=True, slots=True)
class Chunk:
    """`first` stays what it is when the instant itself is taken out."""

    first: int
    instants: Sequence[int]

    @classmethod
    def read(cls, row: bytes) -> "Chunk":
        """`row`: eight bytes of `first`, then the times."""
        first: int = _FIRST.unpack_from(row)[0]
        halves = iter(struct.unpack_from(">" + "HI" * ((len(row) - _FIRST.size) // WIDTH), row, _FIRST.size))
        return cls(first, [first + (high << 32 | low) for high, low in zip(halves, halves, strict=True)])

    def written(self, instants: Sequence[int]) -> bytes:
        """These instants as they stand in this chunk."""
        since = [instant - self.first for instant in instants]
        return struct.pack(">" + "HI" * len(since), *(half for each in since for half in (each >> 32, each & 0xFFFFFFFF)))

    def without(self, instant: int) -> bytes | None:
        """The times once this one is gone, None if none are left."""
        left = [each for each in self.instants if each != instant]
        return self.written(left) if left else None


def put(head: tuple[int, int] | None, instants: Sequence[int]) -> Iterator[tuple[int, bytes]]:
    """What to add to which chunk, by its `first`, old or new. `head`: the newest chunk's `first` and how many it holds, all
    before these `instants`, which rise."""
    at = 0
    while at < len(instants):
        first, room = (head[0], CHUNK - head[1]) if head else (instants[at], CHUNK)
        end = min(at + room, bisect_left(instants, first + _SPAN, at))
        if end > at:
            yield first, Chunk(first, ()).written(instants[at:end])
        at, head = max(at, end), None
