"""A streamed answer: partial images as they come, then the pictures."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from adapters.image_models.openai import ends
from adapters.image_models.openai.answers import Brought, lenient, picture_in, spent, total
from adapters.image_models.openai.complaints import Complaint
from adapters.image_models.openai.events import Event, EventBuffer, content
from adapters.image_models.openai.wire import Wire
from application.ports import ModelCall
from domain.attempts import CallResult, Picture, Usage
from domain.rates import Prices

_SHOWN_SECONDS = 5.0
"""A listener that takes longer for a partial image is left behind: the picture itself is waiting."""
_DONE = b"[DONE]"
_TRACK_BYTES, _HEAD_BYTES = 64 << 10, 300
"""What is kept for support of events that were read: the heads, without the pictures in them."""


@dataclass(frozen=True, slots=True)
class Told:
    """What one event says. `picture`: or what is wrong with it."""

    kind: str = ""
    index: int = 0
    picture: Picture | str | None = None
    spent: tuple[Usage, int | None] = (Usage(), None)
    complaint: Complaint | None = None


@dataclass(slots=True)
class Stream:
    """Reads one answer. It ends with the last picture that was asked for, with the provider's word, or with the line."""

    call: ModelCall
    prices: Prices | None
    wire: Wire
    log: Callable[..., object]
    _buffer: EventBuffer = field(default_factory=EventBuffer)
    _found: Brought = field(default_factory=Brought)
    _spent: list[tuple[Usage, int | None]] = field(default_factory=list)

    async def read(self, pieces: AsyncIterator[bytes]) -> CallResult:
        """What breaks the line is raised; `delivered` tells what had come before."""
        try:
            async for piece in pieces:
                for event in self._buffer.feed(piece):
                    if await self._take(event):
                        return self._result()
        finally:
            self.wire.part += self._buffer.rest
        return self._result() if self._found.pictures or self._found.flaw else ends.cut(self.wire)

    def delivered(self) -> CallResult | None:
        """The pictures that came before the line broke or the time was over: those are what was made."""
        return self._result() if self._found.pictures else None

    async def _take(self, event: bytearray) -> bool:
        """Whether nothing more is to be waited for."""
        if len(self.wire.part) < _TRACK_BYTES:
            self.wire.part += event[:_HEAD_BYTES]
        name, told = content(event)
        if told[: len(_DONE)] == _DONE:
            return True
        said = await asyncio.to_thread(tell, name, told, self.call, self.prices)
        if said.complaint:
            self._found.complaint = said.complaint
            return True
        if said.kind == "partial_image" and isinstance(said.picture, Picture):
            await self._show(said.index, said.picture.content)
        elif said.kind == "completed":
            self._spent.append(said.spent)
            if isinstance(said.picture, Picture):
                self._found.pictures.append(said.picture)
            else:
                self._found.flaw = self._found.flaw or said.picture or "empty"
        return len(self._spent) >= self.call.request.n

    async def _show(self, index: int, picture: bytes) -> None:
        """A listener that breaks or hangs costs no picture."""
        if self.call.partial is None:  # a stream nobody asked for
            return
        try:
            async with asyncio.timeout(_SHOWN_SECONDS):
                await self.call.partial(index, picture)
        except Exception as error:
            self.log("partial_not_shown", error=type(error).__name__)

    def _result(self) -> CallResult:
        self._found.usage, self._found.cost = total(self._spent)
        return ends.brought(self._found, self.wire, self.wire.part)


def tell(name: str, told: memoryview | bytes, call: ModelCall, prices: Prices | None) -> Told:
    """Runs in a thread. An event that cannot be read, or is of a kind that nobody knows yet, says nothing."""
    try:
        event = msgspec.json.decode(told, type=Event)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return Told()
    kind = str(lenient(event.type, str, "") or name)
    complaint = lenient(event.error, dict[str, Any] | str | None, None)
    if complaint or kind == "error" or kind.endswith(".failed"):
        return Told(complaint=Complaint.of(complaint or lenient(told, dict[str, Any], None)))
    kind = kind.rpartition(".")[2]
    if kind not in ("partial_image", "completed"):
        return Told()
    picture = picture_in(told, lenient(event.output_format, str, ""), call.request)
    return Told(kind, lenient(event.partial_image_index, int, 0), picture, spent(event.usage, prices))
