"""Stopping a worker: told once, what has begun goes on; told twice, what has not called yet is given up, and nothing else."""

import asyncio

import pytest

from domain.attempts import CallResult, Executed, Usage
from entrypoints.draining import HANDED_BACK, Drain
from entrypoints.settings import Settings

pytestmark = pytest.mark.anyio
DONE = Executed((), "req_1", Usage(), cost=1)


class Step:
    """Loads a reference, calls, looks at what came; each of the three takes until it is allowed."""

    def __init__(self, drain: Drain) -> None:
        self._drain = drain
        self.allowed = [asyncio.Event() for _ in range(3)]
        self.reached = [asyncio.Event() for _ in range(3)]
        self.cancelled = False

    async def __call__(self) -> CallResult:
        try:
            for number, (reached, allowed) in enumerate(zip(self.reached, self.allowed, strict=True)):
                if number == 1:
                    self._drain.calls()
                reached.set()
                await allowed.wait()
        except asyncio.CancelledError:
            self.cancelled = True
            raise
        return DONE


async def test_told_once_a_step_goes_on() -> None:
    drain = Drain()
    step = Step(drain)
    running = asyncio.create_task(drain.guard(step)())
    await step.reached[0].wait()
    drain.tell()
    assert (drain.stopping, drain.handing_back) == (True, False)
    for allowed in step.allowed:
        allowed.set()
    assert await running == DONE


async def test_told_twice_a_step_that_waits_is_given_up_and_may_be_tried_again_at_once() -> None:
    drain = Drain()
    step = Step(drain)
    running = asyncio.create_task(drain.guard(step)())
    await step.reached[0].wait()
    drain.tell()
    drain.tell()
    assert await running == HANDED_BACK
    assert step.cancelled
    assert HANDED_BACK.retry_after_seconds == 0


@pytest.mark.parametrize("place", [1, 2], ids=["the call is out", "its answer is looked at"])
async def test_told_twice_what_has_called_still_ends(place: int) -> None:
    drain = Drain()
    step = Step(drain)
    running = asyncio.create_task(drain.guard(step)())
    for allowed in step.allowed[:place]:
        allowed.set()
    await step.reached[place].wait()
    drain.tell()
    drain.tell()
    await asyncio.sleep(0)
    assert not running.done()
    for allowed in step.allowed:
        allowed.set()
    assert await running == DONE
    assert not step.cancelled


async def test_after_the_second_word_no_step_begins() -> None:
    drain = Drain()
    drain.tell()
    drain.tell()
    step = Step(drain)
    assert await drain.guard(step)() == HANDED_BACK
    assert not step.reached[0].is_set()


async def test_a_guarded_step_is_cancelled_with_whoever_waits_for_it() -> None:
    drain = Drain()
    step = Step(drain)
    running = asyncio.create_task(drain.guard(step)())
    step.allowed[0].set()
    await step.reached[1].wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert step.cancelled, "its socket is closed"


def test_a_stopping_worker_waits_longer_than_any_call_and_its_booking_take() -> None:
    settings = Settings()
    assert settings.graceful_seconds > settings.act_seconds
    assert settings.graceful_seconds >= settings.act_seconds + settings.settle_margin_seconds
