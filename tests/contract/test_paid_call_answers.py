"""What the model can say, what it is told, and who comes in between. On every store, books audited."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from domain.attempts import CallResult, Executed, Failure, FailureClass, Finality, NotExecuted, Stage, Unknown, Usage
from domain.errors import NotFinished
from domain.generations import Generation, GenerationState
from domain.media import AssetId
from tests.contract.harnesses import StoreHarness, each_store
from tests.contract.store_contract import a_request, loaded, new_id, numbers, queued, uploaded
from tests.protocol import QUICK, World, key_of, manifest_of, pictures, until
from tests.protocol_audit import ProtocolAudit

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


# What the model says


async def test_a_busy_model_is_asked_again_no_sooner_than_it_said_and_not_for_ever(world: World) -> None:
    generation = await world.ask()
    for attempt in range(1, QUICK.attempts + 1):
        worker, call = await world.call_out()
        call.finish(BUSY)
        await worker
        if attempt < QUICK.attempts:
            assert await state(world, generation) == "queued"
            await world.harness.advance(20)
            assert not await world.work()
            await world.harness.advance(20)
    assert await state(world, generation) == "failed"
    assert (await world.see(generation)).failure == replace(BUSY.failure, failure_class=FailureClass.CAPACITY)
    assert world.model.count(generation.id) == QUICK.attempts


async def test_a_busy_model_after_a_cancel_ends_it(world: World) -> None:
    generation = await world.ask()
    worker, call = await world.call_out()
    await world.cancel(generation)
    call.finish(BUSY)
    await worker
    assert await state(world, generation) == "cancelled"


async def test_a_request_the_model_can_never_do_fails_at_once(world: World) -> None:
    generation = await world.ask()
    worker, call = await world.call_out()
    call.finish(BROKEN)
    await worker
    assert await state(world, generation) == "failed"


async def test_fewer_pictures_than_asked_for_cost_less_and_more_cost_nothing_more(world: World) -> None:
    few, many = await world.ask(2), await world.ask(2)
    for made in (1, 3):
        worker, call = await world.call_out()
        call.finish(pictures(made))
        await worker
    assert [(await world.see(each)).delivered for each in (few, many)] == [1, 2]
    assert await state(world, many) == "succeeded"


async def test_a_manifest_with_all_its_pictures_is_enough_though_they_are_fewer_than_asked_for(world: World) -> None:
    generation = await world.ask(3)
    worker, call = await world.call_out()
    async with world.store.transaction() as tx:
        await tx.generations.lock(generation.id)  # the settlement waits for this
        call.finish(Executed(pictures(2).pictures, "req_8", Usage(1, 2), 77))
        await until(lambda: str(manifest_of(generation, 1)) in world.storage.objects)
        worker.cancel()
        await asyncio.wait([worker])
    await world.lapse()
    assert await world.work(2), "the first worker is alive, but the manifest says that nothing more will come"
    assert await state(world, generation) == "succeeded"
    seen = await world.see(generation)
    assert (seen.delivered, seen.attempts[0].cost, seen.attempts[0].request_id) == (2, 77, "req_8")


# References


async def test_a_missing_reference_fails_without_a_call(world: World) -> None:
    caller = await world.customer()
    generation = await queued(world.store, caller, request=a_request(references=(AssetId(new_id()),)))
    world.generations.append(generation)
    assert await world.work()
    assert await state(world, generation) == "failed"
    assert not world.model.calls


async def test_references_and_mask_reach_the_model_in_the_order_asked_for(world: World) -> None:
    caller = await world.customer()
    uploads = [await uploaded(world.store, caller) for _ in range(3)]
    for number, upload in enumerate(uploads):
        await world.storage.put(upload.key, b"%d" % number, "image/png")
    request = a_request(references=(uploads[2].id, uploads[0].id), mask=uploads[1].id)
    generation = await queued(world.store, caller, request=request)
    world.generations.append(generation)
    world.storage.down = True
    assert await world.work()
    assert await state(world, generation) == "queued", "no storage, no call, nothing lost"
    world.storage.down = False
    await world.harness.advance(1)
    worker, call = await world.call_out()
    said = call.call
    assert (said.request, said.references, said.mask, said.subject) == (request, (b"2", b"0"), b"1", f"{generation.id}/2")
    call.finish(pictures(1))
    await worker


# Wake-ups


@pytest.mark.parametrize("result", [BUSY, Unknown("reset")])
async def test_whoever_leaves_it_waiting_leaves_a_wake_up(world: World, result: CallResult) -> None:
    generation = await world.ask()
    worker, call = await world.call_out()
    call.finish(result)
    await worker
    await world.harness.advance(40)
    assert (await world.see(generation)).resume_at
    assert await _missing(world) == 0


async def test_the_word_of_one_who_lost_the_lease_wakes_it_up(world: World) -> None:
    generation = await world.ask()
    first, call = await world.call_out()
    await world.lapse()
    assert await world.work(2)
    call.finish(Unknown("reset"))
    await first
    assert await _missing(world) == 0
    second, again = await world.call_out(2)
    again.finish(pictures(2))
    await second
    assert await state(world, generation) == "succeeded"


async def test_a_cancel_of_one_whose_lease_has_lapsed_wakes_it_up(world: World) -> None:
    generation = await world.ask()
    first, _ = await world.call_out()
    await world.kill(first)
    await world.lapse()
    await world.cancel(generation)
    assert await _missing(world) == 0
    assert await world.work(2)
    assert await state(world, generation) == "cancelled"


async def _missing(world: World) -> int:
    """How many wake-ups the housekeeper would have to add."""
    async with world.store.transaction() as tx:
        return await tx.wakeups.top_up(await tx.now())


# Others


async def test_one_that_ends_while_it_is_looked_at_is_left_as_it_is(world: World) -> None:
    generation = await world.ask()
    worker, call = await world.call_out()
    call.finish(Unknown("reset"))
    await worker
    look = world.storage.gate("get", key_of(generation, 1, 1))
    second = await world.start()
    await look.wait()
    await world.harness.advance((generation.hold_expires_at - generation.created_at).total_seconds())
    await world.keep_house()
    look.open()
    assert await second
    assert await state(world, generation) == "failed"


async def test_two_workers_at_once_make_one_call(world: World) -> None:
    generation = await world.ask()
    workers = [await world.start(owner) for owner in (1, 2, 3)]
    call = await world.model.called()
    call.finish(pictures(2))
    assert sorted(await asyncio.gather(*workers)) == [False, False, True]
    assert world.model.count(generation.id) == 1


async def test_only_a_finished_generation_can_be_erased_and_then_nothing_of_it_is_left(world: World) -> None:
    generation = await world.ask()
    worker, call = await world.call_out()
    with pytest.raises(NotFinished):
        await world.purge(generation)
    call.finish(pictures(2))
    await worker
    await world.purge(generation)
    assert not world.storage.objects
    seen = await loaded(world.store, generation.id)
    assert (seen.state, seen.request, seen.captured) == (GenerationState.SUCCEEDED, None, 6)
    [(caller, _)] = world.callers
    assert await numbers(world.harness.queries, caller.wallet_id) == (94, 0, 0)
