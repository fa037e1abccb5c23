"""Events of generations in Postgres: kept while they are new, and read together for all who follow one."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec

from adapters.postgres.batches import removal
from adapters.postgres.generations import GENERATION
from adapters.postgres.pool import read_all
from adapters.postgres.session import Pool, Session, unavailable
from application.events import EventQueries, Seen
from application.store import GenerationEvents
from domain.generations import GenerationId

_ERASE = "DELETE FROM generation_events WHERE generation_id = %(generation)s RETURNING 1"
_FORGET = removal(
    "generation_events",
    "ctid",
    """at < %(before)s AND EXISTS (
        SELECT 1 FROM generations g WHERE g.id = generation_events.generation_id AND g.finished_at < %(before)s)""",
)
_SEEN = f"""
SELECT json_build_object('generation', {GENERATION},
    'assets', (SELECT coalesce(json_agg(s ORDER BY s."index"), '[]') FROM assets s WHERE s.generation_id = g.id),
    'kept', (SELECT coalesce(json_agg(e ORDER BY e.sequence), '[]') FROM generation_events e WHERE e.generation_id = g.id))::text
FROM generations g WHERE g.id = ANY(%(generations)s) AND g.request IS NOT NULL
"""
_seen = msgspec.json.Decoder(Seen)


class PostgresEvents(GenerationEvents):
    def __init__(self, session: Session) -> None:
        self._session = session

    async def erase(self, generation: GenerationId) -> None:
        await self._session.read_all(_ERASE, generation=generation)

    async def forget(self, before: datetime, limit: int) -> int:
        return len(await self._session.read_all(_FORGET, before=before, limit=limit))


class PostgresEventQueries(EventQueries):
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def seen(self, generations: Sequence[GenerationId]) -> Mapping[GenerationId, Seen]:
        with unavailable():
            rows = await read_all(self._pool, _SEEN, {"generations": list(generations)})
        found = [_seen.decode(row) for row in rows]
        return {each.generation.id: each for each in found}
