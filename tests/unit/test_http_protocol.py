"""Requests on a real socket that never become whole, or end in two ways: their connection ends, and nobody else's answer."""

import asyncio

import pytest

from entrypoints.http import protocol
from tests.http_stage import BEARER, Stage, shorten
from tests.wire import wired

pytestmark = pytest.mark.anyio
HEAD = f"POST /v1/quotes HTTP/1.1\r\nHost: x\r\nAuthorization: {BEARER['Authorization']}\r\n".encode()
JSON = b"Content-Type: application/json\r\nContent-Length: 18\r\n\r\n"
BODY = b'{"prompt":"a fox"}'


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.1)
    monkeypatch.setattr(protocol, "BODY_SECONDS", 0.1)


@pytest.mark.parametrize(
    "sent", [b"", b"GET", b"GET /v1/models HTTP/1.1\r\nHost: x\r\n"], ids=["nothing", "a word", "half a head"]
)
async def test_a_head_that_does_not_come_ends_the_connection(sent: bytes) -> None:
    async with wired(Stage().client().app) as wire:
        assert await wire.say(sent) == b""


async def test_the_next_head_must_come_too() -> None:
    async with wired(Stage().client().app) as wire:
        said = await wire.say(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n", b"GET /v1/mod")
    assert said.count(b"HTTP/1.1 200 OK") == 1


async def test_a_body_that_does_not_come_is_a_408_and_a_closed_connection() -> None:
    app = Stage().own_client().app
    shorten(app, "/v1/quotes", arrival=0.2)
    async with wired(app) as wire:
        said = await wire.say(HEAD, JSON, BODY[:5])
    assert said.startswith(b"HTTP/1.1 408 Request Timeout\r\n")
    assert said.count(b"connection: close") == 1
    assert b"/problems/timeout" in said


async def test_a_body_that_nobody_reads_does_not_keep_its_connection() -> None:
    async with wired(Stage().client().app) as wire:
        said = await wire.say(b"POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n1")
    assert said.startswith(b"HTTP/1.1 404 ")


async def test_an_answer_under_way_is_not_cut_by_what_comes_behind_it() -> None:
    stage, quote = Stage(), Stage.quote

    async def slow(*said: object) -> object:
        await asyncio.sleep(0.5)
        return await quote(stage, *said)  # type: ignore[arg-type]  # as it was called

    stage.quote = slow  # type: ignore[method-assign, assignment]  # slower, and the same
    async with wired(stage.client().app) as wire:
        said = await wire.say(HEAD, JSON, BODY, b"GET /v1/mod")
    assert said.startswith(b"HTTP/1.1 200 OK")
    assert b'"credits"' in said


async def test_whoever_is_quick_may_come_again() -> None:
    async with wired(Stage().client().app) as wire:
        said = await wire.say(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n" * 3, until_closed=False)
    assert said.startswith(b"HTTP/1.1 200 OK")


HIDDEN = b"GET /health/live HTTP/1.1\r\nHost: x\r\nX-Request-Id: 0123abcd-beef\r\n\r\n"
BYE = b"GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
TWO_ENDS = {
    "a length and chunks": b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks and a length": b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "two lengths": b"Content-Length: 5\r\nContent-Length: 0\r\n\r\n",
    "a length twice": b"Content-Length: 0\r\nContent-Length: 0\r\n\r\n",
    "a list of lengths": b"Content-Length: 0, 5\r\n\r\n",
    "a signed length": b"Content-Length: +0\r\n\r\n",
    "a length in sixteens": b"Content-Length: 0x0\r\n\r\n",
    "a negative length": b"Content-Length: -1\r\n\r\n",
    "a space before the colon": b"Content-Length : 5\r\n\r\n",
    "unknown chunks": b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "chunks that are not last": b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "a chunk of no size": b"Transfer-Encoding: chunked\r\n\r\n-1\r\n\r\n",
    "a bare line end": b"Transfer-Encoding: chunked\r\n\r\n0\n\n",
    "a folded header": b"Transfer-Encoding:\r\n chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("ends", TWO_ENDS.values(), ids=TWO_ENDS)
async def test_where_a_body_ends_is_told_in_one_way_or_the_connection_is_closed(ends: bytes) -> None:
    """Whoever reads it another way than a proxy before us would answer a request that the proxy has never seen."""
    async with wired(Stage().client().app) as wire:
        said = await wire.say(b"POST /health/live HTTP/1.1\r\nHost: x\r\n", ends, HIDDEN)
    assert b"-beef" not in said
    assert said.count(b"HTTP/1.1 ") == said.count(b"HTTP/1.1 400 ") <= 1


async def test_what_comes_behind_a_whole_body_is_the_next_request() -> None:
    async with wired(Stage().client().app) as wire:
        said = await wire.say(b"POST /health/live HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx", HIDDEN, BYE)
    assert said.count(b"HTTP/1.1 ") == 3
    assert b"-beef" in said


async def test_every_answer_is_as_long_as_it_says() -> None:
    """One after the other on one connection: the next begins where the length of the one before says."""
    asked = [
        *(
            f"GET {path}"
            for path in ("/health/live", "/nowhere", "/v1/models", "/openapi.json", "/v1/credits", "/v1/credits?x=1")
        ),
        *("DELETE /v1/models", "POST /v1/quotes", "OPTIONS /v1/models", "GET /files/x", "GET /v1/generations"),
    ]
    head = f" HTTP/1.1\r\nHost: x\r\nAuthorization: {BEARER['Authorization']}\r\n\r\n"
    async with wired(Stage().client().app) as wire:
        left = await wire.say(*(f"{line}{head}".encode() for line in asked), BYE)
    statuses = list[bytes]()
    while left:
        told, _, left = left.partition(b"\r\n\r\n")
        status, *headers = told.split(b"\r\n")
        statuses.append(status[:13])
        length = dict(header.split(b": ", 1) for header in headers).get(b"content-length", b"0")
        left = left[int(length) :]
    assert [status[:9] for status in statuses] == [b"HTTP/1.1 "] * (len(asked) + 1)
    assert len(set(statuses)) > 4
