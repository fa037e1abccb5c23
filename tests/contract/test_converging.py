"""Our books come to what the payment provider says, whatever was heard of it, by whom, when, and how often."""

import asyncio
from datetime import timedelta
from functools import partial

import pytest

from application.billing import Convergence, Outcome
from domain.accounts import AccountId, Mode
from domain.billing import CustomerId, PurchaseKind, PurchaseRef, PurchaseState
from domain.convergence import ROLL_OVER, Remark
from tests.billing_stage import leave, opened, slow
from tests.contract.harnesses import StoreHarness, each_store
from tests.contract.store_contract import a_hold, capture, customer, new_id, numbers, say, statement

pytestmark = pytest.mark.anyio
__all__ = ["each_store"]

SMALL, STARTER = ("small", 500), ("starter", 900)
NOWHERE = PurchaseRef(PurchaseKind.INVOICE, "in_9")


# Purchases


async def test_a_paid_line_becomes_a_lot_once(harness: StoreHarness) -> None:
    billing, caller, payer = await opened(harness)
    ref = billing.truth.sell(payer, STARTER, SMALL)
    assert await billing.converge(ref) == Convergence(Outcome.CONVERGED, granted=1150)
    before = await statement(harness.queries, caller.wallet_id)
    assert await billing.converge(ref) == Convergence(Outcome.CONVERGED)
    assert await statement(harness.queries, caller.wallet_id) == before
    assert await numbers(harness.queries, caller.wallet_id) == (1150, 0, 0)


async def test_what_was_read_of_a_purchase_is_kept(harness: StoreHarness) -> None:
    billing, caller, payer = await opened(harness)
    ref = billing.truth.sell(payer, SMALL, receipt_url="https://pay.example/r", refunded=200)
    await billing.converge(ref)
    async with harness.store.transaction() as tx:
        kept = await tx.purchases.find(ref)
    assert kept
    assert (kept.wallet_id, kept.paid, kept.reversed, kept.currency) == (caller.wallet_id, 500, 200, "usd")
    assert (kept.state, kept.receipt_url) == (PurchaseState.PARTLY_REVERSED, "https://pay.example/r")
    assert (kept.at, kept.ticket, kept.applied_ticket) == (billing.truth.now, 1, 1)


async def test_credits_go_to_the_live_wallet_alone(harness: StoreHarness) -> None:
    billing, caller, payer = await opened(harness)
    await billing.converge(billing.truth.sell(payer, SMALL))
    test = await harness.queries.wallet(caller.account_id, Mode.TEST)
    assert await numbers(harness.queries, test) == (0, 0, 0)


async def test_nothing_is_granted_while_a_bank_decides(harness: StoreHarness) -> None:
    billing, _, payer = await opened(harness)
    ref = billing.truth.sell(payer, SMALL, is_settled=False)
    assert (await billing.converge(ref)).granted == 0
    billing.truth.change_purchase(ref, is_settled=True)
    assert (await billing.converge(ref)).granted == 400


async def test_a_refund_seen_before_its_grant_comes_to_the_same(harness: StoreHarness) -> None:
    billing, caller, payer = await opened(harness)
    ref = billing.truth.sell(payer, SMALL)
    billing.truth.give_back(ref, 250)
    assert await billing.converge(ref) == Convergence(Outcome.CONVERGED, granted=400)
    assert await numbers(harness.queries, caller.wallet_id) == (200, 0, 0)


async def test_pictures_made_of_money_that_went_back_are_owed(harness: StoreHarness) -> None:
    """T1: paid, used, disputed; bought again; won."""
    billing, caller, payer = await opened(harness)
    ref = billing.truth.sell(payer, SMALL)
    await billing.converge(ref)
    hold = a_hold(300)
    await say(harness.store, caller.wallet_id, hold)
    await say(harness.store, caller.wallet_id, capture(hold.hold_id, 300))
    billing.truth.dispute(ref, 500)
    assert (await billing.converge(ref)).reversals == 1
    assert await numbers(harness.queries, caller.wallet_id) == (0, 0, 300)
    await billing.converge(billing.truth.sell(payer, SMALL))
    assert await numbers(harness.queries, caller.wallet_id) == (100, 0, 0)
    billing.truth.close_dispute(ref, won=True)
    await billing.converge(ref)
    assert await numbers(harness.queries, caller.wallet_id) == (500, 0, 0), "as if it had never been disputed"


async def test_a_purchase_that_is_none_changes_nothing(harness: StoreHarness) -> None:
    billing, caller, _ = await opened(harness)
    assert await billing.converge(NOWHERE) == Convergence(Outcome.NOTHING)
    assert await numbers(harness.queries, caller.wallet_id) == (0, 0, 0)


async def test_a_purchase_of_nobody_we_know_is_left_and_reported(harness: StoreHarness) -> None:
    billing, _, _ = await opened(harness)
    gone = billing.truth.customer((await customer(harness.store)).account_id)
    billing.truth.owners[gone] = AccountId(new_id())
    for stranger in (CustomerId("cus_of_another_shop"), gone):
        ref = billing.truth.sell(stranger, SMALL)
        for _ in range(2):
            assert await billing.converge(ref) == Convergence(Outcome.NOT_OURS, remarks=(Remark.STRANGER,))


async def test_whose_a_customer_is_is_asked_once(harness: StoreHarness) -> None:
    billing, _, payer = await opened(harness)
    await billing.converge(billing.truth.sell(payer, SMALL))
    billing.truth.owners.clear()
    assert (await billing.converge(billing.truth.sell(payer, SMALL))).granted == 400


async def test_credits_of_a_period_that_is_over_are_reported(harness: StoreHarness) -> None:
    billing, caller, payer = await opened(harness)
    over = billing.truth.now - ROLL_OVER
    late = await billing.converge(billing.truth.sell(payer, STARTER, period_end=over))
    assert late == Convergence(Outcome.CONVERGED, granted=750, remarks=(Remark.LATE,))
    assert await numbers(harness.queries, caller.wallet_id) == (0, 0, 0)
    in_time = billing.truth.sell(payer, STARTER, period_end=over + timedelta(hours=1))
    assert (await billing.converge(in_time)).remarks == ()


async def test_a_slow_reader_never_writes_the_older_truth(harness: StoreHarness) -> None:
    """T7: opened and won, read by two in the wrong order."""
    billing, caller, payer = await opened(harness)
    ref = billing.truth.sell(payer, SMALL)
    await billing.converge(ref)
    billing.truth.dispute(ref, 500)

    async def overtake() -> None:
        billing.truth.close_dispute(ref, won=True)
        assert (await billing.converge(ref)).outcome is Outcome.CONVERGED

    billing.truth.slowly = slow(billing, overtake)
    assert await billing.converge(ref) == Convergence(Outcome.OVERTAKEN)
    assert await numbers(harness.queries, caller.wallet_id) == (400, 0, 0)


async def test_who_is_overtaken_before_the_grant_grants_nothing_more(harness: StoreHarness) -> None:
    billing, caller, payer = await opened(harness)
    ref = billing.truth.sell(payer, SMALL)

    async def overtake() -> None:
        billing.truth.give_back(ref, 500)
        await billing.converge(ref)

    billing.truth.slowly = slow(billing, overtake)
    assert await billing.converge(ref) == Convergence(Outcome.OVERTAKEN)
    assert await numbers(harness.queries, caller.wallet_id) == (0, 0, 0)


# Accounts that have left


async def test_what_is_paid_for_a_closed_account_goes_back_once(harness: StoreHarness) -> None:
    billing, caller, payer = await opened(harness)
    ref = billing.truth.sell(payer, SMALL)
    billing.truth.give_back(ref, 100)
    await leave(harness.store, caller)
    assert await billing.converge(ref) == Convergence(Outcome.CONVERGED, remarks=(Remark.CLOSED,))
    assert billing.truth.purchases[ref].refunded == 500
    assert await billing.converge(ref) == Convergence(Outcome.CONVERGED), "nothing is left to go back"
    assert billing.truth.purchases[ref].refunded == 500
    assert await billing.lots(caller.wallet_id, ref) == []


async def test_two_who_read_the_same_give_it_back_once(harness: StoreHarness) -> None:
    billing, caller, payer = await opened(harness)
    ref = billing.truth.sell(payer, SMALL)
    await leave(harness.store, caller)
    billing.truth.slowly = partial(asyncio.sleep, 0.01)
    await asyncio.gather(*(billing.converge(ref) for _ in range(8)))
    assert billing.truth.purchases[ref].refunded == 500


async def test_a_refund_of_a_closed_account_still_takes_back_its_credits(harness: StoreHarness) -> None:
    billing, caller, payer = await opened(harness)
    ref = billing.truth.sell(payer, SMALL)
    await billing.converge(ref)
    await leave(harness.store, caller)
    billing.truth.change_purchase(ref, customer=CustomerId("cus_erased"), refunded=500)
    assert (await billing.converge(ref)).reversals == 1
    assert [lot.reversal for lot in await billing.lots(caller.wallet_id, ref)] == [400]
