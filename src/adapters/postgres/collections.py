"""Collections and what lies in them, in Postgres."""

from collections.abc import Mapping, Sequence

import msgspec

from adapters.postgres import tables
from adapters.postgres.session import Session
from application.library import Collections
from domain.accounts import AccountId, Mode
from domain.errors import NotFound
from domain.generations import GenerationId
from domain.library import Collection, CollectionId

collection_document = msgspec.json.Decoder(Collection)
_item = msgspec.json.Decoder(tuple[GenerationId, int])

_COUNT = "SELECT count(*) FROM collections WHERE account_id = %(account)s AND mode = %(mode)s"
_LOCK = """
SELECT row_to_json(c)::text FROM collections c
WHERE id = %(collection)s AND account_id = %(account)s AND mode = %(mode)s FOR NO KEY UPDATE
"""
_REMOVE = "DELETE FROM collections WHERE id = %(collection)s RETURNING 1"
_INSIDE = """
SELECT json_build_array(generation_id, place)::text FROM collection_items
WHERE collection_id = %(collection)s AND generation_id = ANY(%(generations)s)
"""
_PUT = """
INSERT INTO collection_items AS i (generation_id, collection_id, place, created_at)
SELECT g.id, %(collection)s, p.place, g.created_at
FROM unnest(%(generations)s::uuid[], %(places)s::bigint[]) AS p(generation_id, place) JOIN generations g ON g.id = p.generation_id
ON CONFLICT (generation_id, collection_id) DO UPDATE SET place = EXCLUDED.place RETURNING 1
"""
_TAKE_OUT = """
DELETE FROM collection_items WHERE collection_id = %(collection)s AND generation_id = ANY(%(generations)s) RETURNING generation_id
"""
_EMPTY = """
DELETE FROM collection_items WHERE collection_id = %(collection)s AND generation_id = ANY(ARRAY(
    SELECT generation_id FROM collection_items WHERE collection_id = %(collection)s ORDER BY place DESC LIMIT %(limit)s
)) RETURNING generation_id
"""
_FOLLOWING = """
SELECT json_build_array(generation_id, place)::text FROM collection_items
WHERE collection_id = %(collection)s AND place > %(place)s AND generation_id <> %(but)s ORDER BY place LIMIT %(limit)s
"""
_HOLDING = """
SELECT id FROM collections WHERE id IN (SELECT collection_id FROM collection_items WHERE generation_id = %(generation)s)
ORDER BY id FOR NO KEY UPDATE
"""
_ERASE = """
WITH gone AS (DELETE FROM collection_items WHERE generation_id = %(generation)s RETURNING collection_id)
UPDATE collections c SET items = c.items - 1, cover = NULLIF(c.cover, %(generation)s)
FROM gone WHERE c.id = gone.collection_id RETURNING 1
"""
_BEFORE_ALL = -(2**63)


class PostgresCollections(Collections):
    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, collection: Collection) -> None:
        self._session.writes.insert(tables.collections, collection)

    async def count(self, account: AccountId, mode: Mode) -> int:
        count: int = await self._session.read(_COUNT, account=account, mode=mode)
        return count

    async def lock(self, collection: CollectionId, account: AccountId, mode: Mode) -> Collection:
        row = await self._session.read(_LOCK, collection=collection, account=account, mode=mode)
        if not row:
            raise NotFound("there is no such collection", collection=str(collection))
        return collection_document.decode(row)

    def save(self, collection: Collection) -> None:
        self._session.writes.update(tables.collections, collection)

    async def remove(self, collection: CollectionId) -> None:
        await self._session.read_all(_REMOVE, collection=collection)

    async def inside(self, collection: CollectionId, generations: Sequence[GenerationId]) -> Mapping[GenerationId, int]:
        rows = await self._session.read_all(_INSIDE, collection=collection, generations=list(generations))
        return dict(map(_item.decode, rows))

    async def put(self, collection: CollectionId, places: Mapping[GenerationId, int]) -> None:
        if places:
            put = {"generations": list(places), "places": list(places.values())}
            await self._session.read_all(_PUT, collection=collection, **put)

    async def take_out(self, collection: CollectionId, generations: Sequence[GenerationId]) -> Sequence[GenerationId]:
        return await self._session.read_all(_TAKE_OUT, collection=collection, generations=list(generations))

    async def empty(self, collection: CollectionId, limit: int) -> Sequence[GenerationId]:
        return await self._session.read_all(_EMPTY, collection=collection, limit=limit)

    async def following(
        self, collection: CollectionId, place: int | None, limit: int, but: GenerationId
    ) -> Sequence[tuple[GenerationId, int]]:
        behind = {"place": _BEFORE_ALL if place is None else place, "limit": limit, "but": but}
        return [_item.decode(row) for row in await self._session.read_all(_FOLLOWING, collection=collection, **behind)]

    async def erase(self, generation: GenerationId) -> None:
        # Their locks first and in order: who erases another one that lies in the same ones does not meet us halfway.
        if await self._session.read_all(_HOLDING, generation=generation):
            await self._session.read_all(_ERASE, generation=generation)
