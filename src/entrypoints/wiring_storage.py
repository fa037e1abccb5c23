"""Where bytes lie: at an S3, or in the data folder."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime

from dishka import Provider, Scope, provide

from adapters.keyring import Keyring
from adapters.storage.elsewhere import LinkedElsewhere
from adapters.storage.filesystem import FilesystemStorage
from application.ports import LinkedObjects, ObjectStorage
from entrypoints.crash_points import CrashPoints
from entrypoints.settings import Settings


@dataclass(frozen=True, slots=True)
class Objects:
    """The store as it is, without names for its calls; and who serves the links to it."""

    storage: ObjectStorage
    linked: LinkedObjects


class Storing(Provider):
    scope = Scope.APP

    @provide
    async def objects(self, settings: Settings, keyring: Keyring) -> AsyncIterator[Objects]:
        if not settings.s3_bucket:
            root = settings.data_dir / "objects"
            files = FilesystemStorage(root, signer=keyring.purpose("links"), clock=lambda: datetime.now(UTC))
            yield Objects(files, files)
            return
        from adapters.storage.s3 import S3Storage  # half a second's import

        at, region = settings.s3_endpoint_url, settings.s3_region
        async with S3Storage.opened(settings.s3_bucket, endpoint_url=at, region=region) as storage:
            yield Objects(storage, LinkedElsewhere())

    @provide
    def storage(self, objects: Objects, points: CrashPoints) -> ObjectStorage:
        return points.wrap("ObjectStorage", objects.storage)

    @provide
    def links(self, objects: Objects, points: CrashPoints) -> LinkedObjects:
        return points.wrap("LinkedObjects", objects.linked)
