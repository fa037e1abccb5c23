"""Archives in Postgres."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from adapters.postgres import tables
from adapters.postgres.batches import removal
from adapters.postgres.session import Session
from application.packing import Archives
from domain.accounts import AccountId, Mode
from domain.archives import Archive, ArchiveId
from domain.errors import NotFound
from domain.media import AssetId

archive_document = msgspec.json.Decoder(Archive)

_OF_ACCOUNT = "SELECT row_to_json(a)::text FROM archives a WHERE account_id = %(account)s AND mode = %(mode)s ORDER BY id"
_LOCK_DUE = """
SELECT row_to_json(a)::text FROM archives a WHERE state IN ('waiting', 'running') AND due_at <= %(now)s
ORDER BY due_at, id LIMIT 1 FOR UPDATE SKIP LOCKED
"""
_LOCK_READY = """
SELECT row_to_json(a)::text FROM archives a
WHERE account_id = %(account)s AND state = 'ready' AND assets ? %(asset)s::text ORDER BY id FOR UPDATE
"""
_FORGET = removal("archives", "id", "expires_at <= %(now)s", "row_to_json(archives)::text")


class PostgresArchives(Archives):
    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, archive: Archive) -> None:
        self._session.writes.insert(tables.archives, archive)

    async def lock(self, archive: ArchiveId) -> Archive:
        select = "SELECT row_to_json(a)::text FROM archives a WHERE id = %(archive)s FOR UPDATE"
        row = await self._session.read(select, archive=archive)
        if not row:
            raise NotFound(archive=str(archive))
        return archive_document.decode(row)

    async def lock_due(self, now: datetime) -> Archive | None:
        row = await self._session.read(_LOCK_DUE, now=now)
        return archive_document.decode(row) if row else None

    def save(self, archive: Archive) -> None:
        self._session.writes.update(tables.archives, archive)

    async def of_account(self, account: AccountId, mode: Mode) -> Sequence[Archive]:
        rows = await self._session.read_all(_OF_ACCOUNT, account=account, mode=mode)
        return [archive_document.decode(row) for row in rows]

    async def lock_ready(self, asset: AssetId, account: AccountId) -> Sequence[Archive]:
        rows = await self._session.read_all(_LOCK_READY, asset=asset, account=account)
        return [archive_document.decode(row) for row in rows]

    async def forget(self, now: datetime, limit: int) -> Sequence[Archive]:
        return [archive_document.decode(row) for row in await self._session.read_all(_FORGET, now=now, limit=limit)]
