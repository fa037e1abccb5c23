"""What of Stripe's answers is read, and no more: addresses, names and cards are never even looked at.

Amounts are in the smallest unit of their currency, times Unix seconds. An id stands where Stripe was not asked to expand it.
"""

from collections.abc import Mapping
from typing import Generic, TypeVar

import msgspec

CATALOGUE_ID = "catalogue_id"
"""The key in our metadata at Stripe, of products and prices."""
ACCOUNT_ID = "account_id"
"""The same, of customers."""
MARK = "mark"
"""The same, of what a write made: by which key it was asked for."""


class Named(msgspec.Struct, frozen=True):
    id: str


_Member = TypeVar("_Member")


class Listed(msgspec.Struct, Generic[_Member], frozen=True):
    data: list[_Member]
    has_more: bool = False


class Tagged(Named, frozen=True, kw_only=True):
    metadata: Mapping[str, str] | None = None

    def tag(self, name: str) -> str | None:
        return (self.metadata or {}).get(name)


class Customer(Tagged, frozen=True):
    created: int = 0
    invoice_settings: "CustomerSettings | None" = None


class CustomerSettings(msgspec.Struct, frozen=True):
    default_payment_method: str | None = None


class Product(Tagged, frozen=True):
    name: str
    active: bool


class Recurring(msgspec.Struct, frozen=True):
    interval: str
    interval_count: int


class Price(Tagged, frozen=True):
    active: bool
    currency: str
    product: str
    unit_amount: int | None = None
    lookup_key: str | None = None
    recurring: Recurring | None = None
    tax_behavior: str | None = None

    @property
    def sold(self) -> str | None:
        """What it is the price of, by the catalogue's id. A retired price has lost its lookup key, and its subscribers not."""
        return self.lookup_key or self.tag(CATALOGUE_ID)


class Charge(Named, frozen=True):
    payment_intent: str | None = None
    receipt_url: str | None = None


class Intent(Named, frozen=True):
    status: str
    latest_charge: Charge | str | None = None


class Paying(msgspec.Struct, frozen=True):
    payment_intent: str | None = None
    charge: str | None = None


class InvoicePayment(Named, frozen=True):
    """`amount_paid` is None as long as it is not paid."""

    payment: Paying
    invoice: "Invoice | str"
    status: str
    amount_paid: int | None = None


class Less(msgspec.Struct, frozen=True):
    amount: int


class Period(msgspec.Struct, frozen=True):
    end: int


class PriceDetails(msgspec.Struct, frozen=True):
    price: str


class Pricing(msgspec.Struct, frozen=True):
    price_details: PriceDetails | None = None


class InvoiceLine(Named, frozen=True):
    """`amount` is before discounts and tax."""

    amount: int
    period: Period
    quantity: int | None = None
    pricing: Pricing | None = None
    discount_amounts: list[Less] | None = None

    @property
    def price(self) -> str | None:
        return self.pricing.price_details.price if self.pricing and self.pricing.price_details else None


class OfSubscription(msgspec.Struct, frozen=True):
    subscription: str


class Parent(msgspec.Struct, frozen=True):
    subscription_details: OfSubscription | None = None


class Transitions(msgspec.Struct, frozen=True):
    paid_at: int | None = None


class Invoice(Tagged, frozen=True):
    created: int
    currency: str
    amount_paid: int
    lines: Listed[InvoiceLine]
    status: str | None = None
    customer: str | None = None
    hosted_invoice_url: str | None = None
    parent: Parent | None = None
    payments: Listed[InvoicePayment] | None = None
    status_transitions: Transitions = Transitions()

    @property
    def subscription(self) -> str | None:
        return self.parent.subscription_details.subscription if self.parent and self.parent.subscription_details else None


class SessionLine(Named, frozen=True):
    amount_subtotal: int
    amount_discount: int
    quantity: int | None = None
    price: Price | None = None


class Session(Named, frozen=True):
    mode: str
    created: int
    payment_status: str
    status: str | None = None
    currency: str | None = None
    customer: str | None = None
    amount_total: int | None = None
    payment_intent: Intent | str | None = None
    subscription: str | None = None
    invoice: str | None = None
    url: str | None = None


class Refund(Tagged, frozen=True):
    amount: int
    status: str | None = None
    charge: str | None = None
    payment_intent: str | None = None

    @property
    def stands(self) -> bool:
        return self.status not in ("failed", "canceled")


class Moved(msgspec.Struct, frozen=True):
    """Money that a dispute took (below 0) or gave back, in the currency of our account at Stripe."""

    amount: int
    currency: str


class Dispute(Named, frozen=True):
    amount: int
    currency: str
    status: str
    balance_transactions: list[Moved]
    payment_intent: str | None = None


class SubscriptionItem(Named, frozen=True):
    price: Price
    current_period_start: int
    current_period_end: int


class Pause(msgspec.Struct, frozen=True):
    behavior: str


class Subscribed(Named, frozen=True):
    customer: str
    status: str
    items: Listed[SubscriptionItem]
    cancel_at: int | None = None
    pause_collection: Pause | None = None
    latest_invoice: Invoice | str | None = None


class Configuration(Tagged, frozen=True):
    """`features`: of a portal."""

    features: Mapping[str, Mapping[str, object]]


class PortalPage(Named, frozen=True):
    url: str
