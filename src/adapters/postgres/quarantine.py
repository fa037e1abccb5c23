"""What is in quarantine, in Postgres."""

from collections.abc import Sequence

import msgspec

from adapters.postgres import tables
from adapters.postgres.pool import read_all
from adapters.postgres.session import Pool, Session
from application.quarantine import Quarantine, QuarantineQueries
from domain.errors import NotFound
from domain.quarantine import Impounded, ImpoundedId

_document = msgspec.json.Decoder(Impounded)
_LOCK = "SELECT row_to_json(q)::text FROM quarantine q WHERE id = %(id)s FOR UPDATE"
_ADD = """
INSERT INTO quarantine (id, account_id, origin, sha256, matched, distance, at)
VALUES (%(id)s, %(account)s, %(origin)s, %(sha256)s, %(matched)s, %(distance)s, %(at)s) ON CONFLICT (id) DO NOTHING RETURNING 1
"""
_LIST = """
SELECT row_to_json(q)::text FROM quarantine q WHERE %(released)s OR released_at IS NULL ORDER BY at DESC, id DESC LIMIT %(limit)s
"""


class PostgresQuarantine(Quarantine):
    def __init__(self, session: Session) -> None:
        self._session = session

    async def add(self, impounded: Impounded) -> None:
        await self._session.read_all(
            _ADD,
            id=impounded.id,
            account=impounded.account_id,
            origin=impounded.origin.value,
            sha256=impounded.sha256,
            matched=impounded.matched,
            distance=impounded.distance,
            at=impounded.at,
        )

    async def lock(self, impounded: ImpoundedId) -> Impounded:
        row = await self._session.read(_LOCK, id=impounded)
        if not row:
            raise NotFound(impounded=str(impounded))
        return _document.decode(row)

    async def save(self, impounded: Impounded) -> None:
        self._session.writes.update(tables.quarantine, impounded)


class PostgresQuarantineQueries(QuarantineQueries):
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def impounded(self, limit: int, *, released: bool) -> Sequence[Impounded]:
        rows = await read_all(self._pool, _LIST, {"limit": limit, "released": released})
        return [_document.decode(row) for row in rows]
