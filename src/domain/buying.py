"""What a customer may buy, and what may be done with a subscription. Whatever is refused is told what to do instead."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from domain.billing import ENDED, KnownSubscription, SubscriptionState
from domain.buying_errors import (
    AlreadySo,
    NoSubscription,
    NotSold,
    PaymentNeeded,
    SubscriptionEnding,
    SubscriptionExists,
    UnknownProduct,
)
from domain.catalogue import Catalogue, Pack, Plan
from domain.errors import Fact, InvalidRequest

SERVED = frozenset({SubscriptionState.ACTIVE, SubscriptionState.TRIALING})
"""Nothing is owed for the running period."""


def wanted(plan: str | None, pack: str | None, catalogue: Catalogue) -> Plan | Pack:
    """The plan or pack of this id, if it can be bought. Raises InvalidRequest, UnknownProduct, NotSold."""
    if plan is not None and pack is None:
        return wanted_plan(plan, catalogue)
    if pack is None or plan is not None:
        raise InvalidRequest("name either a plan or a pack", allowed=["plan", "pack"])
    found = catalogue.packs.get(pack)
    if found is None:
        raise UnknownProduct("there is no such pack", field="pack", allowed=_for_sale(Pack, catalogue))
    if not found.sold:
        raise NotSold(f"{pack} is sold no longer", field="pack", allowed=_for_sale(Pack, catalogue))
    return found


def wanted_plan(plan: str, catalogue: Catalogue) -> Plan:
    found = catalogue.plans.get(plan)
    if found is None:
        raise UnknownProduct("there is no such plan", field="plan", allowed=_for_sale(Plan, catalogue))
    if not found.price:
        raise NotSold(
            f"whoever has no subscription is on {catalogue.default_plan}: cancel yours", field="plan", allowed=["cancel"]
        )
    if not found.sold:
        raise NotSold(f"{plan} is sold no longer", field="plan", allowed=_for_sale(Plan, catalogue))
    return found


def foremost(known: Sequence[KnownSubscription], catalogue: Catalogue) -> KnownSubscription | None:
    """The one that an account is shown and acts on. Of several, which two pages paid at once can bring about: one that goes on
    before one that ends, then the better plan; what waits for its payment comes after, and last the latest that has ended."""

    def place(each: KnownSubscription) -> tuple[bool, bool, bool, float, str]:
        has_ended = each.state in ENDED
        latest = -each.period_end.timestamp() if each.period_end else 0.0
        better = latest if has_ended else catalogue.plan(each.plan or "").priority
        return has_ended, each.state not in SERVED, each.cancel_at is not None, better, each.id

    return min(known, key=place, default=None)


def must_have_none(known: Sequence[KnownSubscription], catalogue: Catalogue) -> None:
    """A second subscription would be paid beside the first. Raises SubscriptionExists."""
    there = foremost(known, catalogue)
    if there is None or there.state in ENDED:
        return
    if there.state not in SERVED:
        raise SubscriptionExists(
            "there is one that waits for its payment: pay it, or cancel it", **_facts(there, "pay", "cancel")
        )
    if there.cancel_at:
        raise SubscriptionExists("there is one that ends: resume it, then change it", **_facts(there, "resume", "change"))
    raise SubscriptionExists("there is one already: change it", **_facts(there, "change"))


@dataclass(frozen=True, slots=True)
class Change:
    """`upwards`: now, at the full price; else without money, at the next period's price."""

    subscription: KnownSubscription
    plan: Plan
    upwards: bool


def change_of(known: Sequence[KnownSubscription], plan: str, catalogue: Catalogue, now: datetime) -> Change:
    """Upwards is what is better than the running period was paid for, so whoever takes a change downwards back pays nothing.
    Raises NoSubscription, PaymentNeeded, SubscriptionEnding, AlreadySo, and as `wanted_plan`."""
    there = _live(known, catalogue)
    if plan == there.plan:
        raise AlreadySo(f"the subscription is for {plan} already", field="plan", plan=plan)
    new = wanted_plan(plan, catalogue)
    if there.state not in SERVED:
        raise PaymentNeeded("pay what is due first", **_facts(there, "pay", "cancel"))
    if there.cancel_at:
        raise SubscriptionEnding("it ends with its period: resume it first", **_facts(there, "resume"))
    paid_for = there.entitled_plan if there.paid_until and now < there.paid_until else there.plan
    return Change(there, new, _place(new) < _place(catalogue.plan(paid_for or "")))


@dataclass(frozen=True, slots=True)
class Cancellation:
    """`at_once`: for its running period nothing was paid. Else it ends with what was paid for."""

    subscription: KnownSubscription
    at_once: bool


def cancellation_of(known: Sequence[KnownSubscription], catalogue: Catalogue) -> Cancellation | None:
    """None if it ends already. Raises NoSubscription."""
    there = _live(known, catalogue)
    at_once = there.state not in SERVED
    return Cancellation(there, at_once) if at_once or not there.cancel_at else None


def resumable(known: Sequence[KnownSubscription], catalogue: Catalogue) -> KnownSubscription:
    """One that ends with its period, or that is paused. Raises NoSubscription, AlreadySo."""
    there = _live(known, catalogue)
    live = [each for each in known if each.state not in ENDED]
    found = foremost([each for each in live if each.cancel_at or each.state is SubscriptionState.PAUSED], catalogue)
    if not found:
        raise AlreadySo("it is neither cancelled nor paused, so it goes on by itself", **_facts(there))
    return found


def _live(known: Sequence[KnownSubscription], catalogue: Catalogue) -> KnownSubscription:
    there = foremost(known, catalogue)
    if there is None or there.state in ENDED:
        raise NoSubscription("buy a plan at the checkout", allowed=["checkout"])
    return there


def _place(plan: Plan) -> tuple[int, int]:
    return plan.priority, -plan.price


def _facts(known: KnownSubscription, *allowed: str) -> dict[str, Fact]:
    """What can be done, and where it is paid if it is to be paid."""
    return {"plan": known.plan, "state": known.state, "pay_url": known.pay_url, "allowed": list(allowed)}


def _for_sale(kind: type[Plan | Pack], catalogue: Catalogue) -> list[str]:
    return [id for id, each in catalogue.for_sale.items() if isinstance(each, kind)]
