"""How a worker stops: told once, it takes nothing new; told twice, it gives back what has not called yet. Calls out end."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar
from weakref import WeakSet

from domain.attempts import CallResult, Failure, FailureClass, Finality, NotExecuted, Stage

Step = TypeVar("Step", bound=Callable[..., Awaitable[CallResult]])

HANDED_BACK = NotExecuted(
    Failure(FailureClass.CAPACITY, Stage.INPUT, "handed_back", "No call was made"), Finality.RETRYABLE, retry_after_seconds=0.0
)
"""Somebody else may take it now."""


class Drain:
    """How far this process is with stopping, and which of its tasks have called."""

    def __init__(self) -> None:
        self._stopping = asyncio.Event()
        self._handing_back = asyncio.Event()
        self._called: WeakSet[asyncio.Task[Any]] = WeakSet()

    @property
    def stopping(self) -> bool:
        return self._stopping.is_set()

    @property
    def handing_back(self) -> bool:
        return self._handing_back.is_set()

    def tell(self) -> None:
        """To stop; a second time, to hand back."""
        (self._handing_back if self.stopping else self._stopping).set()

    async def begins(self) -> None:
        """Return when this process was told to stop."""
        await self._stopping.wait()

    def calls(self) -> None:
        """The current task is about to call: from here to its end nothing gives it up, as what it brings may have been paid."""
        if task := asyncio.current_task():
            self._called.add(task)

    def guard(self, step: Step) -> Step:
        """The same step towards a call, given up at once, whatever it waits for, if it has not called when this process hands
        back."""

        async def guarded(*args: Any) -> CallResult:
            if self.handing_back:
                return HANDED_BACK
            calling = asyncio.ensure_future(step(*args))
            second = asyncio.create_task(self._handing_back.wait())
            try:
                await asyncio.wait({calling, second}, return_when=asyncio.FIRST_COMPLETED)
                if calling.done() or calling in self._called:
                    return await calling
                await _end(calling)
                return HANDED_BACK if calling.cancelled() else calling.result()
            finally:
                second.cancel()
                await _end(calling)

        return guarded  # type: ignore[return-value]  # it is called in the same way


async def _end(task: "asyncio.Future[Any]") -> None:
    task.cancel()
    await asyncio.wait({task})
