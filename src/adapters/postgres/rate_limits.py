"""The buckets of the rate limits in Postgres: one row for each subject, in a table that a crash empties."""

from base64 import b64decode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from psycopg import AsyncConnection

from adapters.postgres.batches import removal
from adapters.postgres.pool import begun
from adapters.postgres.session import Pool, unavailable
from application.ports import Drawn, SharedBuckets, Want
from domain.rate_limits import LONGEST_WINDOW, Bucket

# Rows are locked in one order, whoever asks, so nobody waits in a circle; the clock is read under the lock. A row that changes
# nothing makes the missing ones.
_LOCK = """
INSERT INTO rate_buckets AS b (subject, parts, at)
SELECT subject, parts, clock_timestamp() FROM unnest(%(subjects)s::bytea[], %(full)s::bigint[]) AS w (subject, parts) ORDER BY 1
ON CONFLICT (subject) DO UPDATE SET subject = EXCLUDED.subject
RETURNING json_build_object('subject', encode(subject, 'base64'), 'parts', parts, 'at', at, 'clock', clock_timestamp())::text
"""
_SAVE = """
UPDATE rate_buckets b SET parts = n.parts, at = n.at
FROM unnest(%(subjects)s::bytea[], %(parts)s::bigint[], %(ats)s::timestamptz[]) AS n (subject, parts, at)
WHERE b.subject = n.subject
"""
# Not those that somebody draws from just now.
_FORGET = removal("rate_buckets", "subject", "at < clock_timestamp() + %(offset)s - %(idle)s")
_IDLE = timedelta(seconds=LONGEST_WINDOW)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class _Row:
    subject: str
    parts: int
    at: datetime
    clock: datetime


_row = msgspec.json.Decoder(_Row)


class PostgresSharedBuckets(SharedBuckets):
    """`offset` is added to the database's clock, for tests."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self.offset = timedelta(0)

    async def draw(self, wants: Sequence[Want]) -> Sequence[Drawn]:
        with unavailable():
            async with begun(self._pool) as connection:
                rows = await self._lock(connection, wants)
                drawn, after = list[Drawn](), list[Bucket]()
                for want in wants:
                    row = rows[want.subject]
                    now = _micros(row.clock + self.offset)
                    granted, bucket = Bucket(row.parts, _micros(row.at)).draw(want.rate, want.units, now)
                    drawn.append(Drawn(granted, bucket.units(want.rate, bucket.at)))
                    after.append(bucket)
                await connection.execute(
                    _SAVE.encode(),
                    {
                        "subjects": [want.subject for want in wants],
                        "parts": [bucket.parts for bucket in after],
                        "ats": [_EPOCH + timedelta(microseconds=bucket.at) for bucket in after],
                    },
                )
        return drawn

    async def forget(self, limit: int) -> int:
        with unavailable():
            async with begun(self._pool) as connection:
                said = {"offset": self.offset, "idle": _IDLE, "limit": limit}
                cursor = await connection.execute(_FORGET.encode(), said)
                return len(await cursor.fetchall())

    async def _lock(self, connection: AsyncConnection[Any], wants: Sequence[Want]) -> dict[bytes, _Row]:
        full = [Bucket.full(want.rate, 0).parts for want in wants]
        cursor = await connection.execute(_LOCK.encode(), {"subjects": [want.subject for want in wants], "full": full})
        rows = [_row.decode(found[0]) for found in await cursor.fetchall()]
        return {b64decode(row.subject): row for row in rows}


def _micros(time: datetime) -> int:
    return (time - _EPOCH) // _MICROSECOND
