"""Which rows speak of stored objects, class by class: rules of how long they stay are the domain's."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec

from adapters.postgres.archives import archive_document
from adapters.postgres.pool import read_all
from adapters.postgres.renditions import rendition_document
from adapters.postgres.session import Pool, unavailable
from application.object_rows import ObjectRows, SpokenObject, Walk
from domain.media import Asset
from domain.objects import ObjectClass, ObjectKey
from domain.quarantine import Impounded

asset_document = msgspec.json.Decoder(Asset)
impounded_document = msgspec.json.Decoder(Impounded)

# What holds of `o` (class, owner and the parts of the path as text, from 1) while a row speaks of the object, or may yet.
SPEAKS: Mapping[ObjectClass, str] = {
    ObjectClass.UPLOADS: "EXISTS (SELECT 1 FROM assets a WHERE a.id = o.owner)",
    ObjectClass.OUTPUTS: """EXISTS (SELECT 1 FROM generations g WHERE g.id = o.owner AND g.state IN ('queued', 'running'))
        OR EXISTS (SELECT 1 FROM assets a WHERE a.generation_id = o.owner AND a.attempt::text = o.path[1]
            AND (a."index"::text = o.path[2] OR o.path[2] = 'manifest'))""",
    ObjectClass.INCOMING: "false",
    ObjectClass.ARCHIVES: """EXISTS (SELECT 1 FROM archives a
        WHERE a.id = o.owner AND a.attempt::text = o.path[1] AND a.state IN ('running', 'ready'))""",
    ObjectClass.RENDITIONS: "EXISTS (SELECT 1 FROM renditions r WHERE r.asset_id = o.owner AND r.id::text = o.path[1])",
    ObjectClass.THUMBNAILS: "EXISTS (SELECT 1 FROM assets a WHERE a.id = o.owner)",
    ObjectClass.QUARANTINE: "EXISTS (SELECT 1 FROM quarantine q WHERE q.id = o.owner AND q.released_at IS NULL)",
    ObjectClass.PARTIALS: "EXISTS (SELECT 1 FROM generations g WHERE g.id = o.owner AND g.request IS NOT NULL)",
    ObjectClass.ANSWERS: "EXISTS (SELECT 1 FROM generations g WHERE g.id = o.owner AND g.request IS NOT NULL)",
}
_SPOKEN_OF = f"""
SELECT o.key FROM json_to_recordset(%(found)s::json) AS o(key text, class text, owner uuid, path text[])
WHERE CASE o.class {" ".join(f"WHEN '{kind}' THEN {speaks}" for kind, speaks in SPEAKS.items())} ELSE false END
"""


_WALKS: Mapping[Walk, str] = {
    Walk.PICTURES: "SELECT row_to_json(a)::text FROM assets a WHERE id > %(after)s ORDER BY id LIMIT %(limit)s",
    Walk.THUMBNAILS: """SELECT row_to_json(a)::text FROM assets a
        WHERE id > %(after)s AND thumbnail = 'made' ORDER BY id LIMIT %(limit)s""",
    Walk.RENDITIONS: "SELECT row_to_json(r)::text FROM renditions r WHERE id > %(after)s ORDER BY id LIMIT %(limit)s",
    Walk.ARCHIVES: """SELECT row_to_json(a)::text FROM archives a
        WHERE id > %(after)s AND state = 'ready' ORDER BY id LIMIT %(limit)s""",
    Walk.QUARANTINE: """SELECT row_to_json(q)::text FROM quarantine q
        WHERE id > %(after)s AND released_at IS NULL ORDER BY id LIMIT %(limit)s""",
}

# As the planner knows it: it's for a bar that shows how far a walk is.
_COUNT = """
SELECT greatest(reltuples, 0)::bigint FROM pg_class
WHERE oid IN ('assets'::regclass, 'renditions'::regclass, 'archives'::regclass)
"""


async def spoken_of(pool: Pool, keys: Collection[ObjectKey]) -> set[ObjectKey]:
    """Those of the keys, all of our making, of which a row speaks or may yet."""
    if not keys:
        return set()
    asked = msgspec.json.encode([_asked(key) for key in keys]).decode()
    return {ObjectKey.parse(key) for key in await read_all(pool, _SPOKEN_OF, {"found": asked})}


class PostgresObjectRows(ObjectRows):
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def walk(self, walk: Walk, after: str, limit: int) -> Sequence[SpokenObject]:
        said = {"after": UUID(after or str(UUID(int=0))), "limit": limit}
        with unavailable():
            return [_READ[walk](row) for row in await read_all(self._pool, _WALKS[walk], said)]

    async def count(self) -> int:
        with unavailable():
            return sum(await read_all(self._pool, _COUNT, {}))

    async def spoken_of(self, keys: Collection[ObjectKey]) -> Collection[ObjectKey]:
        with unavailable():
            return await spoken_of(self._pool, keys)


def _picture(row: str) -> SpokenObject:
    return SpokenObject.of(asset_document.decode(row))


def _thumbnail(row: str) -> SpokenObject:
    asset = asset_document.decode(row)
    return SpokenObject(ObjectKey.thumbnail(asset.account_id, asset.id), None, None, str(asset.id))


def _archive(row: str) -> SpokenObject:
    archive = archive_document.decode(row)
    return SpokenObject(archive.key, archive.bytes, None, str(archive.id))


def _impounded(row: str) -> SpokenObject:
    held = impounded_document.decode(row)
    return SpokenObject(ObjectKey.quarantined(held.account_id, held.id), None, held.sha256, str(held.id))


def _rendition(row: str) -> SpokenObject:
    rendition = rendition_document.decode(row)
    return SpokenObject(rendition.key, rendition.bytes, rendition.sha256, str(rendition.id))


_READ: Mapping[Walk, Callable[[str], SpokenObject]] = {
    Walk.PICTURES: _picture,
    Walk.THUMBNAILS: _thumbnail,
    Walk.RENDITIONS: _rendition,
    Walk.ARCHIVES: _archive,
    Walk.QUARANTINE: _impounded,
}


def _asked(key: ObjectKey) -> dict[str, Any]:
    return {"key": str(key), "class": key.object_class, "owner": key.owner, "path": key.path}
