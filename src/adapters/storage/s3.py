"""Objects at an S3, or at whatever speaks its language: whole, checked on the way there and back, and linked to directly."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, closing, contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Self, TypeVar

import boto3
from boto3.exceptions import Boto3Error
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError
from urllib3.exceptions import HTTPError

from adapters.storage.file_names import disposition, safe_name
from adapters.storage.signed_requests import Credentials, signed_url
from application.ports import ObjectMissing, ObjectStorage, ObjectTooLarge, PutLink, StorageUnavailable, StoredObject
from domain.limits import LIMITS
from domain.media import FileFormat
from domain.objects import ObjectKey

Found = TypeVar("Found")
CALL_SECONDS = 25.0
"""A call is over by then, in whatever way: sooner than a request's answer is due."""
SLOWEST = 1 << 20
"""Bytes a second: so much longer a long file may take."""
THREADS = 24
PAGE = 1_000
DEFAULT_REGION = "us-east-1"
_PIECE = 1 << 18
_CONFIG = Config(
    signature_version="s3v4",
    connect_timeout=3,
    read_timeout=10,
    retries={"mode": "standard", "total_max_attempts": 2},
    max_pool_connections=THREADS,
    tcp_keepalive=True,
)
_TRANSFER = TransferConfig(multipart_threshold=16 << 20, multipart_chunksize=16 << 20, max_concurrency=2)
_MISSING = frozenset(("NoSuchKey", "404"))
_TAKEN = frozenset(("PreconditionFailed", "ConditionalRequestConflict"))
_CHECKED = {"ChecksumAlgorithm": "SHA256"}
_WORDS = {
    "NoSuchBucket": "there is no such bucket",
    "SignatureDoesNotMatch": "the secret key is wrong",
    "InvalidAccessKeyId": "the access key is unknown",
    "AccessDenied": "our key may not do this",
}


class S3Storage(ObjectStorage):
    """One bucket, reached through `client` from threads of its own. `base`: the bucket's address, as links give it."""

    def __init__(
        self, client: Any, credentials: Any, bucket: str, base: str, clock: Callable[[], datetime], seconds: float
    ) -> None:
        self._client, self._credentials, self._bucket, self._base = client, credentials, bucket, base
        self._clock, self._seconds = clock, seconds
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="s3")

    @classmethod
    @asynccontextmanager
    async def opened(cls, bucket: str, *, endpoint_url: str = "", region: str = "") -> AsyncIterator[Self]:
        """Raises StorageUnavailable when the settings make no sense."""
        storage = await asyncio.to_thread(cls.connected, bucket, endpoint_url=endpoint_url, region=region)
        try:
            yield storage
        finally:
            storage.close()

    @classmethod
    def connected(
        cls,
        bucket: str,
        *,
        endpoint_url: str = "",
        region: str = "",
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        seconds: float = CALL_SECONDS,
    ) -> Self:
        """Who we are is found where the library looks for it: environment, files, the machine's role. `clock`: by which links are
        measured; `seconds`: for any call."""
        with _in_our_words():
            session = boto3.session.Session()
            config = _CONFIG.merge(Config(s3={"addressing_style": "path"})) if endpoint_url else _CONFIG
            said = {"endpoint_url": endpoint_url or None, "region_name": region or session.region_name or DEFAULT_REGION}
            client, credentials = session.client("s3", config=config, **said), session.get_credentials()
        address = client.meta.endpoint_url.rstrip("/")
        scheme, _, host = address.partition("://")
        base = f"{address}/{bucket}" if endpoint_url or "." in bucket else f"{scheme}://{bucket}.{host}"
        return cls(client, credentials, bucket, base, clock, seconds)

    def close(self) -> None:
        """Nobody waits for calls that hang."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def put(self, key: ObjectKey, content: bytes, content_type: str) -> None:
        said = {"Body": content, "ContentType": content_type, **_CHECKED, **self._at(key)}
        await self._call(partial(self._client.put_object, **said))

    async def put_new(self, key: ObjectKey, content: bytes, content_type: str) -> bool:
        said = {"Body": content, "ContentType": content_type, "IfNoneMatch": "*", **_CHECKED, **self._at(key)}
        try:
            await self._call(partial(self._client.put_object, **said))
        except _Taken:
            return False
        return True

    async def put_file(self, key: ObjectKey, path: Path, content_type: str) -> None:
        at, said = self._at(key), {"ContentType": content_type, **_CHECKED}
        size = (await self._call(path.stat)).st_size
        upload = partial(self._client.upload_file, str(path), at["Bucket"], at["Key"], ExtraArgs=said, Config=_TRANSFER)
        await self._call(upload, self._seconds + size / SLOWEST)

    async def get(self, key: ObjectKey, at_most: int | None = None) -> bytes:
        return await self._call(partial(self._get, key, at_most))

    async def delete(self, key: ObjectKey) -> None:
        await self._call(partial(self._client.delete_object, **self._at(key)))

    async def list(self, prefix: str) -> AsyncIterator[StoredObject]:
        said = dict[str, str]()
        while True:
            more = {"Bucket": self._bucket, "Prefix": prefix, "MaxKeys": PAGE, **said}
            page = await self._call(partial(self._client.list_objects_v2, **more))
            for found in page.get("Contents", ()):
                if key := _ours(found["Key"]):
                    yield StoredObject(key, found["Size"], found["LastModified"].astimezone(UTC))
            if not page.get("IsTruncated"):
                return
            said = {"ContinuationToken": page["NextContinuationToken"]}

    def link(self, key: ObjectKey, *, format: FileFormat, file_name: str, expires_at: datetime) -> str:
        how = disposition(format, safe_name(file_name, format))
        shown = {"response-content-type": format.content_type, "response-content-disposition": how}
        return self._signed("GET", key, expires_at, query=shown)

    def link_to_put(self, key: ObjectKey, *, content_type: str, bytes: int, expires_at: datetime) -> PutLink:
        headers = {"content-length": str(bytes), "content-type": content_type}
        return PutLink(self._signed("PUT", key, expires_at, headers=headers), headers)

    async def clear_remnants(self, before: datetime) -> int:
        """Uploads in parts that were begun before then, whoever began them."""
        cleared, said = 0, dict[str, str]()
        while True:
            page = await self._call(partial(self._client.list_multipart_uploads, Bucket=self._bucket, **said))
            for begun in page.get("Uploads", ()):
                if begun["Initiated"] < before:
                    which = {"Bucket": self._bucket, "Key": begun["Key"], "UploadId": begun["UploadId"]}
                    await self._call(partial(self._abort, which))
                    cleared += 1
            if not page.get("IsTruncated"):
                return cleared
            said = {"KeyMarker": page["NextKeyMarker"], "UploadIdMarker": page["NextUploadIdMarker"]}

    async def _call(self, act: Callable[[], Found], within: float | None = None) -> Found:
        """In a thread, which may go on when we no longer wait for it: nothing is known of what it did then."""
        work = asyncio.get_running_loop().run_in_executor(self._threads, act)
        try:
            with _in_our_words():
                async with asyncio.timeout(within or self._seconds):
                    return await work
        except TimeoutError:
            raise StorageUnavailable("no answer in time") from None

    def _get(self, key: ObjectKey, at_most: int | None) -> bytes:
        until = time.monotonic() + self._seconds
        found = self._client.get_object(ChecksumMode="ENABLED", **self._at(key))
        with closing(found["Body"]) as body:  # as its own context it is the bare line, which checks nothing
            if at_most is not None and found["ContentLength"] > at_most:
                raise ObjectTooLarge
            content = bytearray()
            while piece := body.read(_PIECE):  # the last one brings what is wrong with the checksum
                content += piece
                if time.monotonic() > until:
                    raise StorageUnavailable("no answer in time")
        return bytes(content)

    def _abort(self, which: Mapping[str, str]) -> None:
        try:
            self._client.abort_multipart_upload(**which)
        except ClientError as error:
            if _code(error) != "NoSuchUpload":  # somebody else has just done it
                raise

    def _at(self, key: ObjectKey) -> dict[str, str]:
        return {"Bucket": self._bucket, "Key": "/".join(key.plain_parts)}

    def _signed(self, method: str, key: ObjectKey, expires_at: datetime, **more: Mapping[str, str]) -> str:
        now = self._clock()
        seconds = (expires_at - now).total_seconds()
        assert seconds <= LIMITS["link_seconds"], "a link lives ten minutes at most"
        with _in_our_words():
            # A role's are renewed here once in hours, when no call of ours did so in the quarter of an hour before.
            found = self._who()
        said = Credentials(found.access_key, found.secret_key, found.token)
        region, path = self._client.meta.region_name, "/".join(key.plain_parts)
        return signed_url(method, self._base, path, credentials=said, region=region, at=now, seconds=max(int(seconds), 1), **more)

    def _who(self) -> Any:
        if self._credentials is None:
            raise NoCredentialsError
        return self._credentials.get_frozen_credentials()


class _Taken(Exception):
    """There is something at this key."""


@contextmanager
def _in_our_words() -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        code = _code(error)
        if code in _MISSING:
            raise ObjectMissing from None
        if code in _TAKEN:
            raise _Taken from None
        raise StorageUnavailable(_WORDS.get(code, code)) from error
    except NoCredentialsError as error:
        raise StorageUnavailable("there are no credentials") from error
    except (BotoCoreError, Boto3Error, HTTPError, OSError) as error:
        raise StorageUnavailable(type(error).__name__) from error


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _ours(key: str) -> ObjectKey | None:
    """None for what a stranger left in our bucket."""
    try:
        return ObjectKey.parse(key)
    except ValueError:
        return None
