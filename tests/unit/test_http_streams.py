"""Streams on a real socket in this process: whoever reads nothing is dropped, and nothing of theirs is kept."""

import asyncio
import socket
from collections.abc import AsyncGenerator, Callable
from typing import Any
from uuid import UUID

import pytest
from litestar import Litestar, get

from domain.accounts import AccountId
from domain.errors import TooManyStreams
from domain.limits import LIMITS
from entrypoints.http.streams import EventStream, Streams
from tests.wire import wired

pytestmark = pytest.mark.anyio
ACCOUNT = AccountId(UUID(int=1))
PIECE = b"data: " + b"x" * 10_000 + b"\n\n"


class Endless:
    """`left`: how many pieces were taken, of a stream that was ended."""

    def __init__(self) -> None:
        self.taken, self.left = 0, 0

    async def pieces(self) -> AsyncGenerator[bytes]:
        try:
            while True:
                self.taken += 1
                yield PIECE
                await asyncio.sleep(0)
        finally:
            self.left = self.taken


async def till(so: Callable[[], bool], what: str) -> None:
    """Wait for it; a defect shows as its absence for a long time."""
    for _ in range(3_000):
        if so():
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"waited in vain for {what}")


def app_of(endless: Endless, streams: Streams) -> Any:
    @get("/", media_type="text/event-stream")
    async def stream() -> EventStream:
        streams.check(ACCOUNT)
        return EventStream(endless.pieces(), streams, ACCOUNT)

    return Litestar([stream], openapi_config=None, logging_config=None)


async def test_a_reader_who_never_reads_is_dropped_and_nothing_of_theirs_is_kept() -> None:
    endless, streams = Endless(), Streams(0.1)
    async with wired(app_of(endless, streams)) as wire:
        with socket.socket() as line:
            line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            line.setblocking(False)
            await asyncio.get_running_loop().sock_connect(line, ("127.0.0.1", wire.port))
            line.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            await till(lambda: endless.left > 0, "the stream to be ended")
    assert endless.left * len(PIECE) < 16 << 20, "what the system itself takes, and no more"
    assert streams.count == 0


async def test_a_reader_who_pauses_is_not_dropped() -> None:
    endless, streams = Endless(), Streams(0.5)
    async with wired(app_of(endless, streams)) as wire:
        loop = asyncio.get_running_loop()
        with socket.socket() as line:
            line.setblocking(False)
            await loop.sock_connect(line, ("127.0.0.1", wire.port))
            line.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            read = 0
            for _ in range(6):
                await asyncio.sleep(0.3)
                paused = read + (8 << 20)
                while read < paused:
                    read += len(await loop.sock_recv(line, 1 << 20))
            assert streams.count == 1
        await till(lambda: streams.count == 0, "the stream to be ended")


async def test_stopping_ends_what_goes_on_and_what_begins() -> None:
    endless, streams = Endless(), Streams(60)
    async with wired(app_of(endless, streams)) as wire:
        going_on = asyncio.create_task(wire.say(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"))
        await till(lambda: streams.count == 1, "the stream to begin")
        streams.stop()
        assert (await going_on).endswith(b"0\r\n\r\n")
        late = await wire.say(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert late.endswith(b"0\r\n\r\n")
        assert streams.count == 0


async def test_so_many_streams_and_no_more() -> None:
    streams, nothing = Streams(1), asyncio.create_task(asyncio.sleep(0))
    opened = [streams.one(ACCOUNT, nothing) for _ in range(LIMITS["streams"])]
    for stream in opened:
        streams.check(ACCOUNT)
        stream.__enter__()
    with pytest.raises(TooManyStreams):
        streams.check(ACCOUNT)
    streams.check(AccountId(UUID(int=2)))
    opened[0].__exit__(None, None, None)
    streams.check(ACCOUNT)
    await nothing
