"""The stores of objects as tests make them, and keys to put there."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from unittest import mock
from uuid import UUID

from adapters.keyring import Keyring
from adapters.storage.filesystem import FilesystemStorage
from adapters.storage.s3 import CALL_SECONDS, S3Storage
from application.ports import ObjectStorage
from domain.accounts import AccountId
from domain.objects import ObjectKey
from tests.programs import KEYRING
from tests.weed import Weed

Clock = Callable[[], datetime]


def now() -> datetime:
    return datetime.now(UTC)


def filesystem(root: Path, clock: Clock = now) -> FilesystemStorage:
    return FilesystemStorage(root, signer=Keyring.parse(KEYRING).purpose("links"), clock=clock)


@cache
def _usual(at: Weed) -> S3Storage:
    """Clients take long to make; one may serve all tests of a process."""
    return _connected(dict(at.environment), now, CALL_SECONDS)


@contextmanager
def on_s3(at: Weed, clock: Clock = now) -> Iterator[S3Storage]:
    """An empty bucket."""
    at.empty()
    if clock is now:
        yield _usual(at)
        return
    with an_s3(dict(at.environment), clock) as storage:
        yield storage


@contextmanager
def an_s3(environment: dict[str, str], clock: Clock = now, seconds: float = CALL_SECONDS) -> Iterator[S3Storage]:
    """`environment` says who we are, and where."""
    storage = _connected(environment, clock, seconds)
    try:
        yield storage
    finally:
        storage.close()


def _connected(environment: dict[str, str], clock: Clock, seconds: float) -> S3Storage:
    with mock.patch.dict(os.environ, environment):
        said = {"endpoint_url": environment["S3_ENDPOINT_URL"], "region": environment["S3_REGION"]}
        return S3Storage.connected(environment["S3_BUCKET"], clock=clock, seconds=seconds, **said)


def picture(owner: int = 1, attempt: int = 1, index: int = 0, account: int = 7) -> ObjectKey:
    return ObjectKey.picture(AccountId(UUID(int=account)), UUID(int=owner), attempt, index)


async def names(storage: ObjectStorage, prefix: str = "") -> list[str]:
    return [str(stored.key) async for stored in storage.list(prefix)]
