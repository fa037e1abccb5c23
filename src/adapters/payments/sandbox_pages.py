"""What the sandbox's pages show, and what their buttons do. Whoever has a page's id may use it; nobody can guess one."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from adapters.payments.sandbox_processor import MISSING, Processor
from adapters.payments.sandbox_reading import PORTAL, RECEIPTS, Reading
from adapters.payments.sandbox_state import (
    Card,
    Checkout,
    CheckoutStatus,
    DisputeStatus,
    Payment,
    PaymentStatus,
    State,
    Subscribed,
)
from application.payments import PaymentRefused
from domain.billing import PurchaseState, SubscriptionState

_CODE = re.compile(r"SAVE([1-9][0-9]?|100)", re.ASCII)
_STATUS = {PaymentStatus.OPEN: CheckoutStatus.OPEN, PaymentStatus.VOID: CheckoutStatus.EXPIRED}


class Outcome(StrEnum):
    """Of an attempt to pay."""

    DONE = "done"
    DECLINED = "declined"
    CONFIRM = "confirm"  # the bank asks first
    NO_CODE = "no_code"  # there is no such promotion code


class Act(StrEnum):
    """What can be played with a purchase or a subscription."""

    DISPUTE = "dispute"
    WIN = "win"
    LOSE = "lose"
    FAIL_REFUNDS = "fail_refunds"
    BANK_PAYS = "bank_pays"
    BANK_REFUSES = "bank_refuses"
    CANCEL = "cancel"
    RESUME = "resume"
    MONTH = "month"


@dataclass(frozen=True, slots=True)
class CheckoutPage:
    """`amount`: in minor units. `done_url`: where a customer goes who has paid; `cancel_url`: one who does not, if anywhere."""

    product: str
    amount: int
    currency: str
    monthly: bool
    status: CheckoutStatus
    done_url: str
    cancel_url: str | None


@dataclass(frozen=True, slots=True)
class Receipt:
    """`acts`: what can be played with it now."""

    id: str
    product: str
    amount: int
    went_back: int
    currency: str
    at: datetime
    state: PurchaseState
    acts: Sequence[Act]
    url: str


@dataclass(frozen=True, slots=True)
class ShownSubscription:
    """`until`: the end of its period. `pay_url`: where a payment waits."""

    id: str
    product: str
    state: SubscriptionState
    until: datetime
    ends: bool
    acts: Sequence[Act]
    pay_url: str | None


@dataclass(frozen=True, slots=True)
class PortalPage:
    return_url: str
    card: Card | None
    subscriptions: Sequence[ShownSubscription]
    receipts: Sequence[Receipt]


# Paying


def checkout_page(reading: Reading, id: str) -> CheckoutPage | None:
    """Of a checkout, or of an invoice that waits for its payer."""
    if checkout := reading.state.checkouts.get(id):
        asked = (checkout.product, checkout.price, checkout.currency, checkout.is_plan, checkout.status)
        return CheckoutPage(*asked, checkout.success_url, checkout.cancel_url)
    if payment := reading.state.payments.get(id):
        status = _STATUS.get(payment.status, CheckoutStatus.COMPLETE)
        monthly = payment.subscription is not None
        return CheckoutPage(payment.product, payment.net, payment.currency, monthly, status, f"{RECEIPTS}/{id}", None)
    return None


def pay(here: Processor, id: str, card: Card, code: str = "", *, confirmed: bool = False) -> Outcome:
    """The customer tries to. What is done already is done; raises PaymentRefused for what is not to be paid any more."""
    wanted = here.state.checkouts.get(id) or here.state.payments.get(id)
    if wanted is None:
        raise PaymentRefused(MISSING, "there is no such page")
    if wanted.status in (CheckoutStatus.COMPLETE, PaymentStatus.PAID, PaymentStatus.PROCESSING):
        return Outcome.DONE
    if wanted.status in (CheckoutStatus.EXPIRED, PaymentStatus.VOID):
        raise PaymentRefused("expired", "the page has expired")
    percent = _CODE.fullmatch(code) if isinstance(wanted, Checkout) else None
    if code and not percent:
        return Outcome.NO_CODE
    if card is Card.DECLINED:
        return Outcome.DECLINED
    if card is Card.AUTHENTICATE and not confirmed:
        return Outcome.CONFIRM
    if isinstance(wanted, Checkout):
        here.check_out(wanted, card, int(percent[1]) if percent else 0)
    else:
        here.pay(wanted, card)
    return Outcome.DONE


# The portal


def portal_page(reading: Reading, id: str, now: datetime) -> PortalPage | None:
    portal = reading.state.portals.get(id)
    if portal is None or portal.until <= now:
        return None
    state, customer = reading.state, portal.customer
    shown = [_subscription(reading, each) for each in reversed(state.subscriptions_of(customer))]
    receipts = [found for each in reversed(state.payments_of(customer)) if (found := _receipt(reading, each))]
    return PortalPage(portal.return_url, state.customers[customer].card, shown, receipts)


def receipt_page(reading: Reading, id: str) -> Receipt | None:
    payment = reading.state.payments.get(id)
    return _receipt(reading, payment) if payment else None


def keep_card(here: Processor, portal: str, card: Card) -> None:
    """For payments that nobody is present for. Raises PaymentRefused."""
    here.state.customers[_customer(here.state, portal)].card = card


def play(here: Processor, portal: str, act: Act, id: str) -> None:
    """With a purchase or subscription of the portal's customer. Raises PaymentRefused for what cannot be done now."""
    customer = _customer(here.state, portal)
    wanted = here.state.payments.get(id) or here.state.subscriptions.get(id)
    if wanted is None or wanted.customer != customer:
        raise PaymentRefused(MISSING, "there is no such thing of this customer's")
    possible = _acts_of_payment(wanted) if isinstance(wanted, Payment) else _acts_of_subscription(wanted)
    if act not in possible:
        raise PaymentRefused("not_possible", "this is not possible any more")
    if isinstance(wanted, Payment):
        _play_payment(here, wanted, act)
    elif act is Act.MONTH:
        here.pass_month(wanted)
    elif act is Act.CANCEL:
        here.cancel(wanted, at_once=False)
    else:
        here.resume(wanted)


def _play_payment(here: Processor, payment: Payment, act: Act) -> None:
    if act is Act.DISPUTE:
        here.dispute(payment)
    elif act in (Act.BANK_PAYS, Act.BANK_REFUSES):
        here.answer(payment, ok=act is Act.BANK_PAYS)
    elif act is Act.FAIL_REFUNDS:
        for refund in payment.refunds:
            here.fail_refund(refund)
    elif payment.dispute:
        here.close_dispute(payment.dispute, won=act is Act.WIN)


def _acts_of_payment(payment: Payment) -> Sequence[Act]:
    if payment.status is PaymentStatus.PROCESSING:
        return (Act.BANK_PAYS, Act.BANK_REFUSES)
    acts = [Act.DISPUTE] if payment.left and not payment.dispute else []
    if payment.dispute and payment.dispute.status is DisputeStatus.OPEN:
        acts += [Act.WIN, Act.LOSE]
    return [*acts, Act.FAIL_REFUNDS] if payment.refunded else acts


def _acts_of_subscription(subscription: Subscribed) -> Sequence[Act]:
    if subscription.state not in (SubscriptionState.ACTIVE, SubscriptionState.PAST_DUE):
        return ()
    return (Act.RESUME if subscription.ends_with_period else Act.CANCEL, Act.MONTH)


def _customer(state: State, portal: str) -> str:
    if portal not in state.portals:
        raise PaymentRefused(MISSING, f"there is no such page below {PORTAL}")
    return state.portals[portal].customer


def _subscription(reading: Reading, known: Subscribed) -> ShownSubscription:
    told = reading.subscription(known.id)
    acts = _acts_of_subscription(known)
    return ShownSubscription(
        known.id, known.plan, known.state, known.period_end, known.ends_with_period, acts, told.pay_url if told else None
    )


def _receipt(reading: Reading, payment: Payment) -> Receipt | None:
    told = reading.told(payment)
    if told is None:
        return None
    money = (payment.net, told.reversed_money, payment.currency)
    url = f"{RECEIPTS}/{payment.id}"
    return Receipt(payment.id, payment.product, *money, payment.at, told.state, _acts_of_payment(payment), url)
