"""Archives in memory."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from adapters.memory.locks import RowLocks
from adapters.memory.tables import Tables
from application.packing import Archives
from domain.accounts import AccountId, Mode
from domain.archives import Archive, ArchiveId, ArchiveState
from domain.errors import NotFound
from domain.media import AssetId


@dataclass(frozen=True, slots=True)
class MemoryArchives(Archives):
    rows: Tables
    locks: RowLocks

    def add(self, archive: Archive) -> None:
        self.rows.archives[archive.id] = replace(archive)

    async def lock(self, archive: ArchiveId) -> Archive:
        await self.locks.lock(self.rows, ("archive", archive))
        found = self.rows.archives.get(archive)
        if not found:
            raise NotFound("there is no such archive", archive=str(archive))
        return replace(found)

    async def lock_due(self, now: datetime) -> Archive | None:
        due = sorted((a.due_at, a.id) for a in self._all() if a.state.is_open and a.due_at <= now)
        free = [id for _, id in due if self.locks.try_lock(self.rows, ("archive", id))]
        return await self.lock(free[0]) if free else None

    def save(self, archive: Archive) -> None:
        self.rows.archives[archive.id] = replace(archive)

    async def of_account(self, account: AccountId, mode: Mode) -> Sequence[Archive]:
        return [replace(a) for a in self._all() if (a.account_id, a.mode) == (account, mode)]

    async def lock_ready(self, asset: AssetId, account: AccountId) -> Sequence[Archive]:
        mine = [a.id for a in self._all() if a.account_id == account and asset in a.assets]
        locked = [await self.lock(archive) for archive in sorted(mine)]
        return [archive for archive in locked if archive.state is ArchiveState.READY]

    async def forget(self, now: datetime, limit: int) -> Sequence[Archive]:
        over = [a for a in self._all() if a.expires_at and a.expires_at <= now]
        gone = [a for a in over if self.locks.try_lock(self.rows, ("archive", a.id))][:limit]
        for archive in gone:
            self.rows.archives[archive.id] = None
        return gone

    def _all(self) -> Iterator[Archive]:
        return (archive for archive in self.rows.archives.values() if archive)
