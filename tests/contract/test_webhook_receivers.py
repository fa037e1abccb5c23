"""Receivers of every bad kind beside a good one: each has its reason in the log, and the good one is told at once."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpcore2
import pytest

from adapters.webhook_post import HttpWebhookPost
from application.webhook_deliveries import SendWebhooks
from domain.webhook_deliveries import Reason
from tests.certificates import certificate
from tests.contract.postgres_harness import PostgresHarness, on_postgres
from tests.contract.test_webhook_post import OK, Act, receiver
from tests.webhook_stage import Hooks

pytestmark = pytest.mark.anyio
SECONDS, EACH = 3.0, 4


class Elsewhere(httpcore2.AnyIOBackend):
    """The public internet, where each address is a port of this machine."""

    def __init__(self) -> None:
        self.ports: dict[str, int] = {}

    async def connect_tcp(self, host: str, port: int, *args: Any, **kwargs: Any) -> httpcore2.AsyncNetworkStream:
        return await super().connect_tcp("127.0.0.1", self.ports[host], *args, **kwargs)


async def hangs(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def floods(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 500 No\r\nContent-Length: 10485760\r\n\r\n")
    for _piece in range(160):
        writer.write(b"x" * 65_536)
        await writer.drain()


AWAY = b"HTTP/1.1 302 Away\r\nLocation: https://127.0.0.1/\r\nContent-Length: 0\r\n\r\n"
KINDS: dict[str, tuple[Act | bytes, Reason]] = {
    "good": (OK, Reason.DELIVERED),
    "hangs": (hangs, Reason.TIMEOUT),
    "floods": (floods, Reason.STATUS),
    "redirects": (AWAY, Reason.REDIRECT),
    "private": (OK, Reason.ADDRESS_NOT_PUBLIC),
}


@pytest.fixture
async def harness(database_url: str) -> AsyncIterator[PostgresHarness]:
    async with on_postgres(database_url) as ready:
        yield ready


async def test_each_has_its_reason_and_the_good_one_is_not_delayed(harness: PostgresHarness, tmp_path: Path) -> None:
    hooks, line = Hooks(harness), Elsewhere()
    server, trust = certificate(tmp_path / "server.pem").server(), ssl.create_default_context()
    trust.check_hostname, trust.verify_mode = False, ssl.CERT_NONE
    addresses = {name: f"8.8.8.{number}" for number, name in enumerate(KINDS)} | {"private": "10.0.0.1"}

    async def look_up(host: str, port: int) -> Sequence[str]:
        return [addresses[host.partition(".")[0]]]

    async with AsyncExitStack() as stack:
        receivers = {name: await stack.enter_async_context(receiver(act, server)) for name, (act, _) in KINDS.items()}
        line.ports = {addresses[name]: at.port for name, at in receivers.items()}
        callers = {name: await hooks.caller() for name in KINDS}
        endpoints = {name: await hooks.hook(caller, f"https://{name}.example/") for name, caller in callers.items()}
        for name in ("hangs", "floods", "redirects", "private", "good"):
            for _ in range(EACH):
                await hooks.finish(callers[name])
        post = HttpWebhookPost(SECONDS, look_up, trust=trust, line=line)
        work = asyncio.ensure_future(SendWebhooks(harness.store, post, lambda: 0.0)())
        while len(receivers["good"].requests) < EACH:
            assert not work.done()
            await asyncio.sleep(0.005)
        assert not any(row.log for row in await hooks.log(endpoints["hangs"])), "the good one waited for one that hangs"
        await work
    for name, (_, reason) in KINDS.items():
        log = await hooks.log(endpoints[name])
        assert {made.reason for row in log for made in row.log} == {reason}, name
        assert len(log) == EACH
        assert all(row.log for row in log)
    assert receivers["private"].requests == [], "nobody connects there"
