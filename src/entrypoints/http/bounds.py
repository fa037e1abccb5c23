"""How large a route's body may be, how long it may take to come, and how long the answer may. Every route declares it.

A body that is late is refused as 408, and its connection closed. A handler that hangs (the database is away, a provider does not
answer) is left to itself, and its caller told 503: as after any outage, nothing is known of what was asked. An answer that has
begun is never cut.
"""

import asyncio
from dataclasses import dataclass
from typing import Any, cast

from litestar import Litestar, Request
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from domain.limits import LIMITS
from entrypoints.http.auth import media_types, routes
from entrypoints.http.problems import AnswerLate, BodyLate

_KEY = "answer_limit"


@dataclass(frozen=True, slots=True)
class Bounds:
    """`body`: the most bytes that are read, which have `arrival` seconds to come; None: no body is read. `answer`: seconds until
    the answer begins, after those."""

    answer: float = 30.0
    body: int | None = None
    arrival: float = 20.0

    @property
    def seconds(self) -> float:
        """Until the answer begins, from the head of the request."""
        return self.answer + (self.arrival if self.body else 0)


NO_BODY = Bounds()
PROBE = Bounds(answer=10.0)
"""Whoever asks whether we live does not wait."""
SMALL_BODY = Bounds(body=16 * 1024)
WEBHOOK_BODY = Bounds(answer=5.0, body=1 << 20, arrival=5.0)
"""The payment provider asks again later."""
PICTURE_BODY = Bounds(body=LIMITS["body_bytes"])
"""A longest prompt and the fullest metadata, each character escaped."""


class BoundsUndeclared(Exception):
    """A route does not say how large its body may be and how long it may take."""


def declare_bounds(app: Litestar) -> None:
    """Hold each route to what it declares. Raises BoundsUndeclared."""
    for _, handler in routes(app):
        bounds = handler.opt.get("bounds")
        if not isinstance(bounds, Bounds) or (media_types(handler) and not bounds.body):
            raise BoundsUndeclared(f'{handler} needs opt={{"bounds": …}}, with a body if it reads one')
        handler.request_max_body_size = bounds.body or 1  # should it read one after all: Litestar takes 0 for no limit


class Bounded:
    """A middleware of routes: by then it is known which one is asked, and what it raises is answered in that route's manner."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._left = set["asyncio.Future[None]"]()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        bounds = cast(dict[str, Any], scope)["route_handler"].opt.get("bounds")
        if not isinstance(bounds, Bounds):  # an OPTIONS handler that Litestar added
            await self._app(scope, receive, send)
            return
        limit = asyncio.timeout(bounds.seconds)
        cast(dict[str, Any], scope)[_KEY] = limit

        async def send_on(message: Message) -> None:
            if limit.expired():  # the caller has been told already
                return
            if limit.when() is not None:
                limit.reschedule(None)
            await send(message)

        try:
            async with limit:
                # in a task of its own, so that one that clings to a dead line while it is being cancelled holds nobody up
                work = asyncio.ensure_future(self._app(scope, _in_time(receive, bounds.arrival), send_on))
                try:
                    await asyncio.shield(work)
                finally:
                    self._leave(work)
        except TimeoutError:  # the limit's: those of handlers are answered within
            raise AnswerLate from None

    def _leave(self, work: "asyncio.Future[None]") -> None:
        if not work.done():
            work.cancel()
            self._left.add(work)
            work.add_done_callback(self._left.discard)


def prolong(request: Request[Any, Any, Any], seconds: float) -> None:
    """The caller wants to wait for the answer so much longer."""
    limit: asyncio.Timeout = cast(dict[str, Any], request.scope)[_KEY]
    if (when := limit.when()) is not None:
        limit.reschedule(when + seconds)


def _in_time(receive: Receive, seconds: float) -> Receive:
    """Raises BodyLate while the body is not whole so many seconds from now."""
    late_at, is_whole = asyncio.get_running_loop().time() + seconds, False

    async def receive_in_time() -> Any:
        nonlocal is_whole
        if is_whole:  # all that can come now is that the caller has gone
            return await receive()
        try:
            async with asyncio.timeout_at(late_at):
                message = await receive()
        except TimeoutError:
            raise BodyLate(seconds) from None
        is_whole = not message.get("more_body")
        return message

    return receive_in_time
