"""The log of pictures that we made, in Postgres."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

import msgspec

from adapters.postgres import tables
from adapters.postgres.batches import removal
from adapters.postgres.pool import read_all
from adapters.postgres.session import Pool, Session, unavailable
from application.provenance import Match, ProvenanceLog, ProvenanceQueries
from domain.media import Asset, AssetId
from domain.provenance import LoggedPicture, Marking

Row = TypeVar("Row")

_CHUNKS = 16
_MARK = "UPDATE provenance_log SET sha256 = %(sha256)s, marking = %(marking)s WHERE asset_id = %(asset)s RETURNING 1"
_LOOKED = """
UPDATE provenance_log SET pdq = ('x' || %(pdq)s)::bit(256), looked_at = %(now)s WHERE asset_id = %(asset)s RETURNING 1
"""
_FORGET = removal("provenance_log", "asset_id", "made_at < %(before)s")
_PUT_OFF = """
UPDATE assets a SET sign_due = %(until)s FROM (SELECT id, sign_due FROM assets WHERE id = %(asset)s FOR NO KEY UPDATE) was
WHERE a.id = was.id RETURNING was.sign_due IS NULL
"""
_PENDING = """
SELECT row_to_json(a)::text FROM assets a WHERE marking = 'pending' AND (sign_due IS NULL OR sign_due <= %(now)s)
ORDER BY random() LIMIT %(limit)s
"""
_UNMARKED = """
SELECT row_to_json(a)::text FROM assets a
WHERE kind = 'output' AND marking = 'unmarked' AND (sign_due IS NULL OR sign_due <= %(now)s)
ORDER BY created_at LIMIT %(limit)s
"""
_UNSEEN = """
SELECT json_build_object('asset_id', l.asset_id, 'asset', CASE WHEN a.id IS NOT NULL THEN row_to_json(a) END)::text
FROM provenance_log l LEFT JOIN assets a ON a.id = l.asset_id
WHERE l.looked_at IS NULL AND (a.id IS NULL OR a.marking <> 'pending') ORDER BY random() LIMIT %(limit)s
"""
# Two queries, as no index serves both at once: the same bytes, and what looks alike. The index finds some that are far off too.
# The chunks are selected, so that the plan is made without them: with hundreds at hand Postgres takes any row for likely.
_MATCHES = """
SELECT json_build_object('made_at', made_at, 'mode', mode, 'model', model, 'marking', marking, 'same_bytes', sha256 = %(sha256)s,
    'distance', distance)::text
FROM (
    SELECT *, bit_count(pdq # ('x' || %(pdq)s)::bit(256)) AS distance FROM provenance_log WHERE sha256 = %(sha256)s
    UNION ALL
    SELECT * FROM (
        SELECT *, bit_count(pdq # ('x' || %(pdq)s)::bit(256)) AS distance FROM provenance_log
        WHERE pdq_chunks(pdq) && (SELECT %(chunks)s::integer[])
    ) near WHERE distance <= %(most)s AND sha256 <> %(sha256)s
) l
ORDER BY sha256 = %(sha256)s DESC, distance, made_at DESC LIMIT %(limit)s
"""


def chunks_near(pdq: str, most_distance: int) -> Iterator[int]:
    """Of each of its sixteen chunks of sixteen bits, as `pdq_chunks` tells them apart, whatever is so near that a hash within the
    distance must have at least one of these: 31 bits cannot fall so that two are in each."""
    if not 0 <= most_distance < 2 * _CHUNKS:
        raise ValueError("this index knows of nothing so far off")
    flips = [0, *(1 << bit for bit in range(16))] if most_distance >= _CHUNKS else [0]
    for place in range(_CHUNKS):
        chunk = int(pdq[4 * place : 4 * place + 4], 16)
        yield from (place << 16 | chunk ^ flip for flip in flips)


class PostgresProvenanceLog(ProvenanceLog):
    def __init__(self, session: Session) -> None:
        self._session = session

    def record(self, picture: LoggedPicture) -> None:
        self._session.writes.put(tables.provenance_log, picture)

    async def mark(self, asset: AssetId, sha256: str, marking: Marking) -> None:
        await self._session.read(_MARK, asset=asset, sha256=sha256, marking=marking)

    async def put_off(self, asset: AssetId, until: datetime) -> bool:
        return bool(await self._session.read(_PUT_OFF, asset=asset, until=until))

    async def looked(self, asset: AssetId, pdq: str | None, now: datetime) -> None:
        await self._session.read(_LOOKED, asset=asset, pdq=pdq, now=now)

    async def forget(self, before: datetime, limit: int) -> int:
        return len(await self._session.read_all(_FORGET, before=before, limit=limit))


@dataclass(frozen=True, slots=True)
class _Unseen:
    asset_id: AssetId
    asset: Asset | None


class PostgresProvenanceQueries(ProvenanceQueries):
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def pending(self, now: datetime, limit: int) -> Sequence[Asset]:
        return await self._rows(Asset, _PENDING, now=now, limit=limit)

    async def unmarked(self, now: datetime, limit: int) -> Sequence[Asset]:
        return await self._rows(Asset, _UNMARKED, now=now, limit=limit)

    async def unseen(self, limit: int) -> Sequence[tuple[AssetId, Asset | None]]:
        return [(row.asset_id, row.asset) for row in await self._rows(_Unseen, _UNSEEN, limit=limit)]

    async def matches(self, sha256: str, pdq: str | None, most_distance: int, limit: int) -> Sequence[Match]:
        chunks = list(chunks_near(pdq, most_distance)) if pdq else []
        return await self._rows(Match, _MATCHES, sha256=sha256, pdq=pdq, chunks=chunks, most=most_distance, limit=limit)

    async def _rows(self, of: type[Row], statement: str, **parameters: Any) -> list[Row]:
        with unavailable():
            return [msgspec.json.decode(row, type=of) for row in await read_all(self._pool, statement, parameters)]
