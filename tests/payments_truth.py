"""A payment provider whose truth tests move. It keeps those promises of the port that reading needs, tells of each move by hint,
and can be slow, or away, or asked by whoever dies meanwhile.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import count
from typing import Any, NoReturn, TypeVar

from application.payments import Page, PaymentRefused, Payments, PaymentsUnavailable, Touched
from domain.accounts import AccountId
from domain.billing import (
    CustomerId,
    Hint,
    PaidLine,
    Purchase,
    PurchaseKind,
    PurchaseRef,
    Subscription,
    SubscriptionId,
    SubscriptionState,
)
from domain.catalogue import Catalogue
from tests.mortal import Breath

PERIOD = timedelta(days=30)
T = TypeVar("T")


async def at_once() -> None:
    pass


@dataclass(slots=True)
class Truth(Payments):
    """`now` is the provider's clock. `slowly` is awaited after each reading and before its answer. `named` is part of each id."""

    now: datetime
    named: str = ""
    breath: Breath = field(default_factory=Breath)
    down: bool = False
    slowly: Callable[[], Awaitable[None]] = at_once
    owners: dict[CustomerId, AccountId] = field(default_factory=dict)
    purchases: dict[PurchaseRef, Purchase] = field(default_factory=dict)
    subscriptions: dict[SubscriptionId, Subscription] = field(default_factory=dict)
    happened: list[Hint] = field(default_factory=list)
    lost: set[str] = field(default_factory=set)
    """Ids of hints that were never delivered."""
    numbers: "count[int]" = field(default_factory=lambda: count(1))
    unrefundable: set[PurchaseRef] = field(default_factory=set)
    keys: dict[str, tuple[PurchaseRef, int]] = field(default_factory=dict)

    # What tests do

    def customer(self, account: AccountId) -> CustomerId:
        customer = CustomerId(f"cus_{self.named}{len(self.owners) + 1}")
        self.owners[customer] = account
        return customer

    def sell(self, customer: CustomerId, *products: tuple[str, int], **more: Any) -> PurchaseRef:
        """A paid invoice of these products at these amounts."""
        ref = PurchaseRef(PurchaseKind.INVOICE, f"in_{self.named}{next(self.numbers)}")
        ends = more.pop("period_end", self.now + PERIOD)
        lines = tuple(PaidLine(f"il_{n}", product, 1, gross, gross, ends) for n, (product, gross) in enumerate(products, 1))
        paid = more.pop("paid", sum(gross for _, gross in products))
        told = {"currency": "usd", "paid": paid, "is_settled": True, "lines": lines, "at": self.now, "subscription": None}
        self.purchases[ref] = Purchase(ref, customer, **{**told, **more})
        self._hint("invoice.paid", ref.id)
        return ref

    def change_purchase(self, ref: PurchaseRef, **changes: Any) -> None:
        self.purchases[ref] = replace(self.purchases[ref], **changes)
        self._hint("charge.changed", ref.id)

    def give_back(self, ref: PurchaseRef, amount: int) -> None:
        self.change_purchase(ref, refunded=self.purchases[ref].refunded + amount)

    def dispute(self, ref: PurchaseRef, amount: int) -> None:
        self.change_purchase(ref, withdrawn=amount, has_open_dispute=True)

    def close_dispute(self, ref: PurchaseRef, *, won: bool) -> None:
        self.change_purchase(ref, withdrawn=0 if won else self.purchases[ref].withdrawn, has_open_dispute=False)

    def subscribe(self, customer: CustomerId, plan: str | None) -> SubscriptionId:
        id, now = SubscriptionId(f"sub_{self.named}{len(self.subscriptions) + 1}"), self.now
        self.subscriptions[id] = Subscription(id, customer, plan, SubscriptionState.ACTIVE, now, now + PERIOD)
        self._hint("customer.subscription.created", id)
        return id

    def change_subscription(self, id: SubscriptionId, **changes: Any) -> None:
        self.subscriptions[id] = replace(self.subscriptions[id], **changes)
        self._hint("customer.subscription.updated", id)

    def _hint(self, type: str, about: str) -> None:
        number = len(self.happened) + 1
        self.happened.append(Hint(f"evt_{self.named}{number}", type, self.now, type.split(".")[0], about))

    # The port

    async def owner(self, customer: CustomerId) -> AccountId | None:
        return await self._told(self.owners.get(customer))

    async def purchase(self, ref: PurchaseRef) -> Purchase | None:
        return await self._told(self.purchases.get(ref))

    async def subscription(self, subscription: SubscriptionId) -> Subscription | None:
        return await self._told(self.subscriptions.get(subscription))

    async def touched(self, hint: Hint) -> Touched:
        invoice, subscription = PurchaseRef(PurchaseKind.INVOICE, hint.object_id), SubscriptionId(hint.object_id)
        known = (invoice,) if invoice in self.purchases else ()
        return await self._told(Touched(known, (subscription,) if subscription in self.subscriptions else ()))

    async def _told(self, answer: T) -> T:
        await self.breath.draw()
        if self.down:
            raise PaymentsUnavailable
        await self.slowly()
        return answer

    async def refund(self, purchase: PurchaseRef, amount: int, *, key: str) -> None:
        await self._told(None)
        told = self.purchases[purchase]
        if purchase in self.unrefundable:
            raise PaymentRefused("charge_disputed", "the bank has it")
        if key not in self.keys and amount > told.paid - told.reversed_money:
            raise PaymentRefused("amount_too_large", "there is not so much left of what was paid")
        assert self.keys.setdefault(key, (purchase, amount)) == (purchase, amount), "a key said two things"
        if len(self.keys) > sum(hint.type == "refund.created" for hint in self.happened):
            self.purchases[purchase] = replace(self.purchases[purchase], refunded=self.purchases[purchase].refunded + amount)
            self._hint("refund.created", purchase.id)
        await self.breath.draw()

    async def hints(self, since: datetime, *, undelivered: bool = False) -> AsyncIterator[Hint]:
        for hint in reversed(self.happened):
            if hint.created >= since and (not undelivered or hint.id in self.lost):
                yield hint

    async def paid(self, since: datetime) -> AsyncIterator[Purchase]:
        for purchase in list(self.purchases.values()):
            if purchase.at >= since:
                yield await self._told(self.purchases[purchase.ref])

    # What nobody asks of it here

    async def add_customer(self, account: AccountId, email: str) -> CustomerId:
        raise NotImplementedError

    async def check_out(self, customer: CustomerId, product: str, success_url: str, cancel_url: str, *, key: str) -> Page:
        raise NotImplementedError

    async def portal(self, customer: CustomerId, return_url: str) -> Page:
        raise NotImplementedError

    async def change(self, subscription: SubscriptionId, plan: str, *, upwards: bool, key: str) -> Subscription:
        raise NotImplementedError

    async def cancel(self, subscription: SubscriptionId, *, at_once: bool, key: str) -> Subscription:
        raise NotImplementedError

    async def resume(self, subscription: SubscriptionId, *, key: str) -> Subscription:
        raise NotImplementedError

    async def top_up(self, customer: CustomerId, pack: str, *, key: str, most: int | None = None) -> PurchaseRef:
        raise NotImplementedError

    async def topped_up(self, customer: CustomerId, *, key: str) -> PurchaseRef | None:
        raise NotImplementedError

    def read_hint(self, body: bytes, signature: str | None, now: datetime) -> NoReturn:
        raise NotImplementedError

    async def offer(self, catalogue: Catalogue) -> Sequence[str]:
        raise NotImplementedError

    async def examine(self) -> str | None:
        raise NotImplementedError
