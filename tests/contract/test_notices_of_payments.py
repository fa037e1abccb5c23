"""Whoever is to pay for a plan is told once for each time that it comes to that, together with the subscription's new state."""

from dataclasses import replace
from typing import Any

import pytest

from domain.billing import SubscriptionId, SubscriptionState
from domain.notices import Facts, NoticeKind
from tests.billing_stage import Billing, opened
from tests.contract.harnesses import StoreHarness, each_store
from tests.top_up_stage import EMAIL, told

pytestmark = pytest.mark.anyio
__all__ = ["each_store"]
PAGE = "https://pay.example/invoice"
DUE = {"state": SubscriptionState.PAST_DUE, "pay_url": PAGE}


async def subscribed(harness: StoreHarness, plan: str = "starter") -> tuple[Billing, SubscriptionId]:
    billing, caller, payer = await opened(harness)
    async with harness.store.transaction() as tx:
        await tx.accounts.save(replace(await tx.accounts.lock(caller.account_id), email=EMAIL))
    subscription = billing.truth.subscribe(payer, plan)
    await billing.converge_subscription(subscription)
    return billing, subscription


async def becomes(billing: Billing, subscription: SubscriptionId, **changes: Any) -> list[tuple[NoticeKind, Facts]]:
    """What is told of it, though it is looked at twice."""
    billing.truth.change_subscription(subscription, **changes)
    for _ in range(2):
        await billing.converge_subscription(subscription)
    return [(notice.kind, notice.facts) for notice in await told(billing.store)]


NEEDED = [(NoticeKind.PAYMENT_NEEDED, Facts(plan="Starter"))]


async def test_a_payment_that_is_due_is_told_once_for_each_time(harness: StoreHarness) -> None:
    billing, subscription = await subscribed(harness)
    assert await told(billing.store) == [], "an active one needs none"
    assert await becomes(billing, subscription, **DUE) == NEEDED
    assert await becomes(billing, subscription, cancel_at=billing.truth.now) == []
    assert await becomes(billing, subscription, state=SubscriptionState.UNPAID) == NEEDED
    assert await becomes(billing, subscription, state=SubscriptionState.ACTIVE, pay_url=None) == []
    assert await becomes(billing, subscription, **DUE) == NEEDED


async def test_where_to_pay_may_be_known_later_than_that_it_is_due(harness: StoreHarness) -> None:
    billing, subscription = await subscribed(harness)
    assert await becomes(billing, subscription, **DUE | {"pay_url": None}) == []
    assert await becomes(billing, subscription, pay_url=PAGE) == NEEDED
    assert await becomes(billing, subscription, pay_url=f"{PAGE}/2") == [], "it is the same payment, asked for again"


async def test_a_first_payment_that_waits_for_its_payer_is_told(harness: StoreHarness) -> None:
    billing, subscription = await subscribed(harness)
    assert await becomes(billing, subscription, state=SubscriptionState.INCOMPLETE, pay_url=PAGE) == NEEDED


@pytest.mark.parametrize(
    "changes",
    [
        DUE | {"pay_url": None},
        DUE | {"state": SubscriptionState.PAUSED},
        DUE | {"state": SubscriptionState.CANCELED},
        DUE | {"plan": "of another time"},
    ],
)
async def test_where_nothing_can_be_paid_nothing_is_told(harness: StoreHarness, changes: dict[str, Any]) -> None:
    billing, subscription = await subscribed(harness)
    assert await becomes(billing, subscription, **changes) == []
