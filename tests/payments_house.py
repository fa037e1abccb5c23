"""A taker of money as the tests see it: the port, and around it customers at their pages, banks, time, and a webhook.

The tests of the port know no more than a `House`; `StripeHouse` is the one of the pretended Stripe.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol
from uuid import UUID

from adapters.payments.stripe_payments import StripePayments
from application.payments import Page, Payments, Touched
from domain.accounts import AccountId
from domain.billing import CustomerId, Hint, Purchase, PurchaseRef, Subscription
from domain.catalogue import Pack, Plan
from tests.offer import CATALOGUE
from tests.stripe_delivery import signed
from tests.stripe_process import StripeProcess

SECRET = "whsec_of_the_tests"
URL = "https://shop.example/back"
ACCOUNT = AccountId(UUID(int=7))
DAY = 86_400


class House(Protocol):
    """Cards are those of tests/stripe_money.py: good, declined, authenticate (a person confirms), debit (a bank takes days)."""

    @property
    def payments(self) -> Payments: ...

    @property
    def now(self) -> datetime: ...

    def pays(self, page: Page, card: str = "good", code: str | None = None) -> None:
        """The customer pays there; `code` is a promotion code."""

    def new_card(self, customer: CustomerId, card: str) -> None:
        """Every payment that nobody is present for takes it from now on."""

    def later(self, days: float) -> None: ...

    def bank_answers(self, ref: PurchaseRef, *, ok: bool) -> None:
        """To the debit of a checkout."""

    def refunds_at_the_desk(self, ref: PurchaseRef, amount: int, status: str = "succeeded") -> str:
        """An operator does, without us; the refund's id."""

    def refund_ends(self, refund: str, status: str) -> None: ...

    def disputes(self, ref: PurchaseRef) -> str:
        """The bank takes the money; the dispute's id."""

    def wins(self, dispute: str, *, reinstated: bool = True) -> None: ...

    def promotion(self, percent: int) -> str:
        """A code to type in."""

    def delivered(self) -> Sequence[tuple[bytes, str]]:
        """What the webhook was sent, the oldest first: bodies and signatures."""


@dataclass(frozen=True, slots=True)
class StripeHouse(House):
    taker: StripePayments
    stripe: StripeProcess

    @property
    def payments(self) -> StripePayments:
        return self.taker

    @property
    def now(self) -> datetime:
        return datetime.fromtimestamp(self.stripe.do("now"), UTC)

    def pays(self, page: Page, card: str = "good", code: str | None = None) -> None:
        self.stripe.do("pay", session=page.id, card=card, code=code)

    def new_card(self, customer: CustomerId, card: str) -> None:
        self.stripe.do("new_card", customer=customer, card=card)

    def later(self, days: float) -> None:
        self.stripe.do("advance", seconds=int(days * DAY))

    def bank_answers(self, ref: PurchaseRef, *, ok: bool) -> None:
        self.stripe.do("settle", intent=self._intent(ref), ok=ok)

    def refunds_at_the_desk(self, ref: PurchaseRef, amount: int, status: str = "succeeded") -> str:
        return str(self.stripe.do("refund", charge=self.charge(ref), amount=amount, status=status)["id"])

    def refund_ends(self, refund: str, status: str) -> None:
        self.stripe.do("end_refund", refund=refund, status=status)

    def disputes(self, ref: PurchaseRef) -> str:
        return str(self.stripe.do("dispute", charge=self.charge(ref))["id"])

    def wins(self, dispute: str, *, reinstated: bool = True) -> None:
        self.stripe.do("close_dispute", dispute=dispute, status="won")
        if reinstated:
            self.stripe.do("reinstate", dispute=dispute)

    def promotion(self, percent: int) -> str:
        coupon = self.ask("post", "/v1/coupons", percent_off=percent)["id"]
        promotion = {"type": "coupon", "coupon": coupon}
        return str(self.ask("post", "/v1/promotion_codes", promotion=promotion, code=f"CODE-{coupon}")["code"])

    def delivered(self) -> Sequence[tuple[bytes, str]]:
        return [signed(event, SECRET, at=event["created"]) for event in self.stripe.events()]

    def stock(self) -> None:
        """The catalogue's prices, as somebody makes them at the dashboard."""
        sold: list[Plan | Pack] = [*CATALOGUE.plans.values(), *CATALOGUE.packs.values()]
        for each in sold:
            if each.price:
                every = {"recurring": {"interval": "month"}} if isinstance(each, Plan) else {}
                named = {"lookup_key": each.id, "unit_amount": each.price, "currency": each.currency}
                self.ask("post", "/v1/prices", **named, product_data={"name": each.name}, **every)

    def ask(self, verb: str, path: str, **params: Any) -> Any:
        """Whatever a person at the dashboard has done."""
        return self.stripe.do("ask", verb=verb, path=path, params=params)

    def charge(self, ref: PurchaseRef) -> str:
        return str(self.ask("get", f"/v1/payment_intents/{self._intent(ref)}")["latest_charge"])

    def _intent(self, ref: PurchaseRef) -> str:
        if ref.kind == "checkout":
            return str(self.ask("get", f"/v1/checkout/sessions/{ref.id}")["payment_intent"])
        payments = self.ask("get", f"/v1/invoices/{ref.id}", expand=["payments"])["payments"]["data"]
        return str(payments[-1]["payment"]["payment_intent"])


async def hints(house: House) -> list[Hint]:
    """All that was delivered, as the port reads it, the oldest first."""
    return [house.payments.read_hint(body, signature, sent(signature)) for body, signature in house.delivered()]


def sent(signature: str) -> datetime:
    """When it was signed."""
    return datetime.fromtimestamp(int(signature.split(",")[0].removeprefix("t=")), UTC)


async def touched(house: House) -> Touched:
    """What all that was delivered is about, each once. Whatever was told of twice is asked about once."""
    about = {(hint.object_kind, hint.object_id): hint for hint in await hints(house)}
    found = [await house.payments.touched(hint) for hint in about.values()]
    purchases = dict.fromkeys(ref for each in found for ref in each.purchases)
    subscriptions = dict.fromkeys(id for each in found for id in each.subscriptions)
    return Touched(tuple(purchases), tuple(subscriptions))


async def bought(house: House) -> list[Purchase]:
    """What converging on every hint finds, the oldest first; nothing else is asked."""
    found = [await house.payments.purchase(ref) for ref in (await touched(house)).purchases]
    return sorted((each for each in found if each), key=lambda each: each.at)


async def subscriptions(house: House) -> list[Subscription]:
    """The same of subscriptions."""
    found = [await house.payments.subscription(id) for id in (await touched(house)).subscriptions]
    return [each for each in found if each]


async def buy(house: House, customer: CustomerId, product: str, card: str = "good") -> PurchaseRef:
    """A purchase, and nothing else before it."""
    house.pays(await house.payments.check_out(customer, product, URL, URL, key=f"buy {product}"), card)
    (purchase,) = await bought(house)
    return purchase.ref


async def subscribe(house: House, customer: CustomerId, plan: str) -> Subscription:
    await buy(house, customer, plan)
    (subscription,) = await subscriptions(house)
    return subscription


async def paid(house: House) -> list[tuple[str | None, int]]:
    """Product and money of what has been paid, the oldest first."""
    return [(each.lines[0].product, each.paid) for each in await bought(house) if each.is_settled]
