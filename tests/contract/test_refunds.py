"""Staff gives money back: what is unspent, or all, once, and the credits go before the money does."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from application.billing import ConvergeSubscription, Outcome
from application.hints import TakeHint
from application.payments import PaymentRefused, PaymentsUnavailable
from application.reconciliation import PollPayments
from domain.accounts import Role
from domain.billing import Purchase, PurchaseKind, PurchaseRef
from domain.buying_errors import NothingToRefund, RefundOpen
from domain.errors import InsufficientCredits, NotFound, StaffOnly
from domain.refunds import RefundState
from tests.contract.harnesses import StoreHarness, each_store
from tests.contract.store_contract import release, say
from tests.offer import CATALOGUE
from tests.till import Till, at, opened

pytestmark = pytest.mark.anyio
__all__ = ["each_store"]


@pytest.fixture(name="till")
async def a_till(harness: StoreHarness) -> AsyncIterator[Till]:
    async with opened(harness) as till:
        yield till


@dataclass
class Wayward:
    """The port, but for what its refund does: it is away before the money goes, or after, or refuses."""

    inner: Any
    how: str
    asked: int = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    async def refund(self, purchase: PurchaseRef, amount: int, *, key: str) -> None:
        self.asked += 1
        if self.how == "refused":
            raise PaymentRefused("charge_disputed", "no")
        if self.how == "after":
            await self.inner.refund(purchase, amount, key=key)
        raise PaymentsUnavailable


@dataclass
class Slow:
    """The port, but its first reading of a purchase is told only after all this has happened."""

    inner: Any
    then: Callable[[], Awaitable[object]] | None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    async def purchase(self, ref: PurchaseRef) -> Purchase | None:
        found: Purchase | None = await self.inner.purchase(ref)
        then, self.then = self.then, None
        if then:
            await then()
        return found


# How much


async def test_an_unspent_purchase_goes_back_whole(till: Till) -> None:
    ref = await till.buy()
    refund = await till.give_back(ref)
    assert (refund.state, refund.amount) == (RefundState.DONE, 500)
    assert (await till.told(ref)).refunded == 500
    assert await till.numbers() == (0, 0, 0)


async def test_only_what_is_unspent_and_not_held_goes_back(till: Till) -> None:
    ref = await till.buy()
    await till.spend(100)
    await till.hold(60)
    assert (await till.give_back(ref)).amount == 500 * 240 // 400
    assert await till.numbers() == (0, 60, 0)
    with pytest.raises(NothingToRefund):
        await till.give_back(ref)


async def test_what_a_hold_gives_back_can_be_refunded_then(till: Till) -> None:
    ref = await till.buy()
    hold = await till.hold(160)
    assert (await till.give_back(ref)).amount == 300
    await say(till.harness.store, till.caller.wallet_id, release(hold))
    assert (await till.give_back(ref)).amount == 200
    assert (await till.told(ref)).refunded == 500
    assert await till.numbers() == (0, 0, 0)


async def test_into_debt_all_that_is_left_goes_back_and_pictures_are_owed(till: Till) -> None:
    ref = await till.buy()
    await till.spend(300)
    await till.give_back(ref)
    assert (await till.give_back(ref, into_debt=True)).amount == 375
    assert (await till.told(ref)).refunded == 500
    assert await till.numbers() == (0, 0, 300)


async def test_what_has_lapsed_is_not_unspent(till: Till) -> None:
    ref = await till.buy("starter")
    await till.harness.advance(400 * 86_400)
    with pytest.raises(NothingToRefund):
        await till.give_back(ref)
    assert (await till.give_back(ref, into_debt=True)).amount == 900


async def test_money_that_went_back_by_other_ways_does_not_go_back_again(till: Till) -> None:
    ref = await till.buy()
    till.house.refunds_at_the_desk(ref, 123)
    refund = await till.give_back(ref)
    assert (await till.told(ref)).refunded == 123 + refund.amount == 500
    assert await till.numbers() == (0, 0, 0)


async def test_nothing_comes_of_nothing(till: Till) -> None:
    ref = await till.buy()
    await till.spend(400)
    with pytest.raises(NothingToRefund):
        await till.give_back(ref)
    await till.give_back(ref, into_debt=True)
    for into_debt in (True, False):
        with pytest.raises(NothingToRefund):
            await till.give_back(ref, into_debt=into_debt)
    assert (await till.told(ref)).refunded == 500


async def test_what_is_no_purchase_of_ours_is_not_found(till: Till) -> None:
    stranger = await till.buy()
    with pytest.raises(NotFound):
        await till.give_back(PurchaseRef(PurchaseKind.CHECKOUT, "cs_none"))
    with pytest.raises(NotFound):
        await till.give_back(PurchaseRef(PurchaseKind.INVOICE, stranger.id))


async def test_who_signs_must_be_an_admin_still(till: Till) -> None:
    ref = await till.buy()
    async with till.store.transaction() as tx:
        await tx.accounts.save((await tx.accounts.find(till.staff.account_id)).with_role(Role.SUPPORT))
    with pytest.raises(StaffOnly):
        await till.give_back(ref)
    assert await till.open(ref) is None
    assert (await till.told(ref)).refunded == 0


# While it is open


@pytest.mark.parametrize("how", ["before", "after"])
async def test_credits_go_before_the_money_and_a_worker_finishes_what_was_not_answered(till: Till, how: str) -> None:
    ref = await till.buy()
    await till.spend(100)
    pending = await at(till, payments=Wayward(till.payments, how)).give_back(ref)
    assert pending.state is RefundState.INTENDED
    assert await till.numbers() == (0, 0, 0), "they count from the decision on"
    with pytest.raises(InsufficientCredits):
        await till.hold(1)
    await till.converge(ref)
    assert await till.numbers() == (0, 0, 0), "whatever the provider tells meanwhile"
    assert await till.finish() == {"refunded": 0, "refund_refused": 0, "refund_put_off": 0}, "it is not due yet"
    await till.later()
    assert await till.finish() == {"refunded": 1, "refund_refused": 0, "refund_put_off": 0}
    assert (await till.told(ref)).refunded == 375
    assert await till.open(ref) is None
    await till.converge(ref)
    assert await till.numbers() == (0, 0, 0)


async def test_weeks_later_it_is_still_done_once(till: Till) -> None:
    ref = await till.buy()
    await at(till, payments=Wayward(till.payments, "after")).give_back(ref)
    till.house.later(40)
    await till.later(40 * 86_400)
    assert (await till.finish())["refunded"] == 1
    assert (await till.told(ref)).refunded == 500


async def test_what_the_provider_refuses_for_good_gives_the_credits_back(till: Till) -> None:
    ref = await till.buy()
    refund = await at(till, payments=Wayward(till.payments, "refused")).give_back(ref)
    assert (refund.state, refund.code) == (RefundState.REFUSED, "charge_disputed")
    assert await till.numbers() == (400, 0, 0)
    assert (await till.give_back(ref)).amount == 500, "and it may be tried again"


async def test_one_refund_of_a_purchase_is_open_at_a_time(till: Till) -> None:
    ref, other = await till.buy(), await till.buy()
    await at(till, payments=Wayward(till.payments, "before")).give_back(ref)
    for into_debt in (False, True):
        with pytest.raises(RefundOpen):
            await till.give_back(ref, into_debt=into_debt)
    assert (await till.give_back(other)).amount == 500


async def test_a_failing_refund_is_put_off_longer_each_time_and_holds_up_no_other(till: Till) -> None:
    away = at(till, payments=Wayward(till.payments, "before"))
    one, two = await till.buy(), await till.buy()
    for ref in (one, two):
        await away.give_back(ref)
    await till.later()
    assert (await away.finish())["refund_put_off"] == 2
    await till.later()
    assert (await till.finish())["refunded"] == 0, "the second wait is longer"
    await till.later()
    assert (await till.finish())["refunded"] == 2


async def test_a_poll_gives_nothing_back_while_one_is_open(till: Till) -> None:
    ref = await till.buy()
    await at(till, payments=Wayward(till.payments, "before")).give_back(ref)
    subscriptions = ConvergeSubscription(till.store, till.payments, CATALOGUE)
    poll = PollPayments(till.store, till.payments, CATALOGUE, TakeHint(till.store), till.converge, subscriptions)
    found = await poll(till.house.now - timedelta(days=1))
    assert (found.healed, found.unexplained, found.explained) == ([], [], 1)
    assert await till.numbers() == (0, 0, 0)


# Races


async def test_who_read_before_a_refund_and_writes_after_it_gives_nothing_back(till: Till) -> None:
    ref = await till.buy()
    slow = Slow(till.payments, lambda: till.give_back(ref))
    assert (await at(till, payments=slow).converge(ref)).outcome is Outcome.OVERTAKEN
    assert await till.numbers() == (0, 0, 0)


async def test_who_is_overtaken_while_ending_a_refused_refund_reads_again(till: Till) -> None:
    ref = await till.buy()
    refused = Wayward(till.payments, "before")
    await at(till, payments=refused).give_back(ref)
    refused.how = "refused"
    await till.later()
    slow = Slow(refused, lambda: till.converge(ref))
    assert (await at(till, payments=slow).finish())["refund_refused"] == 1
    assert await till.numbers() == (400, 0, 0), "the other reading counted the refund still"


async def test_two_who_finish_one_at_once_make_it_once(till: Till) -> None:
    ref = await till.buy()
    await at(till, payments=Wayward(till.payments, "after")).give_back(ref)
    refund = await till.open(ref)
    assert refund
    ends = await asyncio.gather(*(till.finish.finish(refund) for _ in range(4)))
    assert [end and end.state for end in ends] == [RefundState.DONE] * 4
    assert (await till.told(ref)).refunded == 500


async def test_many_refunds_at_once_give_back_once(till: Till) -> None:
    ref = await till.buy()
    ends = await asyncio.gather(*(till.give_back(ref) for _ in range(8)), return_exceptions=True)
    refused = [end for end in ends if isinstance(end, Exception)]
    assert all(isinstance(end, (RefundOpen, NothingToRefund)) for end in refused), refused
    assert len(refused) == 7
    assert (await till.told(ref)).refunded == 500
    assert await till.numbers() == (0, 0, 0)


async def test_raced_with_spending_no_more_goes_than_is_unspent(till: Till) -> None:
    async def spends() -> int:
        try:
            await till.spend(90)
        except InsufficientCredits:
            return 0
        return 90

    for _ in range(4):
        ref = await till.buy()
        ends = await asyncio.gather(spends(), till.give_back(ref), spends(), spends(), return_exceptions=True)
        spent = sum(end for end in ends if isinstance(end, int))
        assert (await till.told(ref)).refunded <= 500 * (400 - spent) // 400
        available, held, debt = await till.numbers()
        assert (held, debt) == (0, 0)
        if available:
            await till.spend(available)


async def test_a_dispute_that_takes_the_money_first_leaves_no_refund(till: Till) -> None:
    ref = await till.buy()
    await at(till, payments=Wayward(till.payments, "before")).give_back(ref)
    dispute = till.house.disputes(ref)
    await till.later()
    assert (await till.finish())["refund_refused"] == 1
    assert ((await till.told(ref)).refunded, await till.numbers()) == (0, (0, 0, 0))
    till.house.wins(dispute)
    await till.converge(ref)
    assert await till.numbers() == (400, 0, 0), "as if there had been neither"


async def test_while_a_dispute_holds_the_money_nothing_is_there_to_go_back(till: Till) -> None:
    ref = await till.buy()
    till.house.disputes(ref)
    with pytest.raises(NothingToRefund):
        await till.give_back(ref, into_debt=True)


async def test_a_dispute_after_the_refund_holds_the_rest(till: Till) -> None:
    ref = await till.buy()
    await till.spend(200)
    await till.give_back(ref)
    dispute = till.house.disputes(ref)
    await till.converge(ref)
    assert await till.numbers() == (0, 0, 200)
    till.house.wins(dispute)
    await till.converge(ref)
    assert await till.numbers() == (0, 0, 0)
    assert (await till.told(ref)).reversed_money == 250
