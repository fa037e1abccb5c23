"""An account has the plan that follows from its subscriptions, as the payment provider tells them."""

import asyncio

import pytest

from application.billing import Convergence, Outcome
from domain.billing import CustomerId, SubscriptionId, SubscriptionState
from domain.convergence import Remark
from domain.entitlements import GRACE
from tests.billing_stage import opened, slow
from tests.contract.harnesses import StoreHarness, each_store
from tests.payments_truth import PERIOD

pytestmark = pytest.mark.anyio
__all__ = ["each_store"]


async def test_an_account_has_the_plan_of_its_subscription(harness: StoreHarness) -> None:
    billing, caller, payer = await opened(harness)
    id = billing.truth.subscribe(payer, "pro")
    assert await billing.converge_subscription(id) == Convergence(Outcome.CONVERGED)
    assert await billing.plan(caller) == "pro"
    billing.truth.change_subscription(id, state=SubscriptionState.CANCELED)
    await billing.converge_subscription(id)
    assert await billing.plan(caller) == "free"


async def test_a_lower_plan_begins_with_the_next_period_and_is_noticed_by_itself(harness: StoreHarness) -> None:
    billing, caller, payer = await opened(harness)
    id = billing.truth.subscribe(payer, "pro")
    await billing.converge_subscription(id)
    billing.truth.change_subscription(id, plan="starter")
    await billing.converge_subscription(id)
    assert await billing.plan(caller) == "pro"
    await harness.advance(PERIOD.total_seconds())
    await billing.poll(billing.truth.now)
    assert await billing.plan(caller) == "starter"


async def test_a_payment_that_fails_leaves_the_plan_for_a_week(harness: StoreHarness) -> None:
    billing, caller, payer = await opened(harness)
    id = billing.truth.subscribe(payer, "pro")
    billing.truth.change_subscription(id, state=SubscriptionState.PAST_DUE)
    await billing.converge_subscription(id)
    assert await billing.plan(caller) == "pro"
    await harness.advance(GRACE.total_seconds())
    await billing.poll(billing.truth.now)
    assert await billing.plan(caller) == "free"


@pytest.mark.parametrize("plans", [("studio", "starter"), ("starter", "studio")])
async def test_of_two_subscriptions_the_better_counts(harness: StoreHarness, plans: tuple[str, str]) -> None:
    billing, caller, payer = await opened(harness)
    both = [billing.truth.subscribe(payer, plan) for plan in plans]
    await asyncio.gather(*(billing.converge_subscription(id) for id in both))
    assert await billing.plan(caller) == "studio"
    for id in both:
        assert (await billing.converge_subscription(id)).remarks == (Remark.SECOND,), "somebody pays twice"
    billing.truth.change_subscription(both[0], cancel_at=billing.truth.now)
    assert [(await billing.converge_subscription(id)).remarks for id in both] == [(), ()]


async def test_a_slow_reader_of_a_subscription_never_writes_the_older_truth(harness: StoreHarness) -> None:
    billing, caller, payer = await opened(harness)
    id = billing.truth.subscribe(payer, "starter")

    async def overtake() -> None:
        billing.truth.change_subscription(id, plan="pro")
        await billing.converge_subscription(id)

    billing.truth.slowly = slow(billing, overtake)
    assert (await billing.converge_subscription(id)).outcome is Outcome.OVERTAKEN
    assert await billing.plan(caller) == "pro"


async def test_a_subscription_that_is_none_or_nobodys_changes_nothing(harness: StoreHarness) -> None:
    billing, caller, payer = await opened(harness)
    strange = billing.truth.subscribe(CustomerId("cus_of_another_shop"), "pro")
    assert (await billing.converge_subscription(strange)).outcome is Outcome.NOT_OURS
    assert (await billing.converge_subscription(SubscriptionId("sub_9"))).outcome is Outcome.NOTHING
    unsold = billing.truth.subscribe(payer, None)
    assert (await billing.converge_subscription(unsold)).remarks == (Remark.UNSOLD,)
    assert await billing.plan(caller) == "free"
