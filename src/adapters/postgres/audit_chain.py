"""The audit chain in Postgres: its tip under a lock for whoever writes, all of it at one instant for whoever checks."""

from collections.abc import AsyncIterator, Sequence
from datetime import date
from typing import Any

import msgspec
from psycopg import AsyncConnection

from adapters.postgres.pool import begun, read_all
from adapters.postgres.session import Pool, Session, unavailable
from application.audit_chain import AuditTrail, UnreadableRecord
from domain.accounts import AuditRecord
from domain.audit_chain import Link, Tip

tip_document = msgspec.json.Decoder(Tip)
record_document = msgspec.json.Decoder(AuditRecord)

# One lock for the chain, not one a day: all who write at a time write to the same day, and at midnight two would meet.
_LOCK = "SELECT pg_advisory_xact_lock(7305621905)"
_ENDS = "SELECT DISTINCT ON (day) day, number, hash FROM audit_records WHERE {} ORDER BY day {}, number DESC"
_TIP = f"SELECT row_to_json(t)::text FROM ({_ENDS.format('true', 'DESC')} LIMIT 1) t"
_TIPS = f"SELECT row_to_json(t)::text FROM ({_ENDS.format('day >= coalesce(%(since)s::date, day)', 'ASC')}) t"
_LINKS = "SELECT row_to_json(r)::text FROM audit_records r ORDER BY day, number, id"
_NEWEST = """
SELECT row_to_json(r)::text FROM audit_records r WHERE day = coalesce(%(day)s::date, day)
ORDER BY day DESC, number DESC LIMIT %(limit)s
"""

_AT_LEISURE = b"SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL statement_timeout = '5min'"
_AT_A_TIME = 500


async def tip_under_lock(session: Session) -> Tip | None:
    """The last link; others who ask for it wait until this transaction ends."""
    await session.read(_LOCK)
    row = await session.read(_TIP)
    return tip_document.decode(row) if row else None


class PostgresAuditTrail(AuditTrail):
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def tip(self) -> Tip | None:
        rows = await self._values(_TIP)
        return tip_document.decode(rows[0]) if rows else None

    async def tips(self, since: date | None) -> Sequence[Tip]:
        return [tip_document.decode(row) for row in await self._values(_TIPS, since=since)]

    async def links(self) -> AsyncIterator[Link | UnreadableRecord]:
        with unavailable():
            async with begun(self._pool) as connection:
                await connection.execute(_AT_LEISURE)
                async for link in links_of(connection):
                    yield link

    async def newest(self, limit: int, day: date | None = None) -> Sequence[Link]:
        found = [_link(row) for row in await self._values(_NEWEST, limit=limit, day=day)]
        return [link for link in found if isinstance(link, Link)]

    async def _values(self, statement: str, **parameters: Any) -> list[Any]:
        with unavailable():
            return await read_all(self._pool, statement, parameters)


async def links_of(connection: AsyncConnection[Any]) -> AsyncIterator[Link | UnreadableRecord]:
    """The chain as the connection's open transaction sees it."""
    async with connection.cursor("links") as cursor:
        cursor.itersize = _AT_A_TIME
        await cursor.execute(_LINKS.encode())
        async for (row,) in cursor:
            yield _link(row)


def _link(row: str) -> Link | UnreadableRecord:
    """Who can write every row can write what no record of ours could be."""
    try:
        place = tip_document.decode(row)
        return Link(place.day, place.number, place.hash, record_document.decode(row))
    except (msgspec.DecodeError, UnicodeError):
        return UnreadableRecord()
