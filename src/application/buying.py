"""What a customer does with money: buy, look at the provider's portal, change, cancel and resume a subscription.

The provider is never asked inside a transaction. Each write bears a key that follows from what was wanted and from what was known
then, so that whoever heard no answer asks again and it is done once.
"""

from collections.abc import Awaitable
from contextlib import suppress
from dataclasses import dataclass

from application.billing import ConvergePurchase, ConvergeSubscription
from application.payments import Page, PaymentDeclined, PaymentRefused, Payments, PaymentsUnavailable
from application.ports import NewId
from application.store import IdempotencyKey, Store
from domain.accounts import Account, AccountId
from domain.billing import CustomerId, KnownSubscription, Subscription, SubscriptionId
from domain.buying import cancellation_of, change_of, must_have_none, resumable, wanted
from domain.buying_errors import EmailNeeded, NothingBought
from domain.catalogue import Catalogue, Plan
from domain.errors import IdempotencyMismatch, StillAtWork
from domain.redirects import OwnPages


@dataclass(frozen=True, slots=True)
class CheckOut:
    """A page of the provider's where the account subscribes to a plan or buys a pack."""

    store: Store
    payments: Payments
    catalogue: Catalogue
    pages: OwnPages
    new_id: NewId

    async def __call__(
        self,
        account_id: AccountId,
        plan: str | None,
        pack: str | None,
        success_url: str,
        cancel_url: str,
        key: IdempotencyKey | None = None,
    ) -> Page:
        """The same page for the same `key`. Raises PaymentsUnavailable, PaymentRefused, IdempotencyMismatch, StillAtWork,
        AccountFrozen, EmailNeeded, ForeignAddress, SubscriptionExists, and as `wanted`."""
        product = wanted(plan, pack, self.catalogue)
        addresses = self.pages.whole("success_url", success_url), self.pages.whole("cancel_url", cancel_url)
        async with self.store.transaction() as tx:
            account = await tx.accounts.find(account_id)
            account.may_spend()
            if isinstance(product, Plan):
                must_have_none(await tx.subscriptions.of_account(account_id), self.catalogue)
        customer = await self._customer(account)
        try:
            asked_as = f"checkout:{key.digest if key else self.new_id()}"
            return await self.payments.check_out(customer, product.id, *addresses, key=asked_as)
        except PaymentRefused as refused:
            if key and refused.code == "idempotency_error":
                raise IdempotencyMismatch("the key was used for another checkout", field="Idempotency-Key") from None
            raise
        except PaymentsUnavailable as away:
            if key and away.at_work:
                raise StillAtWork("ask again in a moment", field="Idempotency-Key") from None
            raise

    async def _customer(self, account: Account) -> CustomerId:
        """Made once, and remembered: of two that are made at the same time, the first that is written down."""
        async with self.store.transaction() as tx:
            known = await tx.customers.of_account(account.id)
        if known:
            return known
        if not account.email:
            raise EmailNeeded("receipts need an address: give yours by PATCH /v1/me", field="email", allowed=["PATCH /v1/me"])
        made = await self.payments.add_customer(account.id, account.email)
        async with self.store.transaction() as tx:
            await tx.customers.add(made, account.id)
            known = await tx.customers.of_account(account.id)
        if not known:
            raise AssertionError("the provider's customer of this account is another account's")
        return known


@dataclass(frozen=True, slots=True)
class OpenPortal:
    """A page of the provider's for cards, receipts and cancelling. Whoever is frozen may leave, so may open it."""

    store: Store
    payments: Payments
    pages: OwnPages

    async def __call__(self, account_id: AccountId, return_url: str) -> Page:
        """Raises PaymentsUnavailable, PaymentRefused, ForeignAddress, or NothingBought."""
        address = self.pages.whole("return_url", return_url)
        async with self.store.transaction() as tx:
            customer = await tx.customers.of_account(account_id)
        if not customer:
            raise NothingBought("there is nothing to see yet: buy something first", allowed=["checkout"])
        return await self.payments.portal(customer, address)


@dataclass(frozen=True, slots=True)
class Follow:
    """Has a subscription moved, and brings the books to what came of it before anybody is answered."""

    converge_subscription: ConvergeSubscription
    converge_purchase: ConvergePurchase

    async def __call__(self, id: SubscriptionId, move: Awaitable[Subscription]) -> None:
        """What was answered in vain is read too: from then on the same wish bears another key, and is asked anew. What was not
        answered may be under way, so that its key stays."""
        try:
            told = await move
        except (PaymentDeclined, PaymentRefused, PaymentsUnavailable) as error:
            if not isinstance(error, PaymentsUnavailable) or error.answered:
                with suppress(PaymentsUnavailable):
                    await self.converge_subscription(id)
            raise
        await self.converge_subscription(id)
        if told.newest:
            await self.converge_purchase(told.newest)


@dataclass(frozen=True, slots=True)
class ChangePlan:
    """Upwards now, at the full price, for a new period; downwards with the next one."""

    store: Store
    payments: Payments
    catalogue: Catalogue
    follow: Follow

    async def __call__(self, account_id: AccountId, plan: str) -> None:
        """Raises PaymentsUnavailable, PaymentDeclined, PaymentRefused, AccountFrozen, and as `change_of`."""
        async with self.store.transaction() as tx:
            (await tx.accounts.find(account_id)).may_spend()
            change = change_of(await tx.subscriptions.of_account(account_id), plan, self.catalogue, await tx.now())
        known, key = change.subscription, _key("change", change.subscription, plan)
        await self.follow(known.id, self.payments.change(known.id, plan, upwards=change.upwards, key=key))


@dataclass(frozen=True, slots=True)
class CancelSubscription:
    """At the end of what was paid for; at once, where nothing was. Again changes nothing."""

    store: Store
    payments: Payments
    catalogue: Catalogue
    follow: Follow

    async def __call__(self, account_id: AccountId) -> None:
        """Raises PaymentsUnavailable, PaymentRefused, or NoSubscription."""
        async with self.store.transaction() as tx:
            cancellation = cancellation_of(await tx.subscriptions.of_account(account_id), self.catalogue)
        if cancellation:
            known, at_once = cancellation.subscription, cancellation.at_once
            key = _key("cancel", known, "at once" if at_once else "at the end")
            await self.follow(known.id, self.payments.cancel(known.id, at_once=at_once, key=key))


@dataclass(frozen=True, slots=True)
class ResumeSubscription:
    """Takes a cancellation back while its period lasts, or ends a pause."""

    store: Store
    payments: Payments
    catalogue: Catalogue
    follow: Follow

    async def __call__(self, account_id: AccountId) -> None:
        """Raises PaymentsUnavailable, PaymentDeclined, PaymentRefused, AccountFrozen, NoSubscription, or AlreadySo."""
        async with self.store.transaction() as tx:
            (await tx.accounts.find(account_id)).may_spend()
            known = resumable(await tx.subscriptions.of_account(account_id), self.catalogue)
        await self.follow(known.id, self.payments.resume(known.id, key=_key("resume", known, "")))


def _key(verb: str, known: KnownSubscription, target: str) -> str:
    """What is asked of the subscription as it was last read: asked again before the books have moved, it is the same."""
    return f"{verb}:{known.id}:{target}:{known.applied_ticket}"
