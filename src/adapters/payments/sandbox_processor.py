"""What happens at the sandbox of payments: the acts of customers, banks and time on its state, each with the hints it yields."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar
from uuid import UUID

from adapters.payments.sandbox_state import (
    Card,
    Checkout,
    CheckoutStatus,
    Customer,
    Dispute,
    DisputeStatus,
    Event,
    Payment,
    PaymentStatus,
    Refund,
    State,
    Subscribed,
)
from application.payments import PaymentDeclined, PaymentRefused
from domain.billing import ENDED, HINT_KEPT, PurchaseKind, PurchaseRef, SubscriptionState
from domain.catalogue import Pack, Plan

PAGE_LIVES = timedelta(days=1)
DISPUTED_AFTER = timedelta(minutes=1)
"""Long enough to see the credits come, short enough to see them go."""
TRY_AGAIN = timedelta(days=3)
MOST_TRIES = 5
"""Of one payment of a subscription, which then ends."""
_DECLINES = {Card.DECLINED: "card_declined", Card.AUTHENTICATE: "authentication_required", None: "no_payment_method"}
MISSING = "resource_missing"

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Processor:
    """Acts at `now` on a state that is thrown away if one of them raises PaymentRefused."""

    state: State
    now: datetime
    new_id: Callable[[], str]

    def advance(self) -> None:
        """All that is due by now: pages close, payments are disputed, subscriptions renew, are tried again, and end."""
        for checkout in self.state.checkouts.values():
            if checkout.status is CheckoutStatus.OPEN and checkout.until <= self.now:
                checkout.status = CheckoutStatus.EXPIRED
                self._tell("checkout.session.expired", "checkout.session", checkout.id)
        for payment in self.state.payments.values():
            if payment.disputed_at and payment.disputed_at <= self.now:
                payment.disputed_at = None
                if payment.left and not payment.dispute:
                    self.dispute(payment)
        for subscription in list(self.state.subscriptions.values()):
            while (due := subscription.due) and due <= self.now:
                self._come_due(subscription, due)
        for id in [id for id, portal in self.state.portals.items() if portal.until <= self.now]:
            del self.state.portals[id]
        self.state.events = [event for event in self.state.events if event.created > self.now - HINT_KEPT]

    # Who and what; all raise PaymentRefused

    def customer(self, id: str) -> Customer:
        return _known(self.state.customers.get(id), "customer")

    def subscribed(self, id: str) -> Subscribed:
        return _known(self.state.subscriptions.get(id), "subscription")

    def payment(self, ref: PurchaseRef) -> Payment:
        payment = self.state.payments.get(ref.id)
        return _known(payment if payment and payment.kind is ref.kind else None, "purchase")

    # Customers

    def add_customer(self, account: UUID) -> Customer:
        for known in self.state.customers.values():
            if known.account == account:
                return known
        made = Customer(f"cus_{self.new_id()}", account)
        self.state.customers[made.id] = made
        self._tell("customer.created", "customer", made.id)
        return made

    def check_out(self, checkout: Checkout, card: Card, percent: int) -> None:
        """The customer pays with a card that does. `percent`: of the price, which a code takes off the first payment."""
        net = checkout.price - checkout.price * percent // 100
        waits = card is Card.DEBIT and net > 0
        if checkout.is_plan:
            payment = self._invoice(self._subscribe(checkout, waits=waits))
        else:
            asked = (checkout.customer, checkout.product, checkout.price, checkout.currency)
            payment = self._ask_for(checkout.id, PurchaseKind.CHECKOUT, *asked)
        payment.net = net
        checkout.status, checkout.payment = CheckoutStatus.COMPLETE, payment.id
        self.state.customers[checkout.customer].card = card
        if waits:
            payment.status = PaymentStatus.PROCESSING
        else:
            self._paid(payment, card)
        self._tell("checkout.session.completed", "checkout.session", checkout.id)

    def top_up(self, customer: str, pack: Pack) -> Payment:
        """Raises PaymentDeclined before anything is done."""
        card = self._card(customer)
        payment = self._ask_for(f"in_{self.new_id()}", PurchaseKind.INVOICE, customer, pack.id, pack.price, pack.currency)
        self._paid(payment, card)
        return payment

    def pay(self, payment: Payment, card: Card) -> None:
        """What was asked for in vain is paid by its customer with a card that does, which is on file from then on."""
        self.state.customers[payment.customer].card = card
        self._paid(payment, card)

    # Subscriptions

    def change(self, subscription: Subscribed, plan: Plan, *, upwards: bool) -> None:
        """Raises PaymentDeclined before anything is done."""
        if subscription.plan == plan.id:
            return
        if subscription.state is not SubscriptionState.ACTIVE:
            raise PaymentRefused("subscription_not_active", "only a subscription that is paid can be changed")
        card = self._card(subscription.customer) if upwards else None
        subscription.plan, subscription.price, subscription.currency = plan.id, plan.price, plan.currency
        if card:
            subscription.anchor, subscription.number = self.now, 1
            self._paid(self._invoice(subscription), card)
        self._changed(subscription)

    def cancel(self, subscription: Subscribed, *, at_once: bool) -> None:
        if subscription.state in ENDED and at_once:
            return
        self._must_live(subscription)
        if at_once:
            self._end(subscription)
        elif not subscription.ends_with_period:
            subscription.ends_with_period = True
            self._changed(subscription)

    def resume(self, subscription: Subscribed) -> None:
        self._must_live(subscription)
        if subscription.ends_with_period:
            subscription.ends_with_period = False
            self._changed(subscription)

    def pass_month(self, subscription: Subscribed) -> None:
        """What is due next is due now. The clock stays, so a period begins now."""
        self._must_live(subscription)
        if subscription.state is SubscriptionState.ACTIVE:
            subscription.anchor, subscription.number = self.now, 0
        if subscription.due:
            self._come_due(subscription, self.now)

    # Banks

    def answer(self, payment: Payment, *, ok: bool) -> None:
        """The bank that was asked about a debit pays, or does not."""
        if payment.status is not PaymentStatus.PROCESSING:
            raise PaymentRefused("not_processing", "no bank decides about this payment")
        subscription = self.state.subscriptions.get(payment.subscription or "")
        if subscription and subscription.state in ENDED:
            ok = False  # there is nothing to pay for any more
        if ok:
            self._paid(payment, Card.DEBIT)
        else:
            payment.status = PaymentStatus.VOID
        if payment.kind is PurchaseKind.CHECKOUT:
            self._tell(f"checkout.session.async_payment_{'succeeded' if ok else 'failed'}", "checkout.session", payment.id)
        elif not ok:
            self._tell("invoice.payment_failed", "invoice", payment.id)
        if subscription and subscription.state is SubscriptionState.INCOMPLETE:
            subscription.state = SubscriptionState.ACTIVE if ok else SubscriptionState.INCOMPLETE_EXPIRED
            subscription.anchor = self.now
            payment.period_end = subscription.period_end
            self._changed(subscription)

    def refund(self, payment: Payment, amount: int) -> Refund:
        if not 1 <= amount <= payment.left:
            raise PaymentRefused("amount_too_large", f"{payment.left} is left of what was paid")
        refund = Refund(f"re_{self.new_id()}", amount)
        payment.refunds.append(refund)
        self._tell("refund.created", "refund", refund.id)
        return refund

    def fail_refund(self, refund: Refund) -> None:
        """It did not arrive: the money is ours again."""
        if refund.stands:
            refund.stands = False
            self._tell("refund.failed", "refund", refund.id)

    def dispute(self, payment: Payment) -> Dispute:
        """The bank takes all that is left."""
        if payment.dispute:
            raise PaymentRefused("already_disputed", "a payment is disputed once")
        if not payment.left:
            raise PaymentRefused("nothing_left", "no money of this payment is left")
        payment.dispute = Dispute(f"dp_{self.new_id()}", payment.left)
        self._tell("charge.dispute.created", "dispute", payment.dispute.id)
        self._tell("charge.dispute.funds_withdrawn", "dispute", payment.dispute.id)
        return payment.dispute

    def close_dispute(self, dispute: Dispute, *, won: bool, reinstated: bool = True) -> None:
        """`reinstated`: what is won is back at once."""
        if dispute.status is not DisputeStatus.OPEN:
            raise PaymentRefused("dispute_closed", "the dispute is closed")
        dispute.status = DisputeStatus.WON if won else DisputeStatus.LOST
        self._tell("charge.dispute.closed", "dispute", dispute.id)
        if won and reinstated:
            dispute.held = 0
            self._tell("charge.dispute.funds_reinstated", "dispute", dispute.id)

    # Inside

    def _subscribe(self, checkout: Checkout, *, waits: bool) -> Subscribed:
        id = f"sub_{self.new_id()}"
        state = SubscriptionState.INCOMPLETE if waits else SubscriptionState.ACTIVE
        made = Subscribed(id, checkout.customer, checkout.product, checkout.price, checkout.currency, self.now, state=state)
        self.state.subscriptions[id] = made
        self._tell("customer.subscription.created", "subscription", id)
        return made

    def _ask_for(self, id: str, kind: PurchaseKind, customer: str, product: str, price: int, currency: str) -> Payment:
        payment = Payment(id, kind, customer, product, price, price, currency, self.now)
        self.state.payments[id] = payment
        return payment

    def _invoice(self, of: Subscribed) -> Payment:
        """For its period."""
        payment = self._ask_for(f"in_{self.new_id()}", PurchaseKind.INVOICE, of.customer, of.plan, of.price, of.currency)
        payment.subscription, payment.period_end = of.id, of.period_end
        return payment

    def _card(self, customer: str) -> Card:
        """The one on file, if it pays while nobody is present. Raises PaymentDeclined."""
        card = self.state.customers[customer].card
        if card is None or card in _DECLINES:
            raise PaymentDeclined(_DECLINES[card])
        return card

    def _paid(self, payment: Payment, card: Card) -> None:
        payment.status, payment.at = PaymentStatus.PAID, self.now
        payment.disputed_at = self.now + DISPUTED_AFTER if card is Card.DISPUTED else None
        if payment.kind is PurchaseKind.INVOICE:
            self._tell("invoice.paid", "invoice", payment.id)
        subscription = self.state.subscriptions.get(payment.subscription or "")
        if subscription and subscription.unpaid == payment.id:
            subscription.state = SubscriptionState.ACTIVE
            subscription.unpaid, subscription.tries, subscription.try_at = None, 0, None
            self._changed(subscription)

    def _come_due(self, subscription: Subscribed, due: datetime) -> None:
        if subscription.state is SubscriptionState.ACTIVE:
            if subscription.ends_with_period:
                self._end(subscription)
                return
            subscription.number += 1
            payment = self._invoice(subscription)
            subscription.unpaid = payment.id
            self._changed(subscription)
        else:
            payment = self.state.payments[subscription.unpaid or ""]
        try:
            self._paid(payment, self._card(subscription.customer))
        except PaymentDeclined:
            subscription.state, subscription.tries = SubscriptionState.PAST_DUE, subscription.tries + 1
            subscription.try_at = due + TRY_AGAIN
            self._tell("invoice.payment_failed", "invoice", payment.id)
            self._changed(subscription)
            if subscription.tries == MOST_TRIES:
                self._end(subscription)

    def _end(self, subscription: Subscribed) -> None:
        unpaid = self.state.payments.get(subscription.unpaid or "")
        if unpaid:
            unpaid.status = PaymentStatus.VOID
            self._tell("invoice.voided", "invoice", unpaid.id)
        subscription.state, subscription.unpaid, subscription.try_at = SubscriptionState.CANCELED, None, None
        self._tell("customer.subscription.deleted", "subscription", subscription.id)

    def _must_live(self, subscription: Subscribed) -> None:
        if subscription.state in ENDED:
            raise PaymentRefused("subscription_ended", "the subscription has ended")

    def _changed(self, subscription: Subscribed) -> None:
        self._tell("customer.subscription.updated", "subscription", subscription.id)

    def _tell(self, type: str, kind: str, id: str) -> None:
        self.state.events.append(Event(f"evt_{self.new_id()}", type, self.now, kind, id))


def _known(found: _T | None, kind: str) -> _T:
    if found is None:
        raise PaymentRefused(MISSING, f"there is no such {kind}")
    return found
