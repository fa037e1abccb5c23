"""Answers that go on: server-sent events, to a caller who is asked for again and again who they are."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import aclosing, contextmanager, suppress
from types import MappingProxyType
from typing import Any, cast

from litestar import Response
from litestar.response.base import ASGIResponse
from litestar.types import Receive, Scope, Send

from application.store import StoreUnavailable
from domain.accounts import AccountId
from domain.errors import DomainError, TooManyStreams
from domain.limits import LIMITS
from entrypoints.http.lines import Line
from entrypoints.http.problems import log_crash
from entrypoints.http.protocol import drop_if_unread

HEADERS = {"cache-control": "no-store", "x-accel-buffering": "no"}
MEDIA_TYPE = "text/event-stream"
STREAMED = "streamed"
"""In the scope of an answer that goes on: how long it takes says nothing about us."""
_AGAIN_SECONDS, _LAST_SECONDS = 10, 1.0
_EARLY_SECONDS = 0.3
"""By so much may a pause be shorter than it was asked to be."""


class Streams:
    """The streams of this process. `beat`: the seconds after which each caller is looked up again, and a stream gives a sign of
    life."""

    def __init__(self, beat: float) -> None:
        self.beat = beat
        self._of = Counter[AccountId]()
        self._telling = set["asyncio.Task[None]"]()
        self._stopping = False

    def check(self, account: AccountId) -> None:
        """Raises TooManyStreams."""
        if self._of[account] >= LIMITS["streams"]:
            raise TooManyStreams(limit=LIMITS["streams"], retry_after=_AGAIN_SECONDS)

    @contextmanager
    def one(self, account: AccountId, telling: "asyncio.Task[None]") -> Iterator[None]:
        """One more, until the block ends."""
        self._of[account] += 1
        self._telling.add(telling)
        if self._stopping:
            telling.cancel()
        try:
            yield
        finally:
            self._telling.discard(telling)
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
            telling.cancel()


class EventStream(Response[bytes]):
    """Sends the pieces as they come, to the last of them, until the caller leaves, or until the process stops. Whatever ends it,
    the caller can come back with the last event's number."""

    def __init__(
        self,
        pieces: AsyncGenerator[bytes],
        streams: Streams,
        account: AccountId,
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        super().__init__(b"", media_type=MEDIA_TYPE, headers={**HEADERS, **headers})
        self._pieces, self._streams, self._account = pieces, streams, account

    def to_asgi_response(self, *_: Any, **__: Any) -> ASGIResponse:
        return _Telling(self._pieces, self._streams, self._account, self.headers)


class _Telling(ASGIResponse):
    _should_set_content_length = False

    def __init__(self, pieces: AsyncGenerator[bytes], streams: Streams, account: AccountId, headers: Mapping[str, str]) -> None:
        super().__init__(media_type=MEDIA_TYPE, headers=dict(headers))
        self._pieces, self._streams, self._account = pieces, streams, account

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        cast(dict[str, Any], scope)[STREAMED] = True
        drop_if_unread(scope, 2 * self._streams.beat)
        await self.start_response(send=send)
        telling, line = asyncio.create_task(self._tell(send)), Line(receive)
        with self._streams.one(self._account, telling):
            try:
                await asyncio.wait({telling, line.broken}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                telling.cancel()
                line.close()
                await asyncio.wait({telling, line.broken})
        with suppress(TimeoutError):  # whoever does not read holds nobody up
            async with asyncio.timeout(_LAST_SECONDS):
                await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _tell(self, send: Send) -> None:
        try:
            async with aclosing(self._pieces) as pieces:
                async for piece in pieces:
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
        except (DomainError, StoreUnavailable):  # who they are, or what happens, cannot be said any more
            return
        except Exception as error:
            log_crash(error)


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
