"""Whoever gives money back may die at any call to the store or the provider: it goes back once, and the books are equal."""

import pytest

from application.refunds import FinishRefunds, RefundPurchase
from domain.accounts import Role, Staff
from domain.billing import PurchaseRef
from tests.billing_stage import Billing, opened
from tests.contract.harnesses import MemoryHarness, StoreHarness, each_store
from tests.contract.store_contract import a_hold, capture, customer, new_id, numbers, say, statement

pytestmark = pytest.mark.anyio
__all__ = ["each_store"]


def finishing(billing: Billing) -> FinishRefunds:
    return FinishRefunds(billing.store, billing.truth, billing.converge)


async def give_back(billing: Billing, staff: Staff, ref: PurchaseRef) -> None:
    await RefundPurchase(billing.store, billing.truth, billing.converge, finishing(billing), new_id)(staff, ref)


async def test_a_death_at_any_call_gives_back_once(harness: StoreHarness) -> None:
    admin = await customer(harness.store)
    staff = Staff(admin.account_id, "ticket 4711")
    async with harness.store.transaction() as tx:
        await tx.accounts.save((await tx.accounts.find(admin.account_id)).with_role(Role.ADMIN))
    calls, died, decided = 0, True, 0
    while died:
        billing, caller, payer = await opened(harness, named=f"{calls}_")
        ref = billing.truth.sell(payer, ("small", 500))
        await billing.converge(ref)
        hold = a_hold(100)
        await say(harness.store, caller.wallet_id, hold)
        await say(harness.store, caller.wallet_id, capture(hold.hold_id, 100))
        died = await billing.until_death(lambda process, ref=ref: give_back(process, staff, ref), calls)  # type: ignore[misc]  # bound
        left = (await numbers(harness.queries, caller.wallet_id))[0]
        async with harness.store.transaction() as tx:
            is_open = bool(await tx.refunds.open(ref))
        decided += is_open
        assert left in (0, 300), calls
        assert left == 0 or not (is_open or billing.truth.purchases[ref].refunded), "credits go before the money does"
        await harness.advance(61)
        assert (await finishing(billing)())["refunded"] == is_open
        if left:
            await give_back(billing, staff, ref)
        for _ in range(2):
            assert billing.truth.purchases[ref].refunded == 375, calls
            assert await numbers(harness.queries, caller.wallet_id) == (0, 0, 0), calls
            lines = await statement(harness.queries, caller.wallet_id)
            await billing.converge(ref)
            await finishing(billing)()
            assert await statement(harness.queries, caller.wallet_id) == lines, "there was nothing left to do"
        calls += 1 if isinstance(harness, MemoryHarness) else 3
    assert decided
    assert calls > 15
