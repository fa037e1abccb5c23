"""A list of PDQ hashes in a file: one of 64 hexadecimal digits a line, read anew whenever the file changes."""

import asyncio
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from application.quarantine import HashList
from domain.quarantine import Match, nearest

Words = NDArray[np.uint64]

_HASH = re.compile(r"[0-9a-f]{64}")
_AT_ONCE = 65_536
"""Hashes that are compared at a time: what lies between stays in the processor's cache."""


class BrokenHashList(Exception):
    """The file is no list of hashes; the message says where."""


class HashFile(HashList):
    """Empty lines, and what follows a `#`, count for nothing. A list that can no longer be read, or holds nothing any more, is
    told to `log`, once; the one before it stays in use: whoever writes it anew empties it first."""

    def __init__(self, path: Path, log: Callable[..., object]) -> None:
        """Raises BrokenHashList: a service that starts with a list has it."""
        self._path, self._log = path, log
        self._seen, self._words = _stamp(path), _read(path)
        self._reading = asyncio.Lock()

    async def match(self, variants: Sequence[str]) -> Match | None:
        async with self._reading:
            await asyncio.to_thread(self._renew)
        return await asyncio.to_thread(_nearest, self._words, variants)

    def _renew(self) -> None:
        stamp = _stamp(self._path)
        if stamp == self._seen:
            return
        self._seen = stamp  # before it is read: what changes meanwhile is read again
        try:
            words = _read(self._path)
            if not len(words) and len(self._words):
                raise BrokenHashList(f"{self._path} is empty now")
            self._words = words
        except BrokenHashList:
            self._log("hash_list_unreadable", error="BrokenHashList")


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def _read(path: Path) -> Words:
    """Four words of 64 bits a hash."""
    try:
        lines = path.read_text("ascii").lower().splitlines()
    except (OSError, UnicodeDecodeError):
        raise BrokenHashList(f"{path} cannot be read") from None
    hashes = [(number, said) for number, line in enumerate(lines, 1) if (said := line.partition("#")[0].strip())]
    for number, said in hashes:
        if not _HASH.fullmatch(said):
            raise BrokenHashList(f"{path}, line {number}: a hash has 64 hexadecimal digits")
    return _words("".join(said for _, said in hashes))


def _words(digits: str) -> Words:
    return np.frombuffer(bytes.fromhex(digits), ">u8").astype(np.uint64).reshape(-1, 4)


def _nearest(listed: Words, variants: Sequence[str]) -> Match | None:
    found = []
    for start in range(0, len(listed), _AT_ONCE):
        some = listed[start : start + _AT_ONCE]
        for variant in _words("".join(variants)):
            distances = np.bitwise_count(some ^ variant).sum(axis=1)
            place = int(distances.argmin())
            found.append((some[place].astype(">u8").tobytes().hex(), int(distances[place])))
    return nearest(found)
