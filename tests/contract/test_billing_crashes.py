"""Whoever follows hints may die at any call to the store or the provider, and comes to the same books when it runs again."""

from collections.abc import Awaitable, Callable

import pytest

from tests.billing_stage import Billing, leave, opened
from tests.contract.harnesses import MemoryHarness, StoreHarness, each_store
from tests.contract.store_contract import a_hold, capture, numbers, say, statement

pytestmark = pytest.mark.anyio
__all__ = ["each_store"]


async def follow(billing: Billing) -> None:
    for hint in billing.truth.happened:
        await billing.take(hint)
    await billing.handle()


async def poll(billing: Billing) -> None:
    await billing.poll(billing.truth.now)


def stride(harness: StoreHarness) -> int:
    """Every call in memory, every fourth on Postgres."""
    return 1 if isinstance(harness, MemoryHarness) else 4


@pytest.mark.parametrize("work", [follow, poll])
async def test_a_death_at_any_call_comes_to_the_same_books(
    harness: StoreHarness, work: Callable[[Billing], Awaitable[None]]
) -> None:
    calls, died = 0, True
    while died:
        billing, caller, payer = await opened(harness, named=f"{calls}_")
        one = billing.truth.sell(payer, ("starter", 900), ("small", 500))
        billing.truth.subscribe(payer, "starter")
        await billing.converge(one)
        hold = a_hold(1000)
        await say(harness.store, caller.wallet_id, hold)
        await say(harness.store, caller.wallet_id, capture(hold.hold_id, 1000))
        billing.truth.give_back(one, 700)
        billing.truth.sell(payer, ("small", 500))
        died = await billing.until_death(work, calls)
        await harness.advance(61)
        await work(billing)
        await billing.handle()
        assert await numbers(harness.queries, caller.wallet_id) == (0, 0, 25), calls
        assert await billing.plan(caller) == "starter"
        lines = await statement(harness.queries, caller.wallet_id)
        await work(billing)
        assert await statement(harness.queries, caller.wallet_id) == lines, "there was nothing left to do"
        calls += stride(harness)
    assert calls > 20


async def test_a_death_at_any_call_gives_the_money_of_a_closed_account_back_once(harness: StoreHarness) -> None:
    calls, died = 0, True
    while died:
        billing, caller, payer = await opened(harness, named=f"{calls}_")
        ref = billing.truth.sell(payer, ("small", 500))
        await leave(harness.store, caller)
        died = await billing.until_death(follow, calls)
        await harness.advance(61)
        for _ in range(2):
            await follow(billing)
            assert billing.truth.purchases[ref].refunded == 500, calls
        calls += stride(harness)
    assert calls > 15
