"""What the store promises about gates: shared, locked, and heeded by whoever looks for work."""

import asyncio
from datetime import timedelta

import pytest

from application.store import Store
from domain.accounts import Mode
from domain.attempts import Allowance, Executed, Unknown, Usage
from domain.gates import ClosedFor, Gate, GateRules
from domain.generations import GenerationId
from tests.contract.harnesses import StoreHarness, each_store
from tests.contract.store_contract import customer, queued, waits

pytestmark = pytest.mark.anyio
__all__ = ["each_store"]

MODEL, RULES = "gpt-image-2", GateRules()


async def due(store: Store) -> GenerationId | None:
    async with store.transaction() as tx:
        found = await tx.generations.lock_due(await tx.now())
        return found.id if found else None


async def close(store: Store, seconds: float, reason: ClosedFor = ClosedFor.RATE_LIMIT, model: str = MODEL) -> None:
    async with store.transaction() as tx:
        gate = await tx.gates.lock(model)
        gate.close(await tx.now() + timedelta(seconds=seconds), reason)
        tx.gates.save(gate)


async def missing_tokens(store: Store) -> int:
    async with store.transaction() as tx:
        return await tx.wakeups.top_up(await tx.now())


async def test_a_model_of_which_nothing_is_known_has_an_open_gate(harness: StoreHarness) -> None:
    async with harness.store.transaction() as tx:
        assert await tx.gates.find(MODEL) == await tx.gates.lock(MODEL) == Gate(MODEL)


async def test_a_gate_is_kept_whole(harness: StoreHarness) -> None:
    async with harness.store.transaction() as tx:
        gate, now = await tx.gates.lock(MODEL), await tx.now()
        gate.learn(Executed((), "req", Usage(), 1, allowance=Allowance(60, 1, 90.0)), now, GateRules())
        gate.take(now, RULES)
        tx.gates.save(gate)
    async with harness.store.transaction() as tx:
        assert await tx.gates.find(MODEL) == gate
        assert gate.reason is ClosedFor.ALLOWANCE


async def test_who_locks_a_gate_waits_for_the_one_before(harness: StoreHarness) -> None:
    async with harness.store.transaction() as tx:
        gate = await tx.gates.lock(MODEL)
        other = asyncio.create_task(close(harness.store, 60))
        await waits(other)
        gate.learn(Unknown("reset"), await tx.now(), RULES)
        tx.gates.save(gate)
    await other
    async with harness.store.transaction() as tx:
        kept = await tx.gates.find(MODEL)
        assert (kept.unknowns, kept.reason) == (1, ClosedFor.RATE_LIMIT), "neither overwrote the other"


async def test_who_waits_at_a_closed_gate_is_passed_over_until_it_opens(harness: StoreHarness) -> None:
    generation = await queued(harness.store, await customer(harness.store, 10))
    await close(harness.store, 60)
    assert await due(harness.store) is None
    assert await missing_tokens(harness.store) == 0, "a token would only find the gate closed"
    await harness.advance(60)
    assert await due(harness.store) == generation.id
    assert await missing_tokens(harness.store) <= 1


async def test_a_gate_stops_no_other_model_and_no_test_request(harness: StoreHarness) -> None:
    await close(harness.store, 60, model="another-model")
    live = await queued(harness.store, await customer(harness.store, 10))
    assert await due(harness.store) == live.id
    await close(harness.store, 60)
    test = await queued(harness.store, await customer(harness.store, 10, Mode.TEST))
    assert await due(harness.store) == test.id


async def test_gates_are_reopened_by_their_reason(harness: StoreHarness) -> None:
    await close(harness.store, 60, ClosedFor.KEY_REFUSED)
    await close(harness.store, 60, ClosedFor.RATE_LIMIT, "another-model")
    async with harness.store.transaction() as tx:
        assert await tx.gates.reopen(ClosedFor.KEY_REFUSED) == 1
    async with harness.store.transaction() as tx:
        now = await tx.now()
        assert not (await tx.gates.find(MODEL)).is_closed(now)
        assert (await tx.gates.find("another-model")).is_closed(now)
