"""Money that became credits: what was paid, what of it went back, and what a subscription entitles to.

Amounts of money are in minor units (cents) of the one currency of the catalogue. The payment provider holds the truth; what
stands here are readings of it.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NewType

CustomerId = NewType("CustomerId", str)
SubscriptionId = NewType("SubscriptionId", str)


class PurchaseKind(StrEnum):
    """Where the provider keeps what was paid: an invoice of a subscription or of a top-up, or a checkout of single prices.

    Where a checkout also made an invoice, as a receipt, the checkout is the purchase, and the invoice is none.
    """

    INVOICE = "invoice"
    CHECKOUT = "checkout"


@dataclass(frozen=True, slots=True)
class PurchaseRef:
    kind: PurchaseKind
    id: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.id}"


@dataclass(frozen=True, slots=True)
class PaidLine:
    """One line of a purchase. `product` is a plan's or a pack's id in the catalogue (None: nothing we sell). `gross` is before
    discounts and tax, negative for what a plan change gives back; `net` after discounts. `period_end` is a plan's."""

    id: str
    product: str | None
    quantity: int
    gross: int
    net: int
    period_end: datetime | None = None


@dataclass(frozen=True, slots=True)
class Purchase:
    """One purchase as the provider tells it now. `paid` is money that came in, tax included, without what a credit balance paid.

    `refunded`: all refunds that stand (pending ones do, failed and cancelled ones do not). `withdrawn`: what disputes hold of it
    now, which a won one gives back. `is_settled` is False while a bank still decides, and then nothing is granted.
    """

    ref: PurchaseRef
    customer: CustomerId
    subscription: SubscriptionId | None
    currency: str
    paid: int
    is_settled: bool
    lines: tuple[PaidLine, ...]
    at: datetime
    refunded: int = 0
    withdrawn: int = 0
    has_open_dispute: bool = False
    receipt_url: str | None = None

    @property
    def reversed_money(self) -> int:
        """RULES R10: the same money is never taken back twice."""
        return min(self.paid, self.refunded + self.withdrawn)


class SubscriptionState(StrEnum):
    """The provider's words."""

    INCOMPLETE = "incomplete"
    INCOMPLETE_EXPIRED = "incomplete_expired"
    TRIALING = "trialing"
    ACTIVE = "active"
    PAST_DUE = "past_due"
    UNPAID = "unpaid"
    PAUSED = "paused"
    CANCELED = "canceled"


@dataclass(frozen=True, slots=True)
class Subscription:
    """A subscription as the provider tells it now. `cancel_at`: when it ends, if it was told to. `pay_url`: where a payment waits
    for its payer. `collects` is False while collection is paused."""

    id: SubscriptionId
    customer: CustomerId
    plan: str | None
    state: SubscriptionState
    period_start: datetime | None
    period_end: datetime | None
    cancel_at: datetime | None = None
    pay_url: str | None = None
    collects: bool = True


@dataclass(frozen=True, slots=True)
class Hint:
    """All that is kept of an event: that something happened to an object of theirs, which is then looked at. Never its body."""

    id: str
    type: str
    created: datetime
    object_kind: str
    object_id: str
