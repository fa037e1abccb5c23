"""The line to whoever asked: noticing that it broke, and handing an answer over piece by piece."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from datetime import timedelta
from typing import Any, TypeVar

from litestar import Request, Response
from litestar.response.base import ASGIResponse
from litestar.types import Receive, Scope, Send

from entrypoints.http.protocol import drop_if_unread

T = TypeVar("T")

_PIECE = 256 * 1024
GONE = 499
"""The status of an answer that nobody is there to read, in our logs."""
UNREAD_SECONDS = 60.0
"""Whoever takes no piece for so long loses the line: an answer of ten pictures is too much to keep for them."""


class Line:
    """Made once the body has been read; closed by whoever made it, or by the answer that was given it."""

    def __init__(self, receive: Receive) -> None:
        self.broken = asyncio.create_task(_until_broken(receive))
        self._since = asyncio.get_running_loop().time()

    @property
    def is_broken(self) -> bool:
        return self.broken.done()

    def left_by(self) -> timedelta | None:
        """How long ago this was made, if it is broken by now."""
        return timedelta(seconds=asyncio.get_running_loop().time() - self._since) if self.is_broken else None

    def close(self) -> None:
        self.broken.cancel()


async def _until_broken(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def unless_broken(line: Line, work: Coroutine[Any, Any, T]) -> T | None:
    """What the work comes to; None, and no more of it, when the line breaks first."""
    task = asyncio.create_task(work)
    try:
        await asyncio.wait({task, line.broken}, return_when=asyncio.FIRST_COMPLETED)
        return task.result() if task.done() else None
    finally:
        task.cancel()


class Handed(Response[bytes]):
    """An answer that says whether it was handed over: `after` is awaited with True when the connection has taken all of it."""

    def __init__(
        self, said: Response[bytes], pieces: Sequence[bytes], line: Line, after: Callable[[bool], Awaitable[None]]
    ) -> None:
        super().__init__(said.content, status_code=said.status_code, media_type=said.media_type, headers=said.headers)
        self._pieces, self._line, self._after = pieces or [said.content], line, after

    def to_asgi_response(self, app: Any, request: Request[Any, Any, Any], **more: Any) -> ASGIResponse:
        said = {"headers": self.headers, "media_type": self.media_type, "status_code": self.status_code}
        return _Pieces(self._pieces, self._line, self._after, **said)


class _Pieces(ASGIResponse):
    """The server takes a piece when the connection has room for it, so at the end all of them have gone out."""

    def __init__(self, pieces: Sequence[bytes], line: Line, after: Callable[[bool], Awaitable[None]], **said: Any) -> None:
        super().__init__(content_length=sum(map(len, pieces)), **said)
        self._pieces, self._line, self._after = pieces, line, after

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        drop_if_unread(scope, UNREAD_SECONDS)
        await super().__call__(scope, receive, send)

    async def send_body(self, send: Send, receive: Receive) -> None:
        whole = False
        try:
            for piece in self._pieces:
                for at in range(0, len(piece), _PIECE):
                    await send({"type": "http.response.body", "body": piece[at : at + _PIECE], "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": True})  # waits until the last has gone out, too
            await asyncio.sleep(0)  # a line that broke while we waited for room is known to be broken after this
            whole = not self._line.is_broken
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            self._line.close()
            await asyncio.shield(self._after(whole))
