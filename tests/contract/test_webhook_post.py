"""Webhooks over real sockets: receivers of every kind, and what is written down of each."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from adapters.webhook_post import DRAIN_BYTES, HttpWebhookPost
from domain.webhook_deliveries import Reason
from tests.certificates import certificate

pytestmark = pytest.mark.anyio
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
TRUST = ssl.create_default_context()
Act = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Receiver:
    port: int = 0
    requests: list[bytes] = field(default_factory=list)


@asynccontextmanager
async def receiver(act: Act | bytes, tls: ssl.SSLContext | None = None) -> AsyncIterator[Receiver]:
    """`act`: what it answers, or does."""
    at, opened = Receiver(), list[asyncio.StreamWriter]()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        opened.append(writer)
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
            at.requests.append(head + await reader.readexactly(length))
            if isinstance(act, bytes):
                writer.write(act)
                await writer.drain()
            else:
                await act(reader, writer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    at.port = server.sockets[0].getsockname()[1]
    try:
        yield at
    finally:
        server.close()
        for writer in opened:
            writer.transport.abort()
        await asyncio.sleep(0)


async def here(host: str, port: int) -> Sequence[str]:
    return ["127.0.0.1"]


def posting(seconds: float = 5, trust: ssl.SSLContext = TRUST) -> HttpWebhookPost:
    return HttpWebhookPost(seconds, here, allow_private=True, trust=trust)


async def told(act: Act | bytes, seconds: float = 5) -> tuple[Reason, int | None]:
    async with receiver(act) as at:
        answer = await posting(seconds).post(f"http://127.0.0.1:{at.port}/in?x=1", {"webhook-id": "1"}, b'{"a":1}')
        return answer.reason, answer.status


async def test_a_message_arrives_whole_with_its_headers_and_without_any_of_ours_that_tell_more() -> None:
    async with receiver(OK) as at:
        answer = await posting().post(f"http://127.0.0.1:{at.port}/in?x=1", {"webhook-id": "1"}, b'{"a":1}')
    assert (answer.reason, answer.status) == (Reason.DELIVERED, 200)
    head, _, body = at.requests[0].partition(b"\r\n\r\n")
    first, *headers = head.decode().lower().split("\r\n")
    assert (first, body) == ("post /in?x=1 http/1.1", b'{"a":1}')
    assert {line.partition(":")[0] for line in headers} == {
        *("host", "content-type", "content-length", "user-agent", "connection", "webhook-id")
    }


@pytest.mark.parametrize("name", ["http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"])
async def test_no_proxy_of_the_environment_is_used(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert await told(OK) == (Reason.DELIVERED, 200)


async def test_a_redirect_is_followed_by_nobody() -> None:
    async with receiver(OK) as elsewhere:
        away = f"HTTP/1.1 307 Away\r\nLocation: http://127.0.0.1:{elsewhere.port}/\r\nContent-Length: 0\r\n\r\n".encode()
        assert await told(away) == (Reason.REDIRECT, 307)
        assert elsewhere.requests == []


@pytest.mark.parametrize(
    ("answer", "reason", "status"),
    [
        (b"HTTP/1.1 204 No Content\r\n\r\n", Reason.DELIVERED, 204),
        (b"HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n", Reason.GONE, 410),
        (b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", Reason.STATUS, 503),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", Reason.DELIVERED, 200),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort", Reason.DELIVERED, 200),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc", Reason.DELIVERED, 200),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", Reason.DELIVERED, 200),
        (b"", Reason.BROKEN, None),
        (b"nonsense\r\n\r\n", Reason.BROKEN, None),
        (b"SSH-2.0-OpenSSH_9.6\r\n", Reason.BROKEN, None),
        (b"HTTP/1.1 200 OK\r\n" + b"X: " + b"y" * 300_000 + b"\r\n\r\n", Reason.BROKEN, None),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 50_000 + b"\r\n", Reason.BROKEN, None),
        (b"HTTP/1.1 101 Other\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n", Reason.BROKEN, None),
    ],
    ids=str,
)
async def test_what_is_answered_is_named(answer: bytes, reason: Reason, status: int | None) -> None:
    assert await told(answer) == (reason, status)


async def test_ten_megabytes_of_an_answer_stay_with_who_sends_them() -> None:
    pieces = list[int]()

    async def act(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10485760\r\n\r\n")
        for _piece in range(160):
            writer.write(b"x" * 65_536)
            await writer.drain()
            pieces.append(65_536)

    assert await told(act) == (Reason.DELIVERED, 200)
    assert sum(pieces) < 10 << 20, f"more was taken than {DRAIN_BYTES} bytes and what sockets hold"


@pytest.mark.parametrize(
    ("begins", "piece", "ends"),
    [
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n", (Reason.BROKEN, None)),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n", (Reason.DELIVERED, 200)),
    ],
)
async def test_an_answer_of_endless_crumbs_is_not_read(begins: bytes, piece: bytes, ends: tuple[Reason, int | None]) -> None:
    """Each crumb is work for this process, which makes pictures, too."""
    taken = list[int]()

    async def act(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(begins)
        for _piece in range(1_000):
            writer.write(piece * (65_536 // len(piece)))
            await writer.drain()
            taken.append(65_536)

    assert await told(act, seconds=3) == ends
    assert sum(taken) < 10 << 20, "no more than what sockets hold"


async def test_the_status_counts_from_the_moment_it_is_there() -> None:
    """Who answers in time, and then takes too long over the body, has been told all the same; 410 is heard, too."""

    async def act(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 410 Gone\r\nContent-Length: 5\r\n\r\n")
        await reader.read()

    assert await told(act, seconds=0.3) == (Reason.GONE, 410)


async def test_a_message_goes_to_the_whole_address() -> None:
    async with receiver(OK) as at:
        for target in ("/in;key=1?x=y;z", "/a//b/../c", "/?a=/b?c"):
            await posting().post(f"http://127.0.0.1:{at.port}{target}", {}, b"{}")
        await posting().post(f"http://127.0.0.1:{at.port}?only=query", {}, b"{}")
    said = [request.split(b" ")[1].decode() for request in at.requests]
    assert said == ["/in;key=1?x=y;z", "/a//b/../c", "/?a=/b?c", "/?only=query"]


@pytest.mark.parametrize("begins", [b"", b"HTTP/1.1 200", b"HTTP/1.1 200 OK\r\nX: y\r\n"])
async def test_who_hangs_before_the_head_is_whole_is_waited_for_so_long_and_no_longer(begins: bytes) -> None:
    async def act(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(begins)
        await reader.read()  # until we hang up

    assert await told(act, seconds=0.2) == (Reason.TIMEOUT, None)


async def test_who_hangs_after_the_head_has_been_told() -> None:
    async def act(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nx")
        await reader.read()

    assert await told(act, seconds=10) == (Reason.DELIVERED, 200)


async def test_nobody_there_is_unreachable() -> None:
    async with receiver(OK) as at:
        pass
    assert (await posting().post(f"http://127.0.0.1:{at.port}/", {}, b"")).reason is Reason.UNREACHABLE


async def test_a_certificate_must_be_trusted_and_for_the_name(tmp_path: Path) -> None:
    mine = certificate(tmp_path / "mine.pem")  # for 127.0.0.1
    async with receiver(OK, mine.server()) as at:
        urls = [f"https://{host}:{at.port}/" for host in ("127.0.0.1", "hooks.example")]
        trusting = [(await posting(trust=mine.trust()).post(url, {}, b"")).reason for url in urls]
        assert trusting == [Reason.DELIVERED, Reason.TLS]
        assert (await posting().post(urls[0], {}, b"")).reason is Reason.TLS
        assert len(at.requests) == 1, "nothing is said to who cannot prove to be the one"


async def test_plain_http_where_tls_belongs_is_no_certificate() -> None:
    async with receiver(b"HTTP/1.1 400 Bad\r\n\r\n") as at:
        answer = await posting(0.5).post(f"https://127.0.0.1:{at.port}/", {}, b"")
    assert answer.reason in (Reason.TLS, Reason.TIMEOUT)
