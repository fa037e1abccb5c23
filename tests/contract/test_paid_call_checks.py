"""What came back is looked at before anyone pays for it, and nothing paid is forgotten. On every store, books audited."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from domain.attempts import Executed, Failure, FailureClass, Finality, NotExecuted, Outcome, Stage, Unknown, Usage
from domain.objects import ObjectKey
from tests.contract.harnesses import StoreHarness, each_store
from tests.contract.store_contract import now
from tests.protocol import QUICK, World, pictures
from tests.protocol_audit import ProtocolAudit
from tests.scripted_storage import patiently

pytestmark = pytest.mark.anyio
__all__ = ["each_store"]

BUSY = Failure(FailureClass.CAPACITY, Stage.CALL, "busy", "Busy")
NOT_JSON = Failure(FailureClass.PROVIDER, Stage.CALL, "not_json", "The model's answer cannot be read")


@pytest.fixture
async def world(harness: StoreHarness) -> AsyncIterator[World]:
    yield (world := World(harness, QUICK))
    await ProtocolAudit(world)()


async def test_words_of_a_provider_that_come_after_the_purge_are_not_kept(world: World) -> None:
    generation = await world.ask()
    first, call = await world.call_out()
    await world.lapse()
    assert await world.work(2)
    await world.cancel(generation)
    await world.purge(generation)
    words = Failure(FailureClass.MODERATION, Stage.INPUT, "safety", "Your words 'a secret' were refused")
    call.finish(NotExecuted(words, Finality.REFUSED), paid=False)
    await patiently(first)
    async with world.store.transaction() as tx:
        [attempt] = (await tx.generations.lock(generation.id)).attempts
    assert attempt.failure
    assert (attempt.failure.code, attempt.failure.message) == ("safety", "")


async def test_a_refusal_after_paid_work_is_a_refusal_at_our_cost(world: World) -> None:
    generation = await world.ask()
    task, call = await world.call_out()
    blocked = Failure(FailureClass.MODERATION, Stage.OUTPUT, "moderation_blocked", "Refused")
    call.finish(Executed((), "req_1", Usage(10, 20), 40_000, failure=blocked))
    await patiently(task)
    ended = await world.see(generation)
    assert (ended.state, ended.captured, ended.attempts[0].outcome, ended.attempts[0].cost) == ("refused", 0, "executed", 40_000)


async def test_a_manifest_that_cannot_be_read_hides_no_picture_and_stops_no_sweep(world: World) -> None:
    generation, other = await world.ask(), await world.ask()
    await world.storage.put(ObjectKey.manifest(other.account_id, other.id, 1), b"{", "application/json")
    stuck = world.storage.gate("put", ObjectKey.manifest(generation.account_id, generation.id, 1))
    task, call = await world.call_out()
    call.finish(pictures(2))
    await stuck.wait()
    await world.kill(task)
    await world.storage.put(
        ObjectKey.manifest(generation.account_id, generation.id, 1), b'{"pictures": [{}]}', "application/json"
    )
    await world.lapse()
    assert await world.work(2)
    assert (await world.see(generation)).delivered == 2
    await world.cancel(other)
    assert await world.sweep() == 1


async def test_a_model_is_told_when_its_call_must_be_over(world: World) -> None:
    await world.ask()
    task, call = await world.call_out()
    assert call.call.seconds
    assert 0 < call.call.seconds < QUICK.call.total_seconds()
    call.finish(pictures(2))
    await patiently(task)


async def lost_and_then_busy(world: World, seconds: float) -> None:
    """Of one generation: nothing is known of its first call, and the second is asked to come back later."""
    for result in (Unknown("reset"), NotExecuted(BUSY, Finality.RETRYABLE, seconds)):
        task, call = await world.call_out()
        call.finish(result, paid=False)
        await patiently(task)


async def test_after_a_free_refusal_a_lost_call_is_still_uncertain_and_its_end_a_refund(world: World) -> None:
    generation = await world.ask()
    await lost_and_then_busy(world, 80_000)
    seen = await world.see(generation)
    assert seen.uncertain_since
    assert seen.resume_at
    assert seen.resume_at <= seen.deadline, "the deadline wakes it, whatever the provider says"
    await world.cancel(generation)
    assert ((await world.see(generation)).failure or BUSY).code == "refunded"


async def test_a_refund_taken_while_a_lost_call_waits_for_the_next_is_a_refund(world: World) -> None:
    generation = await world.ask()
    await lost_and_then_busy(world, 0)
    await world.harness.advance(1)
    assert await world.work(2), "which looks first, and then lets it wait for another call"
    assert (await world.see(generation)).state == "queued"
    await world.cancel(generation)
    assert ((await world.see(generation)).failure or BUSY).code == "refunded"


async def test_an_answer_that_cannot_be_used_fails_with_its_request_id_and_is_kept_for_support(world: World) -> None:
    generation = await world.ask()
    task, call = await world.call_out()
    call.finish(Executed((), "req_9", Usage(), None, failure=NOT_JSON, answer=b"<html>"))
    await patiently(task)
    ended = await world.see(generation)
    assert (ended.state, ended.captured, ended.failure) == ("failed", 0, replace(NOT_JSON, request_id="req_9"))
    kept = str(ObjectKey.answer(generation.account_id, generation.id, 1))
    assert world.storage.objects[kept] == b"<html>"
    world.storage.modified = await now(world.store)
    assert await world.sweep() == 0, "it stays while support may need it"
    await world.purge(generation)
    assert kept not in world.storage.objects


async def test_half_an_answer_is_kept_and_the_outcome_is_unknown(world: World) -> None:
    generation = await world.ask()
    task, call = await world.call_out()
    call.finish(Unknown("incomplete", "req_9", b'{"data": ['), paid=True)
    await patiently(task)
    seen = await world.see(generation)
    assert (seen.state, seen.attempts[0].request_id, bool(seen.uncertain_since)) == ("running", "req_9", True)
    assert world.storage.objects[str(ObjectKey.answer(generation.account_id, generation.id, 1))] == b'{"data": ['


async def test_a_storage_that_is_down_keeps_no_failure_from_being_told(world: World) -> None:
    generation = await world.ask()
    task, call = await world.call_out()
    world.storage.down = True
    call.finish(Executed((), "req_9", Usage(), None, failure=NOT_JSON, answer=b"<html>"))
    await asyncio.sleep(0)
    await world.leap(QUICK.act)
    await patiently(task)
    assert (await world.see(generation)).state == "failed"


async def test_a_refund_says_so_and_what_comes_later_is_deleted_and_booked_as_our_loss(world: World) -> None:
    generation = await world.ask()
    first, call = await world.call_out()
    await world.lapse()
    assert await world.work(2)
    assert (await world.see(generation)).uncertain_since
    await world.cancel(generation)
    refunded = await world.see(generation)
    assert refunded.failure
    assert (refunded.state, refunded.failure.code, refunded.captured) == ("cancelled", "refunded", 0)
    call.finish(pictures(2))
    await patiently(first)
    assert await world.sweep() == 3
    assert not world.storage.objects
    [late] = (await world.see(generation)).attempts
    assert (late.outcome, late.booked, late.cost, late.usage) == (Outcome.EXECUTED, False, 40_000, Usage(10, 20))


async def test_late_bytes_of_a_dead_worker_are_booked_from_its_manifest(world: World) -> None:
    generation = await world.ask()
    first, _ = await world.call_out()
    await world.kill(first)
    await world.cancel(generation)
    await world.lapse()
    assert await world.work(2)
    assert (await world.see(generation)).state == "cancelled"
    other = await world.ask()
    second, call = await world.call_out(2)
    call.finish(pictures(2))
    await patiently(second)
    for key, content in list(world.storage.objects.items()):  # as the dead worker's puts would have left them
        mine = key.replace(str(other.account_id), str(generation.account_id)).replace(str(other.id), str(generation.id))
        world.storage.objects[mine] = content
    assert await world.sweep() == 3
    [late] = (await world.see(generation)).attempts
    assert (late.outcome, late.booked, late.cost, late.request_id) == (Outcome.EXECUTED, False, 40_000, "req_1")
    assert (await world.see(other)).state == "succeeded"


async def test_the_time_for_the_puts_is_not_the_calls(world: World) -> None:
    generation = await world.ask()
    first, call = await world.call_out()
    await world.leap(QUICK.call)
    await patiently(first)
    assert call.answer.cancelled()
    assert (await world.see(generation)).attempts[0].outcome is Outcome.UNKNOWN
    assert QUICK.call < QUICK.act
