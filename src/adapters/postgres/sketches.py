"""Thumbnails in Postgres: columns of each picture say how far its own has come."""

from collections.abc import Sequence
from datetime import timedelta

import msgspec

from adapters.postgres.pool import begun
from adapters.postgres.session import Pool, Session, unavailable
from application.copies import Sketches, Unsketched
from domain.media import AssetId, Thumbnail
from domain.provenance import SourceType
from domain.renditions import LOOK_AGAIN, Sketch

# Whoever deletes a picture, or uses it, is not waited for.
_TAKE = f"""
UPDATE assets a SET looks = a.looks + 1, look_due = %(again)s
WHERE a.id = ANY(ARRAY(
    SELECT id FROM assets WHERE thumbnail IS NULL AND (look_due IS NULL OR look_due <= %(now)s)
    ORDER BY looks, created_at, id LIMIT %(limit)s FOR NO KEY UPDATE SKIP LOCKED))
RETURNING json_build_object('asset', row_to_json(a), 'looks', a.looks, 'source_type', (
    SELECT CASE g.kind WHEN 'edit' THEN '{SourceType.EDITED}' ELSE '{SourceType.GENERATED}' END
    FROM generations g WHERE g.id = a.generation_id))::text
"""
_KEEP = f"""
UPDATE assets SET thumbnail = '{Thumbnail.MADE}', blurhash = %(blurhash)s, pdq = coalesce(pdq, %(pdq)s)
WHERE id = %(asset)s RETURNING 1
"""
_GIVE_UP = f"UPDATE assets SET thumbnail = '{Thumbnail.IMPOSSIBLE}' WHERE id = %(asset)s RETURNING 1"
_PUT_BACK = "UPDATE assets SET looks = looks - 1 WHERE id = ANY(%(assets)s) AND thumbnail IS NULL AND looks > 0 RETURNING 1"


class PostgresSketches(Sketches):
    """`offset` is added to the database's clock, for tests."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self.offset = timedelta(0)

    async def take(self, limit: int) -> Sequence[Unsketched]:
        with unavailable():
            async with begun(self._pool) as connection:
                session = Session(connection, self.offset)
                now = await session.now()
                rows = await session.read_all(_TAKE, now=now, again=now + LOOK_AGAIN, limit=limit)
        found = [msgspec.json.decode(row, type=Unsketched) for row in rows]
        return sorted(found, key=lambda picture: (picture.looks, picture.asset.created_at, picture.asset.id))

    async def keep(self, asset: AssetId, sketch: Sketch) -> bool:
        pdq = sketch.likeness.pdq if sketch.likeness.tells else None
        return await self._change(_KEEP, asset=asset, blurhash=sketch.blurhash, pdq=pdq)

    async def give_up(self, asset: AssetId) -> None:
        await self._change(_GIVE_UP, asset=asset)

    async def put_back(self, assets: Sequence[AssetId]) -> None:
        await self._change(_PUT_BACK, assets=list(assets))

    async def _change(self, statement: str, **parameters: object) -> bool:
        with unavailable():
            async with begun(self._pool) as connection:
                return bool(await Session(connection, self.offset).read_all(statement, **parameters))
