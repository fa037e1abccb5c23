"""Generations in Postgres. The row carries the queue; its columns bear the names of the domain's fields."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from adapters.postgres import tables, words
from adapters.postgres.session import Session
from application.store import Generations
from domain.accounts import AccountId, Mode
from domain.brake import FreeEnd
from domain.errors import Gone, NotFound
from domain.generations import Generation, GenerationId, Lease

GENERATION = """
(SELECT row_to_json(r) FROM (SELECT g.*, (
    SELECT coalesce(json_agg(a ORDER BY a.number), '[]') FROM attempts a WHERE a.generation_id = g.id) AS attempts) r)
"""
"""A row `g` of generations with its attempts, as the domain's own document."""

_FIND = """
SELECT id FROM generations
WHERE id = %(generation)s
    AND (%(account)s::uuid IS NULL OR (account_id = %(account)s AND mode = %(mode)s AND request IS NOT NULL))
"""

_LOCK = _FIND + "FOR UPDATE"

_LOAD = f"""
SELECT json_build_object('now', clock_timestamp(), 'generation', {GENERATION})::text FROM generations g WHERE id = %(generation)s
"""

AT_OPEN_GATE = """
(g.mode = 'test' OR g.model <> ALL (ARRAY(SELECT model FROM model_gates WHERE closed_until > %(now)s)))
"""
"""Whether a waiting row `g` may be called as far as its model's gate is concerned."""

_DUE = f"(g.resume_at IS NULL OR g.resume_at <= %(now)s) AND {AT_OPEN_GATE}"


def in_turn(which: str, most: str) -> str:
    """CTEs of a recursive WITH: `heads` are the waiting rows `g` for which `which` holds, of each account the `most` oldest, with
    what BY_TURN sorts by. Accounts are found by skipping through the index: one account's long queue costs the others nothing."""
    return f"""waiting(account_id) AS (
    (SELECT account_id FROM generations WHERE state = 'queued' ORDER BY account_id LIMIT 1)
    UNION ALL
    SELECT (SELECT g.account_id FROM generations g WHERE g.state = 'queued' AND g.account_id > w.account_id
            ORDER BY g.account_id LIMIT 1)
    FROM waiting w WHERE w.account_id IS NOT NULL
), heads AS (
    SELECT w.account_id, head.id, head.later, head.priority, row_number() OVER (
            PARTITION BY w.account_id ORDER BY head.later, head.priority, head.id
        ) + busy.running AS turn
    FROM waiting w CROSS JOIN LATERAL (
        SELECT count(*) AS running FROM generations r WHERE r.state = 'running' AND r.account_id = w.account_id
    ) busy CROSS JOIN LATERAL (
        SELECT g.id, NOT ({_DUE}) AS later, g.priority FROM generations g
        WHERE g.state = 'queued' AND g.account_id = w.account_id AND g.deadline > %(now)s AND {which}
        ORDER BY g.id LIMIT {most}) head
    WHERE w.account_id IS NOT NULL
)"""


EVERYONE = "true"
BY_TURN = "h.later, h.priority, h.turn, h.id"

# The row is locked beside its turn, not joined with it: where few seemed to wait when it was planned, a join would work the turns
# out anew for each row that waits, and 2,000 of them are more than a statement may take.
_LOCK_DUE = f"""
WITH RECURSIVE abandoned AS (
    SELECT id FROM generations
    WHERE state = 'running' AND CASE WHEN lease IS NULL THEN resume_at ELSE lease_until END <= %(now)s
    ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED
), {in_turn(_DUE, "32")}, fairest AS (
    SELECT g.id FROM (SELECT h.id FROM heads h WHERE NOT EXISTS (SELECT 1 FROM abandoned) ORDER BY {BY_TURN}) next
    CROSS JOIN LATERAL (SELECT id FROM generations WHERE id = next.id AND state = 'queued' FOR UPDATE SKIP LOCKED) g LIMIT 1
)
SELECT id FROM abandoned UNION ALL SELECT id FROM fairest
"""

_RENEW = """
UPDATE generations SET lease_until = %(until)s WHERE id = %(generation)s AND lease = %(lease)s AND state = 'running' RETURNING 1
"""

# The predicate is that of the index `generations_braked`.
FREE_ENDS = """
SELECT json_build_object('at', finished_at, 'refund', state = 'cancelled')::text FROM generations
WHERE account_id = %(account)s AND mode = %(mode)s AND finished_at > %(since)s
    AND (state = 'refused' OR state = 'cancelled' AND failure->>'code' = 'refunded')
"""

_PAST_DEADLINE = """
SELECT id FROM generations WHERE state = 'queued' AND (deadline <= %(now)s OR hold_expires_at <= %(now)s)
UNION ALL
SELECT id FROM generations
WHERE state = 'running' AND hold_expires_at <= %(now)s AND (lease_until IS NULL OR lease_until <= %(now)s)
ORDER BY id LIMIT %(limit)s
"""

_TRASHED = "SELECT id FROM generations WHERE trashed_at < %(instant)s AND request IS NOT NULL ORDER BY trashed_at LIMIT %(limit)s"

_LIVE_OWNERS = """
SELECT (classid::bigint << 32) | objid::bigint FROM pg_locks
WHERE locktype = 'advisory' AND objsubid = 1 AND granted
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


class _Loaded(msgspec.Struct):
    now: datetime
    generation: Generation


_loaded = msgspec.json.Decoder(_Loaded)
_free_end = msgspec.json.Decoder(FreeEnd)


class PostgresGenerations(Generations):
    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, generation: Generation) -> None:
        self._session.writes.insert(tables.generations, generation)
        self._put_attempts(generation)

    async def lock(self, generation: GenerationId, account: AccountId | None = None, mode: Mode | None = None) -> Generation:
        locked = await self._session.read(_LOCK, generation=generation, account=account, mode=mode)
        if not locked:
            raise NotFound(generation=str(generation))
        return await self._load(locked)

    async def find(self, generation: GenerationId, account: AccountId, mode: Mode) -> Generation:
        row = await self._session.read(_LOAD, generation=generation)
        found = _loaded.decode(row).generation if row else None
        if not found or (found.account_id, found.mode) != (account, mode):
            raise NotFound(generation=str(generation))
        if found.request is None:
            raise Gone
        return found

    async def free_ends(self, account: AccountId, mode: Mode, since: datetime) -> Sequence[FreeEnd]:
        rows = await self._session.read_all(FREE_ENDS, account=account, mode=mode, since=since)
        return [_free_end.decode(row) for row in rows]

    async def must_exist(self, generation: GenerationId, account: AccountId, mode: Mode) -> None:
        if not await self._session.read(_FIND, generation=generation, account=account, mode=mode):
            raise NotFound(generation=str(generation))

    async def lock_due(self, now: datetime) -> Generation | None:
        locked = await self._session.read(_LOCK_DUE, now=now)
        return await self._load(locked) if locked else None

    async def _load(self, locked: GenerationId) -> Generation:
        """In a statement of its own: what a lock had to wait for is seen by the next statement, attempts included."""
        loaded = _loaded.decode(await self._session.read(_LOAD, generation=locked))
        self._session.at(loaded.now)
        return loaded.generation

    def save(self, generation: Generation) -> None:
        self._session.writes.update(tables.generations, generation)
        self._put_attempts(generation)
        for event in generation.take_news():
            self._session.changed.add(generation.id)
            if event.kind.is_kept:
                self._session.writes.insert(tables.generation_events, event, generation_id=generation.id)

    def _put_attempts(self, generation: Generation) -> None:
        for attempt in generation.attempts:
            self._session.writes.put(tables.attempts, attempt, generation_id=generation.id)

    async def forget_words(self, generation: Generation) -> None:
        await words.forget(self._session, generation)

    async def renew(self, generation: GenerationId, lease: Lease, until: datetime) -> bool:
        return bool(await self._session.read(_RENEW, generation=generation, lease=lease, until=until))

    async def past_deadline(self, now: datetime, limit: int) -> Sequence[GenerationId]:
        return await self._session.read_all(_PAST_DEADLINE, now=now, limit=limit)

    async def trashed_before(self, instant: datetime, limit: int) -> Sequence[GenerationId]:
        return await self._session.read_all(_TRASHED, instant=instant, limit=limit)

    async def gone_owners(self, owners: Sequence[int]) -> frozenset[int]:
        return frozenset(owners) - frozenset(await self._session.read_all(_LIVE_OWNERS)) if owners else frozenset()
