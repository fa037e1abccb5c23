"""Partial pictures: whoever watches sees them, and whatever becomes of them costs the picture nothing. On each store, audited."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from application.moderation import NO_PARTIALS
from application.partials import MOST_SECONDS
from application.ports import Show, StorageUnavailable
from domain.errors import LeaseLost, UnsupportedFormat
from domain.events import EventKind
from domain.generations import Generation, GenerationState
from domain.media import PictureFormat
from domain.objects import PARTIALS_KEPT, ObjectKey
from domain.provenance import SourceType
from tests.contract.harnesses import StoreHarness, each_store
from tests.contract.store_contract import a_request, queued, uploaded
from tests.protocol import QUICK, OutCall, World, pictures
from tests.protocol_audit import ProtocolAudit
from tests.scripted_provenance import ScriptedProvenance

pytestmark = pytest.mark.anyio
__all__ = ["each_store"]
HALF, WHOLE = b"\x89PNG\r\n\x1a\n half", b"\x89PNG\r\n\x1a\n nearly whole"


@pytest.fixture
def signer() -> ScriptedProvenance:
    return ScriptedProvenance()


@pytest.fixture
async def world(harness: StoreHarness, signer: ScriptedProvenance) -> AsyncIterator[World]:
    world = World(harness, QUICK)
    world.provenance = signer
    yield world
    await ProtocolAudit(world)()


def partial(generation: Generation, index: int, attempt: int = 1) -> str:
    return str(ObjectKey.partial(generation.account_id, generation.id, attempt, index))


def shown(world: World, generation: Generation) -> list[str]:
    return [key for key in world.storage.objects if key.startswith("partials/")]


async def told(world: World, generation: Generation) -> list[tuple[int | None, int | None]]:
    """Attempt and index of what whoever follows the generation hears of."""
    seen = (await world.harness.events.seen([generation.id]))[generation.id]
    partials = [event for event in seen.events(None) if event.kind is EventKind.PARTIAL_IMAGE]
    assert all(event.format is PictureFormat.PNG for event in partials)
    return [(event.attempt, event.index) for event in partials]


def listener(call: OutCall) -> Show:
    assert call.call.partial
    return call.call.partial


async def delivered(world: World, task: "asyncio.Task[bool]", call: OutCall, generation: Generation) -> bool:
    call.finish(pictures(2))
    assert await task
    return (await world.see(generation)).state is GenerationState.SUCCEEDED


async def test_a_partial_picture_lies_there_while_the_call_is_out_and_says_what_made_it(world: World) -> None:
    generation = await world.ask(partial_images=2)
    task, call = await world.call_out()
    await listener(call)(0, HALF)
    assert world.storage.objects == {partial(generation, 0): f"{SourceType.GENERATED}: ".encode() + HALF}
    assert await told(world, generation) == [(1, 0)]
    await listener(call)(1, WHOLE)
    assert shown(world, generation) == [partial(generation, 0), partial(generation, 1)]
    assert await told(world, generation) == [(1, 0), (1, 1)]
    assert await delivered(world, task, call, generation)


async def test_of_an_edit_it_says_so(world: World) -> None:
    caller = await world.customer()
    reference = await uploaded(world.store, caller)
    await world.storage.put(reference.key, b"a photograph", "image/png")
    asked = a_request(2, references=(reference.id,), partial_images=1)
    world.generations.append(generation := await queued(world.store, caller, request=asked))
    task, call = await world.call_out()
    await listener(call)(0, HALF)
    assert world.storage.objects[partial(generation, 0)].startswith(SourceType.EDITED.encode())
    assert await delivered(world, task, call, generation)


async def test_a_model_is_asked_for_none_where_nobody_wants_them_or_may_see_them(world: World) -> None:
    plain = await world.ask()
    task, call = await world.call_out()
    assert call.call.partial is None
    assert await delivered(world, task, call, plain)
    world.partials = NO_PARTIALS
    unseen = await world.ask(partial_images=3)
    task, call = await world.call_out()
    assert call.call.partial is None
    assert await delivered(world, task, call, unseen)


async def test_what_the_model_tells_twice_or_was_not_asked_for_is_not_shown(world: World) -> None:
    generation = await world.ask(partial_images=2)
    task, call = await world.call_out()
    for index in (0, 0, -1, 2, 99_999):
        await listener(call)(index, HALF if shown(world, generation) == [] else WHOLE)
    assert world.storage.objects == {partial(generation, 0): f"{SourceType.GENERATED}: ".encode() + HALF}
    assert await delivered(world, task, call, generation)


async def test_one_that_cannot_be_put_or_labelled_or_is_no_picture_costs_nothing(
    world: World, signer: ScriptedProvenance
) -> None:
    generation = await world.ask(partial_images=3)
    task, call = await world.call_out()
    world.storage.broken.add(ObjectKey.parse(partial(generation, 0)))
    with pytest.raises(StorageUnavailable):
        await listener(call)(0, HALF)
    with pytest.raises(UnsupportedFormat):
        await listener(call)(1, b"no picture")
    await listener(call)(2, WHOLE)
    assert shown(world, generation) == [partial(generation, 2)]
    assert await told(world, generation) == [(1, 2)]
    assert await delivered(world, task, call, generation)


async def test_all_that_hang_take_seconds_of_the_attempt_together(world: World) -> None:
    generation = await world.ask(partial_images=3)
    task, call = await world.call_out()
    for index, seconds in enumerate((MOST_SECONDS / 2, MOST_SECONDS)):
        gate = world.storage.gate("put", ObjectKey.parse(partial(generation, index)))
        showing = asyncio.ensure_future(listener(call)(index, HALF))
        await gate.wait()
        await world.leap(timedelta(seconds=seconds))
        if index == 0:
            gate.open()
            await showing
    await asyncio.wait([showing], timeout=20)
    with pytest.raises(TimeoutError):
        showing.result()
    with pytest.raises(TimeoutError):  # nothing is left for the third
        await listener(call)(2, HALF)
    assert shown(world, generation) == [partial(generation, 0)]
    assert await delivered(world, task, call, generation)


async def test_who_has_lost_the_lease_tells_nothing_and_the_next_call_tells_its_own(world: World) -> None:
    generation = await world.ask(partial_images=1)
    first, call = await world.call_out()
    await world.act_over()
    second, again = await world.call_out(owner=2)
    with pytest.raises(LeaseLost):
        await listener(call)(0, HALF)
    assert await told(world, generation) == []
    await listener(again)(0, WHOLE)
    assert await told(world, generation) == [(2, 0)]
    assert await delivered(world, second, again, generation)
    call.finish(pictures(2))
    await first
    assert await told(world, generation) == [(2, 0)]


async def test_they_are_gone_after_an_hour_and_at_once_with_their_generation(world: World) -> None:
    kept, erased = await world.ask(partial_images=1), await world.ask(partial_images=1)
    for generation in (kept, erased):
        task, call = await world.call_out()
        await listener(call)(0, HALF)
        assert await delivered(world, task, call, generation)
    world.storage.modified = await now(world)
    await world.sweep()
    assert len(shown(world, kept)) == 2
    await world.purge(erased)
    assert shown(world, kept) == [partial(kept, 0)]
    await world.storage.put(ObjectKey.parse(partial(erased, 0)), HALF, "image/png")  # by who has lost the lease, and lives
    await world.sweep()
    assert shown(world, kept) == [partial(kept, 0)]
    await world.harness.advance(PARTIALS_KEPT.total_seconds())
    await world.sweep()
    assert shown(world, kept) == []


async def now(world: World) -> datetime:
    async with world.store.transaction() as tx:
        return (await tx.now()).astimezone(UTC)
