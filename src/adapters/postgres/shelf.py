"""Many generations at once, in Postgres: one statement for each step, however many there are."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from adapters.postgres.session import Session
from application.library import Shelf
from domain.accounts import AccountId, Mode
from domain.bulk import Shelved
from domain.generations import GenerationId
from domain.media import AssetId

_shelved = msgspec.json.Decoder(Shelved)

_FIND = """
SELECT json_build_object('id', g.id, 'state', g.state,
    'has_pictures', EXISTS (SELECT 1 FROM assets a WHERE a.generation_id = g.id))::text
FROM generations g
WHERE g.id = ANY(%(generations)s) AND g.account_id = %(account)s AND g.mode = %(mode)s AND g.request IS NOT NULL
"""
_LOCK = """
SELECT id FROM generations
WHERE id = ANY(%(generations)s) AND account_id = %(account)s AND mode = %(mode)s ORDER BY id FOR NO KEY UPDATE
"""
_PICTURES = 'SELECT id FROM assets WHERE generation_id = ANY(%(generations)s) ORDER BY generation_id, "index" LIMIT %(limit)s'
_MARK = """
UPDATE generations SET favourite = %(favourite)s WHERE id = ANY(%(generations)s) AND favourite <> %(favourite)s RETURNING 1
"""
_TRASH = "UPDATE generations SET trashed_at = %(at)s WHERE id = ANY(%(generations)s) AND trashed_at IS NULL RETURNING 1"
_RESTORE = "UPDATE generations SET trashed_at = NULL WHERE id = ANY(%(generations)s) AND trashed_at IS NOT NULL RETURNING 1"


class PostgresShelf(Shelf):
    def __init__(self, session: Session) -> None:
        self._session = session

    async def lock(self, generations: Sequence[GenerationId], account: AccountId, mode: Mode) -> Sequence[Shelved]:
        named = list(generations)
        await self._session.read_all(_LOCK, generations=named, account=account, mode=mode)
        return await self.find(named, account, mode)  # a statement of its own: as they are now that nobody changes them

    async def find(self, generations: Sequence[GenerationId], account: AccountId, mode: Mode) -> Sequence[Shelved]:
        rows = await self._session.read_all(_FIND, generations=list(generations), account=account, mode=mode)
        return [_shelved.decode(row) for row in rows]

    async def pictures(self, generations: Sequence[GenerationId], limit: int) -> Sequence[AssetId]:
        return await self._session.read_all(_PICTURES, generations=list(generations), limit=limit)

    async def mark(self, generations: Sequence[GenerationId], *, favourite: bool) -> None:
        await self._session.read_all(_MARK, generations=list(generations), favourite=favourite)

    async def trash(self, generations: Sequence[GenerationId], at: datetime | None) -> None:
        if at:
            await self._session.read_all(_TRASH, generations=list(generations), at=at)
        else:
            await self._session.read_all(_RESTORE, generations=list(generations))
