"""What the sandbox of payments knows.

Money is in minor units, times are whole seconds in UTC. No address, name or number of anybody's card is among it.
"""

from calendar import monthrange
from datetime import datetime
from enum import StrEnum
from uuid import UUID

import msgspec

from domain.billing import Hint, PurchaseKind, SubscriptionState


class Card(StrEnum):
    """What a customer may pay with, by how it behaves."""

    GOOD = "good"
    DECLINED = "declined"
    AUTHENTICATE = "authenticate"  # a person confirms each payment
    DISPUTED = "disputed"  # pays, and is disputed a little later
    DEBIT = "debit"  # the bank decides days later about the first payment


class CheckoutStatus(StrEnum):
    OPEN = "open"
    COMPLETE = "complete"
    EXPIRED = "expired"


class PaymentStatus(StrEnum):
    OPEN = "open"  # asked for, and not paid yet
    PROCESSING = "processing"  # a bank decides
    PAID = "paid"
    VOID = "void"


class DisputeStatus(StrEnum):
    OPEN = "open"
    WON = "won"
    LOST = "lost"


class Customer(msgspec.Struct):
    """`card`: on file, for payments that nobody is present for."""

    id: str
    account: UUID
    card: Card | None = None


class Checkout(msgspec.Struct):
    """`payment`: what it became."""

    id: str
    customer: str
    product: str
    price: int
    currency: str
    is_plan: bool
    success_url: str
    cancel_url: str
    until: datetime
    status: CheckoutStatus = CheckoutStatus.OPEN
    payment: str | None = None


class Refund(msgspec.Struct):
    id: str
    amount: int
    stands: bool = True


class Dispute(msgspec.Struct):
    """`held`: money that the bank has taken and not given back."""

    id: str
    held: int
    status: DisputeStatus = DisputeStatus.OPEN


class Payment(msgspec.Struct):
    """One thing that is paid or to be paid. `gross` is before a discount, `net` after; `at`: when it was paid, or else asked for;
    `disputed_at`: when its bank will dispute it."""

    id: str
    kind: PurchaseKind
    customer: str
    product: str
    gross: int
    net: int
    currency: str
    at: datetime
    subscription: str | None = None
    period_end: datetime | None = None
    status: PaymentStatus = PaymentStatus.OPEN
    refunds: list[Refund] = []
    dispute: Dispute | None = None
    disputed_at: datetime | None = None

    @property
    def paid(self) -> int:
        return self.net if self.status is PaymentStatus.PAID else 0

    @property
    def refunded(self) -> int:
        return sum(refund.amount for refund in self.refunds if refund.stands)

    @property
    def withdrawn(self) -> int:
        return self.dispute.held if self.dispute else 0

    @property
    def left(self) -> int:
        """What can still go back."""
        return self.paid - self.refunded - self.withdrawn


class Subscribed(msgspec.Struct):
    """Its `number`-th period of a month each, counted from `anchor`. `unpaid`: the payment that failed; `tries` of it, of which
    the next is at `try_at`."""

    id: str
    customer: str
    plan: str
    price: int
    currency: str
    anchor: datetime
    number: int = 1
    state: SubscriptionState = SubscriptionState.ACTIVE
    ends_with_period: bool = False
    unpaid: str | None = None
    tries: int = 0
    try_at: datetime | None = None

    @property
    def period_start(self) -> datetime:
        return months_after(self.anchor, self.number - 1)

    @property
    def period_end(self) -> datetime:
        return months_after(self.anchor, self.number)

    @property
    def due(self) -> datetime | None:
        """When something happens to it by itself."""
        return self.period_end if self.state is SubscriptionState.ACTIVE else self.try_at


class Portal(msgspec.Struct):
    id: str
    customer: str
    return_url: str
    until: datetime


class Event(msgspec.Struct):
    """A hint, and whether the webhook took it."""

    id: str
    type: str
    created: datetime
    object_kind: str
    object_id: str
    delivered: bool = False

    @property
    def hint(self) -> Hint:
        return Hint(self.id, self.type, self.created, self.object_kind, self.object_id)


class Answer(msgspec.Struct):
    """What came of a write: what was `said` under its key, the id of what it made, or the code of a decline."""

    said: tuple[str, ...]
    id: str = ""
    declined: str | None = None


class State(msgspec.Struct):
    """Each by its id; answers by verb and key."""

    customers: dict[str, Customer] = {}
    checkouts: dict[str, Checkout] = {}
    payments: dict[str, Payment] = {}
    subscriptions: dict[str, Subscribed] = {}
    portals: dict[str, Portal] = {}
    answers: dict[str, Answer] = {}
    events: list[Event] = []

    def payments_of(self, customer: str) -> list[Payment]:
        return [payment for payment in self.payments.values() if payment.customer == customer]

    def subscriptions_of(self, customer: str) -> list[Subscribed]:
        return [subscription for subscription in self.subscriptions.values() if subscription.customer == customer]


def months_after(anchor: datetime, months: int) -> datetime:
    """The same day of another month, or its last one."""
    year, month = divmod(anchor.year * 12 + anchor.month - 1 + months, 12)
    return anchor.replace(year=year, month=month + 1, day=min(anchor.day, monthrange(year, month + 1)[1]))
