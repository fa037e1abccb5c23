"""Money that became credits: what was paid, what of it went back, and what a subscription entitles to.

Amounts of money are in minor units (cents) of the one currency of the catalogue. The payment provider holds the truth; what
stands here are readings of it.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NewType, Self

from domain.accounts import AccountId
from domain.ledger import WalletId

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

    @classmethod
    def parse(cls, text: str) -> Self:
        """`invoice:in_1`, as it is printed. Raises ValueError."""
        kind, _, id = text.partition(":")
        if not re.fullmatch(r"[A-Za-z0-9_]{1,255}", id):
            raise ValueError("a purchase is invoice:in_… or checkout:cs_…")
        return cls(PurchaseKind(kind), id)


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


class PurchaseState(StrEnum):
    """What its payer is shown."""

    PENDING = "pending"  # a bank still decides
    PAID = "paid"
    DISPUTED = "disputed"
    PARTLY_REVERSED = "partly_reversed"
    REVERSED = "reversed"


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

    @property
    def state(self) -> PurchaseState:
        if not self.is_settled:
            return PurchaseState.PENDING
        if self.has_open_dispute:
            return PurchaseState.DISPUTED
        if not self.reversed_money:
            return PurchaseState.PAID
        return PurchaseState.REVERSED if self.reversed_money == self.paid else PurchaseState.PARTLY_REVERSED


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


ENDED = frozenset({SubscriptionState.CANCELED, SubscriptionState.INCOMPLETE_EXPIRED})
"""For good: another one has to be bought."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """A subscription as the provider tells it now. `cancel_at`: when it ends, if it was told to. `pay_url`: where a payment waits
    for its payer. `collects` is False while collection is paused. `newest`: what it last asked money for."""

    id: SubscriptionId
    customer: CustomerId
    plan: str | None
    state: SubscriptionState
    period_start: datetime | None
    period_end: datetime | None
    cancel_at: datetime | None = None
    pay_url: str | None = None
    collects: bool = True
    newest: PurchaseRef | None = None

    @property
    def needs_payment(self) -> bool:
        return self.state in (SubscriptionState.INCOMPLETE, SubscriptionState.PAST_DUE, SubscriptionState.UNPAID)


@dataclass(frozen=True, slots=True)
class Hint:
    """All that is kept of an event: that something happened to an object of theirs, which is then looked at. Never its body."""

    id: str
    type: str
    created: datetime
    object_kind: str
    object_id: str


HINT_KEPT = timedelta(days=30)
"""As long as the provider tells of it."""
FIRST_WAIT, LONGEST_WAIT = timedelta(minutes=1), timedelta(hours=6)
"""Before a hint that failed is followed again: twice as long each time."""


@dataclass(slots=True)
class WaitingHint:
    """A hint that is to be followed; `resume_at`: not before, and not by two at once. `error`: code of what went wrong last."""

    hint: Hint
    resume_at: datetime
    attempts: int = 0
    error: str | None = None
    handled_at: datetime | None = None

    def begin(self, now: datetime) -> None:
        """Before it is followed. If nothing is heard of this attempt, the next one is due after the wait."""
        self.resume_at = now + wait_before(self.attempts)
        self.attempts += 1


def wait_before(attempts: int) -> timedelta:
    """How long to wait before the next attempt, after so many."""
    return min(FIRST_WAIT * (1 << min(attempts, 20)), LONGEST_WAIT)


@dataclass(frozen=True, slots=True)
class Payer:
    """Whose purchases a customer's are: credits bought are live ones."""

    account_id: AccountId
    wallet_id: WalletId


@dataclass(frozen=True, slots=True)
class KnownPurchase:
    """What is kept of a purchase: the reading with the ticket `applied_ticket`, and nothing while that is 0. `ticket` is the last
    one given out. `reversed` is money, as `paid` is."""

    ref: PurchaseRef
    ticket: int
    applied_ticket: int = 0
    wallet_id: WalletId | None = None
    paid: int = 0
    reversed: int = 0
    currency: str | None = None
    state: PurchaseState | None = None
    receipt_url: str | None = None
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class KnownSubscription:
    """The same of a subscription. `entitled_plan`, `paid_until`, `review_at`: what the reading came to; see Entitlement."""

    id: SubscriptionId
    ticket: int
    applied_ticket: int = 0
    account_id: AccountId | None = None
    plan: str | None = None
    state: SubscriptionState | None = None
    period_end: datetime | None = None
    cancel_at: datetime | None = None
    entitled_plan: str | None = None
    paid_until: datetime | None = None
    review_at: datetime | None = None
    pay_url: str | None = None

    @property
    def needs_payment(self) -> bool:
        """Whether its payer has to do something. Of an incomplete one a bank may be deciding."""
        return self.state in _UNPAID or self.pay_url is not None


def going_on(known: Sequence[KnownSubscription]) -> Sequence[KnownSubscription]:
    """Those that were begun and will be paid again, if nobody ends them. More than one is one too many."""
    return [each for each in known if each.state and each.state not in _NOT_BEGUN_OR_ENDED and not each.cancel_at]


_NOT_BEGUN_OR_ENDED = ENDED | {SubscriptionState.INCOMPLETE}
_UNPAID = frozenset({SubscriptionState.PAST_DUE, SubscriptionState.UNPAID, SubscriptionState.PAUSED})
