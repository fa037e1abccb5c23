"""A reference that comes back is no picture, whoever looks; what nobody can tell is the caller's. Stores alike, books audited."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace

import pytest

from domain.attempts import Executed, Failure, FailureClass, Outcome, Picture, Stage, Usage
from domain.errors import IntakeBusy
from domain.generations import Generation
from domain.media import Asset, PictureFormat
from domain.objects import ObjectKey
from tests.contract.harnesses import StoreHarness, each_store
from tests.contract.store_contract import a_request, queued, uploaded
from tests.protocol import QUICK, ScriptedIntake, World
from tests.protocol_audit import ProtocolAudit
from tests.scripted_storage import patiently

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


async def the_reference(world: World, generation: Generation) -> Asset:
    [reference] = generation.request.references if generation.request else ()
    async with world.store.transaction() as tx:
        [asset] = await tx.assets.pin([reference], generation.account_id, generation.mode)
    return asset


def as_large_as(asset: Asset) -> Callable[[ScriptedIntake, bytes], Awaitable[Picture]]:
    """An intake that finds every picture as large as this one."""

    async def describe(_: ScriptedIntake, content: bytes) -> Picture:
        return Picture(content, PictureFormat.PNG, asset.width, asset.height, has_alpha=False)

    return describe


async def answered(world: World, generation: Generation, *contents: bytes) -> Generation:
    """How it ends when the model returns pictures of these bytes, as large as the reference."""
    asset = await the_reference(world, generation)
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
    asset = await the_reference(world, generation)
    monkeypatch.setattr(ScriptedIntake, "describe", as_large_as(asset))

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
    asset = await the_reference(world, generation)
    monkeypatch.setattr(ScriptedIntake, "describe", as_large_as(asset))

    async def fingerprint(_: ScriptedIntake, __: bytes) -> str:
        raise IntakeBusy

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
    asset = await the_reference(world, generation)
    monkeypatch.setattr(ScriptedIntake, "describe", as_large_as(asset))

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
