"""What the store promises of the line: whoever is told a place is served in its turn; and of what the brake counts."""

import random
from dataclasses import replace
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from adapters.postgres.generations import FREE_ENDS
from application.credits import tell
from application.store import Store
from domain.accounts import Caller, Mode
from domain.attempts import Executed, Failure, FailureClass, Finality, NotExecuted, Picture, Stage, Unknown, Usage
from domain.brake import HOUR, FreeEnd
from domain.errors import Gone, NotFound
from domain.gates import ClosedFor
from domain.generations import Generation, GenerationId, GenerationState, Lease
from domain.media import PictureFormat
from domain.requests import Quality, Size
from domain.waiting import Worked
from tests.contract.harnesses import StoreHarness, each_store
from tests.contract.store_contract import (
    TIMING,
    a_request,
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

UNSAFE = NotExecuted(Failure(FailureClass.MODERATION, Stage.INPUT, "safety", "Refused"), Finality.REFUSED)
BUSY = NotExecuted(Failure(FailureClass.PROVIDER, Stage.CALL, "busy", "Busy"), Finality.RETRYABLE, 30)
ONE = (Picture(b"picture", PictureFormat.PNG, 8, 8, has_alpha=False),)
MOST = 1_000


async def ended(store: Store, caller: Caller, result: Executed | NotExecuted | Unknown, **more: Any) -> Generation:
    """A generation whose only call came to this; not its end, if it is tried again or looked at."""
    generation, lease = await running(store, caller, **more)
    async with store.transaction() as tx:
        generation = await tx.generations.lock(generation.id)
        generation.settle(lease, 1, result, 1, await tx.now(), TIMING)
        if not generation.state.is_open:
            await tell(tx, caller.wallet_id, generation.hold_command())
        tx.generations.save(generation)
    return generation


async def claimed(store: Store) -> GenerationId | None:
    async with store.transaction() as tx:
        at = await tx.now()
        found = await tx.generations.lock_due(at)
        if found:
            assert found.claim(Lease(new_id()), 1, at, TIMING)
            tx.generations.save(found)
        return found.id if found else None


async def line(harness: StoreHarness, limit: int = MOST) -> list[GenerationId]:
    return [place.id for place in (await harness.queries.line(limit)).places]


async def close_gate(harness: StoreHarness, model: str, seconds: float) -> None:
    async with harness.store.transaction() as tx:
        gate = await tx.gates.lock(model)
        gate.close(await tx.now() + timedelta(seconds=seconds), ClosedFor.KEY_REFUSED)
        tx.gates.save(gate)


# The line


@pytest.mark.parametrize("seed", range(4))
async def test_claiming_in_turn_serves_in_the_order_of_the_places_told(harness: StoreHarness, seed: int) -> None:
    chance, store = random.Random(seed), harness.store
    callers = [await customer(store, 1_000, chance.choice(list(Mode))) for _ in range(4)]
    other = replace(a_request(), model="gpt-image-1.5")
    for caller in callers:
        for _ in range(chance.randrange(3)):
            await running(store, caller)
        if chance.random() < 0.5:
            await parked(store, caller, timedelta(minutes=10))
    for _ in range(16):
        priority = chance.choice((10, 20, 20, 20))
        await queued(store, chance.choice(callers), priority=priority, request=chance.choice((other, a_request())))
    tried_later = await ended(store, callers[0], BUSY, priority=1)
    late = await queued(store, callers[1], deadline=await now(store) + timedelta(seconds=5))
    await harness.advance(5)
    await close_gate(harness, other.model, 20)
    told = await harness.queries.line(MOST)
    assert {place.id: told.position(await loaded(store, place.id)) for place in told.places} == {
        place.id: position for position, place in enumerate(told.places, 1)
    }
    assert late.id not in [place.id for place in told.places]
    served = list[GenerationId]()
    while found := await claimed(store):
        served.append(found)
    assert served == [place.id for place in told.places if not place.later]
    assert tried_later.id in [place.id for place in told.places if place.later], "it waits, if not to be served now"


async def test_what_cannot_be_served_yet_takes_its_turn_once_it_can(harness: StoreHarness) -> None:
    caller, tester = await customer(harness.store, 100), await customer(harness.store, 100, Mode.TEST)
    live, test = await queued(harness.store, caller), await queued(harness.store, tester)
    assert await line(harness) == [live.id, test.id]
    await close_gate(harness, live.model, 20)
    assert await line(harness) == [test.id, live.id], "test requests pass no gate"
    await harness.advance(20)
    assert await line(harness) == [live.id, test.id]


async def test_calls_that_are_out_are_told_by_account(harness: StoreHarness) -> None:
    busy, idle = await customer(harness.store, 100), await customer(harness.store, 100)
    for _ in range(2):
        await running(harness.store, busy)
    await queued(harness.store, idle)
    told = await harness.queries.line(MOST)
    assert dict(told.running) == {busy.account_id: 2}
    assert told.calls == 2
    assert [(place.account_id, place.turn) for place in told.places] == [(idle.account_id, 1)]


async def test_a_long_line_is_cut_and_says_so(harness: StoreHarness) -> None:
    caller = await customer(harness.store, 100)
    first, second, third = [await queued(harness.store, caller) for _ in range(3)]
    told = await harness.queries.line(2)
    assert [told.position(generation) for generation in (first, second, third)] == [1, 2, None]
    assert not (await harness.queries.line(3)).cut


async def test_of_an_empty_line_nothing_is_told(harness: StoreHarness) -> None:
    told = await harness.queries.line(MOST)
    assert (list(told.places), told.calls, told.cut) == ([], 0, False)


# Recent work


async def test_recent_work_is_what_the_call_that_delivered_took(harness: StoreHarness) -> None:
    caller, tester = await customer(harness.store, 100), await customer(harness.store, 100, Mode.TEST)
    generation, lease = await running(harness.store, caller)
    await harness.advance(12)
    async with harness.store.transaction() as tx:
        generation = await tx.generations.lock(generation.id)
        generation.settle(lease, 1, Executed(ONE, None, Usage(), 1), 1, await tx.now(), TIMING)
        await tell(tx, caller.wallet_id, generation.hold_command())
        tx.generations.save(generation)
    await ended(harness.store, tester, Executed(ONE, None, Usage(), 1))
    for free in (UNSAFE, BUSY, Unknown("reset")):
        await ended(harness.store, caller, free)
    test, live = sorted(await harness.queries.worked(MOST), key=lambda worked: worked.seconds)
    assert 12 <= live.seconds < 30
    size, quality = Size(1024, 1024), Quality.LOW
    assert live == Worked(Mode.LIVE, "gpt-image-2", size, quality, live.seconds)
    assert test == Worked(Mode.TEST, "gpt-image-2", size, quality, test.seconds)


async def test_recent_work_is_of_the_youngest_that_have_ended(harness: StoreHarness) -> None:
    caller = await customer(harness.store, 100)
    old = await ended(harness.store, caller, Executed(ONE, None, Usage(), 1))
    assert len(await harness.queries.worked(1)) == 1
    await queued(harness.store, caller)
    assert len(await harness.queries.worked(1)) == 1, "those that wait hide nothing"
    await cancelled(harness.store, await queued(harness.store, caller))
    assert await harness.queries.worked(1) == []
    await erased(harness.store, old)
    (left,) = await harness.queries.worked(2)
    assert (left.model, left.size, left.quality) == ("gpt-image-2", None, None)


async def erased(store: Store, generation: Generation) -> None:
    async with store.transaction() as tx:
        generation = await tx.generations.lock(generation.id)
        generation.erase()
        tx.generations.save(generation)


# Gates, for whoever looks


async def test_gates_are_told_as_they_stand(harness: StoreHarness) -> None:
    assert list(await harness.queries.gates()) == []
    await close_gate(harness, "gpt-image-2", 20)
    async with harness.store.transaction() as tx:
        assert list(await harness.queries.gates()) == [await tx.gates.find("gpt-image-2")]


# What the brake counts, and reading without a lock


async def test_refusals_and_refunds_are_told_even_of_erased_generations_and_nothing_else(harness: StoreHarness) -> None:
    store, caller = harness.store, await customer(harness.store, 100)
    refused = await ended(store, caller, UNSAFE)
    refunded = await cancelled(store, await uncertain(store, caller))
    await ended(store, caller, Executed(ONE, None, Usage(), 1))
    await ended(store, caller, NotExecuted(UNSAFE.failure, Finality.FINAL))
    await cancelled(store, await queued(store, caller))
    await uncertain(store, caller)
    await ended(store, await customer(store, 100), UNSAFE)
    expected = {free(refused), free(refunded)}
    assert {end.refund for end in expected} == {True, False}
    assert await told(store, caller) == expected
    await erased(store, refused)
    await erased(store, refunded)
    assert await told(store, caller) == expected
    assert await told(store, replace(caller, mode=Mode.TEST)) == set()
    await harness.advance(HOUR.total_seconds())
    assert await told(store, caller) == set()


async def uncertain(store: Store, caller: Caller) -> Generation:
    generation = await ended(store, caller, Unknown("reset"))
    assert generation.uncertain_since is None or generation.state is GenerationState.RUNNING
    return generation


def free(generation: Generation) -> FreeEnd:
    assert generation.finished_at
    return FreeEnd(generation.finished_at, generation.state is GenerationState.CANCELLED)


async def told(store: Store, caller: Caller) -> set[FreeEnd]:
    async with store.transaction() as tx:
        return set(await tx.generations.free_ends(caller.account_id, caller.mode, await tx.now() - HOUR))


async def test_one_can_be_read_without_its_lock_by_its_owner_until_it_is_erased(harness: StoreHarness) -> None:
    store, caller = harness.store, await customer(harness.store, 100)
    generation = await cancelled(store, await queued(store, caller))
    async with store.transaction() as locked, store.transaction() as tx:
        await locked.generations.lock(generation.id)
        assert await tx.generations.find(generation.id, caller.account_id, caller.mode) == generation
        with pytest.raises(NotFound):
            await tx.generations.find(generation.id, caller.account_id, Mode.TEST)
        with pytest.raises(NotFound):
            await tx.generations.find(GenerationId(new_id()), caller.account_id, caller.mode)
    await erased(store, generation)
    async with store.transaction() as tx:
        with pytest.raises(Gone):
            await tx.generations.find(generation.id, caller.account_id, caller.mode)
        with pytest.raises(NotFound):
            await tx.generations.find(generation.id, (await customer(store)).account_id, caller.mode)


def test_the_brake_is_read_from_its_own_index(database_url: str) -> None:
    """Where there is a choice: an empty table is read as quickly as a whole."""
    told = {"account": new_id(), "mode": "live", "since": "2026-11-22T10:00:00Z"}
    with psycopg.connect(database_url, autocommit=True) as connection:
        for mode in ("force_custom_plan", "force_generic_plan"):
            connection.execute(f"SET plan_cache_mode = {mode}; SET enable_seqscan = off".encode())
            plan = str(connection.execute(f"EXPLAIN {FREE_ENDS}".encode(), told, prepare=True).fetchall())
            assert "generations_braked" in plan, plan
