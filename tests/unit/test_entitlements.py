"""Which plan an account has, from what its subscriptions are and what was paid."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from domain.billing import CustomerId, Subscription, SubscriptionId, SubscriptionState
from domain.entitlements import GRACE, Entitlement, best_plan, entitle
from tests.offer import CATALOGUE

START = datetime(2026, 11, 1, tzinfo=UTC)
END = datetime(2026, 12, 1, tzinfo=UTC)
MIDDLE = START + timedelta(days=15)
PRO = Subscription(SubscriptionId("sub_1"), CustomerId("cus_1"), "pro", SubscriptionState.ACTIVE, START, END)
STARTER = replace(PRO, plan="starter")
PAID_PRO = Entitlement("pro", END)


def plan(told: Subscription, now: datetime = MIDDLE, before: Entitlement | None = None) -> str:
    return entitle(told, before, CATALOGUE, now).plan


@pytest.mark.parametrize("state", [SubscriptionState.ACTIVE, SubscriptionState.TRIALING])
def test_active_and_on_trial_are_its_plan(state: SubscriptionState) -> None:
    assert plan(replace(PRO, state=state)) == "pro"


@pytest.mark.parametrize("state", ["incomplete", "incomplete_expired", "unpaid", "paused", "canceled"])
def test_what_is_not_paid_or_over_is_the_default_plan_at_once(state: str) -> None:
    assert entitle(replace(PRO, state=SubscriptionState(state)), PAID_PRO, CATALOGUE, MIDDLE) == Entitlement("free")


def test_a_payment_that_is_due_leaves_the_plan_for_a_week_of_the_period() -> None:
    late = replace(PRO, state=SubscriptionState.PAST_DUE)
    assert entitle(late, None, CATALOGUE, START) == Entitlement("pro", None, START + GRACE)
    assert plan(late, START + GRACE - timedelta(microseconds=1)) == "pro"
    assert entitle(late, None, CATALOGUE, START + GRACE) == Entitlement("free")


def test_a_lower_plan_begins_when_the_paid_period_ends() -> None:
    kept = entitle(STARTER, PAID_PRO, CATALOGUE, MIDDLE)
    assert kept == Entitlement("pro", END, END), "and is looked at again then"
    assert entitle(STARTER, kept, CATALOGUE, MIDDLE) == kept, "however often it is read"
    assert plan(STARTER, END, kept) == "starter"


def test_a_higher_plan_begins_at_once() -> None:
    assert entitle(PRO, Entitlement("starter", END), CATALOGUE, MIDDLE) == PAID_PRO


def test_a_pause_of_the_collection_begins_when_the_paid_period_ends() -> None:
    paused = replace(PRO, collects=False)
    assert plan(paused, MIDDLE, PAID_PRO) == "pro"
    assert plan(paused, END, PAID_PRO) == "free"
    assert plan(paused) == "free"


def test_an_upgrade_that_nobody_paid_for_leaves_what_was_paid() -> None:
    declined = replace(PRO, state=SubscriptionState.PAST_DUE)
    assert plan(declined, MIDDLE, Entitlement("starter", END)) == "starter"


@pytest.mark.parametrize("product", [None, "consulting"])
def test_a_subscription_to_nothing_we_sell_entitles_to_nothing(product: str | None) -> None:
    assert plan(replace(PRO, plan=product)) == "free"


def test_of_several_subscriptions_the_best_counts() -> None:
    several = [Entitlement("starter"), Entitlement("studio", None, MIDDLE), Entitlement("pro")]
    assert best_plan(several, CATALOGUE, MIDDLE - timedelta(seconds=1)) == "studio"
    assert best_plan(several, CATALOGUE, MIDDLE) == "pro", "what was to be looked at again counts no more"
    assert best_plan([], CATALOGUE, MIDDLE) == "free"
