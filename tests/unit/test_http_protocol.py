"""A request that never becomes whole, on a real socket: its connection ends, and nobody else's answer with it."""

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
    app = Stage().client().app
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
