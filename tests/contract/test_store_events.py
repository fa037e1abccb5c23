"""What the store promises about events: written with what they tell of, told after it, kept for a while."""

import asyncio

import pytest

from application.events import Seen, Watch
from application.store import Store
from domain.attempts import Executed, Failure, FailureClass, Finality, NotExecuted, Picture, Stage, Usage
from domain.events import Event, EventKind
from domain.generations import Generation, GenerationId, GenerationState, Lease
from domain.media import PictureFormat
from tests.contract.harnesses import StoreHarness, each_store
from tests.contract.store_contract import (
    TIMING,
    a_request,
    an_output,
    cancelled,
    customer,
    loaded,
    new_id,
    now,
    parked,
    queued,
    running,
)

pytestmark = pytest.mark.anyio
__all__ = ["each_store"]

DAY = 24 * 3600.0
STATE, DONE = EventKind.STATE, EventKind.DONE
BUSY = NotExecuted(Failure(FailureClass.PROVIDER, Stage.CALL, "busy", "busy"), Finality.RETRYABLE, retry_after_seconds=1)
PICTURE = Picture(b"picture", PictureFormat.PNG, 8, 8, has_alpha=False)
GONE = GenerationId(new_id())


async def seen(harness: StoreHarness, generation: GenerationId) -> Seen:
    return (await harness.events.seen([GONE, generation]))[generation]


def told(events: list[Event]) -> list[tuple[int, str]]:
    return [(each.sequence, f"{each.kind} {each.state or each.index}") for each in events]


async def delivered(store: Store, generation: Generation, lease: Lease, pictures: int) -> Generation:
    async with store.transaction() as tx:
        ended = await tx.generations.lock(generation.id)
        at = await tx.now()
        number = len(ended.attempts)
        ended.settle(lease, number, Executed((PICTURE,) * pictures, "req_1", Usage(), None), pictures, at, TIMING)
        for index in range(pictures):
            tx.assets.add(an_output(ended, number, index))
        tx.generations.save(ended)
    return ended


async def test_each_change_is_told_once_and_in_order_and_the_end_by_picture_state_and_that_it_is_done(
    harness: StoreHarness,
) -> None:
    caller = await customer(harness.store, 10)
    generation, lease = await running(harness.store, caller, request=a_request(2))
    assert told((await seen(harness, generation.id)).events(None)) == [(0, "state queued"), (1, "state running")]
    async with harness.store.transaction() as tx:
        again = await tx.generations.lock(generation.id)
        again.settle(lease, 1, BUSY, 0, await tx.now(), TIMING)
        tx.generations.save(again)
    await harness.advance(60)
    lease = Lease(new_id())
    async with harness.store.transaction() as tx:
        again = await tx.generations.lock(generation.id)
        assert again.claim(lease, 1, await tx.now(), TIMING)
        tx.generations.save(again)
    ended = await delivered(harness.store, again, lease, 1)
    found = await seen(harness, generation.id)
    assert found.generation == ended
    assert [asset.index for asset in found.assets] == [0]
    assert told(found.events(1)) == [
        (2, "state queued"),
        (3, "state running"),
        (4, "asset 0"),
        (6, "state succeeded"),
        (7, "done succeeded"),
    ]
    assert found.last == 7
    assert found.events(7) == []


@pytest.mark.parametrize("has_run", [False, True])
async def test_an_end_without_pictures_is_told_too(harness: StoreHarness, has_run: bool) -> None:
    caller = await customer(harness.store, 10)
    generation = await (parked(harness.store, caller, TIMING.back_off) if has_run else queued(harness.store, caller))
    await cancelled(harness.store, generation)
    *before, state, done = (await seen(harness, generation.id)).events(None)
    assert [each.state for each in before] == [GenerationState.QUEUED, GenerationState.RUNNING][: 1 + has_run]
    assert [(each.kind, each.state) for each in (state, done)] == [(STATE, "cancelled"), (DONE, "cancelled")]
    assert (await loaded(harness.store, generation.id)).news == []


async def test_what_is_undone_is_not_told(harness: StoreHarness) -> None:
    caller = await customer(harness.store, 10)
    waiting = await queued(harness.store, caller)
    async with harness.listening() as changes:
        with changes.watch(waiting.id) as watch:
            with pytest.raises(RuntimeError, match="no"):
                await claimed_in_vain(harness.store, waiting.id)
            assert not await watch.changed(0.05)
    assert told((await seen(harness, waiting.id)).events(None)) == [(0, "state queued")]


async def claimed_in_vain(store: Store, waiting: GenerationId) -> None:
    async with store.transaction() as tx:
        generation = await tx.generations.lock(waiting)
        assert generation.claim(Lease(new_id()), 1, await tx.now(), TIMING)
        tx.generations.save(generation)
        await tx.now()  # written, and undone
        raise RuntimeError("no")


async def test_whoever_waits_hears_of_changes_of_their_generation_and_of_no_other(harness: StoreHarness) -> None:
    caller = await customer(harness.store, 20)
    mine, other = await queued(harness.store, caller), await queued(harness.store, caller)
    async with harness.listening() as changes:
        with changes.watch(mine.id) as watch, changes.watch(mine.id) as second, changes.watch(other.id) as others:
            await cancelled(harness.store, mine)
            assert await heard(watch)
            assert await heard(second)
            assert not await watch.changed(0.0)
            assert not await others.changed(0.05)
            await cancelled(harness.store, other)
            assert await heard(others)


async def heard(watch: Watch) -> bool:
    async with asyncio.timeout(30):
        return await watch.changed(60)


async def test_events_go_with_the_erasure_of_their_generation(harness: StoreHarness) -> None:
    caller = await customer(harness.store, 20)
    generation, other = await parked(harness.store, caller, TIMING.back_off), await parked(harness.store, caller, TIMING.back_off)
    await cancelled(harness.store, generation)
    async with harness.store.transaction() as tx:
        erased = await tx.generations.lock(generation.id)
        await tx.events.erase(erased.id)
        tx.generations.save(erased)
    assert (await seen(harness, generation.id)).kept == []
    assert len((await seen(harness, other.id)).kept) == 1
    async with harness.store.transaction() as tx:
        erased = await tx.generations.lock(generation.id)
        erased.erase()
        tx.generations.save(erased)
    assert await harness.events.seen([generation.id]) == {}


async def test_events_are_forgotten_some_time_after_the_end_and_what_is_left_tells_it(harness: StoreHarness) -> None:
    caller = await customer(harness.store, 20)
    generation, lease = await running(harness.store, caller)
    still_open = await parked(harness.store, caller, TIMING.back_off)
    await delivered(harness.store, generation, lease, 1)
    end = (await seen(harness, generation.id)).events(1)
    await harness.advance(DAY - 100)
    assert await forget(harness) == 0
    await harness.advance(200)
    assert await forget(harness) == 1
    assert told((await seen(harness, generation.id)).events(None))[0] == (0, "state queued")
    assert (await seen(harness, generation.id)).events(0) == end
    assert len((await seen(harness, still_open.id)).kept) == 1


async def forget(harness: StoreHarness) -> int:
    before = await now(harness.store) - TIMING.longest_queue * 24
    async with harness.store.transaction() as tx:
        return await tx.events.forget(before, 100)
