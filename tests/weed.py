"""A real S3: `weed mini` from the wheel, on loopback ports that were free, gone when its block ends."""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from adapters.postgres.embedded import leave_with_us

ON_S3 = pytest.mark.xdist_group("weed")
KEY, SECRET, REGION = "AKTESTS", "a-secret-of-the-tests", "us-east-1"
BUCKET = "pictures"
PORTS = ("s3", "master", "volume", "filer", "admin")
START_SECONDS = 60.0
TRIES = 3
_GRPC = 10_000
_NONE = Config(retries={"total_max_attempts": 1}, connect_timeout=2, read_timeout=5)


@dataclass(frozen=True, eq=False)
class Weed:
    """`url`: where it answers. `log` tells why it does not."""

    url: str
    log: Path
    process: "subprocess.Popen[bytes]"

    @property
    def environment(self) -> Mapping[str, str]:
        """What a part of the service is told to use it."""
        keys = {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET}
        return {"S3_BUCKET": BUCKET, "S3_ENDPOINT_URL": self.url, "S3_REGION": REGION, **keys}

    def bucket(self, name: str) -> Mapping[str, str]:
        """What a part of the service is told to use a new bucket."""
        self.usual.create_bucket(Bucket=name)
        return {**self.environment, "S3_BUCKET": name}

    def client(self, secret: str = SECRET) -> Any:
        """For looks from outside."""
        keys = {"aws_access_key_id": KEY, "aws_secret_access_key": secret}
        return boto3.client("s3", endpoint_url=self.url, region_name=REGION, config=_NONE, **keys)

    @cached_property
    def usual(self) -> Any:
        return self.client()

    def empty(self, bucket: str = BUCKET) -> None:
        client = self.usual
        for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket):
            if keys := [{"Key": found["Key"]} for found in page.get("Contents", ())]:
                client.delete_objects(Bucket=bucket, Delete={"Objects": keys})


@contextmanager
def weed() -> Iterator[Weed]:
    """Ready when it has taken a put."""
    folder = Path(tempfile.mkdtemp(prefix="gpt-image-weed-"))
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        for tries in reversed(range(TRIES)):
            running = _start(folder / str(tries))
            stack.callback(_end, running.process)
            if _is_ready(running) or not tries:
                break
        assert running.process.poll() is None, running.log.read_text(errors="replace")[-4_000:]
        yield running


def _start(folder: Path) -> Weed:
    ports = dict(zip(PORTS, _free_ports(len(PORTS)), strict=True))
    said = [f"-{name}.port={port}" for name, port in ports.items()]
    said += [f"-{name}.port.grpc={port + _GRPC}" for name, port in ports.items()]
    said += ["-s3.port.iceberg=0", "-s3.port.lance=0", "-webdav=false", "-admin.ui=false", "-master.telemetry=false"]
    said += [f"-filer.localSocket={folder / 'filer.sock'}", f"-s3.localSocket={folder / 's3.sock'}"]
    said += [f"-dir={folder / 'kept'}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-bucket={BUCKET}"]
    (folder / "kept").mkdir(parents=True)
    log = folder / "weed.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(Path(sys.executable).parent / "weed"), "mini", *said],
            env={"PATH": os.environ["PATH"], "HOME": str(folder), "TMPDIR": str(folder), "AWS_ACCESS_KEY_ID": KEY}
            | {"AWS_SECRET_ACCESS_KEY": SECRET, "GOMAXPROCS": "2"},
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            preexec_fn=leave_with_us(signal.SIGKILL),
        )
    return Weed(f"http://127.0.0.1:{ports['s3']}", log, process)


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.kill()
    process.wait(30)


def _is_ready(running: Weed) -> bool:
    """False if it ended: somebody may take a port between our look and its start."""
    client, until = running.usual, time.monotonic() + START_SECONDS
    while running.process.poll() is None:
        try:
            client.put_object(Bucket=BUCKET, Key="ready", Body=b"")
            client.delete_object(Bucket=BUCKET, Key="ready")
        except (BotoCoreError, ClientError, ResponseParserError):  # the last: somebody else listens there
            assert time.monotonic() < until, running.log.read_text(errors="replace")[-4_000:]
            time.sleep(0.05)
        else:
            return True
    return False


def _free_ports(count: int) -> list[int]:
    """Such that the port 10,000 above, of the same part's gRPC, is free too; below those that outgoing connections get."""
    with ExitStack() as held:
        found = list[int]()
        for port in range(11_000 + secrets.randbelow(10_000), 22_000):
            with ExitStack() as tried:
                try:
                    for each in (port, port + _GRPC):
                        listener = tried.enter_context(socket.socket())
                        listener.bind(("127.0.0.1", each))
                except OSError:
                    continue
                held.push(tried.pop_all())
                found.append(port)
            if len(found) == count:
                return found
    raise AssertionError("no ports are free")
