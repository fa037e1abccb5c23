"""What a timeline of the pretended Stripe is made of: a stocked account, the acts in short words, and what must come of them.

A timeline is a function of a `Stage`; its name is its name. `timeline(...)` says beforehand, by hand, which money it brings in
and which of that goes back: that is the oracle, and nothing here computes it.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from tests import stripe_acts as acts
from tests.stripe_api import ask
from tests.stripe_shapes import Obj
from tests.stripe_world import World

DAY = 86_400
PRICES = {
    "starter": (900, "month"),
    "pro": (2900, "month"),
    "starter_year": (9000, "year"),
    "pack": (1000, None),
    "big_pack": (5000, None),
}
"""By lookup key: cents and interval."""


@dataclass(frozen=True, slots=True)
class Purchase:
    """One payment of a customer: an invoice that is paid, or a session of single prices without an invoice. `lines`: the lookup
    key of each line and its amount after discounts and before tax; `paid`: money that came in for it, tax included, without what
    a credit balance paid; `reversed`: the part of that which refunds and disputes took back. In the smallest unit of money."""

    lines: tuple[tuple[str, int], ...]
    paid: int
    reversed: int = 0


def bought(*lines: tuple[str, int], paid: int | None = None, reversed: int = 0) -> Purchase:
    return Purchase(lines, sum(amount for _, amount in lines) if paid is None else paid, reversed)


@dataclass(frozen=True, slots=True)
class Timeline:
    name: str
    act: Callable[["Stage"], object]
    purchases: tuple[Purchase, ...]

    def as_data(self) -> dict[str, Any]:
        return {"name": self.name, "purchases": [asdict(each) for each in self.purchases]}


def timeline(*purchases: Purchase) -> Callable[[Callable[["Stage"], object]], Timeline]:
    """What a function makes of the account must come to these purchases."""
    return lambda act: Timeline(act.__name__.replace("_", " "), act, purchases)


@dataclass(slots=True)
class Stage:
    """An account with one customer and the prices above. Methods answer ids, unless they say otherwise."""

    world: World
    customer: str = ""

    def __post_init__(self) -> None:
        if not self.world.all("product"):
            product = self.ask("post", "/v1/products", name="Credits")["id"]
            for key, (amount, interval) in PRICES.items():
                recurring = {"recurring": {"interval": interval}} if interval else {}
                named = {"lookup_key": key, "unit_amount": amount, "currency": "usd", "product": product}
                self.ask("post", "/v1/prices", **named, **recurring)
        self.customer = self.ask("post", "/v1/customers", email="ada@mail.example")["id"]

    def ask(self, verb: str, path: str, **params: Any) -> Any:
        """The answer of an operation."""
        answer = ask(self.world, verb, path, params)
        self.world.rest()
        return answer

    def price(self, key: str) -> str:
        return str(next(one["id"] for one in self.world.all("price", lookup_key=key)))

    def session(self, *keys: str, quantity: int = 1, **params: Any) -> str:
        """An open session for these prices."""
        mode = "subscription" if any(PRICES[key][1] for key in keys) else "payment"
        items = [{"price": self.price(key), "quantity": quantity} for key in keys]
        common = {"mode": mode, "line_items": items, "success_url": "https://shop.example/done", "customer": self.customer}
        return str(self.ask("post", "/v1/checkout/sessions", **common, **params)["id"])

    def pay(self, session: str, card: str = "good", **given: Any) -> Obj:
        """The session."""
        paid = acts.pay(self.world, session, card, **given)
        self.world.rest()
        return paid

    def subscribe(self, *keys: str, card: str = "good", **params: Any) -> str:
        """The subscription; with another card than the good one, the session is answered by `pay`."""
        return str(self.pay(self.session(*keys, **params), card)["subscription"])

    def buy(self, *keys: str, **params: Any) -> str:
        """The charge of a payment that succeeds at once."""
        paid = self.pay(self.session(*keys, **params))
        return str(self.world.objects[paid["payment_intent"]]["latest_charge"])

    def act(self, name: str, *given: Any, **more: Any) -> Obj:
        """Any of stripe_acts.ACTS; the object it was about."""
        about: Obj = acts.ACTS[name](self.world, *given, **more)
        self.world.rest()
        return about

    def days(self, days: float) -> None:
        acts.advance(self.world, int(days * DAY))

    def to_renewal(self, subscription: str, days: float = 1) -> Obj:
        """So many days past the end of the running period; the invoice of the next."""
        ends = self.world.objects[subscription]["items"]["data"][0]["current_period_end"]
        acts.advance(self.world, ends - self.world.now + int(days * DAY))
        return self.world.objects[self.world.objects[subscription]["latest_invoice"]]

    def to_middle(self, subscription: str) -> None:
        """The exact middle of the running period."""
        item = self.world.objects[subscription]["items"]["data"][0]
        acts.advance(self.world, (item["current_period_start"] + item["current_period_end"]) // 2 - self.world.now)

    def charge_of(self, subscription: str) -> str:
        """The charge of the newest invoice."""
        invoice = self.world.objects[self.world.objects[subscription]["latest_invoice"]]
        return str(self.world.objects[self.intent_of(invoice)]["latest_charge"])

    def intent_of(self, invoice: Obj) -> str:
        return str(invoice["payments"]["data"][-1]["payment"]["payment_intent"])

    def promotion(self, **coupon: Any) -> str:
        """The code that a customer types in."""
        made = self.ask("post", "/v1/coupons", **coupon)["id"]
        promotion = {"type": "coupon", "coupon": made}
        return str(self.ask("post", "/v1/promotion_codes", promotion=promotion, code=f"CODE-{made}")["code"])
