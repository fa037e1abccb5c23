"""The painter: the model of the sandbox. It draws, offline and for nothing, what a prompt asks for, and fails on request."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

from adapters.image_models.brush.studio import Commission, Work, fingerprint, paint
from adapters.picture_pool import PicturePool, PoolStopped, WorkerDied
from application.ports import ImageModel, ModelCall
from domain.attempts import CallResult, Executed, Failure, FailureClass, Finality, NotExecuted, Stage, Unknown, Usage
from domain.requests import Fault, PictureRequest, Quality, Sandbox

_TOKENS = {Quality.LOW: 272, Quality.MEDIUM: 1_056, Quality.HIGH: 4_160, Quality.XHIGH: 8_320, Quality.MAX: 16_640}
"""Output tokens of 1024x1024 pixels, in the proportions real models use."""
_PIXELS = 1024 * 1024
_REFERENCE_TOKENS = 1_056
_PARTIAL_TOKENS = 100


class Painter(ImageModel):
    """Paints in the picture workers, never on the event loop; equal requests give equal bytes.

    `pool` is shared with others and stays theirs to stop. A picture may take `timeout_seconds` of a worker. `log` is called
    with an event name and fields when something broke that should not; it is never told a prompt.
    """

    def __init__(self, pool: PicturePool, log: Callable[..., object] | None = None, *, timeout_seconds: float = 60.0) -> None:
        self._pool = pool
        self._log = log or (lambda event, **fields: None)
        self._timeout_seconds = timeout_seconds

    async def make(self, call: ModelCall) -> CallResult:
        """Paint what is asked, or fail as `request.sandbox` scripts it. Nothing is ever billed.

        A worker that dies, hangs or is not there leaves the request retryable. Cancelling stops the worker at it.
        """
        sandbox = call.request.sandbox or Sandbox()
        wait = max(sandbox.latency_ms, 0) / 1000
        if sandbox.fault in _AT_ONCE:
            await asyncio.sleep(wait)
            return _AT_ONCE[sandbox.fault]
        count = call.request.n - (1 if sandbox.fault is Fault.FEWER_PICTURES else 0)
        works = await self._paint(call, count)
        if isinstance(works, NotExecuted):
            await asyncio.sleep(wait)
            return works
        silent = sandbox.fault is Fault.REFUSE_OUTPUT  # what is refused is never shown, not even half finished
        partials = () if silent or not works else works[0].partials
        for index, content in enumerate(partials):
            await asyncio.sleep(wait / (len(partials) + 1))
            await self._show(call, index, content)
        await asyncio.sleep(wait / (len(partials) + 1))
        if sandbox.fault is Fault.REFUSE_OUTPUT:
            return _refused(Stage.OUTPUT)
        if sandbox.fault is Fault.RESET_AFTER_WORK:
            return Unknown("reset")
        name = f"painter-{fingerprint(call.request, call.references, call.mask)[:24]}"
        return Executed(tuple(work.picture for work in works), name, _usage(call, count), cost=0)

    async def examine(self) -> str | None:
        return None

    async def _paint(self, call: ModelCall, count: int) -> list[Work] | NotExecuted:
        """One picture after the other, so that a request for ten leaves the other workers to others."""
        request = replace(call.request, metadata={}, sandbox=None)
        partials = request.partial_images if call.partial else 0
        works: list[Work] = []
        for index in range(count):
            order = Commission(request, call.references, call.mask, index, 0 if index else partials)
            work = await self._commission(order)
            if isinstance(work, NotExecuted):
                return work
            works.append(work)
        return works

    async def _commission(self, order: Commission) -> Work | NotExecuted:
        try:
            return await asyncio.wrap_future(self._pool.schedule(paint, (order,), self._timeout_seconds))
        except PoolStopped:
            return self._unavailable("painter_stopped")
        except WorkerDied:
            return self._unavailable("painter_died")
        except TimeoutError:
            return self._unavailable("painter_too_slow")
        except Exception as error:
            self._log("painter_broke", error=type(error).__name__)
            failure = Failure(FailureClass.INTERNAL, Stage.CALL, "painter_broke", "the painter could not paint this request")
            return NotExecuted(failure, Finality.FINAL)

    def _unavailable(self, code: str) -> NotExecuted:
        self._log(code)
        failure = Failure(FailureClass.CAPACITY, Stage.CALL, code, "no picture worker could finish this request")
        return NotExecuted(failure, Finality.RETRYABLE)

    async def _show(self, call: ModelCall, index: int, content: bytes) -> None:
        """A listener that breaks costs no picture."""
        assert call.partial is not None
        try:
            await call.partial(index, content)
        except Exception as error:
            self._log("partial_not_shown", error=type(error).__name__)


def _refused(stage: Stage) -> NotExecuted:
    failure = Failure(FailureClass.MODERATION, stage, "moderation_blocked", f"the {stage.value} was refused by the safety system")
    return NotExecuted(failure, Finality.REFUSED)


_AT_ONCE: dict[Fault | None, CallResult] = {
    Fault.REFUSE_INPUT: _refused(Stage.INPUT),
    Fault.TIME_OUT: Unknown("timeout"),
    Fault.FAIL: NotExecuted(
        Failure(FailureClass.PROVIDER, Stage.CALL, "sandbox_failure", "the sandbox was asked to fail"), Finality.FINAL
    ),
}
"""The faults that need no picture first."""


def _usage(call: ModelCall, count: int) -> Usage:
    request: PictureRequest = call.request
    words = -(-len(request.prompt) // 4)
    frames = request.frame_count or 1
    each = max(1, round(_TOKENS[request.quality] * request.size.pixels / _PIXELS)) * frames
    shown = request.partial_images * _PARTIAL_TOKENS if call.partial and count else 0
    return Usage(words + _REFERENCE_TOKENS * len(call.references), each * count + shown)
