"""What one call's end means for the others of its model: its gate closes, and they wait. On every store, books audited."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from application.store import StoreUnavailable
from domain.accounts import Caller, Mode
from domain.attempts import Allowance, Failure, FailureClass, Finality, NotExecuted, Obstacle, Outcome, Stage, Unknown
from domain.gates import ClosedFor, Gate
from domain.generations import Generation
from tests.contract.harnesses import StoreHarness, each_store
from tests.contract.store_contract import customer
from tests.protocol import QUICK, ShakyStore, World, pictures
from tests.protocol_audit import ProtocolAudit
from tests.scripted_storage import patiently

pytestmark = pytest.mark.anyio
__all__ = ["each_store"]

BUSY = Failure(FailureClass.PROVIDER, Stage.CALL, "rate_limit_exceeded", "Too many requests", "req_7")


@pytest.fixture
async def world(harness: StoreHarness) -> AsyncIterator[World]:
    yield (world := World(harness, QUICK))
    await ProtocolAudit(world)()


async def gate(world: World) -> Gate:
    async with world.store.transaction() as tx:
        return await tx.gates.find("gpt-image-2")


async def states(world: World, *generations: Generation) -> list[str]:
    return [(await world.see(generation)).state.value for generation in generations]


def limited(seconds: float | None = 40) -> NotExecuted:
    return NotExecuted(BUSY, Finality.RETRYABLE, seconds, Obstacle.RATE_LIMIT)


async def test_a_rate_limit_makes_every_live_request_of_the_model_wait_and_is_not_counted_as_paid(world: World) -> None:
    first, second = await world.ask(), await world.ask()
    task, call = await world.call_out()
    call.finish(limited(), paid=False)
    await patiently(task)
    assert await states(world, first, second) == ["queued", "queued"]
    assert (await world.see(first)).perhaps_paid() == []
    assert not await world.work(), "nobody calls while the provider says: not before"
    await world.harness.advance(40)
    task, call = await world.call_out()
    assert not await world.work(2), "one goes first"
    await world.harness.advance(world.gate_rules.trial.total_seconds())
    other, second_call = await world.call_out(2)
    for each, out in ((task, call), (other, second_call)):
        out.finish(pictures(2))
        await patiently(each)
    assert await states(world, first, second) == ["succeeded", "succeeded"]


async def test_a_test_request_does_not_wait_at_a_live_models_gate(world: World) -> None:
    await world.ask()
    task, call = await world.call_out()
    call.finish(limited(), paid=False)
    await patiently(task)
    tester: Caller = await customer(world.store, 100, Mode.TEST)
    world.callers.append((tester, 100))
    test = await world.ask(caller=tester)
    task, call = await world.call_out()
    call.finish(limited(), paid=False)
    await patiently(task)
    assert (await gate(world)).closed_until == (await gate(world)).closed_until
    assert await states(world, test) == ["queued"]


async def test_a_refused_key_makes_requests_wait_and_fails_none(world: World) -> None:
    generation = await world.ask()
    refused = NotExecuted(BUSY, Finality.RETRYABLE, None, Obstacle.KEY_REFUSED)
    for _ in range(3):
        task, call = await world.call_out()
        call.finish(refused, paid=False)
        await patiently(task)
        assert (await gate(world)).reason is ClosedFor.KEY_REFUSED
        assert not await world.work()
        await world.harness.advance(world.gate_rules.refused_pause.total_seconds())
    task, call = await world.call_out()
    call.finish(pictures(2))
    await patiently(task)
    assert await states(world, generation) == ["succeeded"]


async def test_the_allowance_a_provider_tells_is_kept_to(world: World) -> None:
    first, second, third = await world.ask(), await world.ask(), await world.ask()
    task, call = await world.call_out()
    made = pictures(2)
    call.finish(type(made)(made.pictures, "req", made.usage, 1, allowance=Allowance(60, 1, 59.0)))
    await patiently(task)
    task, call = await world.call_out()
    assert not await world.work(2), "the one that was left is taken"
    call.finish(pictures(2))
    await patiently(task)
    await world.harness.advance(1)
    task, call = await world.call_out()
    call.finish(pictures(2))
    await patiently(task)
    assert await states(world, first, second, third) == ["succeeded"] * 3


async def test_the_breaker_stops_second_calls_and_new_ones_until_it_closes(world: World) -> None:
    asked = [await world.ask() for _ in range(5)]
    for task, call in [await world.call_out() for _ in range(4)]:
        call.finish(Unknown("reset"), paid=True)
        await patiently(task)
    assert (await gate(world)).reason is ClosedFor.UNKNOWN_OUTCOMES
    for _ in range(4):
        assert await world.work(), "what lies there is looked at all the same"
    assert await states(world, *asked) == ["running"] * 4 + ["queued"]
    await world.harness.advance(0.01)
    for _ in range(4):
        await world.work()
    assert len(world.model.calls) == 4, "none is made again, no new one starts"
    await world.harness.advance(world.gate_rules.breaker_pause.total_seconds())
    task, call = await world.call_out()
    assert not [await world.work(2) for _ in range(3)][-1] or len(world.model.calls) == 5, "one tries"
    call.finish(pictures(2))
    await patiently(task)
    await world.harness.advance(0.01)
    for _ in range(4):
        task, call = await world.call_out()
        call.finish(pictures(2))
        await patiently(task)
    assert await states(world, *asked) == ["succeeded"] * 5


async def test_workers_that_die_while_calling_say_nothing_of_the_provider(world: World) -> None:
    for owner in range(1, 6):
        await world.ask()
        task, _ = await world.call_out(owner)
        await world.kill(task, owner)
    await world.lapse()
    for _ in range(5):
        task, call = await world.call_out(9)
        call.finish(pictures(2))
        await patiently(task)
    assert (await gate(world)).unknowns == 0


async def test_an_outage_while_the_gate_is_told_costs_no_picture(world: World) -> None:
    generation = await world.ask()
    shaky = ShakyStore(world.store)
    task = await world.start(1, shaky)
    call = await world.model.called()
    shaky.fault, shaky.skip = "failed", 1  # after it was settled
    call.finish(pictures(2))
    await patiently(task)
    assert await states(world, generation) == ["succeeded"]
    assert (await gate(world)).calls == 0


async def test_a_gate_that_breaks_costs_no_picture(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise OverflowError

    generation = await world.ask()
    task, call = await world.call_out()
    monkeypatch.setattr(Gate, "learn", broken)
    call.finish(pictures(2))
    with pytest.raises(OverflowError):
        await patiently(task)
    assert await states(world, generation) == ["succeeded"]


async def test_a_claim_that_meets_a_gate_just_closed_is_not_made(world: World) -> None:
    generation = await world.ask()
    shaky = ShakyStore(world.store)
    shaky.fault = "failed"
    with pytest.raises(StoreUnavailable):
        await (await world.worker(1, shaky))()
    async with world.store.transaction() as tx:
        closed = await tx.gates.lock("gpt-image-2")
        closed.close(await tx.now() + timedelta(seconds=9), ClosedFor.ALLOWANCE)
        tx.gates.save(closed)
    assert not await world.work()
    assert (await world.see(generation)).attempts == []


async def test_a_second_call_passes_the_gate_like_any_other(world: World) -> None:
    generation = await world.ask()
    task, call = await world.call_out()
    call.finish(Unknown("reset"), paid=False)
    await patiently(task)
    async with world.store.transaction() as tx:
        known = await tx.gates.lock("gpt-image-2")
        known.capacity, known.spare, known.per_second, known.filled_at = 5, 1.0, 0.001, await tx.now()
        tx.gates.save(known)
    task, call = await world.call_out()
    assert (await gate(world)).reason is ClosedFor.ALLOWANCE
    call.finish(pictures(2))
    await patiently(task)
    seen = await world.see(generation)
    assert [attempt.outcome for attempt in seen.attempts] == [Outcome.UNKNOWN, Outcome.EXECUTED]
