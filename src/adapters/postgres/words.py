"""The words of a prompt that is erased leave the index with it."""

from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import Any

from adapters.postgres.postings import Chunk
from adapters.postgres.session import Session
from domain.generations import Generation
from domain.words import words_of

MICROSECONDS = "(extract(epoch FROM {}) * 1000000)::bigint"
TAKE_LIBRARY = "SELECT pg_advisory_xact_lock(hashtextextended(%(account)s::text || %(mode)s, 7))"
"""Held while prompts of one account and mode are brought into the index or erased: whoever comes second sees what was done."""
CHUNK_ROW = "int8send(s.first) || s.times"

LIVE, TRASHED = "g.trashed_at IS NULL", "g.trashed_at IS NOT NULL"
"""An account's history has an index for each of the two: a statement says which it means."""
EVER = datetime.fromisoformat("0001-01-01T00:00:00+00:00")

_EPOCH, _MICROSECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)

_CHUNKS = f"""
SELECT convert_to(w.word, 'UTF8') || '\\x00'::bytea || c.chunk FROM unnest(%(words)s::text[]) w(word)
CROSS JOIN LATERAL (
    SELECT {CHUNK_ROW} AS chunk FROM search_words s
    WHERE s.library = %(library)s AND s.word = w.word AND s.first <= %(at)s ORDER BY s.first DESC LIMIT 1) c
"""
_TWINS = """
SELECT request->>'prompt' FROM generations
WHERE account_id = %(account)s AND mode = %(mode)s AND request IS NOT NULL AND trashed_at IS NULL
    AND created_at = %(created_at)s AND id <> %(id)s
UNION ALL SELECT request->>'prompt' FROM generations
WHERE account_id = %(account)s AND mode = %(mode)s AND request IS NOT NULL AND trashed_at IS NOT NULL
    AND created_at = %(created_at)s AND id <> %(id)s
"""
_LIBRARY = "SELECT id FROM libraries WHERE account_id = %(account)s AND mode = %(mode)s"
_CHANGE = """
UPDATE search_words s SET times = w.times
FROM unnest(%(words)s::text[], %(firsts)s::bigint[], %(times)s::bytea[]) w(word, first, times)
WHERE s.library = %(library)s AND s.word = w.word AND s.first = w.first RETURNING 1
"""
_EMPTY = """
DELETE FROM search_words s USING unnest(%(words)s::text[], %(firsts)s::bigint[]) w(word, first)
WHERE s.library = %(library)s AND s.word = w.word AND s.first = w.first RETURNING 1
"""


def micros(instant: datetime) -> int:
    """Since 1970."""
    return (instant - _EPOCH) // _MICROSECOND


def instant_of(microseconds: int) -> datetime:
    return _EPOCH + microseconds * _MICROSECOND


async def forget(session: Session, generation: Generation) -> None:
    """No word of its prompt leads to it any more."""
    if generation.request is None:
        return
    of = {"account": generation.account_id, "mode": generation.mode}
    await session.read(TAKE_LIBRARY, **of)
    library = await session.read(_LIBRARY, **of)
    if library is None:
        return
    twins = await session.read_all(_TWINS, created_at=generation.created_at, id=generation.id, **of)
    words = set(words_of(generation.request.prompt)).difference(*map(words_of, twins))
    at = micros(generation.created_at)
    rows = await session.read_all(_CHUNKS, library=library, words=sorted(words), at=at)
    found = [(word.decode(), Chunk.read(chunk)) for word, _, chunk in (row.partition(b"\0") for row in rows)]
    left = {(word, chunk.first): chunk.without(at) for word, chunk in found if at in chunk.instants}
    kept = {key: times for key, times in left.items() if times is not None}
    gone = [key for key, times in left.items() if times is None]
    if kept:
        await session.read_all(_CHANGE, library=library, times=list(kept.values()), **_named(kept))
    if gone:
        await session.read_all(_EMPTY, library=library, **_named(gone))


def _named(chunks: Collection[tuple[str, int]]) -> dict[str, list[Any]]:
    return {"words": [word for word, _ in chunks], "firsts": [first for _, first in chunks]}
