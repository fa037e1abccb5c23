"""What came back is looked at before anyone pays for it, and nothing paid is forgotten. On every store, books audited."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from domain.attempts import Executed, Failure, FailureClass, Finality, NotExecuted, Outcome, Picture, Stage, Unknown, Usage
from domain.errors import IntakeBusy
from domain.generations import Generation
from domain.media import ObjectKey, PictureFormat
from tests.contract.harnesses import StoreHarness, each_store
from tests.contract.store_contract import a_request, now, queued, uploaded
from tests.protocol import QUICK, ScriptedIntake, World, patiently, pictures
from tests.protocol_audit import ProtocolAudit

pytestmark = pytest.mark.anyio
__all__ = ["each_store"]

NOT_JSON = Failure(FailureClass.PROVIDER, Stage.CALL, "not_json", "The model's answer cannot be read")


@pytest.fixture
async def world(harness: StoreHarness) -> AsyncIterator[World]:
    yield (world := World(harness, QUICK))
    await ProtocolAudit(world)()


async def an_edit(world: World, content: bytes, n: int = 2) -> Generation:
    """Waiting, with one reference of these bytes."""
    caller = await world.customer()
    reference = await uploaded(world.store, caller)
    await world.storage.put(reference.key, content, "image/png")
    generation = await queued(world.store, caller, request=a_request(n, references=(reference.id,)))
    world.generations.append(generation)
    return generation


async def answered(world: World, generation: Generation, *contents: bytes) -> Generation:
    """How it ends when the model returns pictures of these bytes, as large as the reference."""
    [reference] = generation.request.references if generation.request else ()
    async with world.store.transaction() as tx:
        [asset] = await tx.assets.pin([reference], generation.account_id, generation.mode)
    task, call = await world.call_out()
    made = tuple(Picture(content, PictureFormat.PNG, asset.width, asset.height, has_alpha=False) for content in contents)
    call.finish(Executed(made, "req_1", Usage(10, 20), 40_000))
    await patiently(task)
    return await world.see(generation)


async def test_a_reference_that_comes_back_unchanged_is_a_failure_and_costs_nothing(world: World) -> None:
    ended = await answered(world, await an_edit(world, b"the reference"), b"the reference", b"the reference")
    assert ended.failure
    assert (ended.state, ended.captured, ended.failure.code, ended.failure.request_id) == ("failed", 0, "echo", "req_1")
    assert [(attempt.outcome, attempt.cost) for attempt in ended.attempts] == [(Outcome.EXECUTED, 40_000)], "it is our loss"
    assert await world.sweep() == 3
    assert not [key for key in world.storage.objects if key.startswith("outputs/")], "an echo does not stay"


async def test_an_echo_among_pictures_is_left_out_and_the_others_are_paid(world: World) -> None:
    ended = await answered(world, await an_edit(world, b"the reference"), b"the reference", b"a picture")
    assert (ended.state, ended.delivered, ended.captured) == ("succeeded", 1, 3)


async def test_pictures_of_another_size_are_not_even_compared(world: World) -> None:
    generation = await an_edit(world, b"the reference")
    task, call = await world.call_out()
    same = Picture(b"the reference", PictureFormat.PNG, 9_999, 8, has_alpha=False)
    call.finish(Executed((same, same), "req_1", Usage(), 1))
    await patiently(task)
    assert (await world.see(generation)).delivered == 2


async def test_a_film_may_begin_with_the_reference(world: World) -> None:
    generation = await an_edit(world, b"the reference", 1)
    assert generation.request
    async with world.store.transaction() as tx:
        film = await tx.generations.lock(generation.id)
        film.request = replace(generation.request, frame_count=4)
        tx.generations.save(film)
    ended = await answered(world, generation, b"the reference")
    assert (ended.state, ended.delivered) == ("succeeded", 1)


async def test_an_echo_in_a_manifest_that_is_whole_keeps_nobody_waiting(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    generation = await an_edit(world, b"the reference")
    [reference] = generation.request.references if generation.request else ()
    async with world.store.transaction() as tx:
        [asset] = await tx.assets.pin([reference], generation.account_id, generation.mode)

    async def describe(_: ScriptedIntake, content: bytes) -> Picture:
        return Picture(content, PictureFormat.PNG, asset.width, asset.height, has_alpha=False)

    monkeypatch.setattr(ScriptedIntake, "describe", describe)
    task, call = await world.call_out()
    looking = world.storage.gate("get", reference_key := asset.key)
    made = Picture(b"the reference", PictureFormat.PNG, asset.width, asset.height, has_alpha=False)
    call.finish(Executed((made, replace(made, content=b"a picture")), "req_1", Usage(), 40_000))
    await looking.wait()
    assert str(reference_key) in world.storage.objects
    await world.lapse()
    assert await world.work(2), "while its caller is frozen, and its time not over"
    ended = await world.see(generation)
    assert (ended.state, ended.delivered) == ("succeeded", 1)
    looking.open()
    await patiently(task)


async def test_what_nobody_can_tell_of_a_call_that_is_over_is_the_callers_picture(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    generation = await an_edit(world, b"the reference")
    [reference] = generation.request.references if generation.request else ()
    async with world.store.transaction() as tx:
        [asset] = await tx.assets.pin([reference], generation.account_id, generation.mode)

    async def describe(_: ScriptedIntake, content: bytes) -> Picture:
        return Picture(content, PictureFormat.PNG, asset.width, asset.height, has_alpha=False)

    async def fingerprint(_: ScriptedIntake, __: bytes) -> str:
        raise IntakeBusy

    monkeypatch.setattr(ScriptedIntake, "describe", describe)
    monkeypatch.setattr(ScriptedIntake, "fingerprint", fingerprint)
    settling = world.storage.gate("put", ObjectKey.manifest(generation.account_id, generation.id, 1))
    task, call = await world.call_out()
    made = Picture(b"a picture", PictureFormat.PNG, asset.width, asset.height, has_alpha=False)
    call.finish(Executed((made, made), "req_1", Usage(), 40_000))
    await settling.wait()
    await world.lapse()
    assert await world.work(2)
    assert (await world.see(generation)).state == "running", "its caller may still be at it"
    await world.kill(task)
    await world.harness.advance(QUICK.lease.total_seconds())
    assert await world.work(2)
    assert (await world.see(generation)).delivered == 2


@pytest.mark.parametrize("n", [1, 2])
async def test_an_echo_that_a_dead_worker_put_is_no_picture_either(world: World, n: int, monkeypatch: pytest.MonkeyPatch) -> None:
    generation = await an_edit(world, b"the reference", n)
    settling = world.storage.gate("put", ObjectKey.manifest(generation.account_id, generation.id, 1))
    [reference] = generation.request.references if generation.request else ()
    async with world.store.transaction() as tx:
        [asset] = await tx.assets.pin([reference], generation.account_id, generation.mode)

    async def describe(_: ScriptedIntake, content: bytes) -> Picture:
        return Picture(content, PictureFormat.PNG, asset.width, asset.height, has_alpha=False)

    monkeypatch.setattr(ScriptedIntake, "describe", describe)
    task, call = await world.call_out()
    echo = Picture(b"the reference", PictureFormat.PNG, asset.width, asset.height, has_alpha=False)
    call.finish(Executed((echo, replace(echo, content=b"a picture"))[:n], "req_1", Usage(), 40_000))
    await settling.wait()
    await world.kill(task)
    await world.lapse()
    assert await world.work(2)
    ended = await world.see(generation)
    ends = {1: ("failed", 0, "echo"), 2: ("succeeded", 3, None)}
    assert (ended.state, ended.captured, ended.failure and ended.failure.code) == ends[n]
    assert world.model.count(generation.id) == 1, "it was executed: it is not bought again"


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


async def test_after_a_free_refusal_a_lost_call_is_still_uncertain_and_its_end_a_refund(world: World) -> None:
    generation = await world.ask()
    task, call = await world.call_out()
    call.finish(Unknown("reset"), paid=False)
    await patiently(task)
    task, call = await world.call_out()
    busy = Failure(FailureClass.CAPACITY, Stage.CALL, "busy", "Busy")
    call.finish(NotExecuted(busy, Finality.RETRYABLE, 80_000), paid=False)
    await patiently(task)
    seen = await world.see(generation)
    assert seen.uncertain_since
    assert seen.resume_at
    assert seen.resume_at <= seen.deadline, "the deadline wakes it, whatever the provider says"
    await world.cancel(generation)
    assert ((await world.see(generation)).failure or busy).code == "refunded"


async def test_a_refund_taken_while_a_lost_call_waits_for_the_next_is_a_refund(world: World) -> None:
    generation = await world.ask()
    task, call = await world.call_out()
    call.finish(Unknown("reset"), paid=False)
    await patiently(task)
    task, call = await world.call_out()
    busy = Failure(FailureClass.CAPACITY, Stage.CALL, "busy", "Busy")
    call.finish(NotExecuted(busy, Finality.RETRYABLE, 0), paid=False)
    await patiently(task)
    await world.harness.advance(1)
    assert await world.work(2), "which looks first, and then lets it wait for another call"
    assert (await world.see(generation)).state == "queued"
    await world.cancel(generation)
    assert ((await world.see(generation)).failure or busy).code == "refunded"


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
