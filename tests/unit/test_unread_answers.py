"""Answers on a real socket in this process: whoever does not read theirs is dropped, and it has not been delivered."""

import asyncio
import socket
from typing import Any

import pytest
from litestar import Litestar, Request, Response, get

from entrypoints.http import lines
from entrypoints.http.lines import Handed, Line
from tests.wire import wired

pytestmark = pytest.mark.anyio
LONG = 48 << 20
"""More than the system itself takes for anybody."""


class Answer:
    """One answer. `delivered`: what was noted of it."""

    def __init__(self, pieces: list[bytes]) -> None:
        self.pieces, self.begun = pieces, asyncio.Event()
        self.delivered = asyncio.get_running_loop().create_future()

    async def note(self, delivered: bool) -> None:
        self.delivered.set_result(delivered)

    def app(self) -> Any:
        @get("/")
        async def pictures(request: Request[Any, Any, Any]) -> Response[bytes]:
            self.begun.set()
            return Handed(Response(b""), self.pieces, Line(request.receive), self.note)

        return Litestar([pictures], openapi_config=None, logging_config=None)


async def asking(line: socket.socket, port: int) -> None:
    line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    line.setblocking(False)
    await asyncio.get_running_loop().sock_connect(line, ("127.0.0.1", port))
    line.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")


async def test_whoever_never_reads_their_pictures_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "UNREAD_SECONDS", 0.1)
    answer = Answer([b"x" * LONG])
    async with wired(answer.app()) as wire, asyncio.timeout(30):
        with socket.socket() as line:
            await asking(line, wire.port)
            assert await answer.delivered is False


async def test_an_answer_whose_last_piece_nobody_took_is_not_delivered() -> None:
    answer = Answer([b"x" * LONG])
    async with wired(answer.app()) as wire, asyncio.timeout(30):
        with socket.socket() as line:
            await asking(line, wire.port)
            await answer.begun.wait()
            loop, read = asyncio.get_running_loop(), 0
            while read < LONG - (16 << 20):
                read += len(await loop.sock_recv(line, 1 << 20))
            assert not answer.delivered.done()
        assert await answer.delivered is False


async def test_an_answer_that_was_read_is_delivered() -> None:
    answer = Answer([b"x" * (1 << 20), b"y" * 5])
    async with wired(answer.app()) as wire, asyncio.timeout(30):
        said = await wire.say(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert said.endswith(b"\r\n\r\n" + b"x" * (1 << 20) + b"y" * 5)
        assert await answer.delivered is True
