"""The HTTP/1.1 parser, with an end to what it takes, and how long, before there is anything to act on."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, cast

from litestar.types import Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

FRUITLESS_BYTES = 64 * 1024
HEAD_SECONDS = 30.0
"""From the first byte of a request, or from the connection, to the end of its head."""
BODY_SECONDS = 150.0
"""For a body that no route reads: those that do have less."""


_REST = "gpt_image.rest"
_KEPT = ("type", "method", "http_version")


class GoingOn(Protocol):
    """The rest of an answer that has begun."""

    async def __call__(self, send: Send) -> None: ...

    def end(self) -> None:
        """The line is gone."""
        ...


@dataclass(slots=True)
class _Rest:
    drop_if_unread: Callable[[float], None]
    going_on: GoingOn | None = None
    unread_seconds: float = 0


def drop_if_unread(scope: Scope, seconds: float) -> None:
    """From now on, whoever reads nothing of what is there for so long loses the connection, and we what was kept for them."""
    if rest := _rest(scope):
        rest.drop_if_unread(seconds)


def _rest(scope: Scope) -> _Rest | None:
    """None: it is another server's."""
    rest: _Rest | None = cast(dict[str, Any], scope).get("extensions", {}).get(_REST, {}).get(_REST)
    return rest


def go_on(scope: Scope, going_on: GoingOn, unread_seconds: float) -> bool:
    """An answer that has begun goes on so, as soon as the application has returned, and nothing else of the request is kept. From
    then on, whoever reads nothing of what is there for so long loses the connection, and we what was kept for them. False: it is
    another server, which does not know of this."""
    rest = _rest(scope)
    if rest is None:
        return False
    rest.going_on, rest.unread_seconds = going_on, unread_seconds
    return True


class BoundedProtocol(HttpToolsProtocol):
    """The parser puts a head, a trailer or a chunk's extension of any length together in memory, and the longer it is the slower,
    before anybody has shown a key. So what neither completes a head nor brings a piece of a body may have FRUITLESS_BYTES, beside
    the piece of the stream in which it began. And a request that is never whole does not keep its connection."""

    _patience: float | None = None
    _stuck: asyncio.TimerHandle | None = None
    _fruitless = 0
    _bore_fruit = False
    _expected: asyncio.TimerHandle | None = None
    _going_on: GoingOn | None = None

    def data_received(self, data: bytes) -> None:
        self._bore_fruit = False
        super().data_received(data)
        self._fruitless = 0 if self._bore_fruit else self._fruitless + len(data)
        if self._fruitless > FRUITLESS_BYTES and not self.transport.is_closing():
            self.send_400_response("The head of the request is too long.")

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn itself
        super().connection_made(transport)
        self._expect(HEAD_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        self._settle()
        self._unstick()
        super().connection_lost(exc)
        if self._going_on:
            self._going_on.end()

    def on_message_begin(self) -> None:
        self._expect(HEAD_SECONDS)
        super().on_message_begin()
        self.scope["extensions"] = {_REST: {_REST: _Rest(self._drop_if_unread)}}

    def on_headers_complete(self) -> None:
        self._bore_fruit = True
        self._expect(BODY_SECONDS)
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._bore_fruit = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._bore_fruit = True
        self._settle()
        super().on_message_complete()

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._patience is not None:
            self._stuck = self.loop.call_later(self._patience, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._unstick()

    def _drop_if_unread(self, seconds: float) -> None:
        self._patience = seconds
        self.transport.set_write_buffer_limits(0)  # each byte that the system does not take is one too many

    def _unstick(self) -> None:
        if self._stuck:
            self._stuck.cancel()
            self._stuck = None

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        super()._start_asgi_task(cycle, partial(self._answer, cycle, app))

    async def _answer(self, cycle: RequestResponseCycle, app: Any, scope: Any, receive: Any, send: Send) -> None:
        await app(scope, receive, send)
        rest: _Rest = scope["extensions"][_REST][_REST]
        if rest.going_on is None:
            return
        self._going_on = rest.going_on
        self._drop_if_unread(rest.unread_seconds)
        cycle.scope = {name: scope[name] for name in _KEPT}  # type: ignore[assignment]  # all that is asked for once it has begun
        if self.scope is scope:
            self.scope, self.headers = cycle.scope, []
        del scope, receive, rest  # thousands go on
        if cycle.disconnected:
            self._going_on.end()
        try:
            await self._going_on(send)
        finally:
            self._going_on = None

    def _expect(self, seconds: float) -> None:
        """What comes next must be there by then."""
        self._settle()
        self._expected = self.loop.call_later(seconds, self._late, seconds)

    def _settle(self) -> None:
        if self._expected:
            self._expected.cancel()

    def _late(self, seconds: float) -> None:
        if self.pipeline or not getattr(self.cycle, "response_complete", True):
            self._expect(seconds)  # an answer is under way, and is not cut
        elif not self.transport.is_closing():
            self.transport.close()
