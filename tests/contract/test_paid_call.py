"""The paid call under every mishap of RULES §3, T10–T21: a claim each, on every store, with the books audited after each step."""

from collections.abc import AsyncIterator

import pytest

from domain.attempts import Executed, Failure, FailureClass, Finality, NotExecuted, Outcome, Stage, Unknown, Usage
from domain.generations import Generation, GenerationState
from tests.contract.harnesses import StoreHarness, each_store
from tests.contract.store_contract import numbers
from tests.protocol import World, key_of, manifest_of, pictures
from tests.protocol_audit import ProtocolAudit

pytestmark = pytest.mark.anyio
__all__ = ["each_store"]

EMPTY = Executed((), "req_0", Usage(), 9)
REFUSED = NotExecuted(Failure(FailureClass.MODERATION, Stage.INPUT, "safety", "Refused"), Finality.REFUSED)


@pytest.fixture
async def world(harness: StoreHarness) -> AsyncIterator[World]:
    yield (world := World(harness))
    await ProtocolAudit(world)()


async def outcome(world: World, generation: Generation) -> tuple[str, int, int]:
    """How it stands: state, pictures delivered, credits captured; audited."""
    await ProtocolAudit(world)()
    seen = await world.see(generation)
    [caller] = [caller for caller, _ in world.callers if caller.account_id == seen.account_id]
    available, held, debt = await numbers(world.harness.queries, caller.wallet_id)
    return seen.state.value, seen.delivered, 100 - available - held - debt


async def lose_the_lease(world: World, generation: Generation) -> None:
    """The first worker's lease runs out, another looks, finds nothing and parks."""
    await world.lapse()
    assert await world.work(2)
    seen = await world.see(generation)
    assert (seen.state, seen.lease, bool(seen.uncertain_since)) == (GenerationState.RUNNING, None, True)


async def test_a_picture_is_made_paid_and_kept(world: World) -> None:
    generation = await world.ask()
    first, call = await world.call_out()
    call.finish(pictures(2))
    assert await first
    assert await outcome(world, generation) == ("succeeded", 2, 6)
    [kept] = (await world.see(generation)).attempts
    assert (kept.outcome, kept.booked, kept.cost, kept.request_id) == (Outcome.EXECUTED, True, 40_000, "req_1")
    assert not await world.work(), "nothing is left to do"


async def test_t10_the_housekeeper_leaves_a_living_lease_alone_even_past_the_holds_expiry(world: World) -> None:
    generation = await world.ask()
    first, call = await world.call_out()
    await world.harness.advance((generation.hold_expires_at - generation.created_at).total_seconds())
    await world.renewed(generation)
    await world.keep_house()
    assert await outcome(world, generation) == ("running", 0, 0)
    call.finish(pictures(2))
    await first
    assert await outcome(world, generation) == ("succeeded", 2, 6)


async def test_t10_once_the_lease_has_lapsed_hold_and_generation_expire_together(world: World) -> None:
    generation = await world.ask()
    first, call = await world.call_out()
    await world.harness.advance((generation.hold_expires_at - generation.created_at).total_seconds())
    await world.keep_house()
    assert await outcome(world, generation) == ("failed", 0, 0)
    call.finish(pictures(2))
    await first
    assert await outcome(world, generation) == ("failed", 0, 0), "late bytes are never attached or charged"
    assert await world.sweep() == 3
    assert not world.storage.objects


async def test_t11_pictures_stored_after_the_lease_was_lost_are_settled_by_whoever_has_it(world: World) -> None:
    generation = await world.ask()
    first, call = await world.call_out()
    await lose_the_lease(world, generation)
    call.finish(pictures(2))
    await first
    assert await outcome(world, generation) == ("running", 0, 0)
    assert await world.work(2), "the first worker's word wakes the generation up at once"
    assert await outcome(world, generation) == ("succeeded", 2, 6)
    assert world.model.count(generation.id) == 1


async def test_t11_a_word_given_while_another_looks_leads_to_another_look_at_once(world: World) -> None:
    generation = await world.ask()
    first, call = await world.call_out()
    await world.lapse()
    last = world.storage.gate("get", key_of(generation, 1, 1))
    second = await world.start(2)
    await last.wait()
    call.finish(Executed(pictures(2).pictures[:1], None, Usage(), 1))
    await first
    last.open()
    await second
    assert (await world.see(generation)).lease is None
    assert await world.work(2)
    assert await outcome(world, generation) == ("succeeded", 1, 3)
    assert world.model.count(generation.id) == 1


async def test_t12_a_picture_put_after_the_look_is_found_before_anything_is_bought(world: World) -> None:
    generation = await world.ask()
    first, call = await world.call_out()
    await lose_the_lease(world, generation)
    second_put = world.storage.gate("put", key_of(generation, 1, 1))
    call.finish(pictures(2))
    await second_put.wait()
    await world.kill(first)
    await world.act_over()
    assert await world.work(2)
    assert await outcome(world, generation) == ("succeeded", 1, 3)
    assert world.model.count(generation.id) == 1


async def test_t12_a_look_begun_before_the_attempt_was_past_buys_nothing_though_it_ends_after(world: World) -> None:
    generation = await world.ask()
    first, call = await world.call_out()
    await world.lapse()
    last_look = world.storage.gate("get", key_of(generation, 1, 1))
    second = await world.start(2)
    await last_look.wait()
    second_put = world.storage.gate("put", key_of(generation, 1, 1))
    call.finish(pictures(2))
    await second_put.wait()
    await world.kill(first)
    await world.act_over()
    last_look.open()
    await second
    assert world.model.count(generation.id) == 1
    assert await world.work(2)
    assert await outcome(world, generation) == ("succeeded", 1, 3)


async def test_t13_a_look_between_two_puts_waits_for_the_second(world: World) -> None:
    generation = await world.ask()
    first, call = await world.call_out()
    await lose_the_lease(world, generation)
    second_put = world.storage.gate("put", key_of(generation, 1, 1))
    call.finish(pictures(2))
    await second_put.wait()
    await _look_again(world, generation)
    assert await world.work(2)
    assert await outcome(world, generation) == ("running", 0, 0), "half of it may not be all of it"
    second_put.open()
    await first
    assert await world.work(2)
    assert await outcome(world, generation) == ("succeeded", 2, 6)


async def _look_again(world: World, generation: Generation) -> None:
    """As a wake-up that comes early: parked until now."""
    async with world.store.transaction() as tx:
        parked = await tx.generations.lock(generation.id)
        parked.resume_at = await tx.now()
        tx.generations.save(parked)


async def test_t14_nothing_is_bought_while_the_storage_does_not_answer(world: World) -> None:
    generation = await world.ask()
    first, _ = await world.call_out()
    await world.kill(first)
    await world.lapse()
    world.storage.down = True
    for _ in range(3):
        assert await world.work(2)
        assert await outcome(world, generation) == ("running", 0, 0)
        assert (await world.see(generation)).attempts[0].outcome is Outcome.INTENDED, "nothing was learnt, nothing is written"
        assert not await world.work(2), "it is left alone for a while"
        await world.harness.advance(world.timing.back_off.total_seconds())
    assert world.model.count(generation.id) == 1
    world.storage.down = False
    second, call = await world.call_out(2)
    call.finish(pictures(2))
    await second
    assert await outcome(world, generation) == ("succeeded", 2, 6)


@pytest.mark.parametrize(("result", "state", "code"), [(EMPTY, "failed", "empty"), (REFUSED, "refused", "safety")])
async def test_t15_what_the_loser_of_the_lease_knows_ends_the_generation(
    world: World, result: Executed | NotExecuted, state: str, code: str
) -> None:
    generation = await world.ask()
    first, call = await world.call_out()
    await lose_the_lease(world, generation)
    call.finish(result)
    await first
    assert await world.work(2)
    assert await outcome(world, generation) == (state, 0, 0)
    seen = await world.see(generation)
    assert seen.failure
    assert seen.failure.code == code
    assert world.model.count(generation.id) == 1


async def test_t16_a_refund_taken_while_uncertain_is_final_and_late_bytes_are_swept(world: World) -> None:
    generation = await world.ask()
    first, call = await world.call_out()
    await lose_the_lease(world, generation)
    await world.cancel(generation)
    assert await outcome(world, generation) == ("cancelled", 0, 0)
    call.finish(pictures(2))
    await first
    assert not await world.work(2)
    assert await outcome(world, generation) == ("cancelled", 0, 0)
    assert await world.sweep() == 3
    assert not world.storage.objects


async def test_t16_a_cancel_of_a_call_whose_owner_dies_prevents_a_second_call(world: World) -> None:
    generation = await world.ask()
    first, _ = await world.call_out()
    await world.cancel(generation)
    await world.kill(first)
    await world.lapse()
    assert await world.work(2)
    assert await outcome(world, generation) == ("cancelled", 0, 0)
    assert world.model.count(generation.id) == 1
    for index in range(2):
        await world.storage.put(key_of(generation, 1, index), b"late", "image/png")
    assert await world.sweep() == 2
    assert await outcome(world, generation) == ("cancelled", 0, 0)


async def test_t17_what_a_cancelled_call_brings_is_delivered_and_charged(world: World) -> None:
    generation = await world.ask()
    first, call = await world.call_out()
    await world.cancel(generation)
    assert await outcome(world, generation) == ("running", 0, 0)
    call.finish(pictures(2))
    await first
    assert await outcome(world, generation) == ("succeeded", 2, 6)


async def test_t17_a_cancelled_call_that_times_out_costs_nothing(world: World) -> None:
    generation = await world.ask()
    first, call = await world.call_out()
    await world.cancel(generation)
    call.finish(Unknown("timeout"))
    await first
    assert await world.work()
    assert await outcome(world, generation) == ("cancelled", 0, 0)
    assert world.model.count(generation.id) == 1


async def test_t18_bytes_of_a_worker_stopped_beyond_its_time_are_found_before_a_third_call(world: World) -> None:
    generation = await world.ask()
    first, stopped = await world.call_out()
    await lose_the_lease(world, generation)
    await world.act_over()
    second, call = await world.call_out(2)
    stopped.finish(pictures(2))
    await first
    call.finish(Unknown("reset"), paid=True)
    await second
    assert await world.work(2)
    assert await outcome(world, generation) == ("succeeded", 2, 6)
    assert [attempt.booked for attempt in (await world.see(generation)).attempts] == [True, False]
    assert world.model.count(generation.id) == 2


async def test_t19_two_lost_answers_fail_and_a_third_call_never_starts(world: World) -> None:
    generation = await world.ask()
    for _ in range(2):
        worker, call = await world.call_out()
        call.finish(Unknown("reset"), paid=True)
        await worker
        assert (await outcome(world, generation))[0] == "running"
    assert await world.work()
    assert await outcome(world, generation) == ("failed", 0, 0)
    seen = await world.see(generation)
    assert seen.failure
    assert seen.failure.failure_class is FailureClass.UNKNOWN_OUTCOME
    assert not await world.work()
    assert world.model.count(generation.id) == 2


async def test_t20_a_worker_killed_between_two_puts_leaves_one_picture_for_one_price(world: World) -> None:
    generation = await world.ask()
    second_put = world.storage.gate("put", key_of(generation, 1, 1))
    first, call = await world.call_out()
    call.finish(pictures(2))
    await second_put.wait()
    await world.kill(first)
    await world.lapse()
    assert await world.work(2), "its owner is proven gone, so nothing more can come"
    assert await outcome(world, generation) == ("succeeded", 1, 3)
    assert world.model.count(generation.id) == 1


async def test_t21_a_sweep_between_put_and_settle_leaves_the_pictures_alone(world: World) -> None:
    generation = await world.ask()
    manifest = world.storage.gate("put", manifest_of(generation, 1))
    first, call = await world.call_out()
    call.finish(pictures(2))
    await manifest.wait()
    assert await world.sweep() == 0
    manifest.open()
    await first
    assert await outcome(world, generation) == ("succeeded", 2, 6)
    assert await world.sweep() == 0
    assert len(world.storage.objects) == 3


async def test_t21_one_queued_past_its_deadline_is_ended_without_any_worker(world: World) -> None:
    generation = await world.ask()
    await world.harness.advance((generation.deadline - generation.created_at).total_seconds())
    assert not await world.work()
    await world.keep_house()
    assert await outcome(world, generation) == ("failed", 0, 0)
    seen = await world.see(generation)
    assert seen.failure
    assert (seen.failure.failure_class, seen.failure.code) == (FailureClass.TIMEOUT, "deadline")
