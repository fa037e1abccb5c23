"""Pictures are judged while they are put, or where they lie, before anyone pays. On every store, books audited."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from domain.attempts import Executed, Outcome, Picture, Unknown, Usage
from domain.generations import Generation
from domain.media import PictureFormat
from domain.objects import ObjectKey
from tests.contract.harnesses import StoreHarness, each_store
from tests.judged_world import JudgedWorld
from tests.protocol import key_of, pictures, until
from tests.protocol_audit import ProtocolAudit
from tests.scripted_storage import patiently

pytestmark = pytest.mark.anyio
__all__ = ["each_store"]

BAD = b"picture 1"
REFUSED = ("refused", "moderation", "output", "violence")


@pytest.fixture
async def world(harness: StoreHarness) -> AsyncIterator[JudgedWorld]:
    yield (world := JudgedWorld(harness))
    await ProtocolAudit(world)()


async def ended(world: JudgedWorld, generation: Generation) -> tuple[str, str, str, str]:
    await ProtocolAudit(world)()
    seen = await world.see(generation)
    assert seen.failure
    assert (seen.captured, seen.delivered) == (0, 0)
    return seen.state.value, seen.failure.failure_class.value, seen.failure.stage.value, seen.failure.code


async def state(world: JudgedWorld, generation: Generation) -> tuple[str, int]:
    await ProtocolAudit(world)()
    seen = await world.see(generation)
    return seen.state.value, seen.delivered


async def delivers(world: JudgedWorld, n: int = 2) -> None:
    task, call = await world.call_out()
    call.finish(pictures(n))
    await patiently(task)


async def killed_after_the_manifest(world: JudgedWorld, generation: Generation) -> None:
    """Its pictures lie there, and nobody has judged them."""
    world.viewer.reached = asyncio.Event()
    first, call = await world.call_out()
    call.finish(pictures(2))
    manifest = str(ObjectKey.manifest(generation.account_id, generation.id, 1))
    await until(lambda: manifest in world.storage.objects)
    await world.kill(first)
    world.viewer.reached = None
    await world.lapse()


async def test_pictures_that_are_clean_are_judged_once_and_delivered(world: JudgedWorld) -> None:
    generation = await world.ask()
    await delivers(world)
    assert await state(world, generation) == ("succeeded", 2)
    assert world.viewer.asked == [("", (b"picture 0", b"picture 1"))]


async def test_one_that_is_flagged_refuses_them_all_at_our_cost(world: JudgedWorld) -> None:
    generation = await world.ask()
    world.viewer.bad = {BAD}
    await delivers(world)
    assert await ended(world, generation) == REFUSED
    [attempt] = (await world.see(generation)).attempts
    assert (attempt.outcome, attempt.booked, attempt.cost) == (Outcome.EXECUTED, True, 40_000)
    assert attempt.failure
    assert attempt.failure.code == "violence"
    assert await world.sweep() == 3
    assert not world.storage.objects, "nothing of them stays"


async def test_recovery_judges_what_it_finds_before_it_settles(world: JudgedWorld) -> None:
    kept, refused = await world.ask(), await world.ask()
    for generation in (kept, refused):
        await killed_after_the_manifest(world, generation)
        world.viewer.bad = {BAD} if generation is refused else set()
        assert await world.work(2)
    assert await state(world, kept) == ("succeeded", 2)
    assert await ended(world, refused) == REFUSED
    [attempt] = (await world.see(refused)).attempts
    assert (attempt.outcome, attempt.booked, attempt.cost, attempt.request_id) == (Outcome.EXECUTED, True, 40_000, "req_1")
    assert len(world.model.calls) == 2


async def test_recovery_judges_the_fewer_pictures_of_a_dead_caller_too(world: JudgedWorld) -> None:
    generation = await world.ask()
    second_put = world.storage.gate("put", key_of(generation, 1, 1))
    first, call = await world.call_out()
    call.finish(pictures(2))
    await second_put.wait()
    await world.kill(first)
    await world.act_over()
    world.viewer.bad = {b"picture 0"}
    assert await world.work(2)
    assert await ended(world, generation) == REFUSED
    assert world.viewer.asked[-1] == ("", (b"picture 0",))


async def test_while_nobody_judges_pictures_wait_and_are_not_bought_again(world: JudgedWorld) -> None:
    generation = await world.ask()
    world.viewer.down = True
    await delivers(world)
    [attempt] = (await world.see(generation)).attempts
    assert (attempt.outcome, attempt.booked, attempt.cost) == (Outcome.EXECUTED, False, 40_000)
    assert (await world.see(generation)).uncertain_since is None, "nothing is uncertain of a call that was made"
    waits = []
    for _ in range(8):
        before = len(world.viewer.asked)
        seconds = 0.0
        while not await world.work():
            seconds += 5
            await world.harness.advance(5)
        assert len(world.viewer.asked) == before + 1
        waits.append(seconds)
    assert waits == sorted(waits), "whoever waits long is looked at less often"
    assert max(waits) <= 120 + 5
    assert await state(world, generation) == ("running", 0)
    world.viewer.down = False
    await world.harness.advance(120)
    assert await world.work()
    assert await state(world, generation) == ("succeeded", 2)
    assert len(world.model.calls) == 1


async def test_pictures_that_nobody_ever_judges_fail_with_their_hold_and_cost_nothing(world: JudgedWorld) -> None:
    generation = await world.ask()
    world.viewer.down = True
    await delivers(world)
    await world.harness.advance((generation.hold_expires_at - generation.created_at).total_seconds())
    await world.keep_house()
    assert (await ended(world, generation))[:2] == ("failed", "timeout")


async def test_a_cancel_while_pictures_wait_for_a_judge_costs_nothing(world: JudgedWorld) -> None:
    generation = await world.ask()
    world.viewer.down = True
    await delivers(world)
    await world.cancel(generation)
    assert (await ended(world, generation))[3] == "cancelled"


async def test_a_verdict_of_a_caller_who_lost_the_lease_is_not_asked_for_again(world: JudgedWorld) -> None:
    generation = await world.ask()
    world.viewer.bad = {BAD}
    first, call = await world.call_out()
    await world.lapse()
    assert await world.work(2)
    call.finish(pictures(2))
    await patiently(first)
    assert len(world.viewer.asked) == 1
    assert await world.work(2)
    assert await ended(world, generation) == REFUSED
    assert len(world.viewer.asked) == 1


async def test_pictures_found_after_a_lost_answer_are_judged(world: JudgedWorld) -> None:
    generation = await world.ask()
    task, call = await world.call_out()
    call.finish(Unknown("reset"), paid=True)
    await patiently(task)
    for index in range(2):
        await world.storage.put(key_of(generation, 1, index), b"picture %d" % index, "image/png")
    world.viewer.bad = {BAD}
    assert await world.work(2)
    assert await ended(world, generation) == REFUSED


async def test_what_comes_too_late_for_a_judge_is_judged_by_the_next_look(world: JudgedWorld) -> None:
    generation = await world.ask()
    world.viewer.reached = judging = asyncio.Event()
    task, call = await world.call_out()
    call.finish(pictures(2))
    await patiently(judging.wait())
    await world.leap(world.timing.act + timedelta(seconds=1))
    await patiently(task)
    assert await state(world, generation) == ("running", 0)
    world.viewer.reached = None
    await world.harness.advance(5)
    assert await world.work()
    assert await state(world, generation) == ("succeeded", 2)


async def test_what_was_never_stored_is_refused_by_nobody(world: JudgedWorld) -> None:
    generation = await world.ask(1)
    task, call = await world.call_out()
    world.viewer.bad = {b"x"}
    call.finish(Executed((Picture(b"x", PictureFormat.PNG, 8, 8, has_alpha=False),), "req_1", Usage(), 1))
    world.storage.broken = {key_of(generation, 1, 0)}
    await asyncio.sleep(0)
    await world.leap(world.timing.act)
    await patiently(task)
    assert (await ended(world, generation))[1] == "storage"


async def test_pictures_are_judged_while_they_are_put(world: JudgedWorld) -> None:
    generation = await world.ask()
    put = world.storage.gate("put", key_of(generation, 1, 0))
    task, call = await world.call_out()
    call.finish(pictures(2))
    await put.wait()
    await until(lambda: bool(world.viewer.asked))
    assert not world.storage.objects
    put.open()
    await patiently(task)
    assert await state(world, generation) == ("succeeded", 2)
    assert len(world.viewer.asked) == 1
