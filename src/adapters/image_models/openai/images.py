"""OpenAI's image models behind the port: one call is one HTTP request, and every way it can end is told exactly."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Self

from openai import AsyncAPIResponse, AsyncOpenAI

from adapters.image_models.openai import bounds, ends, sent, wire
from adapters.image_models.openai.answers import read
from adapters.image_models.openai.examined import examined
from adapters.image_models.openai.streams import Stream
from adapters.image_models.openai.wire import Wire
from application.ports import ImageModel, ModelCall
from domain.attempts import CallResult
from domain.catalogue import Model
from domain.rates import Prices
from domain.requests import Kind


class TooLarge(Exception):
    """The answer has more bytes than the request explains."""


class OpenAIImages(ImageModel):
    """`models`, by id, give the prices. `log` is called with an event name and fields when a listener broke; it is never told a
    prompt. Many calls may run at once."""

    def __init__(self, client: AsyncOpenAI, models: Mapping[str, Model], log: Callable[..., object] | None = None) -> None:
        self._client, self._models = client, models
        self._log = log or (lambda event, **fields: None)

    @classmethod
    @asynccontextmanager
    async def opened(
        cls, api_key: str, base_url: str, models: Mapping[str, Model], log: Callable[..., object] | None = None
    ) -> AsyncIterator[Self]:
        """Connections live as long as the block."""
        async with wire.opened(api_key, base_url) as client:
            yield cls(client, models, log)

    async def make(self, call: ModelCall) -> CallResult:
        """Its own time limit depends on size and quality (`bounds.seconds`); a shorter one is the caller's to set, by
        cancelling. Partial images are streamed where the request has some and the call a listener."""
        try:
            arguments = sent.arguments(call)
        except Exception as error:
            self._log("request_not_written", error=type(error).__name__)
            return ends.not_asked()
        line = Wire(bounds.seconds(call.request))
        stream = Stream(call, self._prices(call), line, self._log)
        try:
            async with asyncio.timeout(line.seconds), wire.on(line) as timeouts:
                streamed = await self._receive(call, arguments | {"timeout": timeouts}, line, stream)
            return streamed or await self._read(call, line)  # what is here is no longer a matter of time
        except Exception as error:
            return stream.delivered() or (
                ends.flawed("too_large", line) if isinstance(error, TooLarge) else ends.broken(error, line)
            )
        finally:
            line.part = bytearray()  # whoever still knows the line for a moment keeps no megabytes alive

    async def examine(self) -> str | None:
        """Looks at the list of models, which costs nothing."""
        return await examined(self._client)

    async def _receive(self, call: ModelCall, arguments: Mapping[str, Any], line: Wire, stream: Stream) -> CallResult | None:
        """The one request. A stream tells its own end; any other answer lies in `line` when this returns None."""
        images = self._client.images.with_streaming_response
        route = images.edit if call.request.kind is Kind.EDIT else images.generate
        most = bounds.most_bytes(call.request, streamed=sent.is_streamed(call))
        async with route(**arguments) as response:
            if response.headers.get("content-type", "").lower().startswith("text/event-stream"):
                return await stream.read(_bounded(response, most))
            async for piece in _bounded(response, most):
                line.part += piece
        return None

    async def _read(self, call: ModelCall, line: Wire) -> CallResult:
        """The whole answer is here, so whatever happens now, the call was executed."""
        try:
            found = await asyncio.to_thread(read, line.part, call.request, self._prices(call))
            return ends.brought(found, line, line.part)
        except Exception as error:
            self._log("answer_not_read", error=type(error).__name__)
            return ends.flawed("unreadable", line)

    def _prices(self, call: ModelCall) -> Prices | None:
        model = self._models.get(call.request.model)
        return model.prices if model else None


async def _bounded(response: AsyncAPIResponse[Any], most: int) -> AsyncIterator[bytes]:
    """The body in pieces. Raises TooLarge before there is more of it than `most` bytes."""
    taken = 0
    async for piece in response.iter_bytes():
        taken += len(piece)
        if taken > most:
            raise TooLarge
        yield piece
