"""Stripe: asked for the truth, told what a customer wants, each thing once."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Self
from uuid import UUID, uuid4

import stripe

from adapters.payments.hints import Event, read_hint
from adapters.payments.stripe_answers import (
    ACCOUNT_ID,
    Customer,
    Invoice,
    Listed,
    Named,
    PortalPage,
    Session,
    Subscribed,
    SubscriptionItem,
)
from adapters.payments.stripe_line import CONNECT_SECONDS, MISSING, WHOLE_SECONDS, connected, found, once, pages, told
from adapters.payments.stripe_moves import Moves
from adapters.payments.stripe_offer import Offer, portal_configuration
from adapters.payments.stripe_prices import Prices
from adapters.payments.stripe_purchases import Purchases
from adapters.payments.stripe_touched import Touching
from application.payments import Page, PaymentRefused, Payments, PaymentsUnavailable, Touched
from domain.accounts import AccountId
from domain.billing import (
    ENDED,
    CustomerId,
    Hint,
    Purchase,
    PurchaseKind,
    PurchaseRef,
    Subscription,
    SubscriptionId,
    SubscriptionState,
)
from domain.catalogue import Catalogue

API = "https://api.stripe.com"
_AWAITS_PAYMENT = (
    SubscriptionState.INCOMPLETE,
    SubscriptionState.PAST_DUE,
    SubscriptionState.UNPAID,
    SubscriptionState.PAUSED,
)


@dataclass(frozen=True, slots=True)
class StripePayments(Payments):
    """`secrets`: of the webhook, any of which may sign. `automatic_tax`: Stripe reckons it, and asks where a customer lives.

    What leaves us is the account's opaque id, an e-mail address, ids of the catalogue, and addresses of ours.
    """

    client: stripe.StripeClient = field(repr=False)
    secrets: Sequence[str] = field(repr=False)
    automatic_tax: bool = False
    _prices: Prices = field(init=False, repr=False)
    _purchases: Purchases = field(init=False, repr=False)
    _moves: Moves = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if not all(secret.strip() for secret in self.secrets):
            raise ValueError("a webhook's secret is empty: anybody could sign with it")
        prices = Prices(self.client)
        purchases = Purchases(self.client, prices)
        object.__setattr__(self, "_prices", prices)
        object.__setattr__(self, "_purchases", purchases)
        object.__setattr__(self, "_moves", Moves(self.client, prices, purchases, self.automatic_tax))

    @classmethod
    @asynccontextmanager
    async def opened(
        cls,
        api_key: str,
        secrets: Sequence[str],
        *,
        automatic_tax: bool = False,
        base_url: str = API,
        seconds: tuple[float, float] = (CONNECT_SECONDS, WHOLE_SECONDS),
    ) -> AsyncIterator[Self]:
        """`seconds`: for a connection, and for a whole answer. Raises ValueError for an address that is not safe."""
        async with connected(api_key, base_url, seconds) as client:
            yield cls(client, tuple(secrets), automatic_tax)

    async def add_customer(self, account: AccountId, email: str) -> CustomerId:
        """Stripe forgets a key after a day, but finds the customer after a minute."""
        asked = self.client.v1.customers.search_async({"query": f'metadata["{ACCOUNT_ID}"]:"{account}"', "limit": 100})
        known = (await told(asked, Listed[Customer])).data
        if known:
            return CustomerId(min(known, key=lambda each: (each.created, each.id)).id)
        try:
            return await self._made_customer(account, email, "")
        except PaymentRefused as refused:
            if refused.code == "idempotency_error":
                raise PaymentsUnavailable("Stripe: the customer has just been made with another address") from None
            raise
        except PaymentsUnavailable as away:
            if not away.answered:
                raise
            # Under the same key it would fail for a day. Two customers do no harm: the first that is written down counts.
            return await self._made_customer(account, email, uuid4().hex)

    async def _made_customer(self, account: AccountId, email: str, again: str) -> CustomerId:
        wanted: stripe.params.CustomerCreateParams = {"email": email, "metadata": {ACCOUNT_ID: str(account)}}
        key = once("customer", account, again) if again else once("customer", account)
        return CustomerId((await told(self.client.v1.customers.create_async(wanted, key), Named)).id)

    async def owner(self, customer: CustomerId) -> AccountId | None:
        known = await found(self.client.v1.customers.retrieve_async(customer), Customer)
        written = known.tag(ACCOUNT_ID) if known else None
        try:
            return AccountId(UUID(written)) if written else None
        except ValueError:
            return None

    async def check_out(self, customer: CustomerId, product: str, success_url: str, cancel_url: str, *, key: str) -> Page:
        price = await self._prices.offered(product)
        params: stripe.params.checkout.SessionCreateParams = {
            "mode": "subscription" if price.recurring else "payment",
            "customer": customer,
            "line_items": [{"price": price.id, "quantity": 1}],
            "success_url": success_url,
            "cancel_url": cancel_url,
            "allow_promotion_codes": True,
        }
        if self.automatic_tax:
            params["automatic_tax"] = {"enabled": True}
            params["customer_update"] = {"address": "auto"}  # what the customer types in there stays there
        session = await told(self.client.v1.checkout.sessions.create_async(params, once(key, "check out")), Session)
        return Page(session.url or "", session.id)

    async def portal(self, customer: CustomerId, return_url: str) -> Page:
        """Each is a new page: an old one would have expired. Raises PaymentRefused before the first `offer`."""
        configuration = await portal_configuration(self.client)
        if configuration is None:
            raise PaymentRefused("no_portal", "the catalogue has not been offered at Stripe yet")
        asked = self.client.v1.billing_portal.sessions.create_async(
            {"customer": customer, "return_url": return_url, "configuration": configuration.id}
        )
        page = await told(asked, PortalPage)
        return Page(page.url, page.id)

    async def change(self, subscription: SubscriptionId, plan: str, *, upwards: bool, key: str) -> Subscription:
        price = await self._prices.offered(plan)
        item = _plan_item(await told(self.client.v1.subscriptions.retrieve_async(subscription), Subscribed))
        if item is None:
            raise PaymentRefused("no_plan", "the subscription is for none of our plans")
        if item.price.sold != plan:
            params: stripe.params.SubscriptionUpdateParams = {
                "items": [{"id": item.id, "price": price.id}],
                "proration_behavior": "none",
                "payment_behavior": "error_if_incomplete",
            }
            if upwards:
                params["billing_cycle_anchor"] = {"type": "now"}
            await told(self.client.v1.subscriptions.update_async(subscription, params, once(key, "change")), Named)
        return await self._as_it_is(subscription)

    async def cancel(self, subscription: SubscriptionId, *, at_once: bool, key: str) -> Subscription:
        if not at_once:
            asked = self.client.v1.subscriptions.update_async(subscription, {"cancel_at_period_end": True}, once(key, "cancel"))
            await told(asked, Named)
            return await self._as_it_is(subscription)
        try:
            await told(self.client.v1.subscriptions.cancel_async(subscription, {"invoice_now": False, "prorate": False}), Named)
        except PaymentRefused:
            if (now := await self._as_it_is(subscription)).state in ENDED:
                return now  # by this very call, said before
            raise
        return await self._as_it_is(subscription)

    async def resume(self, subscription: SubscriptionId, *, key: str) -> Subscription:
        service = self.client.v1.subscriptions
        if (await self._as_it_is(subscription)).state is SubscriptionState.PAUSED:
            await told(service.resume_async(subscription, {"billing_cycle_anchor": {"type": "now"}}, once(key, "resume")), Named)
        else:
            goes_on: stripe.params.SubscriptionUpdateParams = {"cancel_at_period_end": False, "pause_collection": ""}
            await told(service.update_async(subscription, goes_on, once(key, "take back")), Named)
        return await self._as_it_is(subscription)

    async def top_up(self, customer: CustomerId, pack: str, *, key: str, most: int | None = None) -> PurchaseRef:
        return await self._moves.top_up(customer, pack, key, most)

    async def topped_up(self, customer: CustomerId, *, key: str) -> PurchaseRef | None:
        return await self._moves.topped_up(customer, key)

    async def refund(self, purchase: PurchaseRef, amount: int, *, key: str) -> None:
        await self._moves.refund(purchase, amount, key)

    async def purchase(self, ref: PurchaseRef) -> Purchase | None:
        return await self._purchases.purchase(ref)

    async def subscription(self, subscription: SubscriptionId) -> Subscription | None:
        asked = self.client.v1.subscriptions.retrieve_async(subscription, {"expand": ["latest_invoice"]})
        known = await found(asked, Subscribed)
        if known is None:
            return None
        latest = known.latest_invoice
        newest = latest.id if isinstance(latest, Invoice) else latest
        item, state = _plan_item(known) or known.items.data[0], SubscriptionState(known.status)
        return Subscription(
            SubscriptionId(known.id),
            CustomerId(known.customer),
            item.price.sold,
            state,
            datetime.fromtimestamp(item.current_period_start, UTC),
            datetime.fromtimestamp(item.current_period_end, UTC),
            datetime.fromtimestamp(known.cancel_at, UTC) if known.cancel_at else None,
            await self._pay_url(known) if state in _AWAITS_PAYMENT else None,
            known.pause_collection is None,
            PurchaseRef(PurchaseKind.INVOICE, newest) if newest else None,
        )

    async def touched(self, hint: Hint) -> Touched:
        return await Touching(self.client).by(hint)

    async def hints(self, since: datetime, *, undelivered: bool = False) -> AsyncIterator[Hint]:
        asked = {"created": {"gte": int(since.timestamp())}} | ({"delivery_success": False} if undelivered else {})
        async for event in pages(self.client.v1.events.list_async, asked, Listed[Event]):
            yield event.hint()

    def paid(self, since: datetime) -> AsyncIterator[Purchase]:
        return self._purchases.paid(since)

    def read_hint(self, body: bytes, signature: str | None, now: datetime) -> Hint:
        return read_hint(body, signature, now, self.secrets)

    async def examine(self) -> str | None:
        try:
            configuration = await portal_configuration(self.client)
        except (PaymentsUnavailable, PaymentRefused) as error:
            return str(error)
        return None if configuration else "the catalogue has not been offered at Stripe yet"

    async def offer(self, catalogue: Catalogue) -> Sequence[str]:
        return await Offer(self.client, self.automatic_tax).of(catalogue)

    async def _as_it_is(self, subscription: SubscriptionId) -> Subscription:
        """Now, and not as it was when a write was first answered. Raises PaymentRefused if there is none."""
        if known := await self.subscription(subscription):
            return known
        raise PaymentRefused(MISSING, "Stripe knows no such subscription")

    async def _pay_url(self, known: Subscribed) -> str | None:
        """Of the newest invoice that is open: behind one that nobody paid, later ones may stay drafts."""
        latest = known.latest_invoice
        if isinstance(latest, Invoice) and latest.status == "open":
            return latest.hosted_invoice_url
        asked = self.client.v1.invoices.list_async({"subscription": known.id, "status": "open", "limit": 1})
        return next((each.hosted_invoice_url for each in (await told(asked, Listed[Invoice])).data), None)


def _plan_item(known: Subscribed) -> SubscriptionItem | None:
    return next((item for item in known.items.data if item.price.sold), None)
