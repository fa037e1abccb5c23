"""Reads of collections and of what lies in them, in Postgres."""

from collections.abc import Sequence
from typing import Any

import msgspec

from adapters.postgres import listing
from adapters.postgres.generations import GENERATION
from adapters.postgres.pool import read_all
from adapters.postgres.session import Pool, unavailable
from application.library import CollectionRow, ItemRow, LibraryQueries
from application.queries import FIRST, GenerationFilter, Position
from domain.accounts import AccountId, Mode
from domain.errors import NotFound
from domain.generations import GenerationId
from domain.library import CollectionId

_collection = msgspec.json.Decoder(CollectionRow)
_item = msgspec.json.Decoder(ItemRow)

LOOKED_AT = 20
"""So many of a collection's first items are looked at for a picture, where its cover has none."""

_FIRST_PICTURE = """
SELECT row_to_json(a) FROM assets a JOIN generations g ON g.id = a.generation_id
WHERE a.generation_id = {generation} AND g.trashed_at IS NULL ORDER BY a."index" LIMIT 1
"""
_COLLECTION = f"""
SELECT json_build_object('collection', row_to_json(c), 'picture', coalesce(({_FIRST_PICTURE.format(generation="c.cover")}), (
    SELECT picture FROM (
        SELECT i.place, ({_FIRST_PICTURE.format(generation="i.generation_id")}) AS picture FROM collection_items i
        WHERE i.collection_id = c.id ORDER BY i.place, i.generation_id LIMIT {LOOKED_AT}) looked_at
    WHERE picture IS NOT NULL ORDER BY place LIMIT 1)))::text
FROM collections c WHERE c.account_id = %(account)s AND c.mode = %(mode)s
"""
_COLLECTIONS = f"""{_COLLECTION}
    AND (c.created_at, c.id) < (%(at)s, %(last)s)
    AND (%(holding)s::uuid IS NULL OR EXISTS (
        SELECT 1 FROM collection_items i WHERE i.generation_id = %(holding)s AND i.collection_id = c.id))
ORDER BY c.created_at DESC, c.id DESC LIMIT %(limit)s
"""
_ONE = f"{_COLLECTION} AND c.id = %(collection)s"
_ITEMS = f"""
SELECT json_build_object('place', i.place, 'generation', {GENERATION}, 'assets', (
    SELECT coalesce(json_agg(s ORDER BY s."index"), '[]') FROM assets s WHERE s.generation_id = g.id))::text
FROM collection_items i JOIN generations g ON g.id = i.generation_id
WHERE i.collection_id = %(collection)s AND (i.place, i.generation_id) > (%(place)s, %(last)s) AND g.trashed_at IS NULL
ORDER BY i.place, i.generation_id LIMIT %(limit)s
"""
_BEFORE_ALL = (-(2**63), "00000000-0000-0000-0000-000000000000")


class PostgresLibraryQueries(LibraryQueries):
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def _read(self, statement: str, **parameters: Any) -> list[Any]:
        with unavailable():
            return await read_all(self._pool, statement, parameters)

    async def matching(
        self, account: AccountId, mode: Mode, matching: GenerationFilter, after: Position | None, limit: int
    ) -> tuple[Sequence[GenerationId], Position | None]:
        with unavailable():
            found, following = await listing.ids(self._pool, account, mode, matching, after, limit)
        return [GenerationId(id) for id in found], following

    async def collections(
        self, account: AccountId, mode: Mode, holding: GenerationId | None, after: Position | None, limit: int
    ) -> Sequence[CollectionRow]:
        at, last = after or FIRST
        of = {"account": account, "mode": mode, "holding": holding}
        rows = await self._read(_COLLECTIONS, **of, at=at, last=last, limit=limit)
        return [_collection.decode(row) for row in rows]

    async def collection(self, collection: CollectionId, account: AccountId, mode: Mode) -> CollectionRow:
        rows = await self._read(_ONE, collection=collection, account=account, mode=mode)
        if not rows:
            raise NotFound("there is no such collection", collection=str(collection))
        return _collection.decode(rows[0])

    async def items(
        self, collection: CollectionId, account: AccountId, mode: Mode, after: tuple[int, GenerationId] | None, limit: int
    ) -> Sequence[ItemRow]:
        await self.collection(collection, account, mode)
        place, last = after or _BEFORE_ALL
        rows = await self._read(_ITEMS, collection=collection, place=place, last=last, limit=limit)
        return [_item.decode(row) for row in rows]
