"""The shapes of money: what is for sale, what an account has, and what it paid. Amounts are in minor units of their currency."""

from typing import Annotated
from uuid import UUID

from msgspec import Meta, Struct

from domain.billing import PurchaseKind, PurchaseState, SubscriptionState
from entrypoints.http.pages import HOME
from entrypoints.http.shapes import Time

_Id = Annotated[str, Meta(min_length=1, max_length=32)]
_Address = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=2000,
        description="a path, or below this service or an origin in CORS_ORIGINS; printable ASCII without spaces",
    ),
]


class Plan(Struct, frozen=True):
    """By the month. `priority`: smaller is served first. `trial_credits` come once, at sign-up, and last for `trial_days`."""

    id: str
    name: str
    price: int
    currency: str
    credits: int
    priority: int
    open_generations: int
    trial_credits: int
    trial_days: int


class Pack(Struct, frozen=True):
    """Bought once."""

    id: str
    name: str
    price: int
    currency: str
    credits: int


class Plans(Struct, frozen=True):
    """`default_plan`: of every account without a subscription."""

    plans: list[Plan]
    packs: list[Pack]
    default_plan: str


class CheckoutBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Either a plan or a pack. The addresses: where the browser goes on, after it has paid and after it has not."""

    plan: _Id | None = None
    pack: _Id | None = None
    success_url: _Address = HOME
    cancel_url: _Address = HOME


class PortalBody(Struct, frozen=True, forbid_unknown_fields=True):
    return_url: _Address = HOME


class ChangeBody(Struct, frozen=True, forbid_unknown_fields=True):
    plan: _Id


class ProviderPage(Struct, frozen=True):
    """`url`: a page of the payment provider, for a browser."""

    url: str


class Subscription(Struct, frozen=True):
    """Null where there was never one. `cancel_at`: when it ends, if it was told to; else it renews at `current_period_end`.
    `pay_url`: where a payment waits. `entitled_plan`: that the account is served by now; `entitled_until`: until then at least,
    null: until something happens. `others`: how many more will be paid beside this one, which two checkouts paid at once make;
    the portal shows and cancels each."""

    plan: str | None
    state: SubscriptionState | None
    current_period_end: Time | None
    cancel_at: Time | None
    payment_needed: bool
    pay_url: str | None
    entitled_plan: str
    entitled_until: Time | None
    others: int


class Transaction(Struct, frozen=True):
    """A purchase. `reversed`: of `paid`, what went back or is disputed; `credits_reversed` went back with it."""

    id: UUID
    kind: PurchaseKind
    at: Time
    state: PurchaseState
    currency: str
    paid: int
    reversed: int
    credits_granted: int
    credits_reversed: int
    receipt_url: str | None


class Transactions(Struct, frozen=True):
    data: list[Transaction]
    next: str | None
