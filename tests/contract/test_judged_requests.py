"""What goes to the model is judged inside the attempt, before its socket opens, and is free. On every store, books audited."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from domain.attempts import Failure, FailureClass, Finality, NotExecuted, Outcome, Stage
from domain.brake import FreeEnd
from domain.generations import Generation, GenerationState
from domain.timing import Timing
from tests.contract.harnesses import StoreHarness, each_store
from tests.contract.store_contract import now
from tests.judged_world import JudgedWorld
from tests.protocol import pictures
from tests.protocol_audit import ProtocolAudit
from tests.scripted_storage import patiently

pytestmark = pytest.mark.anyio
__all__ = ["each_store"]

PAUSE, PATIENCE = Timing().moderation_pause, Timing().moderation_patience
BUSY = NotExecuted(Failure(FailureClass.CAPACITY, Stage.CALL, "busy", "Busy"), Finality.RETRYABLE, 1)


@pytest.fixture
async def world(harness: StoreHarness) -> AsyncIterator[JudgedWorld]:
    yield (world := JudgedWorld(harness))
    await ProtocolAudit(world)()


async def ended(world: JudgedWorld, generation: Generation) -> tuple[str, str, str, str]:
    seen = await world.see(generation)
    assert seen.failure
    assert seen.captured == 0
    return seen.state.value, seen.failure.failure_class.value, seen.failure.stage.value, seen.failure.code


async def passes(world: JudgedWorld, span: timedelta) -> None:
    await world.harness.advance(span.total_seconds())


async def test_a_refused_prompt_is_never_sent_costs_nothing_and_counts_as_a_refusal(world: JudgedWorld) -> None:
    generation = await world.ask()
    assert generation.request
    world.moderator.bad = {generation.request.prompt}
    assert await world.work()
    assert world.model.calls == []
    assert await ended(world, generation) == ("refused", "moderation", "input", "violence")
    [attempt] = (await world.see(generation)).attempts
    assert (attempt.outcome, attempt.finality, attempt.cost) == (Outcome.NOT_EXECUTED, Finality.REFUSED, None)
    async with world.store.transaction() as tx:
        ends = await tx.generations.free_ends(
            generation.account_id, generation.mode, generation.created_at - timedelta(seconds=1)
        )
    assert [(type(end), end.refund) for end in ends] == [(FreeEnd, False)]
    assert "lighthouse" not in str((await world.see(generation)).failure), "the prompt is not repeated"


async def test_a_refused_reference_is_never_sent(world: JudgedWorld) -> None:
    generation = await world.edit(b"blood")
    world.moderator.bad = {b"blood"}
    assert await world.work()
    assert world.model.calls == []
    assert await ended(world, generation) == ("refused", "moderation", "input", "violence")


async def test_what_is_clean_is_called_once_with_what_was_judged(world: JudgedWorld) -> None:
    generation = await world.edit(b"a cat")
    task, call = await world.call_out()
    assert generation.request
    assert world.moderator.asked == [(generation.request.prompt, (b"a cat",))]
    assert call.call.references == (b"a cat",)
    assert call.call.partial is None, "nothing is shown that has not been judged"
    call.finish(pictures(1))
    await patiently(task)
    assert (await world.see(generation)).state is GenerationState.SUCCEEDED


async def test_words_alone_fall_back_to_the_local_judge(world: JudgedWorld) -> None:
    world.moderator.down = True
    kept, refused = await world.ask(), await world.ask()
    task, call = await world.call_out()
    call.finish(pictures(2))
    await patiently(task)
    assert (await world.see(kept)).state is GenerationState.SUCCEEDED
    assert refused.request
    world.local.bad = {refused.request.prompt}
    assert await world.work()
    assert await ended(world, refused) == ("refused", "moderation", "input", "violence")


async def test_an_upload_that_nobody_judges_is_tried_every_two_minutes_for_ten_and_then_fails(world: JudgedWorld) -> None:
    world.moderator.down = True
    generation = await world.edit()
    assert [each.total_seconds() for each in (PAUSE, PATIENCE)] == [120, 600]
    for _ in range(PATIENCE // PAUSE):
        assert await world.work()
        waiting = await world.see(generation)
        assert (waiting.state, waiting.failure) == (GenerationState.QUEUED, None)
        await passes(world, PAUSE - timedelta(seconds=1))
        assert not await world.work(), "not before two minutes are over"
        await passes(world, timedelta(seconds=1))
    assert await world.work()
    assert world.model.calls == []
    assert await ended(world, generation) == ("failed", "capacity", "input", "moderation_unavailable")
    assert len(world.moderator.asked) == 6
    assert {a.outcome for a in (await world.see(generation)).attempts} == {Outcome.NOT_EXECUTED}


async def test_an_upload_is_made_as_soon_as_somebody_judges_again(world: JudgedWorld) -> None:
    world.moderator.down = True
    generation = await world.edit()
    assert await world.work()
    world.moderator.down = False
    await passes(world, PAUSE)
    task, call = await world.call_out()
    call.finish(pictures(1))
    await patiently(task)
    assert (await world.see(generation)).delivered == 1
    assert world.model.count(generation.id) == 1


async def test_waiting_for_the_moderator_takes_nothing_from_the_tries_of_a_busy_model(world: JudgedWorld) -> None:
    generation, most = await world.edit(), world.timing.attempts
    for _ in range(3):
        world.moderator.down = True
        assert await world.work()
        await passes(world, PAUSE)
        world.moderator.down = False
        task, call = await world.call_out()
        call.finish(BUSY, paid=False)
        await patiently(task)
        await passes(world, timedelta(minutes=8))  # longer than one outage, all of them together, may last
    assert most == 4
    assert (await world.see(generation)).state is GenerationState.QUEUED
    task, call = await world.call_out()
    call.finish(BUSY, paid=False)
    await patiently(task)
    assert (await ended(world, generation))[3] == "busy", "the fourth word of the model is the last"


async def test_a_cancel_ends_the_wait_for_the_moderator(world: JudgedWorld) -> None:
    world.moderator.down = True
    generation = await world.edit()
    assert await world.work()
    await world.cancel(generation)
    assert (await ended(world, generation))[3] == "cancelled"


async def test_the_deadline_ends_the_wait_for_the_moderator(world: JudgedWorld) -> None:
    world.moderator.down = True
    generation = await world.edit()
    assert await world.work()
    await passes(world, generation.deadline - await now(world.store))
    await world.keep_house()
    assert (await ended(world, generation))[:2] == ("failed", "timeout")
