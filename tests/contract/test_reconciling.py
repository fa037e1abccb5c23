"""Every paid line has its lot, every bought lot its line; what nobody told us of is healed, what is unexplained is named."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from application.payments import PaymentsUnavailable
from application.reconciliation import RECENT, Unexplained
from domain.billing import HINT_KEPT, CustomerId, SubscriptionState
from domain.commands import Reverse, command_id
from domain.convergence import Remark
from domain.entitlements import GRACE
from domain.ledger import LotSource
from tests.billing_stage import Billing, leave, opened
from tests.contract.harnesses import StoreHarness, each_store
from tests.contract.store_contract import a_grant, customer, numbers, say, statement

pytestmark = pytest.mark.anyio
__all__ = ["each_store"]

SMALL, STARTER = ("small", 500), ("starter", 900)


async def poll(billing: Billing) -> tuple[int, int, list[str], list[tuple[str, Remark]]]:
    """Hints that were new, purchases explained, those that had to be healed, and what is unexplained."""
    found = await billing.poll(billing.truth.now - timedelta(days=1))
    unexplained = [(each.about, each.remark) for each in found.unexplained]
    return found.hints, found.explained, [str(ref) for ref in found.healed], unexplained


async def test_lost_hints_are_healed_and_then_all_is_explained(harness: StoreHarness) -> None:
    billing, caller, payer = await opened(harness)
    one, _ = billing.truth.sell(payer, STARTER), billing.truth.sell(payer, SMALL)
    billing.truth.give_back(one, 450)
    assert await poll(billing) == (3, 2, ["invoice:in_1", "invoice:in_2"], [])
    assert await numbers(harness.queries, caller.wallet_id) == (775, 0, 0)
    before = await statement(harness.queries, caller.wallet_id)
    assert await poll(billing) == (0, 2, [], [])
    await billing.handle()
    assert await statement(harness.queries, caller.wallet_id) == before


async def test_a_lost_refund_and_a_dispute_that_was_won_are_healed(harness: StoreHarness) -> None:
    billing, caller, payer = await opened(harness)
    ref = billing.truth.sell(payer, SMALL)
    await billing.converge(ref)
    moves: list[tuple[Callable[[], None], int]] = [
        (lambda: billing.truth.dispute(ref, 500), 0),
        (lambda: billing.truth.close_dispute(ref, won=True), 400),
        (lambda: billing.truth.give_back(ref, 250), 200),
    ]
    for move, left in moves:
        move()
        assert (await poll(billing))[1:] == (1, ["invoice:in_1"], [])
        assert await numbers(harness.queries, caller.wallet_id) == (left, 0, 0)


async def test_a_state_that_moves_no_credits_is_written_down_too(harness: StoreHarness) -> None:
    billing, _, payer = await opened(harness)
    ref = billing.truth.sell(payer, SMALL)
    await billing.converge(ref)
    billing.truth.dispute(ref, 0)
    assert (await poll(billing))[1:] == (1, [], [])
    async with harness.store.transaction() as tx:
        kept = await tx.purchases.find(ref)
    assert kept
    assert kept.state == "disputed"


async def test_a_lot_changed_behind_its_purchases_back_is_healed(harness: StoreHarness) -> None:
    billing, caller, payer = await opened(harness)
    ref = billing.truth.sell(payer, SMALL)
    await billing.converge(ref)
    (lot,) = await billing.lots(caller.wallet_id, ref)
    await say(harness.store, caller.wallet_id, Reverse(id=command_id("reverse", "by hand"), lot_id=lot.id, reversal=100))
    assert (await poll(billing))[1:] == (1, ["invoice:in_1"], [])
    assert await numbers(harness.queries, caller.wallet_id) == (400, 0, 0)


async def test_recent_hints_are_taken_and_undelivered_ones_of_a_month(harness: StoreHarness) -> None:
    billing, _, payer = await opened(harness)
    started = billing.truth.now
    ages = {"old": HINT_KEPT + timedelta(hours=1), "lost": timedelta(days=29), "known": timedelta(days=1), "new": RECENT / 2}
    for age in ages.values():
        billing.truth.now = started - age
        billing.truth.sell(payer, SMALL)
    billing.truth.now = started
    billing.truth.lost = {"evt_1", "evt_2"}
    assert (await poll(billing))[0] == 2
    async with harness.store.transaction() as tx:
        assert [bool(await tx.inbox.find(f"evt_{n}")) for n in range(1, 5)] == [False, True, False, True]


async def test_what_cannot_be_explained_is_named(harness: StoreHarness) -> None:
    billing, caller, payer = await opened(harness)
    billing.truth.sell(CustomerId("cus_of_another_shop"), SMALL)
    billing.truth.sell(payer, ("consulting", 5000), SMALL)
    vanished = billing.truth.sell(payer, SMALL)
    await billing.converge(vanished)
    del billing.truth.purchases[vanished]
    shrunk = billing.truth.sell(payer, SMALL, STARTER)
    await billing.converge(shrunk)
    billing.truth.change_purchase(shrunk, lines=billing.truth.purchases[shrunk].lines[:1])
    await say(harness.store, caller.wallet_id, a_grant(5, "by hand", source=LotSource.PACK))
    named = {
        ("invoice:in_1", Remark.STRANGER),
        ("invoice:in_2", Remark.UNSOLD),
        ("invoice:in_3", Remark.NO_LINE),
        ("invoice:in_4", Remark.NO_LINE),
        ("by hand", Remark.NO_LINE),
    }
    for _ in range(2):
        found = await billing.poll(billing.truth.now)
        assert set(found.unexplained) == {Unexplained(*each) for each in named}
        assert found.explained == 0
    assert (await numbers(harness.queries, caller.wallet_id))[0] == 400 + 400 + 1150 + 5, "nothing is taken away on a guess"


async def test_money_of_a_closed_account_goes_back_by_the_poll_too(harness: StoreHarness) -> None:
    billing, caller, payer = await opened(harness)
    ref = billing.truth.sell(payer, SMALL)
    await leave(harness.store, caller)
    assert (await poll(billing))[1:] == (0, [], [("invoice:in_1", Remark.CLOSED)])
    assert billing.truth.purchases[ref].refunded == 500
    for _ in range(2):
        assert (await poll(billing))[1:] == (1, [], []), "it went back: that explains it"


async def test_money_that_cannot_go_back_is_named_and_holds_up_nothing_else(harness: StoreHarness) -> None:
    billing, caller, payer = await opened(harness)
    stuck = billing.truth.sell(payer, SMALL)
    await leave(harness.store, caller)
    other = await customer(harness.store)
    id = billing.truth.subscribe(billing.truth.customer(other.account_id), "pro")
    await billing.converge_subscription(id)
    later = billing.truth.sell(billing.truth.customer((await customer(harness.store)).account_id), SMALL)
    billing.truth.change_subscription(id, state=SubscriptionState.PAST_DUE)
    await billing.converge_subscription(id)
    await harness.advance(GRACE.total_seconds())
    billing.truth.unrefundable.add(stuck)
    for healed in ([str(later)], []):
        assert (await poll(billing))[1:] == (1, healed, [(str(stuck), Remark.CLOSED)])
    assert await billing.plan(other) == "free"
    billing.truth.unrefundable.clear()
    await poll(billing)
    assert billing.truth.purchases[stuck].refunded == 500


async def test_a_provider_that_is_away_says_so(harness: StoreHarness) -> None:
    billing, _, payer = await opened(harness)
    billing.truth.sell(payer, SMALL)
    billing.truth.down = True
    with pytest.raises(PaymentsUnavailable):
        await poll(billing)


async def test_hints_are_forgotten_after_a_month_whatever_became_of_them(harness: StoreHarness) -> None:
    billing, _, payer = await opened(harness)
    for _ in range(2):
        billing.truth.sell(payer, SMALL)
    await billing.hear(*billing.truth.happened)
    assert (await replace(billing.handle, batch=1)())["handled"] == 1
    for seconds, kept in ((HINT_KEPT.total_seconds() - 60, True), (120, False)):
        await harness.advance(seconds)
        await poll(billing)
        async with harness.store.transaction() as tx:
            assert [bool(await tx.inbox.find(f"evt_{n}")) for n in (1, 2)] == [kept, kept]
