"""What a subscription entitles its account to: a plan, whose place in line and room for unfinished requests it has."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from domain.billing import ENDED, Subscription, SubscriptionState
from domain.catalogue import Catalogue

GRACE = timedelta(days=7)
"""How long into a period its plan stays while the payment for it fails."""


@dataclass(frozen=True, slots=True)
class Entitlement:
    """`plan` until further notice, or until `review_at`, when time alone changes it. `paid_until`: the end of the period that
    was last seen paid for this plan."""

    plan: str
    paid_until: datetime | None = None
    review_at: datetime | None = None

    def holds(self, now: datetime) -> bool:
        return self.review_at is None or now < self.review_at


def entitle(told: Subscription, before: Entitlement | None, catalogue: Catalogue, now: datetime) -> Entitlement:
    """`before`: what the last reading of this subscription came to.

    Active and on trial: its plan. A payment that is due: its plan for a week into the period. Incomplete, unpaid, paused,
    ended, or of nothing we sell: the default plan. But a period once paid is served to its end: a change to a lower plan, or a
    pause of the collection, takes effect then. Only an end, or a payment that failed for good, is no reason to wait.
    """
    default = Entitlement(catalogue.default_plan)
    if told.state in _OVER:
        return default
    given = _given(told, now) if told.plan in catalogue.plans else None
    kept = before if before and before.paid_until and now < before.paid_until else None
    if kept and rank(kept.plan, catalogue) < rank(given.plan if given else default.plan, catalogue):
        return Entitlement(kept.plan, kept.paid_until, kept.paid_until)
    return given or default


_OVER = ENDED | {SubscriptionState.INCOMPLETE, SubscriptionState.UNPAID, SubscriptionState.PAUSED}


def _given(told: Subscription, now: datetime) -> Entitlement | None:
    if told.plan is None or not told.collects:
        return None
    if told.state is not SubscriptionState.PAST_DUE:
        return Entitlement(told.plan, told.period_end)
    until = told.period_start + GRACE if told.period_start else now
    return Entitlement(told.plan, None, until) if now < until else None


def rank(plan: str, catalogue: Catalogue) -> int:
    """Smaller is better."""
    return catalogue.plan(plan).priority


def best_plan(entitlements: Iterable[Entitlement], catalogue: Catalogue, now: datetime) -> str:
    """Of all subscriptions of an account, whichever plan is served first; without any, the default plan."""
    plans = [each.plan for each in entitlements if each.holds(now)]
    return min([catalogue.default_plan, *plans], key=lambda plan: rank(plan, catalogue))
