"""What whoever takes the money promises, on every adapter: subscriptions that begin, change and end."""

import pytest

from application.payments import PaymentDeclined
from domain.billing import CustomerId, PurchaseKind, SubscriptionState
from tests.offer import CATALOGUE
from tests.payments_house import House, bought, paid, subscribe

pytestmark = pytest.mark.anyio
STARTER, PRO = CATALOGUE.plans["starter"], CATALOGUE.plans["pro"]


async def test_a_plan_is_one_line_with_the_end_of_its_period(house: House, customer: CustomerId) -> None:
    subscription = await subscribe(house, customer, "starter")
    assert (subscription.plan, subscription.state, subscription.customer) == ("starter", SubscriptionState.ACTIVE, customer)
    assert subscription.collects
    assert (subscription.cancel_at, subscription.pay_url) == (None, None)
    (purchase,) = await bought(house)
    (line,) = purchase.lines
    assert (purchase.ref.kind, purchase.subscription) == (PurchaseKind.INVOICE, subscription.id)
    assert (line.product, line.gross, line.net, purchase.paid) == ("starter", *[STARTER.price] * 3)
    assert (subscription.period_start, subscription.period_end) == (house.now, line.period_end)
    house.later(33)
    renewed = await house.payments.subscription(subscription.id)
    assert renewed
    assert renewed.period_start == subscription.period_end
    assert await paid(house) == [("starter", STARTER.price)] * 2


async def test_up_is_at_once_at_the_full_price_and_a_period_begins(house: House, customer: CustomerId) -> None:
    subscription = await subscribe(house, customer, "starter")
    house.later(10)
    changed = await house.payments.change(subscription.id, "pro", upwards=True, key="up")
    assert (changed.plan, changed.state, changed.period_start) == ("pro", SubscriptionState.ACTIVE, house.now)
    assert await paid(house) == [("starter", STARTER.price), ("pro", PRO.price)]
    _, up = await bought(house)
    assert [(line.gross, line.period_end) for line in up.lines] == [(PRO.price, changed.period_end)]
    house.later(32)
    assert (await paid(house))[2:] == [("pro", PRO.price)]


async def test_an_upgrade_that_is_not_paid_changes_nothing(house: House, customer: CustomerId) -> None:
    subscription = await subscribe(house, customer, "starter")
    house.new_card(customer, "declined")
    house.later(10)
    with pytest.raises(PaymentDeclined) as declined:
        await house.payments.change(subscription.id, "pro", upwards=True, key="up")
    assert declined.value.code == "card_declined"
    assert await house.payments.subscription(subscription.id) == subscription
    assert await paid(house) == [("starter", STARTER.price)]


async def test_down_costs_nothing_and_brings_nothing_before_the_next_period(house: House, customer: CustomerId) -> None:
    subscription = await subscribe(house, customer, "pro")
    house.later(10)
    changed = await house.payments.change(subscription.id, "starter", upwards=False, key="down")
    assert (changed.period_start, changed.period_end) == (subscription.period_start, subscription.period_end)
    assert await paid(house) == [("pro", PRO.price)]
    house.later(32)
    assert await paid(house) == [("pro", PRO.price), ("starter", STARTER.price)]


async def test_up_and_down_and_up_again_pays_for_each_period_that_begins(house: House, customer: CustomerId) -> None:
    subscription = await subscribe(house, customer, "starter")
    for number, (plan, upwards) in enumerate((("pro", True), ("starter", False), ("pro", True))):
        await house.payments.change(subscription.id, plan, upwards=upwards, key=str(number))
    assert await paid(house) == [("starter", STARTER.price), ("pro", PRO.price), ("pro", PRO.price)]


async def test_a_cancellation_at_the_end_can_be_taken_back(house: House, customer: CustomerId) -> None:
    subscription = await subscribe(house, customer, "starter")
    cancelled = await house.payments.cancel(subscription.id, at_once=False, key="c")
    assert (cancelled.state, cancelled.cancel_at) == (SubscriptionState.ACTIVE, subscription.period_end)
    house.later(5)
    resumed = await house.payments.resume(subscription.id, key="r")
    assert resumed == subscription
    house.later(30)
    assert await paid(house) == [("starter", STARTER.price)] * 2


async def test_at_once_is_at_once_and_no_money_comes_back(house: House, customer: CustomerId) -> None:
    subscription = await subscribe(house, customer, "starter")
    ended = await house.payments.cancel(subscription.id, at_once=True, key="c")
    assert ended.state is SubscriptionState.CANCELED
    assert await house.payments.cancel(subscription.id, at_once=True, key="c") == ended
    house.later(40)
    assert await paid(house) == [("starter", STARTER.price)]
    (purchase,) = await bought(house)
    assert purchase.reversed_money == 0


async def test_a_renewal_that_waits_for_its_payer_says_where(house: House, customer: CustomerId) -> None:
    subscription = await subscribe(house, customer, "starter")
    house.new_card(customer, "authenticate")
    house.later(32)
    waiting = await house.payments.subscription(subscription.id)
    assert waiting
    assert waiting.state is SubscriptionState.PAST_DUE
    assert waiting.pay_url
    assert waiting.pay_url.startswith("https://")
    assert len(await bought(house)) == 1, "for what no bank decides on, nothing has been bought"
