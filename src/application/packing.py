"""What archives need from outside: their rows, and somebody who packs."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from pathlib import Path
from typing import Protocol

from domain.accounts import AccountId, Mode
from domain.archives import Archive, ArchiveId
from domain.media import AssetId


class Archives(Protocol):
    """Rows of archives. Their pictures are locked before them."""

    def add(self, archive: Archive) -> None: ...

    async def lock(self, archive: ArchiveId) -> Archive:
        """Raises NotFound."""

    async def lock_due(self, now: datetime) -> Archive | None:
        """One that somebody may begin to make, the oldest first; those locked by others are passed over."""

    def save(self, archive: Archive) -> None: ...

    async def of_account(self, account: AccountId, mode: Mode) -> Sequence[Archive]:
        """No locks."""

    async def lock_ready(self, asset: AssetId, account: AccountId) -> Sequence[Archive]:
        """The ready archives in which this picture of the account's was to be."""

    async def forget(self, now: datetime, limit: int) -> Sequence[Archive]:
        """Remove at most so many that expired by then and that nobody holds; answers them."""


class Package(Protocol):
    """A file in the making. It takes room on this machine, and no more memory than what is added to it at a time."""

    async def add(self, name: str, content: bytes, at: datetime) -> None:
        """`at`: the time the file bears inside."""

    async def close(self) -> tuple[Path, int]:
        """Whole now: where it lies, until the package is left, and its bytes."""


class Packer(Protocol):
    def begin(self) -> AbstractAsyncContextManager[Package]:
        """Nothing of it stays when it is left, however that comes about. Raises StorageUnavailable where there is no room."""
