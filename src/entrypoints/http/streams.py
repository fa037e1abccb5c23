"""Answers that go on: server-sent events, to a caller who is asked for again and again who they are."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import aclosing, contextmanager, suppress
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from litestar import Response
from litestar.response.base import ASGIResponse
from litestar.types import Receive, Scope, Send
from structlog.contextvars import bound_contextvars, get_contextvars

from application.store import StoreUnavailable
from domain.accounts import AccountId
from domain.errors import DomainError, TooManyStreams
from domain.limits import LIMITS
from entrypoints.http.problems import log_crash
from entrypoints.http.protocol import GoingOn, go_on

HEADERS = {"cache-control": "no-store", "x-accel-buffering": "no"}
MEDIA_TYPE = "text/event-stream"
_AGAIN_SECONDS, _LAST_SECONDS = 10, 1.0
_EARLY_SECONDS = 0.3
"""By so much may a pause be shorter than it was asked to be."""


class Streams:
    """The streams of this process. `beat`: the seconds after which each caller is looked up again, and a stream gives a sign of
    life."""

    def __init__(self, beat: float) -> None:
        self.beat = beat
        self._of = Counter[AccountId]()
        self._telling = set[GoingOn]()
        self._stopping = False

    def check(self, account: AccountId) -> None:
        """Raises TooManyStreams."""
        if self._of[account] >= LIMITS["streams"]:
            raise TooManyStreams(limit=LIMITS["streams"], retry_after=_AGAIN_SECONDS)

    @contextmanager
    def one(self, account: AccountId, telling: GoingOn) -> Iterator[None]:
        """One more, until the block ends."""
        self._telling.add(telling)
        if self._stopping:
            telling.end()
        try:
            with self._counted(account):
                yield
        finally:
            self._telling.discard(telling)

    @contextmanager
    def awaited(self, account: AccountId) -> Iterator[None]:
        """One more that is about to begin, until the block ends: else any number could wait together. Raises TooManyStreams."""
        self.check(account)
        with self._counted(account):
            yield

    @contextmanager
    def _counted(self, account: AccountId) -> Iterator[None]:
        self._of[account] += 1
        try:
            yield
        finally:
            self._of[account] -= 1
            if not self._of[account]:
                del self._of[account]

    @property
    def stopping(self) -> bool:
        return self._stopping

    @property
    def count(self) -> int:
        return self._of.total()

    def stop(self) -> None:
        """End all of them, and those that begin from now on: their callers come back, to another process."""
        self._stopping = True
        for telling in self._telling:
            telling.end()


class EventStream(Response[bytes]):
    """Sends the pieces as they come, to the last of them, until the caller leaves, or until the process stops. `is_resumable`:
    whatever ends it, the caller can come back with the last event's number. Other callers take an orderly end for the last piece,
    so whatever comes before that breaks their line."""

    def __init__(
        self,
        pieces: AsyncGenerator[bytes],
        streams: Streams,
        account: AccountId,
        headers: Mapping[str, str] = MappingProxyType({}),
        *,
        is_resumable: bool = True,
    ) -> None:
        super().__init__(b"", media_type=MEDIA_TYPE, headers={**HEADERS, **headers})
        self._pieces, self._streams, self._account, self._is_resumable = pieces, streams, account, is_resumable

    def to_asgi_response(self, *_: Any, **__: Any) -> ASGIResponse:
        return _Beginning(_Telling(self._pieces, self._streams, self._account, self._is_resumable), self.headers)


class _Beginning(ASGIResponse):
    _should_set_content_length = False

    def __init__(self, telling: "_Telling", headers: Mapping[str, str]) -> None:
        super().__init__(media_type=MEDIA_TYPE, headers=dict(headers))
        self._telling = telling

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.start_response(send=send)
        self._telling.said = get_contextvars()
        if not go_on(scope, self._telling, 2 * self._telling.streams.beat):
            await self._telling(send)


@dataclass(slots=True, eq=False)
class _Telling(GoingOn):
    """Thousands wait in this: one task each, and nothing of the request."""

    pieces: AsyncGenerator[bytes]
    streams: Streams
    account: AccountId
    may_end: bool
    """In the orderly way."""
    said: Mapping[str, Any] = field(default_factory=dict)
    """What the log says of the request."""
    _task: "asyncio.Task[Any] | None" = None
    _is_ended: bool = False

    def end(self) -> None:
        self._is_ended = True
        if self._task:
            self._task.cancel()

    async def __call__(self, send: Send) -> None:
        self._task = asyncio.current_task()
        if self._is_ended:
            self.end()
        for part in (self._tell, self._finish):
            try:
                await part(send)
            except asyncio.CancelledError:
                if not self._is_ended:
                    raise

    async def _tell(self, send: Send) -> None:
        try:
            with self.streams.one(self.account, self):
                async with aclosing(self.pieces) as pieces:
                    async for piece in pieces:
                        await send({"type": "http.response.body", "body": piece, "more_body": True})
                self.may_end = True
        except (DomainError, StoreUnavailable):  # who they are, or what happens, cannot be said any more
            return
        except Exception as error:
            with bound_contextvars(**self.said):
                log_crash(error)

    async def _finish(self, send: Send) -> None:
        if not self.may_end:  # it would say that this is all there is: the line breaks instead
            return
        with suppress(TimeoutError):  # whoever does not read holds nobody up
            async with asyncio.timeout(_LAST_SECONDS):
                await send({"type": "http.response.body", "body": b"", "more_body": False})


class Beat:
    """Comes again and again."""

    def __init__(self, seconds: float) -> None:
        self._seconds, self._clock = seconds, asyncio.get_running_loop().time
        self._due = self._clock() + seconds

    def left(self) -> float:
        return self._due - self._clock()

    def has_come(self) -> bool:
        come = self.left() <= min(_EARLY_SECONDS, self._seconds / 2)
        if come:
            self._due = self._clock() + self._seconds
        return come
