"""The paid call and its time limits, and answers that were lost. On every store, books audited."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from application.store import StoreUnavailable
from domain.attempts import CallResult, Executed, Failure, FailureClass, Finality, NotExecuted, Outcome, Stage, Unknown
from domain.generations import Generation
from domain.objects import ObjectKey
from tests.contract.harnesses import StoreHarness, each_store
from tests.contract.store_contract import a_request, queued, uploaded
from tests.protocol import QUICK, ShakyStore, World, key_of, pictures, until
from tests.protocol_audit import ProtocolAudit
from tests.scripted_storage import Gate, patiently

pytestmark = pytest.mark.anyio
__all__ = ["each_store"]

BUSY = NotExecuted(Failure(FailureClass.PROVIDER, Stage.CALL, "busy", "Busy"), Finality.RETRYABLE, retry_after_seconds=40)
BROKEN = NotExecuted(Failure(FailureClass.PROVIDER, Stage.CALL, "bad", "Bad parameter"), Finality.FINAL)


@pytest.fixture
async def world(harness: StoreHarness) -> AsyncIterator[World]:
    yield (world := World(harness, QUICK))
    await ProtocolAudit(world)()


async def state(world: World, generation: Generation) -> str:
    await ProtocolAudit(world)()
    return (await world.see(generation)).state.value


# Time


async def test_t20_a_picture_that_cannot_be_put_takes_nothing_from_the_others(world: World) -> None:
    generation = await world.ask()
    world.storage.broken = {key_of(generation, 1, 0)}
    first, call = await world.call_out()
    call.finish(pictures(2))
    await until(lambda: str(key_of(generation, 1, 1)) in world.storage.objects)
    assert not first.done()
    await world.leap(QUICK.act)
    await patiently(first)
    assert await state(world, generation) == "succeeded"
    seen, assets = await world.harness.queries.generation(generation.id, generation.account_id, generation.mode)
    assert (seen.delivered, seen.captured, [asset.index for asset in assets]) == (1, 3, [1])


async def test_pictures_that_can_never_be_put_fail_and_cost_nothing(world: World) -> None:
    generation = await world.ask()
    first, call = await world.call_out()
    world.storage.down = True
    call.finish(pictures(2))
    await asyncio.sleep(0)
    await world.leap(QUICK.act)
    await patiently(first)
    assert await state(world, generation) == "failed"
    failure = (await world.see(generation)).failure
    assert failure
    assert failure.failure_class is FailureClass.STORAGE
    assert world.model.count(generation.id) == 1


async def test_a_put_is_tried_again_until_the_storage_is_back(world: World) -> None:
    generation = await world.ask()
    first, call = await world.call_out()
    world.storage.down = True
    call.finish(pictures(2))
    await asyncio.sleep(0.03)
    assert not first.done()
    world.storage.down = False
    await patiently(first)
    assert await state(world, generation) == "succeeded"


async def test_a_worker_that_was_frozen_while_it_wrote_an_end_goes_on_trying(world: World) -> None:
    generation, store = await world.ask(), ShakyStore(world.store)
    stuck = world.storage.gate("put", ObjectKey.manifest(generation.account_id, generation.id, 1))
    first = await world.start(store=store)
    call = await world.model.called()
    call.finish(pictures(2))
    await stuck.wait()
    frozen, failures = Gate(), iter(range(3))

    async def freeze_and_fail_again() -> None:
        await frozen.pass_through()
        store.fault = "failed" if next(failures, None) is not None else None

    store.fault, store.meanwhile = "failed", freeze_and_fail_again
    stuck.open()
    await frozen.wait()
    await world.leap(QUICK.settle_margin)
    frozen.open()
    await patiently(first)
    assert await state(world, generation) == "succeeded"


async def test_a_call_that_outlives_its_time_is_closed_and_unknown(world: World) -> None:
    generation = await world.ask()
    first, call = await world.call_out()
    await world.leap(QUICK.act)
    await patiently(first)
    assert call.answer.cancelled()
    assert await state(world, generation) == "running"
    assert (await world.see(generation)).attempts[0].outcome is Outcome.UNKNOWN


async def test_a_put_that_outlives_its_time_is_given_up(world: World) -> None:
    generation = await world.ask()
    stuck = world.storage.gate("put", key_of(generation, 1, 0))
    first, call = await world.call_out()
    call.finish(pictures(2))
    await until(lambda: str(key_of(generation, 1, 1)) in world.storage.objects)
    await world.leap(QUICK.act)
    await patiently(first)
    stuck.open()
    await asyncio.sleep(0)
    assert await state(world, generation) == "succeeded"
    assert (await world.see(generation)).delivered == 1
    assert str(key_of(generation, 1, 0)) not in world.storage.objects


async def test_no_call_begins_after_the_attempts_time(world: World) -> None:
    caller = await world.customer()
    reference = await uploaded(world.store, caller)
    generation = await queued(world.store, caller, request=a_request(references=(reference.id,)))
    world.generations.append(generation)
    await world.storage.put(reference.key, b"reference", "image/png")
    slow = world.storage.gate("get", reference.key)
    first = await world.start()
    await slow.wait()
    await world.leap(QUICK.act)
    slow.open()
    await patiently(first)
    assert world.model.count(generation.id) == 0
    assert await state(world, generation) == "queued"
    assert (await world.see(generation)).attempts[0].outcome is Outcome.NOT_EXECUTED


async def test_a_long_call_keeps_its_lease(world: World) -> None:
    generation = await world.ask()
    first, call = await world.call_out()
    for _ in range(3):
        before = (await world.see(generation)).lease_until
        await world.leap(QUICK.lease / 2)
        async with asyncio.timeout(20):
            while (await world.see(generation)).lease_until == before:
                await asyncio.sleep(0.001)
        assert not await world.work(2)
    call.finish(pictures(2))
    await patiently(first)
    assert await state(world, generation) == "succeeded"


async def test_a_dead_workers_call_is_made_again_as_soon_as_its_lease_lapses(world: World) -> None:
    generation = await world.ask()
    first, _ = await world.call_out()
    await world.kill(first)
    assert not await world.work(2)
    await world.lapse()
    second, call = await world.call_out(2)
    call.finish(pictures(2))
    await second
    assert await state(world, generation) == "succeeded"
    assert [attempt.outcome for attempt in (await world.see(generation)).attempts] == [Outcome.UNKNOWN, Outcome.EXECUTED]


async def test_a_living_workers_call_is_made_again_only_once_it_is_past(world: World) -> None:
    generation = await world.ask()
    first, call = await world.call_out()
    await world.lapse()
    for _ in range(2):
        await world.work(2)
        await world.lapse()
    assert world.model.count(generation.id) == 1
    await world.act_over()
    second, again = await world.call_out(2)
    again.finish(pictures(2))
    await second
    assert await state(world, generation) == "succeeded"
    call.finish(BUSY)
    await first
    assert await state(world, generation) == "succeeded"


# Lost answers


@pytest.mark.parametrize("fault", ["failed", "answer lost"])
async def test_a_claim_whose_answer_was_lost_is_never_called(world: World, fault: str) -> None:
    generation = await world.ask()
    shaky = ShakyStore(world.store)
    shaky.fault = fault
    with pytest.raises(StoreUnavailable):
        await (await world.worker(1, shaky))()
    assert world.model.count(generation.id) == 0
    assert await state(world, generation) == ("queued" if fault == "failed" else "running")
    await world.lapse()
    await world.harness.die(1)
    second, call = await world.call_out(2)
    call.finish(pictures(2))
    await second
    assert await state(world, generation) == "succeeded"
    assert world.model.count(generation.id) == 1


@pytest.mark.parametrize("fault", ["failed", "answer lost"])
@pytest.mark.parametrize("result", [pictures(2), BUSY, BROKEN, Unknown("reset")])
async def test_a_settlement_whose_answer_was_lost_happens_once(world: World, fault: str, result: CallResult) -> None:
    generation = await world.ask()
    shaky = ShakyStore(world.store)
    first = await world.start(1, shaky)
    call = await world.model.called()
    shaky.fault = fault
    call.finish(result)
    await patiently(first)
    ends = {Executed: "succeeded", Unknown: "running"}
    assert await state(world, generation) == ends.get(type(result), "queued" if result is BUSY else "failed")
    assert len((await world.see(generation)).attempts) == 1
