"""An S3 that refuses, hangs, cuts, or does not know us: nothing is known then, that is said in time, and nothing is half done."""

import base64
import hashlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from botocore.config import Config

from adapters.storage import s3 as adapter
from adapters.storage.s3 import S3Storage
from application.ports import StorageUnavailable
from tests.object_stores import an_s3, names, now, on_s3, picture
from tests.weed import BUCKET, ON_S3, Weed

pytestmark = pytest.mark.anyio

NOBODY = {"AWS_ACCESS_KEY_ID": "AK", "AWS_SECRET_ACCESS_KEY": "secret", "S3_BUCKET": BUCKET, "S3_REGION": "us-east-1"}
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\nETag: x\r\n\r\n"
CHECKSUM = base64.b64encode(hashlib.sha256(b"content").digest()).decode()
PATIENCE = 0.5
Manner = Callable[[socket.socket], None]


@pytest.fixture(autouse=True)
def _quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adapter, "_CONFIG", adapter._CONFIG.merge(Config(read_timeout=5, retries={"total_max_attempts": 1})))


def hangs(connection: socket.socket) -> None:
    """It takes everything and says nothing."""
    while connection.recv(1 << 16):
        pass


def cuts_at_once(connection: socket.socket) -> None:
    connection.recv(1)


def cuts_the_answer(connection: socket.socket) -> None:
    connection.recv(1 << 16)
    connection.sendall(HEAD + b"a part")


def drips(connection: socket.socket) -> None:
    connection.recv(1 << 16)
    connection.sendall(HEAD)
    with suppress(OSError):
        for _ in range(1_000):
            connection.sendall(b"x")
            time.sleep(0.05)


def alters(connection: socket.socket) -> None:
    connection.recv(1 << 16)
    connection.sendall(
        b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\nx-amz-checksum-sha256: " + CHECKSUM.encode() + b"\r\n\r\ncOntent"
    )


def fails(connection: socket.socket) -> None:
    connection.recv(1 << 16)
    connection.sendall(b"HTTP/1.1 503 Slow Down\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")


@contextmanager
def server(manner: Manner) -> Iterator[str]:
    """Every connection is treated in this manner until the block ends."""
    open_ones = list[socket.socket]()

    def serve() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                open_ones.append(connection)
                threading.Thread(target=treat, args=(connection,), daemon=True).start()

    def treat(connection: socket.socket) -> None:
        with suppress(OSError):
            manner(connection)
            connection.shutdown(socket.SHUT_RDWR)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
    for connection in open_ones:
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
        connection.close()


def everything(storage: S3Storage, source: Path) -> list[partial[Any]]:
    return [
        partial(storage.put, picture(), b"content", "image/png"),
        partial(storage.put_new, picture(), b"content", "image/png"),
        partial(storage.put_file, picture(), source, "application/zip"),
        partial(storage.get, picture()),
        partial(storage.delete, picture()),
        partial(names, storage),
        partial(storage.clear_remnants, now()),
    ]


@pytest.mark.parametrize("manner", [hangs, cuts_at_once, cuts_the_answer, drips, fails])
async def test_a_store_that_does_not_answer_is_unavailable_within_its_time(manner: Manner, tmp_path: Path) -> None:
    (tmp_path / "archive").write_bytes(b"content")
    with server(manner) as url, an_s3(NOBODY | {"S3_ENDPOINT_URL": url}, seconds=PATIENCE) as storage:
        for act in everything(storage, tmp_path / "archive"):
            if manner is cuts_the_answer and act.func in (storage.put, storage.put_new, storage.put_file, storage.delete):
                continue  # its head says that it was done
            began = time.monotonic()
            with pytest.raises(StorageUnavailable) as said:
                await act()
            assert time.monotonic() - began < PATIENCE + 3
            assert "secret" not in str(said.value)


async def test_bytes_that_were_altered_on_their_way_are_not_handed_on() -> None:
    with (
        server(alters) as url,
        an_s3(NOBODY | {"S3_ENDPOINT_URL": url}) as storage,
        pytest.raises(StorageUnavailable, match="Checksum"),
    ):
        await storage.get(picture())


async def test_a_store_that_is_not_there_is_unavailable_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        gone = f"http://127.0.0.1:{listener.getsockname()[1]}"
    with an_s3(NOBODY | {"S3_ENDPOINT_URL": gone}) as storage:
        with pytest.raises(StorageUnavailable, match="EndpointConnectionError"):
            await storage.put(picture(), b"content", "image/png")
        with pytest.raises(StorageUnavailable):
            await names(storage)


async def test_a_file_that_is_not_there_is_no_success(tmp_path: Path) -> None:
    nowhere = {"S3_ENDPOINT_URL": "http://127.0.0.1:1"}
    with an_s3(NOBODY | nowhere) as storage, pytest.raises(StorageUnavailable, match="FileNotFoundError"):
        await storage.put_file(picture(), tmp_path / "nothing", "application/zip")


@ON_S3
@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"S3_BUCKET": "another"}, "there is no such bucket"),
        ({"AWS_SECRET_ACCESS_KEY": "geheim"}, "the secret key is wrong"),
        ({"AWS_ACCESS_KEY_ID": "AKNOBODY"}, "the access key is unknown"),
    ],
    ids=str,
)
async def test_what_is_set_wrong_is_named_and_no_object_is_said_to_be_missing(
    s3: Weed, wrong: dict[str, str], words: str
) -> None:
    with an_s3(dict(s3.environment) | wrong) as storage:
        for act in everything(storage, Path(__file__))[:1] + everything(storage, Path(__file__))[3:]:
            if wrong.get("S3_BUCKET") and act.func == storage.put:
                continue  # this S3 makes the bucket then
            with pytest.raises(StorageUnavailable, match=words) as said:
                await act()
            assert "geheim" not in str(said.value)


@ON_S3
async def test_what_did_not_come_whole_is_no_object(s3: Weed) -> None:
    """The body ends before its length is reached."""
    with on_s3(s3) as storage:
        await storage.put(picture(), b"old", "image/png")
        host, port = s3.url.removeprefix("http://").split(":")
        made = storage.link_to_put(picture(), content_type="image/png", bytes=1_000_000, expires_at=now() + timedelta(minutes=1))
        with socket.create_connection((host, int(port))) as line:
            path = made.url.removeprefix(s3.url)
            said = f"PUT {path} HTTP/1.1\r\nHost: {host}:{port}\r\ncontent-type: image/png\r\ncontent-length: 1000000\r\n\r\n"
            line.sendall(said.encode() + b"x" * 500_000)
            line.shutdown(socket.SHUT_WR)
            line.settimeout(10)
            answer = line.recv(1_000)
        assert b" 200 " not in answer[:20]
        assert await storage.get(picture()) == b"old"


@ON_S3
async def test_the_store_keeps_the_checksum_of_what_was_sent(s3: Weed) -> None:
    with on_s3(s3) as storage:
        await storage.put(picture(), b"content", "image/png")
        seen = s3.usual.head_object(Bucket=BUCKET, Key=str(picture()), ChecksumMode="ENABLED")
        assert (seen["ChecksumSHA256"], seen["ContentType"]) == (CHECKSUM, "image/png")


@ON_S3
async def test_uploads_in_parts_that_were_abandoned_are_aborted_and_younger_ones_go_on(s3: Weed) -> None:
    with on_s3(s3) as storage:
        client, key = s3.usual, str(picture())
        begun = client.create_multipart_upload(Bucket=BUCKET, Key=key)
        client.upload_part(Bucket=BUCKET, Key=key, UploadId=begun["UploadId"], PartNumber=1, Body=b"x" * (5 << 20))
        (found,) = client.list_multipart_uploads(Bucket=BUCKET)["Uploads"]
        assert await storage.clear_remnants(found["Initiated"]) == 0
        assert await storage.clear_remnants(found["Initiated"] + timedelta(seconds=1)) == 1
        assert "Uploads" not in client.list_multipart_uploads(Bucket=BUCKET)
        assert await storage.clear_remnants(found["Initiated"] + timedelta(seconds=1)) == 0
        assert await names(storage) == []
