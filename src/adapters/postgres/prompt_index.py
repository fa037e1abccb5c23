"""The index of words, in Postgres: chunks of instants, made from the prompts of settled generations."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection

from adapters.postgres.pool import SETTLED_SECONDS, begun, read_all
from adapters.postgres.postings import WIDTH, put
from adapters.postgres.session import Pool, unavailable
from adapters.postgres.words import EVER, LIVE, TAKE_LIBRARY, TRASHED, micros
from application.search import PromptIndex
from domain.words import words_of

FIRST_LOT, NEXT_LOT = 4_096, 256
"""An account is looked through without an index while it has fewer generations: its words would take more room than its prompts.
From then on so many wait at most until they are brought in."""
PAGE = 64
"""So many prompts are read at once: of the longest ones their words take a second, and a transaction that stands idle for some is
ended."""
CHARACTERS = 1_000_000
"""Once so many characters of prompts are read, a lot is large enough: who writes long ones keeps no other account waiting."""

Postings = Mapping[str, Sequence[int]]

_CHUNKS = 20_000
"""So many are removed at once when a library is made anew."""

_COUNT = """
WITH seen AS (
    SELECT id, account_id, mode FROM generations WHERE id > %(after)s AND id < %(settled)s ORDER BY id LIMIT %(limit)s
), counted AS (
    INSERT INTO libraries AS l (account_id, mode, missing)
    SELECT account_id, mode, %(first)s - count(*) FROM seen GROUP BY account_id, mode ORDER BY account_id, mode
    ON CONFLICT (account_id, mode) DO UPDATE SET missing = greatest(l.missing - (%(first)s - excluded.missing), -1000000000)
    RETURNING 1
)
SELECT id FROM seen ORDER BY id DESC LIMIT 1
"""
_DUE = """
SELECT id, account_id, mode, packed_to FROM libraries WHERE missing <= 0 ORDER BY missing LIMIT 1 FOR UPDATE SKIP LOCKED
"""
_BEGIN_ANEW = """
DELETE FROM search_words WHERE ctid = ANY(ARRAY(SELECT ctid FROM search_words WHERE library = %(library)s LIMIT %(limit)s))
"""
_OF_LIBRARY = """
SELECT g.created_at, g.request->>'prompt' AS prompt FROM generations g
WHERE g.account_id = %(account)s AND g.mode = %(mode)s AND g.request IS NOT NULL AND {which}
    AND g.created_at > %(since)s AND g.created_at < %(settled)s
ORDER BY g.created_at FETCH FIRST {{limit}} ROWS WITH TIES
"""
_NEXT = f"""
SELECT created_at, prompt FROM (({_OF_LIBRARY.format(which=LIVE)}) UNION ALL ({_OF_LIBRARY.format(which=TRASHED)})) g
ORDER BY created_at FETCH FIRST {{limit}} ROWS WITH TIES
"""
_HEADS = f"""
SELECT w.word, c.first, c.held
FROM unnest(%(words)s::text[]) w(word) CROSS JOIN LATERAL (
    SELECT s.first, octet_length(s.times) / {WIDTH} AS held FROM search_words s
    WHERE s.library = %(library)s AND s.word = w.word ORDER BY s.first DESC LIMIT 1) c
"""
_PUT = """
INSERT INTO search_words AS s (library, word, first, times)
SELECT %(library)s, w.word, w.first, w.times
FROM unnest(%(words)s::text[], %(firsts)s::bigint[], %(times)s::bytea[]) w(word, first, times)
ON CONFLICT (library, word, first) DO UPDATE SET times = s.times || excluded.times
"""
_PACKED = "UPDATE libraries SET missing = %(missing)s, packed_to = coalesce(%(to)s, packed_to) WHERE id = %(library)s"


class PostgresPromptIndex(PromptIndex):
    """`offset` is added to the database's clock, for tests; `limit`: so many generations at once."""

    def __init__(self, pool: Pool, first_lot: int = FIRST_LOT, next_lot: int = NEXT_LOT, limit: int = 4_096) -> None:
        self._pool = pool
        self._first_lot, self._next_lot, self._limit = first_lot, next_lot, limit
        self.offset = timedelta(0)

    async def count(self, after: UUID | None) -> UUID | None:
        with unavailable():
            settled = await self._settled()
            newest = UUID(int=int(settled.timestamp() * 1000) << 80)
            said = {"after": after or UUID(int=0), "settled": newest, "limit": self._limit, "first": self._first_lot}
            found = await read_all(self._pool, _COUNT, said)
            return found[0] if found else None

    async def _settled(self) -> datetime:
        clock = (await read_all(self._pool, "SELECT clock_timestamp()", {}))[0]
        settled: datetime = clock + self.offset - timedelta(seconds=SETTLED_SECONDS)
        return settled

    async def pack(self) -> int | None:
        with unavailable():
            settled = await self._settled()
            async with begun(self._pool) as connection:
                due = await (await connection.execute(_DUE.encode())).fetchone()
                if not due:
                    return None
                library, account, mode, packed_to = due
                # Whoever erases a prompt of this library waits now, or else has done so before its prompts are read.
                await connection.execute(TAKE_LIBRARY.encode(), {"account": account, "mode": mode})
                if packed_to is None:
                    gone = await connection.execute(_BEGIN_ANEW.encode(), {"library": library, "limit": _CHUNKS})
                    if gone.rowcount == _CHUNKS:
                        return 0
                said = {"account": account, "mode": mode, "since": packed_to or EVER, "settled": settled}
                postings, brought, to, is_all = await self._next(connection, said)
                await self._put(connection, library, postings)
                missing = self._next_lot if is_all else 0
                await connection.execute(_PACKED.encode(), {"library": library, "missing": missing, "to": to})
                return brought

    async def _next(
        self, connection: AsyncConnection[Any], said: Mapping[str, Any]
    ) -> tuple[Postings, int, datetime | None, bool]:
        """Where the words of the next prompts belong, how many prompts that are, until when, and whether none are left."""
        postings, brought, characters = defaultdict[str, list[int]](list), 0, 0
        to: datetime | None = None
        while brought < self._limit and characters < CHARACTERS:
            size = min(PAGE, self._limit - brought)
            select = _NEXT.format(limit=size).encode()
            rows = await (await connection.execute(select, {**said, "since": to or said["since"]})).fetchall()
            # In a thread of its own, since long prompts take seconds, in which all else that this process does goes on.
            await asyncio.to_thread(_add, postings, rows)
            brought += len(rows)
            characters += sum(len(prompt) for _, prompt in rows)
            to = rows[-1][0] if rows else to
            if len(rows) < size:
                return postings, brought, to, True
        return postings, brought, to, False

    async def _put(self, connection: AsyncConnection[Any], library: int, postings: Postings) -> None:
        heads = await connection.execute(_HEADS.encode(), {"library": library, "words": list(postings)})
        held = {word: (first, times) for word, first, times in await heads.fetchall()}
        chunks = [(word, *chunk) for word, instants in postings.items() for chunk in put(held.get(word), instants)]
        words, firsts, times = zip(*chunks, strict=True) if chunks else ((), (), ())
        said = {"library": library, "words": list(words), "firsts": list(firsts), "times": list(times)}
        await connection.execute(_PUT.encode(), said)


def _add(postings: dict[str, list[int]], rows: Sequence[tuple[datetime, str]]) -> None:
    """In rising order, an instant once."""
    for created_at, prompt in rows:
        at = micros(created_at)
        for word in words_of(prompt):
            instants = postings[word]
            if not instants or instants[-1] != at:
                instants.append(at)
