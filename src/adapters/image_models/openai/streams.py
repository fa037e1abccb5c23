"""A streamed answer: partial images as they come, then the pictures."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import msgspec

from adapters.image_models.openai import bounds, outcomes
from adapters.image_models.openai.answers import NULL, Answer, lenient, picture_in, spent, total
from adapters.image_models.openai.connection import Connection
from adapters.image_models.openai.errors import ErrorObject
from adapters.image_models.openai.events import Event, EventBuffer
from application.ports import ModelCall
from domain.attempts import CallResult, Picture, Usage
from domain.rates import Prices

_SHOWN_SECONDS = 5.0
"""A listener that takes longer for a partial image is left behind: the picture itself is waiting."""
_DONE = b"[DONE]"
_END = b"\n\n"
"""What the last event may lack, though the stream came to its end: half an event cannot be read as one."""
_TRACK_BYTES = 64 << 10
"""What is kept for support of events that were read: the heads, without the pictures in them."""
_SMALL_BYTES = 16 << 10
"""Read where it is, in less time than it takes to call a thread."""


class _Document(msgspec.Struct):
    """As much of an event as is needed to know what to do with it. The picture stays in the bytes it came in."""

    type: msgspec.Raw = NULL
    partial_image_index: msgspec.Raw = NULL
    usage: msgspec.Raw = NULL
    error: msgspec.Raw = NULL
    output_format: msgspec.Raw = NULL


@dataclass(frozen=True, slots=True)
class Told:
    """What one event says. `picture`: or what is wrong with it."""

    kind: str = ""
    index: int = 0
    picture: Picture | str | None = None
    spent: tuple[Usage, int | None] = (Usage(), None)
    error: ErrorObject | None = None


class Stream:
    """Reads one answer. It ends with the last picture that was asked for, with the provider's word, or with the line."""

    def __init__(
        self, call: ModelCall, prices: Prices | None, line: Connection, threads: Executor, log: Callable[..., object]
    ) -> None:
        self._call, self._prices, self._line, self._threads, self._log = call, prices, line, threads, log
        self._buffer = EventBuffer(bounds.most_lines(call.request))
        self._answer, self._spent, self._completed, self._is_over = Answer(), list[tuple[Usage, int | None]](), 0, False

    async def read(self, pieces: AsyncIterator[bytes], limit: asyncio.Timeout) -> None:
        """Whatever breaks the line is raised; `result` tells what had come before. What is here is read, however late it is:
        `limit` goes on only while there is something to wait for."""
        try:
            async for piece in pieces:
                await self._feed(piece, limit)
                if self._is_over:
                    return
        finally:
            self._line.part += self._buffer.rest
        await self._feed(_END, limit)
        self._is_over |= bool(self._answer.flaw)

    def result(self) -> CallResult | None:
        """None for a stream that broke before a picture came: a picture that came is delivered, whatever became of the rest."""
        if not (self._is_over or self._answer.pictures):
            return None
        self._answer.usage, self._answer.cost = total(self._spent)
        return outcomes.answered(self._answer, self._line, self._line.part, streamed=True)

    async def _feed(self, piece: bytes, limit: asyncio.Timeout) -> None:
        for event in self._buffer.feed(piece):
            self._is_over = await self._take(event, limit)
            del event  # else its megabytes are kept until the next one is there
            if self._is_over:
                return

    async def _take(self, event: Event, limit: asyncio.Timeout) -> bool:
        """Whether nothing more is to be waited for."""
        if len(self._line.part) < _TRACK_BYTES:
            self._line.part += event.head
        if event.data[: len(_DONE)] == _DONE:
            return True
        said = await self._read(event, limit)
        self._spent.append(said.spent)
        self._answer.drawn |= said.picture is not None
        if said.error:
            self._answer.error = said.error
            return True
        if said.kind == "partial_image" and isinstance(said.picture, Picture):
            await self._show(said.index, said.picture.content, limit)
        elif said.kind == "completed":
            self._completed += 1
            if isinstance(said.picture, Picture):
                self._answer.pictures.append(said.picture)
            else:
                self._answer.flaw = self._answer.flaw or said.picture or "empty"
        return self._completed >= self._call.request.n

    async def _read(self, event: Event, limit: asyncio.Timeout) -> Told:
        if len(event.data) <= _SMALL_BYTES:
            return tell(event.name, event.data, self._call, self._prices)
        with _standing_still(limit):
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._threads, tell, event.name, event.data, self._call, self._prices)

    async def _show(self, index: int, picture: bytes, limit: asyncio.Timeout) -> None:
        """A listener that breaks or hangs costs no picture, and takes no more than half of the time there is."""
        if self._call.partial is None:  # a stream nobody asked for
            return
        left = (limit.when() or 0) - asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(min(_SHOWN_SECONDS, left / 2)):
                await self._call.partial(index, picture)
        except Exception as error:
            self._log("partial_not_shown", error=type(error).__name__)


@contextmanager
def _standing_still(limit: asyncio.Timeout) -> Iterator[None]:
    until = limit.when()
    limit.reschedule(None)
    try:
        yield
    finally:
        limit.reschedule(until)


def tell(name: str, told: memoryview | bytes, call: ModelCall, prices: Prices | None) -> Told:
    """Runs in a thread if it is large. An event that cannot be read, or is of a kind that nobody knows yet, says nothing."""
    try:
        event = msgspec.json.decode(told, type=_Document)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return Told()
    kind = str(lenient(event.type, str, "") or name)
    error = lenient(event.error, dict[str, Any] | str | None, None)
    if error or kind == "error" or kind.endswith(".failed"):
        error = ErrorObject.of(error or lenient(told, dict[str, Any], None))
        return Told(spent=spent(event.usage, prices), error=error)
    kind = kind.rpartition(".")[2]
    if kind not in ("partial_image", "completed"):
        return Told()
    picture = picture_in(told, lenient(event.output_format, str, ""), call.request)
    return Told(kind, lenient(event.partial_image_index, int, 0), picture, spent(event.usage, prices))
