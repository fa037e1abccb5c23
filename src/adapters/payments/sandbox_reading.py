"""The sandbox's state in the words of the port."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from adapters.payments.sandbox_state import DisputeStatus, Payment, PaymentStatus, State, Subscribed
from application.payments import Touched
from domain.billing import CustomerId, Hint, PaidLine, Purchase, PurchaseKind, PurchaseRef, Subscription, SubscriptionId

CHECKOUT, PORTAL, RECEIPTS = (f"/sandbox/payments/{page}" for page in ("checkout", "portal", "receipts"))
"""Where its pages are, each with an id at its end."""


@dataclass(frozen=True, slots=True)
class Reading:
    state: State
    url: str

    def purchase(self, ref: PurchaseRef) -> Purchase | None:
        payment = self.state.payments.get(ref.id)
        return self.told(payment) if payment and payment.kind is ref.kind else None

    def told(self, payment: Payment) -> Purchase | None:
        if payment.status not in (PaymentStatus.PAID, PaymentStatus.PROCESSING):
            return None
        line = PaidLine(f"li_{payment.id}", payment.product, 1, payment.gross, payment.net, payment.period_end)
        return Purchase(
            _ref(payment),
            CustomerId(payment.customer),
            SubscriptionId(payment.subscription) if payment.subscription else None,
            payment.currency,
            payment.paid,
            payment.status is PaymentStatus.PAID,
            (line,),
            payment.at,
            payment.refunded,
            payment.withdrawn,
            bool(payment.dispute and payment.dispute.status is DisputeStatus.OPEN),
            f"{self.url}{RECEIPTS}/{payment.id}",
        )

    def paid(self, since: datetime) -> Iterator[Purchase]:
        for payment in self.state.payments.values():
            purchase = self.told(payment) if payment.at >= since else None
            if purchase and purchase.is_settled:
                yield purchase

    def subscription(self, id: str) -> Subscription | None:
        known = self.state.subscriptions.get(id)
        return self._subscription(known) if known else None

    def _subscription(self, known: Subscribed) -> Subscription:
        return Subscription(
            SubscriptionId(known.id),
            CustomerId(known.customer),
            known.plan,
            known.state,
            known.period_start,
            known.period_end,
            known.period_end if known.ends_with_period else None,
            f"{self.url}{CHECKOUT}/{known.unpaid}" if known.unpaid else None,
            newest=next((_ref(each) for each in reversed(self.state.payments.values()) if each.subscription == known.id), None),
        )

    def touched(self, hint: Hint) -> Touched:
        about = self._about(hint)
        payments = [payment for payment in about if isinstance(payment, Payment)]
        subscriptions = [each.id for each in about if isinstance(each, Subscribed)]
        subscriptions += [payment.subscription for payment in payments if payment.subscription]
        return Touched(tuple(_ref(each) for each in payments), tuple(SubscriptionId(id) for id in dict.fromkeys(subscriptions)))

    def _about(self, hint: Hint) -> list[Payment | Subscribed]:
        state, id = self.state, hint.object_id
        match hint.object_kind:
            case "checkout.session":
                checkout = state.checkouts.get(id)
                found = [state.payments.get(checkout.payment or "")] if checkout else []
            case "invoice":
                found = [payment for payment in [state.payments.get(id)] if payment and payment.kind is PurchaseKind.INVOICE]
            case "refund":
                found = [each for each in state.payments.values() if any(refund.id == id for refund in each.refunds)]
            case "dispute":
                found = [each for each in state.payments.values() if each.dispute and each.dispute.id == id]
            case "subscription":
                return [each for each in [state.subscriptions.get(id)] if each]
            case "customer":
                return [*state.subscriptions_of(id)]
            case _:
                found = []
        return [each for each in found if each]


def _ref(payment: Payment) -> PurchaseRef:
    return PurchaseRef(payment.kind, payment.id)
