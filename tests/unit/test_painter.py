"""The painter as a model: every way a call can end, on request or by accident, is one of the three results."""

import asyncio
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import anyio
import pytest

from adapters.image_models.painter import Painter
from adapters.picture_pool import PicturePool, picture_pool
from application.ports import ModelCall
from domain.attempts import Executed, FailureClass, Finality, NotExecuted, Stage, Unknown
from domain.requests import Fault, Quality, Sandbox, Size
from tests.easel import opened, painted, request


@pytest.fixture(scope="module")
def pool() -> Iterator[PicturePool]:
    workers = picture_pool(workers=1)
    yield workers
    workers.stop()


def call(fault: Fault | None = None, latency_ms: int = 0, **changes: Any) -> ModelCall:
    asked = request("a blue boat", 32, sandbox=Sandbox(fault, latency_ms), **changes)
    return ModelCall(asked, (), None, "subject")


@pytest.mark.anyio
async def test_every_picture_is_painted_by_a_worker_and_costs_nothing(pool: PicturePool) -> None:
    result = await Painter(pool).make(call(n=3))
    assert isinstance(result, Executed)
    assert [picture.content for picture in result.pictures] == [
        painted(replace(call(n=3).request, sandbox=None), index=index).picture.content for index in range(3)
    ]
    assert result.cost == 0
    assert (result.request_id or "").startswith("painter-")
    assert result == await Painter(pool).make(call(n=3)), "the same request ends the same"


@pytest.mark.anyio
async def test_usage_grows_with_what_is_asked(pool: PicturePool) -> None:
    used = []
    for change in ({}, {"quality": Quality.HIGH}, {"quality": Quality.HIGH, "n": 2}):
        result = await Painter(pool).make(call(**change))
        assert isinstance(result, Executed)
        used.append(result.usage.output_tokens)
    assert 0 < used[0] < used[1] < used[2]


@pytest.mark.anyio
async def test_partials_come_in_order_before_the_result(pool: PicturePool) -> None:
    seen: list[tuple[int, bytes]] = []

    async def partial(index: int, content: bytes) -> None:
        seen.append((index, content))

    result = await Painter(pool).make(replace(call(n=2, partial_images=3), partial=partial))
    assert isinstance(result, Executed)
    assert [index for index, _ in seen] == [0, 1, 2]
    assert [opened(content).size for _, content in seen] == [(32, 32)] * 3


@pytest.mark.anyio
async def test_a_listener_that_breaks_costs_no_picture(pool: PicturePool) -> None:
    async def partial(index: int, content: bytes) -> None:
        raise ConnectionError

    events: list[str] = []
    painter = Painter(pool, lambda event, **fields: events.append(event))
    assert isinstance(await painter.make(replace(call(partial_images=1), partial=partial)), Executed)
    assert events == ["partial_not_shown"]


@pytest.mark.anyio
@pytest.mark.parametrize("fault", [None, Fault.FAIL, Fault.RESET_AFTER_WORK])
async def test_the_latency_asked_for_passes_first(pool: PicturePool, fault: Fault | None) -> None:
    loop = asyncio.get_running_loop()
    start = loop.time()
    await Painter(pool).make(call(fault, 120))
    assert loop.time() - start >= 0.115  # the loop's clock may round down


@pytest.mark.anyio
async def test_waiting_can_be_cancelled(pool: PicturePool) -> None:
    with anyio.fail_after(60):
        task = asyncio.create_task(Painter(pool).make(call(latency_ms=3_600_000)))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert isinstance(await Painter(pool).make(call()), Executed), "and the workers go on"


@pytest.mark.anyio
@pytest.mark.parametrize(("fault", "stage"), [(Fault.REFUSE_INPUT, Stage.INPUT), (Fault.REFUSE_OUTPUT, Stage.OUTPUT)])
async def test_a_refusal_names_its_stage_and_shows_nothing(pool: PicturePool, fault: Fault, stage: Stage) -> None:
    shown: list[int] = []

    async def partial(index: int, content: bytes) -> None:
        shown.append(index)

    result = await Painter(pool).make(replace(call(fault, partial_images=2), partial=partial))
    assert isinstance(result, NotExecuted)
    assert (result.finality, result.failure.stage) == (Finality.REFUSED, stage)
    assert (result.failure.failure_class, result.failure.code) == (FailureClass.MODERATION, "moderation_blocked")
    assert shown == []


@pytest.mark.anyio
async def test_time_out_and_reset_leave_the_outcome_unknown(pool: PicturePool) -> None:
    assert await Painter(pool).make(call(Fault.TIME_OUT)) == Unknown("timeout")
    counted = Counted(pool)
    assert await Painter(counted).make(call(Fault.RESET_AFTER_WORK, n=2)) == Unknown("reset")
    assert counted.count == 2, "the work was done"


@pytest.mark.anyio
async def test_a_scripted_failure_is_final(pool: PicturePool) -> None:
    result = await Painter(pool).make(call(Fault.FAIL))
    assert isinstance(result, NotExecuted)
    assert (result.failure.failure_class, result.failure.stage, result.finality) == (
        FailureClass.PROVIDER,
        Stage.CALL,
        Finality.FINAL,
    )


@pytest.mark.anyio
@pytest.mark.parametrize("asked", [1, 3])
async def test_fewer_pictures_may_be_none_at_all(pool: PicturePool, asked: int) -> None:
    result = await Painter(pool).make(call(Fault.FEWER_PICTURES, n=asked))
    assert isinstance(result, Executed)
    assert len(result.pictures) == asked - 1


class Counted(PicturePool):
    """Another pool's workers, with a count of what they were given."""

    def __init__(self, pool: PicturePool) -> None:
        self._pool, self.count = pool, 0

    def schedule(self, function: Any, args: Sequence[Any] = (), timeout: float | None = None) -> Any:
        self.count += 1
        return self._pool.schedule(function, args, timeout)


class Fatal(Counted):
    """Workers that die of whatever they are given."""

    def schedule(self, function: Any, args: Sequence[Any] = (), timeout: float | None = None) -> Any:
        return self._pool.schedule(os._exit, (1,))


@pytest.mark.anyio
async def test_a_worker_that_dies_leaves_the_request_retryable(pool: PicturePool) -> None:
    result = await Painter(Fatal(pool)).make(call(n=2))
    assert isinstance(result, NotExecuted)
    assert (result.finality, result.failure.failure_class) == (Finality.RETRYABLE, FailureClass.CAPACITY)
    assert result.failure.code == "painter_died"
    assert isinstance(await Painter(pool).make(call()), Executed), "the next one finds a worker"


@pytest.mark.anyio
async def test_a_picture_that_takes_too_long_leaves_the_request_retryable(pool: PicturePool) -> None:
    slow = call(size=Size(3840, 2160), quality=Quality.MAX)
    result = await Painter(pool, timeout_seconds=0.01).make(slow)
    assert isinstance(result, NotExecuted)
    assert (result.finality, result.failure.code) == (Finality.RETRYABLE, "painter_too_slow")


@pytest.mark.anyio
async def test_a_pool_that_stops_leaves_the_request_retryable() -> None:
    stopping = picture_pool(workers=1)
    pending = asyncio.create_task(Painter(stopping).make(call()))
    await asyncio.sleep(0)
    await asyncio.to_thread(stopping.stop)
    for result in (await pending, await Painter(stopping).make(call())):
        assert isinstance(result, NotExecuted)
        assert (result.finality, result.failure.code) == (Finality.RETRYABLE, "painter_stopped")


@pytest.mark.anyio
async def test_what_cannot_be_painted_is_final_and_the_log_never_hears_the_prompt(pool: PicturePool) -> None:
    heard: list[str] = []
    painter = Painter(pool, lambda event, **fields: heard.append(f"{event} {fields}"))
    result = await painter.make(replace(call(), references=(b"no picture",)))
    assert isinstance(result, NotExecuted)
    assert (result.finality, result.failure.failure_class) == (Finality.FINAL, FailureClass.INTERNAL)
    assert len(heard) == 1
    assert "boat" not in heard[0] + result.failure.message
