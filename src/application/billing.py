"""Bringing our books to what the payment provider says now. What was heard of it is never believed, only looked at."""

from dataclasses import dataclass, replace
from enum import StrEnum

from application.credits import tell
from application.notices import tell as tell_person
from application.payments import Payments
from application.store import Store, Transaction
from domain.accounts import AccountId
from domain.billing import (
    CustomerId,
    KnownPurchase,
    KnownSubscription,
    Payer,
    Purchase,
    PurchaseRef,
    Subscription,
    SubscriptionId,
    going_on,
)
from domain.catalogue import Catalogue
from domain.commands import Grant, command_id
from domain.convergence import Remark, settle
from domain.entitlements import Entitlement, best_plan, entitle
from domain.errors import AccountClosed, NotFound
from domain.ledger import WalletId
from domain.notices import Facts, NoticeKind
from domain.refunds import counting
from domain.webhook_endpoints import WebhookEvent, WebhookEventKind


class Outcome(StrEnum):
    """How a reading ended."""

    CONVERGED = "converged"
    NOTHING = "nothing"  # the provider has no such thing, or nothing was paid on it
    NOT_OURS = "not_ours"
    OVERTAKEN = "overtaken"  # a later reading has been written


@dataclass(frozen=True, slots=True)
class Convergence:
    """`granted`: credits of new lots; `reversals`: how many lots had their reversal set anew; `remarks`: for the operator."""

    outcome: Outcome
    granted: int = 0
    reversals: int = 0
    remarks: tuple[Remark, ...] = ()


@dataclass(frozen=True, slots=True)
class ConvergePurchase:
    """Grant what a purchase brings and take back what went back of it: however often, from wherever, in whatever order, it comes
    to the same. What was paid for an account that has left goes back."""

    store: Store
    payments: Payments
    catalogue: Catalogue

    async def __call__(self, ref: PurchaseRef) -> Convergence:
        """Raises PaymentsUnavailable, or PaymentRefused if money for a closed account cannot go back."""
        async with self.store.transaction() as tx:
            ticket = await tx.purchases.take_ticket(ref)
        purchase = await self.payments.purchase(ref)
        if not purchase:
            return Convergence(Outcome.NOTHING)
        payer = await payer_of(self.store, self.payments, purchase.customer)
        async with self.store.transaction() as tx:
            await tx.purchases.lock(ref)
            purchase = counting(purchase, await tx.refunds.open(ref))
            written = await self.write(tx, purchase, payer, ticket)
        if Remark.CLOSED in written.remarks:
            await self._give_back(purchase, purchase.paid - purchase.reversed_money)
        return written

    async def write(self, tx: Transaction, purchase: Purchase, payer: Payer | None, ticket: int) -> Convergence:
        """Bring the books to a reading that was made after this ticket was taken; its open refund is counted already. `payer` may
        be left out for a purchase that is known to be ours."""
        known = await tx.purchases.lock(purchase.ref)
        if ticket <= known.applied_ticket:
            return Convergence(Outcome.OVERTAKEN)
        wallet = known.wallet_id or (payer.wallet_id if payer else None)
        if not wallet:
            return Convergence(Outcome.NOT_OURS, remarks=(Remark.STRANGER,))
        settlement = settle(purchase, self.catalogue, await tx.purchases.lots(purchase.ref, wallet), ticket)
        granted, remarks = 0, list(settlement.remarks)
        for grant in settlement.grants:
            remark = await _grant(tx, wallet, grant)
            granted += grant.amount if remark is not Remark.CLOSED else 0
            if remark is Remark.LATE or (remark and purchase.reversed_money < purchase.paid):
                remarks.append(remark)
        for reverse in settlement.reversals:
            await tell(tx, wallet, reverse)
        tx.purchases.save(_reading(known, purchase, wallet, ticket))
        return Convergence(Outcome.CONVERGED, granted, len(settlement.reversals), tuple(dict.fromkeys(remarks)))

    async def _give_back(self, purchase: Purchase, amount: int) -> None:
        """The key names what had gone back before, so that whoever reads the same gives the same back once."""
        await self.payments.refund(purchase.ref, amount, key=f"closed:{purchase.ref}:{purchase.reversed_money}")


async def _grant(tx: Transaction, wallet: WalletId, grant: Grant) -> Remark | None:
    try:
        recorded = await tell(tx, wallet, grant)
    except AccountClosed:
        return Remark.CLOSED
    return Remark.LATE if grant.expires_at and grant.expires_at <= recorded.at else None


def _reading(known: KnownPurchase, purchase: Purchase, wallet: WalletId, ticket: int) -> KnownPurchase:
    return replace(
        known,
        applied_ticket=ticket,
        wallet_id=wallet,
        paid=purchase.paid,
        reversed=purchase.reversed_money,
        currency=purchase.currency,
        state=purchase.state,
        receipt_url=purchase.receipt_url,
        at=purchase.at,
    )


async def payer_of(store: Store, payments: Payments, customer: CustomerId) -> Payer | None:
    """Whose customer that is: as we remember, or else as we once told the provider, which is remembered from now on."""
    async with store.transaction() as tx:
        if payer := await tx.customers.payer(customer):
            return payer
    account = await payments.owner(customer)
    if not account:
        return None
    try:
        async with store.transaction() as tx:
            return await tx.customers.add(customer, account)
    except NotFound:
        return None


@dataclass(frozen=True, slots=True)
class ConvergeSubscription:
    """Write down what a subscription is now, and give its account the plan that follows from all of its subscriptions."""

    store: Store
    payments: Payments
    catalogue: Catalogue

    async def __call__(self, id: SubscriptionId) -> Convergence:
        """Raises PaymentsUnavailable."""
        async with self.store.transaction() as tx:
            ticket = await tx.subscriptions.take_ticket(id)
        told = await self.payments.subscription(id)
        if not told:
            return Convergence(Outcome.NOTHING)
        payer = await payer_of(self.store, self.payments, told.customer)
        if not payer:
            return Convergence(Outcome.NOT_OURS, remarks=(Remark.STRANGER,))
        async with self.store.transaction() as tx:
            return await self._write(tx, told, payer, ticket)

    async def _write(self, tx: Transaction, told: Subscription, payer: Payer, ticket: int) -> Convergence:
        account = await tx.accounts.lock(payer.account_id)
        known = await tx.subscriptions.lock(told.id)
        if ticket <= known.applied_ticket:
            return Convergence(Outcome.OVERTAKEN)
        if told.state is not known.state or not known.pay_url:
            await self._tell(tx, told, account.id, ticket)
        now = await tx.now()
        entitlement = entitle(told, _entitlement(known), self.catalogue, now)
        tx.subscriptions.save(
            replace(
                known,
                applied_ticket=ticket,
                account_id=account.id,
                plan=told.plan,
                state=told.state,
                period_end=told.period_end,
                cancel_at=told.cancel_at,
                entitled_plan=entitlement.plan,
                paid_until=entitlement.paid_until,
                review_at=entitlement.review_at,
                pay_url=told.pay_url,
            )
        )
        every = await tx.subscriptions.of_account(account.id)
        plan = best_plan((each for one in every if (each := _entitlement(one))), self.catalogue, now)
        if plan != account.plan:
            await tx.accounts.save(replace(account, plan=plan))
        if _standing(told) != _standing(known):
            fact = f"{told.id}:{ticket}"
            tx.announcements.announce(WebhookEvent.of(WebhookEventKind.SUBSCRIPTION_CHANGED, fact, account.id, now, told.state))
        remarks = [Remark.UNSOLD] if told.plan not in self.catalogue.plans else []
        if len(going_on(every)) > 1:
            remarks.append(Remark.SECOND)
        return Convergence(Outcome.CONVERGED, remarks=tuple(remarks))

    async def _tell(self, tx: Transaction, told: Subscription, account: AccountId, ticket: int) -> None:
        """Once for each time that it comes to need a payment for which there is a page; its owner finds that when signed in."""
        plan = self.catalogue.plans.get(told.plan or "")
        if plan and told.needs_payment and told.pay_url:
            id = command_id("notice", f"{told.id}:{ticket}")
            await tell_person(tx, lambda: id, account, NoticeKind.PAYMENT_NEEDED, Facts(plan=plan.name))


def _standing(subscription: Subscription | KnownSubscription) -> tuple[object, ...]:
    """What its owner is told of when it changes."""
    return subscription.plan, subscription.state, subscription.period_end, subscription.cancel_at


def _entitlement(known: KnownSubscription) -> Entitlement | None:
    return Entitlement(known.entitled_plan, known.paid_until, known.review_at) if known.entitled_plan else None
