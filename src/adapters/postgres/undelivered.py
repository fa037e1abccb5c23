"""Undelivered requests in Postgres."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from adapters.postgres import tables
from adapters.postgres.batches import removal
from adapters.postgres.session import Session
from application.undelivered import UndeliveredRequests
from domain.generations import GenerationId
from domain.joining import Undelivered

_ALIKE = "SELECT row_to_json(u)::text FROM undelivered u WHERE digest = %(digest)s"
_JOIN = "UPDATE undelivered SET tries = %(number)s, abandoned = false WHERE generation_id = %(generation)s RETURNING 1"
_ABANDON = "UPDATE undelivered SET abandoned = true WHERE generation_id = %(generation)s AND tries = %(number)s RETURNING 1"
_DELIVER = "DELETE FROM undelivered WHERE generation_id = %(generation)s AND tries = %(number)s RETURNING 1"
_ERASE = "DELETE FROM undelivered WHERE generation_id = %(generation)s RETURNING 1"
_FORGET = removal("undelivered", "generation_id", "asked_at < %(before)s")
_row = msgspec.json.Decoder(Undelivered)


class PostgresUndelivered(UndeliveredRequests):
    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, request: Undelivered) -> None:
        self._session.writes.insert(tables.undelivered, request)

    async def alike(self, digest: str) -> Sequence[Undelivered]:
        return [_row.decode(row) for row in await self._session.read_all(_ALIKE, digest=digest)]

    async def join(self, generation: GenerationId, number: int) -> None:
        await self._session.read_all(_JOIN, generation=generation, number=number)

    async def abandon(self, generation: GenerationId, number: int) -> None:
        await self._session.read_all(_ABANDON, generation=generation, number=number)

    async def deliver(self, generation: GenerationId, number: int) -> None:
        await self._session.read_all(_DELIVER, generation=generation, number=number)

    async def erase(self, generation: GenerationId) -> None:
        await self._session.read_all(_ERASE, generation=generation)

    async def forget(self, before: datetime, limit: int) -> int:
        return len(await self._session.read_all(_FORGET, before=before, limit=limit))
