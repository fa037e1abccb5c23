"""Streams on a real socket in this process: whoever reads nothing is dropped, and nothing of theirs is kept."""

import asyncio
import gc
import socket
import weakref
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack
from typing import Any, cast
from uuid import UUID

import pytest
from litestar import Litestar, Request, get
from litestar.types import Send

from application.events import LocalChanges
from domain.accounts import AccountId
from domain.errors import TooManyStreams
from domain.generations import GenerationId
from domain.limits import LIMITS
from entrypoints.http.protocol import GoingOn
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


class Nothing(GoingOn):
    async def __call__(self, send: Send) -> None: ...

    def end(self) -> None: ...


async def till(so: Callable[[], bool], what: str) -> None:
    """Wait for it; a defect shows as its absence for a long time."""
    for _ in range(3_000):
        if so():
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"waited in vain for {what}")


def app_of(endless: Endless, streams: Streams, *, is_resumable: bool = True) -> Any:
    @get("/", media_type="text/event-stream")
    async def stream() -> EventStream:
        streams.check(ACCOUNT)
        return EventStream(endless.pieces(), streams, ACCOUNT, is_resumable=is_resumable)

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


class Mark:
    """Is there as long as the scope in which it is."""


class Crowd:
    """Many who wait for what never happens. `kept`: what there is of their requests, and of what would be told."""

    def __init__(self) -> None:
        self.streams, self.changes = Streams(60), LocalChanges()
        self.requests = weakref.WeakSet[Mark]()
        self.tellings = weakref.WeakSet[Any]()

    async def pieces(self) -> AsyncGenerator[bytes]:
        yield b":\n\n"
        with self.changes.watch(GenerationId(UUID(int=2))) as watch:
            await watch.changed(3_600)

    @property
    def app(self) -> Any:
        @get("/", media_type="text/event-stream")
        async def stream(request: Request[Any, Any, Any]) -> EventStream:
            pieces = self.pieces()
            mark = Mark()
            self.requests.add(mark)
            cast(dict[str, Any], request.scope)["mark"] = mark
            self.tellings.add(pieces)
            return EventStream(pieces, self.streams, ACCOUNT)

        return Litestar([stream], openapi_config=None, logging_config=None)

    async def join(self, port: int) -> socket.socket:
        line, loop, came = socket.socket(), asyncio.get_running_loop(), b""
        line.setblocking(False)
        await loop.sock_connect(line, ("127.0.0.1", port))
        line.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        while b":\n\n" not in came:
            more = await loop.sock_recv(line, 10_000)
            came += more
            assert more, came
        return line


async def test_a_stream_that_waits_is_one_task_and_keeps_nothing_of_its_request() -> None:
    crowd = Crowd()
    async with wired(crowd.app) as wire, AsyncExitStack() as stack:
        before = len(asyncio.all_tasks())
        for _ in range(20):
            stack.enter_context(await crowd.join(wire.port))
        gc.collect()
        assert (crowd.streams.count, len(crowd.tellings), len(crowd.requests)) == (20, 20, 0)
        assert len(asyncio.all_tasks()) - before == 20


async def test_of_those_who_left_nothing_is_kept() -> None:
    """At once: the next sign of life would be a minute from now."""
    crowd = Crowd()
    async with wired(crowd.app) as wire, AsyncExitStack() as stack:
        before = len(asyncio.all_tasks())
        for _ in range(200):
            stack.enter_context(await crowd.join(wire.port))
        assert crowd.streams.count == 200
        await stack.aclose()
        await till(lambda: crowd.streams.count == 0, "all streams to be ended")
        await till(lambda: len(asyncio.all_tasks()) <= before, "their tasks to end")
        gc.collect()
        assert (len(crowd.tellings), len(crowd.requests)) == (0, 0)
        assert vars(crowd.changes) == vars(LocalChanges())


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


async def test_what_nobody_can_come_back_to_does_not_end_as_if_it_were_whole_when_it_is_cut_off() -> None:
    endless, streams = Endless(), Streams(60)
    async with wired(app_of(endless, streams, is_resumable=False)) as wire:
        going_on = asyncio.create_task(wire.say(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"))
        await till(lambda: endless.taken > 0, "the picture to begin")
        streams.stop()
        assert (await going_on).endswith(PIECE + b"\r\n")


async def test_so_many_streams_and_no_more() -> None:
    streams = Streams(1)
    opened = [streams.one(ACCOUNT, Nothing()) for _ in range(LIMITS["streams"])]
    for stream in opened:
        streams.check(ACCOUNT)
        stream.__enter__()
    with pytest.raises(TooManyStreams):
        streams.check(ACCOUNT)
    streams.check(AccountId(UUID(int=2)))
    opened[0].__exit__(None, None, None)
    streams.check(ACCOUNT)
