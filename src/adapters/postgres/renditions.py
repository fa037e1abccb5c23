"""Renditions in Postgres."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta

import msgspec
import psycopg

from adapters.postgres.batches import removal
from adapters.postgres.pool import begun
from adapters.postgres.session import Pool, Session, unavailable
from application.copies import Renditions
from domain.media import Asset, AssetId
from domain.provenance import SourceType
from domain.renditions import KEPT_UNUSED, USE_NOTED, Rendition, RenditionId, Shape

rendition_document = msgspec.json.Decoder(Rendition)

_SUCH = "asset_id = %(asset)s AND format = %(format)s AND width = %(width)s AND label = %(label)s"
_FIND = f"SELECT row_to_json(r)::text FROM renditions r WHERE {_SUCH}"
_NOTE = "UPDATE renditions r SET used_at = %(now)s WHERE id = %(id)s RETURNING row_to_json(r)::text"
_ORIGIN = f"""
SELECT CASE kind WHEN 'edit' THEN '{SourceType.EDITED}' ELSE '{SourceType.GENERATED}' END
FROM generations WHERE id = %(generation)s
"""
_ADD = """
INSERT INTO renditions (id, asset_id, account_id, format, width, label, bytes, sha256, created_at, used_at)
VALUES (%(id)s, %(asset)s, %(account)s, %(format)s, %(width)s, %(label)s, %(bytes)s, %(sha256)s, %(now)s, %(now)s)
ON CONFLICT (asset_id, format, width, label) DO NOTHING RETURNING 1
"""
_FORGET = removal("renditions", "id", "used_at < %(before)s", "row_to_json(renditions)::text")


class PostgresRenditions(Renditions):
    """`offset` is added to the database's clock, for tests."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self.offset = timedelta(0)

    async def use(self, asset: AssetId, shape: Shape) -> Rendition | None:
        async with self._session() as session:
            found = _one(await session.read(_FIND, **_such(asset, shape)))
            if found and (now := await session.now()) - found.used_at >= USE_NOTED:
                return _one(await session.read(_NOTE, id=found.id, now=now))  # unless it was thrown away in this very moment
            return found

    async def origin(self, asset: Asset) -> SourceType | None:
        async with self._session() as session:
            kind = await session.read(_ORIGIN, generation=asset.generation_id)
        return SourceType(kind) if kind else None

    async def add(self, id: RenditionId, asset: Asset, shape: Shape, bytes: int, sha256: str) -> Rendition | None:
        such = _such(asset.id, shape)
        try:
            async with self._session() as session:
                now = await session.now()
                await session.read(_ADD, id=id, account=asset.account_id, bytes=bytes, sha256=sha256, now=now, **such)
                return _one(await session.read(_FIND, **such))
        except psycopg.errors.ForeignKeyViolation:
            return None

    async def forget(self, limit: int) -> Sequence[Rendition]:
        async with self._session() as session:
            rows = await session.read_all(_FORGET, before=await session.now() - KEPT_UNUSED, limit=limit)
        return [rendition_document.decode(row) for row in rows]

    @asynccontextmanager
    async def _session(self) -> AsyncIterator[Session]:
        with unavailable():
            async with begun(self._pool) as connection:
                yield Session(connection, self.offset)


def _such(asset: AssetId, shape: Shape) -> dict[str, object]:
    return {"asset": asset, "format": shape.format, "width": shape.width, "label": shape.label}


def _one(row: str | None) -> Rendition | None:
    return rendition_document.decode(row) if row else None
