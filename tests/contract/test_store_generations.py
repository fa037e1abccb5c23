"""What the store promises about generations: whole, locked, and handed out in a fair order."""

import asyncio
from dataclasses import fields
from datetime import datetime, timedelta

import pytest

from application.credits import tell
from application.store import Store
from domain.accounts import Mode
from domain.attempts import Attempt, Executed, Failure, FailureClass, Finality, NotExecuted, Picture, Stage, Unknown, Usage
from domain.errors import NotFound
from domain.generations import Generation, GenerationId, GenerationState, Lease
from domain.media import AssetKind, PictureFormat
from domain.recovery import decide
from domain.requests import Background, Fault, Sandbox
from tests.contract.harnesses import StoreHarness, each_store
from tests.contract.store_contract import (
    TIMING,
    a_generation,
    a_request,
    cancelled,
    customer,
    loaded,
    new_id,
    now,
    numbers,
    parked,
    place,
    queued,
    running,
    soon,
    uploaded,
    waits,
)

pytestmark = pytest.mark.anyio
__all__ = ["each_store"]

NO_CALL = NotExecuted(
    Failure(FailureClass.PROVIDER, Stage.CALL, "busy", "The model is busy", "req_9"), Finality.RETRYABLE, retry_after_seconds=7
)
PICTURES = tuple(Picture(b"picture", PictureFormat.PNG, 8, 8, has_alpha=False) for _ in range(3))


async def due(store: Store) -> GenerationId | None:
    """Which generation would be handed out now; it is not kept."""
    async with store.transaction() as tx:
        found = await tx.generations.lock_due(await tx.now())
        return found.id if found else None


async def take(store: Store) -> Generation | None:
    """Claim or take over whatever is handed out now."""
    async with store.transaction() as tx:
        at, lease = await tx.now(), Lease(new_id())
        found = await tx.generations.lock_due(at)
        if found:
            assert found.claim(lease, 1, at, TIMING) or found.take_over(lease, at, TIMING)
            tx.generations.save(found)
        return found


async def test_every_field_of_a_generation_and_its_attempts_comes_back_as_it_was_saved(harness: StoreHarness) -> None:
    store = harness.store
    caller = await customer(store, 1000, Mode.TEST)
    reference, mask = await uploaded(store, caller), await uploaded(store, caller, AssetKind.MASK)
    labels = {"label": "ä \u2603", "": '"'}
    request = a_request(
        3,
        background=Background.TRANSPARENT,
        complexity="detailed",
        output_compression=70,
        moderation="low",
        partial_images=2,
        references=(reference.id, reference.id),
        mask=mask.id,
        frame_count=4,
        frame_duration_ms=120,
        sandbox=Sandbox(Fault.TIME_OUT, 250),
        metadata=labels,
    )
    parent = await queued(store, caller)
    stages = [await queued(store, caller, request=request, parent=parent.id, priority=3, metadata=labels)]
    for step in range(7):
        async with store.transaction() as tx:
            generation = await tx.generations.lock(stages[0].id)
            at = await tx.now()
            assert generation == stages[-1], "what was loaded is not what was saved"
            _one_step(generation, step, at + timedelta(microseconds=1))
            if not generation.state.is_open and generation.trashed_at:
                await tell(tx, caller.wallet_id, generation.hold_command())
            tx.generations.save(generation)
            again = await tx.generations.lock(generation.id)
            assert again == generation, "a later look in the same transaction sees something else"
        stages.append(generation)
    assert await loaded(store, stages[0].id) == stages[-1]
    for names, things in ((fields(Generation), stages), (fields(Attempt), stages[-1].attempts)):
        tried = {field.name for field in names for thing in things if getattr(thing, field.name)}
        assert tried >= {field.name for field in names} - {"cancel_requested_at", "failure", "news"}, (
            "the steps do not try every field"
        )
    assert stages[-1].attempts[0].failure


def _one_step(generation: Generation, step: int, at: datetime) -> None:
    later = at + timedelta(hours=step)
    lease = generation.lease or Lease(new_id())
    match step:
        case 0 | 2:
            assert generation.claim(lease, 2**40 + step, later, TIMING)
        case 1:
            generation.settle(lease, 1, NO_CALL, 0, at, TIMING)
            generation.deadline += timedelta(hours=9)
            generation.hold_expires_at += timedelta(hours=9)
        case 3:
            generation.settle(lease, 2, Unknown("reset", "req_2"), 0, later, TIMING)
        case 4:
            assert generation.take_over(lease, later, TIMING)
            assert decide(generation, lease, [], later, TIMING, owner=5) == "call"
        case 5:
            result = Executed(PICTURES, "req_3", Usage(5, 6), 40_000)
            generation.settle(lease, 3, result, 2, later, TIMING)
            generation.trashed_at, generation.favourite = later, True
        case _:
            generation.attempt(3).cost = 50_000


async def test_a_failure_and_a_wish_to_cancel_come_back_as_they_were_saved(harness: StoreHarness) -> None:
    caller = await customer(harness.store, 10)
    generation, lease = await running(harness.store, caller)
    async with harness.store.transaction() as tx:
        asked = await tx.generations.lock(generation.id)
        asked.cancel(await tx.now())
        tx.generations.save(asked)
    async with harness.store.transaction() as tx:
        ended = await tx.generations.lock(generation.id)
        assert ended == asked
        ended.settle(lease, 1, NO_CALL, 0, await tx.now(), TIMING)
        await tell(tx, caller.wallet_id, ended.hold_command())
        tx.generations.save(ended)
    assert ended.failure
    assert ended.cancel_requested_at
    assert await loaded(harness.store, generation.id) == ended


async def test_an_erased_generation_keeps_its_bones_but_is_gone_for_its_owner(harness: StoreHarness) -> None:
    caller = await customer(harness.store, 10)
    generation = await cancelled(harness.store, await queued(harness.store, caller, metadata={"a": "b"}))
    async with harness.store.transaction() as tx:
        generation = await tx.generations.lock(generation.id, caller.account_id, caller.mode)
        generation.erase()
        tx.generations.save(generation)
    assert generation.request is None
    assert await loaded(harness.store, generation.id) == generation
    async with harness.store.transaction() as tx:
        with pytest.raises(NotFound):
            await tx.generations.lock(generation.id, caller.account_id, caller.mode)


async def test_what_was_handed_out_and_not_saved_changes_nothing(harness: StoreHarness) -> None:
    caller = await customer(harness.store, 10)
    generation = await queued(harness.store, caller)
    async with harness.store.transaction() as tx:
        copy = await tx.generations.lock(generation.id)
        copy.claim(Lease(new_id()), 1, await tx.now(), TIMING)
    assert await loaded(harness.store, generation.id) == generation


async def test_a_generation_of_another_account_or_mode_is_not_found(harness: StoreHarness) -> None:
    caller, other = await customer(harness.store, 10), await customer(harness.store)
    generation = await queued(harness.store, caller)
    wrong = ((other.account_id, caller.mode), (caller.account_id, Mode.TEST))
    for account, mode in wrong:
        async with harness.store.transaction() as tx:
            with pytest.raises(NotFound):
                await tx.generations.lock(generation.id, account, mode)
    async with harness.store.transaction() as tx:
        with pytest.raises(NotFound):
            await tx.generations.lock(GenerationId(new_id()))
        assert await tx.generations.lock(generation.id, caller.account_id, caller.mode) == generation


async def test_whether_a_generation_exists_is_told_without_a_lock(harness: StoreHarness) -> None:
    caller, other = await customer(harness.store, 10), await customer(harness.store)
    generation = await queued(harness.store, caller)
    async with harness.store.transaction() as locked, harness.store.transaction() as tx:
        await locked.generations.lock(generation.id)
        await tx.generations.must_exist(generation.id, caller.account_id, caller.mode)
        for account, mode in ((other.account_id, caller.mode), (caller.account_id, Mode.TEST)):
            with pytest.raises(NotFound):
                await tx.generations.must_exist(generation.id, account, mode)


async def test_whoever_locks_second_sees_what_the_first_did(harness: StoreHarness) -> None:
    caller = await customer(harness.store, 10)
    generation = await queued(harness.store, caller)
    async with harness.store.transaction() as tx:
        first = await tx.generations.lock(generation.id)
        second = soon(loaded(harness.store, generation.id))
        await waits(second)
        first.claim(Lease(new_id()), 1, await tx.now(), TIMING)
        tx.generations.save(first)
    assert await second == first
    assert len((await second).attempts) == 1


async def test_parallel_changes_are_never_lost(harness: StoreHarness) -> None:
    caller = await customer(harness.store, 100)
    generation = await queued(harness.store, caller)

    async def one_more() -> None:
        async with harness.store.transaction() as tx:
            mine = await tx.generations.lock(generation.id)
            await asyncio.sleep(0)
            mine.priority += 1
            tx.generations.save(mine)

    await asyncio.gather(*(one_more() for _ in range(6)))
    assert (await loaded(harness.store, generation.id)).priority == generation.priority + 6


# Handing out work


async def test_nothing_to_do_hands_out_nothing(harness: StoreHarness) -> None:
    caller = await customer(harness.store, 100)
    await running(harness.store, caller)
    await parked(harness.store, caller, timedelta(seconds=50))
    await cancelled(harness.store, await queued(harness.store, caller))
    assert await due(harness.store) is None


async def test_a_lapsed_lease_comes_before_all_that_waits(harness: StoreHarness) -> None:
    caller = await customer(harness.store, 100)
    generation, _ = await running(harness.store, caller)
    waiting = await queued(harness.store, caller, priority=1)
    assert await due(harness.store) == waiting.id
    await harness.advance(TIMING.lease.total_seconds())
    assert await due(harness.store) == generation.id


async def test_one_parked_until_now_comes_before_all_that_waits(harness: StoreHarness) -> None:
    caller = await customer(harness.store, 100)
    generation = await parked(harness.store, caller, timedelta(seconds=20))
    waiting = await queued(harness.store, caller, priority=1)
    assert await due(harness.store) == waiting.id
    await harness.advance(20)
    assert await due(harness.store) == generation.id


async def test_the_smaller_priority_is_served_first(harness: StoreHarness) -> None:
    free, paying = await customer(harness.store, 100), await customer(harness.store, 100)
    await queued(harness.store, free, priority=20)
    generation = await queued(harness.store, paying, priority=10)
    assert await due(harness.store) == generation.id


async def test_within_a_priority_whoever_has_fewest_running_is_served_first_and_then_the_oldest(harness: StoreHarness) -> None:
    busy, idle = await customer(harness.store, 100), await customer(harness.store, 100)
    mine = [await queued(harness.store, busy) for _ in range(3)]
    yours = [await queued(harness.store, idle) for _ in range(2)]
    served = [await take(harness.store) for _ in range(5)]
    assert [found.id for found in served if found] == [mine[0].id, yours[0].id, mine[1].id, yours[1].id, mine[2].id]
    assert await take(harness.store) is None


async def test_one_waiting_for_another_try_is_passed_over_until_then(harness: StoreHarness) -> None:
    caller = await customer(harness.store, 100)
    generation, lease = await running(harness.store, caller)
    async with harness.store.transaction() as tx:
        generation = await tx.generations.lock(generation.id)
        generation.settle(lease, 1, NO_CALL, 0, await tx.now(), TIMING)
        tx.generations.save(generation)
    assert generation.state is GenerationState.QUEUED
    assert await due(harness.store) is None
    await harness.advance(7)
    assert await due(harness.store) == generation.id


async def test_one_past_its_deadline_is_not_handed_out(harness: StoreHarness) -> None:
    caller = await customer(harness.store, 100)
    await queued(harness.store, caller, deadline=await now(harness.store) + timedelta(seconds=60))
    await harness.advance(60)
    assert await due(harness.store) is None


async def test_those_locked_by_others_are_passed_over(harness: StoreHarness) -> None:
    caller = await customer(harness.store, 100)
    first, second = await queued(harness.store, caller), await queued(harness.store, caller)
    async with harness.store.transaction() as one, harness.store.transaction() as two:
        found = [await each.generations.lock_due(await each.now()) for each in (one, two)]
        assert [generation.id for generation in found if generation] == [first.id, second.id]
        assert await due(harness.store) is None
    assert await due(harness.store) == first.id


async def test_many_takers_at_once_take_each_generation_once(harness: StoreHarness) -> None:
    caller = await customer(harness.store, 100)
    wanted = {(await queued(harness.store, caller)).id for _ in range(5)}
    taken: list[GenerationId] = []
    while len(taken) < len(wanted):
        round = await asyncio.gather(*(take(harness.store) for _ in range(8)))
        taken += [generation.id for generation in round if generation]
    assert sorted(taken) == sorted(wanted)


async def test_one_not_yet_committed_is_not_handed_out(harness: StoreHarness) -> None:
    caller = await customer(harness.store, 100)
    async with harness.store.transaction() as tx:
        generation = a_generation(caller, await tx.now())
        await place(tx, generation)
        assert await due(harness.store) is None
    assert await due(harness.store) == generation.id
    assert await numbers(harness.queries, caller.wallet_id) == (97, 3, 0)
