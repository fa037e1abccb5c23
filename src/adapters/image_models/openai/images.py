"""OpenAI's image models behind the port: one call is one HTTP request, and every way it can end is told exactly."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any, Self

from openai import AsyncAPIResponse, AsyncOpenAI

from adapters.image_models.openai import bounds, connection, outcomes
from adapters.image_models.openai.answers import read
from adapters.image_models.openai.connection import Connection, NotSuccessful
from adapters.image_models.openai.parameters import is_streamed, parameters_of
from adapters.image_models.openai.probe import probe
from adapters.image_models.openai.streams import Stream
from application.ports import ImageModel, ModelCall
from domain.attempts import CallResult
from domain.catalogue import Model
from domain.rates import Prices
from domain.requests import Kind

_THREADS = 4
"""Answers that are read at the same time. They are nobody else's: a disk that hangs takes all the threads it can get."""


class OpenAIImages(ImageModel):
    """`models`, by id, give the prices; `threads` read the answers. `log` is called with an event name and fields when a listener
    broke; it is never told a prompt. Many calls may run at once."""

    def __init__(
        self, client: AsyncOpenAI, models: Mapping[str, Model], threads: Executor, log: Callable[..., object] | None = None
    ) -> None:
        self._client, self._models, self._threads = client, models, threads
        self._images = client.images.with_streaming_response
        self._log = log or (lambda event, **fields: None)

    @classmethod
    @asynccontextmanager
    async def opened(
        cls, api_key: str, base_url: str, models: Mapping[str, Model], log: Callable[..., object] | None = None
    ) -> AsyncIterator[Self]:
        """Connections and threads live as long as the block."""
        threads = ThreadPoolExecutor(_THREADS, "answers")
        try:
            async with connection.opened(api_key, base_url) as client:
                yield cls(client, models, threads, log)
        finally:
            threads.shutdown(wait=False, cancel_futures=True)

    async def make(self, call: ModelCall) -> CallResult:
        """Its time depends on size and quality (`bounds.seconds`), and is never longer than the call's own. It is the time of the
        line: what is here by then is read. Partial images are streamed where the request has some and the call a listener."""
        try:
            parameters = parameters_of(call)
        except Exception as error:
            self._log("request_not_written", error=type(error).__name__)
            return outcomes.not_asked()
        longest = bounds.seconds(call.request)
        line = Connection(longest if call.seconds is None else min(longest, call.seconds))
        stream = Stream(call, self._prices(call), line, self._threads, self._log)
        try:
            try:
                async with asyncio.timeout(line.seconds) as limit, connection.on(line) as timeouts:
                    await self._receive(call, parameters | {"timeout": timeouts}, line, stream, limit)
            except Exception as error:
                return stream.result() or await self._broken(error, call, line)
            return stream.result() or (await self._read(call, line) if line.is_whole else outcomes.cut(line))
        finally:
            line.part = bytearray()  # whoever still knows the line for a moment keeps no megabytes alive

    async def examine(self) -> str | None:
        """Looks at the list of models, which costs nothing."""
        return await probe(self._client)

    async def _receive(
        self, call: ModelCall, parameters: Mapping[str, Any], line: Connection, stream: Stream, limit: asyncio.Timeout
    ) -> None:
        """The one request. A stream is in `stream` then, any other answer in `line`."""
        route = self._images.edit if call.request.kind is Kind.EDIT else self._images.generate
        most = bounds.most_bytes(call.request, streamed=is_streamed(call))
        async with route(**parameters) as response:
            if response.headers.get("content-type", "").lower().startswith("text/event-stream"):
                await stream.read(_bounded(response, most), limit)
                return
            async for piece in _bounded(response, most):
                line.part += piece
            line.is_whole = True

    async def _broken(self, error: Exception, call: ModelCall, line: Connection) -> CallResult:
        if line.is_whole:  # hanging up went wrong, or took too long
            return await self._read(call, line)
        if isinstance(error, NotSuccessful):
            return outcomes.refused(error, read(error.body, call.request, self._prices(call)), line)
        return outcomes.flawed("too_large", line) if isinstance(error, bounds.TooLarge) else outcomes.broken(error, line)

    async def _read(self, call: ModelCall, line: Connection) -> CallResult:
        """The whole answer is here, so whatever happens now, the call was executed."""
        try:
            loop = asyncio.get_running_loop()
            answer = await loop.run_in_executor(self._threads, read, line.part, call.request, self._prices(call))
            return outcomes.answered(answer, line, line.part)
        except Exception as error:
            self._log("answer_not_read", error=type(error).__name__)
            return outcomes.flawed("unreadable", line)

    def _prices(self, call: ModelCall) -> Prices | None:
        model = self._models.get(call.request.model)
        return model.prices if model else None


async def _bounded(response: AsyncAPIResponse[Any], most: int) -> AsyncIterator[bytes]:
    """The body in pieces. Raises TooLarge before there is more of it than `most` bytes."""
    taken = 0
    async for piece in response.iter_bytes():
        taken += len(piece)
        if taken > most:
            raise bounds.TooLarge
        yield piece
