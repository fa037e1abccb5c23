"""Archives: many pictures of an account in one file, made in the background and kept for a day."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NewType
from uuid import UUID

from domain.accounts import AccountId, Mode
from domain.errors import LimitExceeded, TooManyArchives
from domain.limits import LIMITS
from domain.media import Asset, AssetId
from domain.objects import ObjectKey

ArchiveId = NewType("ArchiveId", UUID)

MANIFEST = "manifest.json"
MOST_ATTEMPTS = 10
"""Whoever dies, or finds storage away, leaves it to the next; but something may be wrong with the archive itself."""
BACK_OFF, LONGEST_BACK_OFF = timedelta(seconds=5), timedelta(minutes=10)


class ArchiveState(StrEnum):
    WAITING = "waiting"
    RUNNING = "running"
    READY = "ready"
    FAILED = "failed"

    @property
    def is_open(self) -> bool:
        return self in (ArchiveState.WAITING, ArchiveState.RUNNING)


class ArchiveFailure(StrEnum):
    """Why there is no file, or none any more."""

    NOTHING_LEFT = "nothing_left"
    """Every picture was deleted before it could be packed."""
    PICTURE_DELETED = "picture_deleted"
    """A picture that lay in it was deleted, so it went with it."""
    STORAGE = "storage"
    """It was tried too often in vain."""


@dataclass(slots=True)
class Archive:
    """`done` of its pictures are packed. `attempt` counts who has begun to make it, and is a part of the file's key: nobody ever
    writes where another does. `due_at`: from then on somebody else may begin."""

    id: ArchiveId
    account_id: AccountId
    mode: Mode
    assets: tuple[AssetId, ...]
    created_at: datetime
    due_at: datetime
    state: ArchiveState = ArchiveState.WAITING
    done: int = 0
    attempt: int = 0
    bytes: int | None = None
    failure: ArchiveFailure | None = None
    expires_at: datetime | None = None

    @property
    def key(self) -> ObjectKey:
        return ObjectKey.archive(self.account_id, self.id, self.attempt)

    def begin(self, now: datetime, lease: timedelta) -> None:
        """Made anew from its first picture on."""
        self.attempt, self.done, self.state, self.due_at = self.attempt + 1, 0, ArchiveState.RUNNING, now + lease

    def renew(self, done: int, until: datetime) -> None:
        self.done, self.due_at = done, until

    def put_off(self, now: datetime, kept: timedelta) -> None:
        """Nothing came of this attempt; the next waits longer, and there is a last one."""
        if self.attempt >= MOST_ATTEMPTS:
            self.fail(ArchiveFailure.STORAGE, now, kept)
        else:
            self.state, self.done = ArchiveState.WAITING, 0
            self.due_at = now + min(BACK_OFF * 2 ** (self.attempt - 1), LONGEST_BACK_OFF)

    def finish(self, size: int, now: datetime, kept: timedelta) -> None:
        self.state, self.done, self.bytes, self.expires_at = ArchiveState.READY, len(self.assets), size, now + kept

    def fail(self, failure: ArchiveFailure, now: datetime, kept: timedelta) -> None:
        self.state, self.failure, self.expires_at = ArchiveState.FAILED, failure, now + kept

    def withdraw(self) -> None:
        """A picture in it is deleted: no copy of it stays. One that is not ready yet finds out by itself."""
        self.state, self.failure, self.bytes = ArchiveState.FAILED, ArchiveFailure.PICTURE_DELETED, None


def check_assets(assets: Sequence[Asset]) -> None:
    """Raises LimitExceeded."""
    limit = LIMITS["archive_bytes"]
    if sum(asset.bytes for asset in assets) > limit:
        raise LimitExceeded(f"the pictures of an archive have {limit} bytes at most together", field="assets", limit=limit)


def check_others(others: Sequence[Archive], now: datetime) -> None:
    """Whether an account that has these may have one more. Raises TooManyArchives."""
    unfinished = [archive for archive in others if archive.state.is_open]
    if len(unfinished) >= LIMITS["open_archives"]:
        raise TooManyArchives(f"{len(unfinished)} archives are being made", limit=LIMITS["open_archives"], retry_after=10)
    kept = sorted(archive.expires_at for archive in others if archive.expires_at and archive.expires_at > now)
    if len(unfinished) + len(kept) >= LIMITS["archives"]:
        seconds = int((kept[0] - now).total_seconds()) + 1
        raise TooManyArchives(f"{len(kept)} archives are kept", limit=LIMITS["archives"], retry_after=seconds)


def name_of(asset: Asset) -> str:
    """The same for the same picture, and another for another."""
    stem = f"{asset.generation_id}-{asset.index}" if asset.generation_id else f"{asset.id}"
    return f"{stem}.{asset.format}"
