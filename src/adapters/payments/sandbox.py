"""The embedded default, where no provider is set up: whoever buys something says how their card behaves, on a page of our own.

It keeps the promises of a real one, so what works with it works there. No money moves, and no number of a card is asked for.
"""

import asyncio
import secrets as chance
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol, TypeVar

from adapters.payments.hints import read_hint, write_hint
from adapters.payments.sandbox_file import StateFile
from adapters.payments.sandbox_processor import MISSING, PAGE_LIVES, Processor
from adapters.payments.sandbox_reading import CHECKOUT, PORTAL, Reading
from adapters.payments.sandbox_state import Answer, Checkout, Portal
from application.payments import PRICED_HIGHER, Page, PaymentDeclined, PaymentRefused, Payments, PaymentsUnavailable, Touched
from domain.accounts import AccountId
from domain.billing import CustomerId, Hint, Purchase, PurchaseKind, PurchaseRef, Subscription, SubscriptionId
from domain.catalogue import Catalogue, Pack, Plan
from domain.redirects import is_ours

_T = TypeVar("_T")
_Product = TypeVar("_Product", bound=Plan | Pack)


class Deliver(Protocol):
    """Whoever brings a hint to our webhook."""

    async def __call__(self, body: bytes, signature: str) -> bool:
        """Whether it was taken; never an exception."""


@dataclass(frozen=True, slots=True)
class SandboxPayments(Payments):
    """`path`: of the file that all processes share. What is sold is the catalogue. `url`: where the service is found, without a
    slash at its end. `secrets`: the first signs, each proves. `clock`: now, in UTC.

    Time does nothing by itself here: what is due happens at the next write, or when it is told to `advance`.
    """

    path: Path
    catalogue: Catalogue
    url: str
    secrets: Sequence[str] = field(repr=False)
    clock: Callable[[], datetime]
    new_id: Callable[[], str] = lambda: chance.token_hex(12)
    origins: Sequence[str] = ()
    """Of other pages that are ours."""

    # What a customer wants

    async def add_customer(self, account: AccountId, email: str) -> CustomerId:
        """The address is not kept: nobody is written to."""

        return CustomerId(await self.act(lambda here: here.add_customer(account).id))

    async def owner(self, customer: CustomerId) -> AccountId | None:
        known = (await self.reading()).state.customers.get(customer)
        return AccountId(known.account) if known else None

    async def check_out(self, customer: CustomerId, product: str, success_url: str, cancel_url: str, *, key: str) -> Page:
        """Raises PaymentRefused for an address that is not ours, too."""
        sold = _sold(self.catalogue.for_sale, product)
        self._must_be_ours(success_url)
        self._must_be_ours(cancel_url)

        def act(here: Processor) -> str:
            here.customer(customer)
            id, until = f"cs_{self.new_id()}", here.now + PAGE_LIVES
            offer = (sold.id, sold.price, sold.currency, isinstance(sold, Plan))
            here.state.checkouts[id] = Checkout(id, customer, *offer, success_url, cancel_url, until)
            return id

        id = await self._once("check out", key, (customer, product, success_url, cancel_url), act)
        return Page(f"{self.url}{CHECKOUT}/{id}", id)

    async def portal(self, customer: CustomerId, return_url: str) -> Page:
        """Raises PaymentRefused for an address that is not ours, too."""
        self._must_be_ours(return_url)

        def act(here: Processor) -> str:
            here.customer(customer)
            id = f"bps_{self.new_id()}"
            here.state.portals[id] = Portal(id, customer, return_url, here.now + PAGE_LIVES)
            return id

        id = await self.act(act)
        return Page(f"{self.url}{PORTAL}/{id}", id)

    async def change(self, subscription: SubscriptionId, plan: str, *, upwards: bool, key: str) -> Subscription:
        sold = _sold(self.catalogue.plans, plan)

        def act(here: Processor) -> str:
            here.change(here.subscribed(subscription), sold, upwards=upwards)
            return subscription

        await self._once("change", key, (subscription, plan, str(upwards)), act)
        return await self._as_it_is(subscription)

    async def cancel(self, subscription: SubscriptionId, *, at_once: bool, key: str) -> Subscription:
        def act(here: Processor) -> str:
            here.cancel(here.subscribed(subscription), at_once=at_once)
            return subscription

        await self._once("cancel", key, (subscription, str(at_once)), act)
        return await self._as_it_is(subscription)

    async def resume(self, subscription: SubscriptionId, *, key: str) -> Subscription:
        def act(here: Processor) -> str:
            here.resume(here.subscribed(subscription))
            return subscription

        await self._once("resume", key, (subscription,), act)
        return await self._as_it_is(subscription)

    async def top_up(self, customer: CustomerId, pack: str, *, key: str, most: int | None = None) -> PurchaseRef:
        sold = _sold(self.catalogue.packs, pack)
        if most is not None and sold.price > most:
            raise PaymentRefused(PRICED_HIGHER, f"{pack} is dearer than it was to be")

        def act(here: Processor) -> str:
            return here.top_up(here.customer(customer).id, sold).id

        return PurchaseRef(PurchaseKind.INVOICE, await self._once("top up", key, (customer, pack), act))

    async def topped_up(self, customer: CustomerId, *, key: str) -> PurchaseRef | None:
        """Here nothing waits to be paid."""
        answer = (await self.reading()).state.answers.get(f"top up:{key}")
        return PurchaseRef(PurchaseKind.INVOICE, answer.id) if answer and not answer.declined else None

    async def refund(self, purchase: PurchaseRef, amount: int, *, key: str) -> None:
        def act(here: Processor) -> str:
            return here.refund(here.payment(purchase), amount).id

        await self._once("refund", key, (str(purchase), str(amount)), act)

    # The truth

    async def purchase(self, ref: PurchaseRef) -> Purchase | None:
        return (await self.reading()).purchase(ref)

    async def subscription(self, subscription: SubscriptionId) -> Subscription | None:
        return (await self.reading()).subscription(subscription)

    async def touched(self, hint: Hint) -> Touched:
        return (await self.reading()).touched(hint)

    async def hints(self, since: datetime, *, undelivered: bool = False) -> AsyncIterator[Hint]:
        for event in reversed((await self.reading()).state.events):
            if event.created >= since and not (undelivered and event.delivered):
                yield event.hint

    async def paid(self, since: datetime) -> AsyncIterator[Purchase]:
        for purchase in (await self.reading()).paid(since):
            yield purchase

    def read_hint(self, body: bytes, signature: str | None, now: datetime) -> Hint:
        return read_hint(body, signature, now, self.secrets)

    # The operator

    async def examine(self) -> str | None:
        try:
            await self.reading()
        except PaymentsUnavailable as error:
            return str(error)
        return None

    async def offer(self, catalogue: Catalogue) -> Sequence[str]:
        """Nothing is to be done: what is sold here is the catalogue itself."""
        return ()

    # What happens here

    async def advance(self) -> None:
        """All that is due by now happens."""
        await self.act(lambda here: None)

    async def deliver(self, post: Deliver) -> int:
        """Bring what the webhook has not taken yet, the oldest first, after all that is due has happened; how much it took.
        Whoever does not take one is not asked to take the next. Killed before the end, it brings some twice."""
        await self.advance()
        taken = list[str]()
        for event in (await self.reading()).state.events:
            if not event.delivered:
                if not await post(*self.sign(event.hint, self.clock())):
                    break
                taken.append(event.id)

        def mark(here: Processor) -> None:
            for event in here.state.events:
                event.delivered = event.delivered or event.id in taken

        if taken:
            await self.act(mark)
        return len(taken)

    def sign(self, hint: Hint, at: datetime) -> tuple[bytes, str]:
        """The body and the signature of a delivery."""
        return write_hint(hint, at, self.secrets[0])

    async def act(self, act: Callable[[Processor], _T]) -> _T:
        """One act on the state, by one at a time: kept as a whole, or not at all if it raises."""
        return await asyncio.to_thread(self._act, act)

    async def reading(self) -> Reading:
        """The state as it stands; changing it changes nothing."""
        return Reading(await asyncio.to_thread(StateFile(self.path).read), self.url)

    # Inside

    async def _once(self, verb: str, key: str, said: tuple[str, ...], act: Callable[[Processor], str]) -> str:
        """The id that came of this act, or of the one with the same key before. A decline is remembered too: whoever heard it may
        have given up. Raises PaymentDeclined, PaymentRefused."""

        def once(here: Processor) -> Answer:
            known = here.state.answers.get(f"{verb}:{key}")
            if known is None:
                try:
                    known = Answer(said, act(here))
                except PaymentDeclined as declined:
                    known = Answer(said, declined=declined.code)
                here.state.answers[f"{verb}:{key}"] = known
            return known

        answer = await self.act(once)
        if answer.said != said:
            raise PaymentRefused("idempotency_error", "the key was used for something else")
        if answer.declined:
            raise PaymentDeclined(answer.declined)
        return answer.id

    def _act(self, act: Callable[[Processor], _T]) -> _T:
        with StateFile(self.path).change() as state:
            here = Processor(state, self.clock().replace(microsecond=0), self.new_id)
            here.advance()
            return act(here)

    async def _as_it_is(self, subscription: SubscriptionId) -> Subscription:
        known = await self.subscription(subscription)
        assert known, "it has just been found"
        return known

    def _must_be_ours(self, address: str) -> None:
        """A page that sends people to any address would be of use to others."""
        if not is_ours(address, self.url, *self.origins):
            raise PaymentRefused("foreign_url", f"the address is neither a path nor below {self.url}")


def _sold(on_offer: Mapping[str, _Product], id: str) -> _Product:
    sold = on_offer.get(id)
    if sold is None or not sold.price or not sold.sold:
        raise PaymentRefused(MISSING, "nothing of this name is for sale")
    return sold
