"""Finding generations by words: first what is not in the index yet, then along the chunks of the rarest word."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from adapters.postgres.looking import HISTORY, Looking
from adapters.postgres.pool import read_all
from adapters.postgres.postings import Chunk
from adapters.postgres.session import Pool
from adapters.postgres.words import CHUNK_ROW, MICROSECONDS, instant_of, micros
from domain.words import Wanted

CHUNKS = 256
"""So many chunks are read for one page."""
_AS_RARE = 32
"""A word so many times as common as the rarest spares fewer looks than its chunks cost."""
_STEP, _AT_ONCE = 16, 128
"""Chunks of the rarest word, and of each other, that are read in one statement."""

_LIBRARY = f"""
SELECT json_build_array(id, {MICROSECONDS.format("packed_to")})::text FROM libraries
WHERE account_id = %(account)s AND mode = %(mode)s AND packed_to IS NOT NULL
"""
_BELOW = f"""
SELECT convert_to(w.word, 'UTF8') || '\\x00'::bytea || c.chunk FROM unnest(%(words)s::text[]) w(word) CROSS JOIN LATERAL (
    SELECT s.first, {CHUNK_ROW} AS chunk FROM search_words s
    WHERE s.library = %(library)s AND s.word = w.word AND s.first <= %(top)s ORDER BY s.first DESC LIMIT {{limit}}) c
ORDER BY c.first DESC
"""
_BETWEEN = f"""
SELECT convert_to(w.word, 'UTF8') || '\\x00'::bytea || c.chunk FROM unnest(%(words)s::text[]) w(word) CROSS JOIN LATERAL (
    SELECT s.first, {CHUNK_ROW} AS chunk FROM search_words s
    WHERE s.library = %(library)s AND s.word = w.word AND s.first <= %(top)s AND s.first >= coalesce((
        SELECT b.first FROM search_words b
        WHERE b.library = %(library)s AND b.word = w.word AND b.first <= %(bottom)s ORDER BY b.first DESC LIMIT 1), %(bottom)s)
    ORDER BY s.first DESC LIMIT {{limit}}) c
ORDER BY c.first DESC
"""


class Searching:
    """One search for one page."""

    def __init__(self, pool: Pool, looking: Looking, wanted: Wanted, since: datetime) -> None:
        self._pool, self._looking, self._wanted, self._since = pool, looking, wanted, since
        self.chunks = 0

    async def __call__(self, said: Mapping[str, Any]) -> bool:
        """Whether it came to the end."""
        found = await read_all(self._pool, _LIBRARY, {"account": said["account"], "mode": said["mode"]})
        library, packed_to = msgspec.json.decode(found[0], type=tuple[int, int]) if found else (0, 0)
        since = max(self._since, instant_of(packed_to)) if found else self._since
        if not await self._looking.walk(HISTORY, since):
            return False
        if not found or self._looking.is_full or instant_of(packed_to) <= self._since:
            return True
        at, last = self._looking.place
        return await self._along(library, min(at if last.int else at - 1, packed_to))

    async def _along(self, library: int, top: int) -> bool:
        newest = await self._read(_BELOW, 1, library=library, words=list(self._wanted.words), top=top)
        if len(newest) < len(self._wanted.words):
            return True
        paces = {word: (top - chunk.first + 1) / max(1, _until(chunk, top)) for word, (chunk,) in newest.items()}
        rarest = max(paces, key=lambda word: paces[word])
        others = [word for word in paces if word != rarest and paces[rarest] <= _AS_RARE * paces[word]]
        step, since, looking = 1, micros(self._since), self._looking
        while not looking.is_full:
            if looking.is_tired or self.chunks >= CHUNKS:
                return False
            read = (await self._read(_BELOW, step, library=library, words=[rarest], top=top)).get(rarest, [])
            instants: Sequence[int] = [each for chunk in read for each in reversed(chunk.instants) if since < each <= top]
            if instants and others:
                instants = await self._in_all(library, others, instants)
            if not await looking.check(instants):
                return False
            if len(read) < step or read[-1].first <= since:
                return True
            top, step = read[-1].first - 1, min(2 * step, _STEP)
            looking.place = min(looking.place, (read[-1].first, UUID(int=0)))
        return True

    async def _in_all(self, library: int, words: Sequence[str], instants: Sequence[int]) -> Sequence[int]:
        """Those that may have these words as well."""
        read = await self._read(_BETWEEN, _AT_ONCE, library=library, words=list(words), top=instants[0], bottom=instants[-1])
        for word in words:
            chunks = read.get(word, [])
            known = {each for chunk in chunks for each in chunk.instants}
            bottom = chunks[-1].first if len(chunks) == _AT_ONCE else 0
            instants = [each for each in instants if each in known or each < bottom]
        return instants

    async def _read(self, select: str, limit: int, **said: Any) -> dict[str, list[Chunk]]:
        """The newest first."""
        rows: Iterable[bytes] = await read_all(self._pool, select.format(limit=limit), said)
        read = dict[str, list[Chunk]]()
        for row in rows:
            word, _, chunk = row.partition(b"\0")
            read.setdefault(word.decode(), []).append(Chunk.read(chunk))
            self.chunks += 1
        return read


def _until(chunk: Chunk, top: int) -> int:
    return sum(each <= top for each in chunk.instants)
