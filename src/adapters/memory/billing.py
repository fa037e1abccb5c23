"""Who pays, what was bought, subscriptions and hints, in memory."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from adapters.memory.locks import RowLocks
from adapters.memory.tables import Tables
from application.purchases import Customers, Inbox, Purchases, Refunds, Subscriptions
from domain.accounts import AccountId, Mode
from domain.billing import (
    CustomerId,
    Hint,
    KnownPurchase,
    KnownSubscription,
    Payer,
    PurchaseRef,
    SubscriptionId,
    WaitingHint,
)
from domain.buying_errors import RefundOpen
from domain.convergence import BoughtLot
from domain.errors import NotFound
from domain.ledger import WalletId
from domain.refunds import Refund, RefundId, RefundState


@dataclass(frozen=True, slots=True)
class MemoryCustomers(Customers):
    rows: Tables
    locks: RowLocks

    async def add(self, customer: CustomerId, account: AccountId) -> Payer:
        await self.locks.lock(self.rows, ("account", account))
        await self.locks.lock(self.rows, ("customer", customer))
        if account not in self.rows.accounts:
            raise NotFound("there is no such account", account=str(account))
        if customer not in self.rows.customers and account not in self.rows.customers.values():
            self.rows.customers[customer] = account
        return Payer(account, self.rows.wallet_ids[account, Mode.LIVE])

    async def of_account(self, account: AccountId) -> CustomerId | None:
        return next((customer for customer, of in self.rows.customers.items() if of == account), None)

    async def payer(self, customer: CustomerId) -> Payer | None:
        account = self.rows.customers.get(customer)
        return Payer(account, self.rows.wallet_ids[account, Mode.LIVE]) if account else None


@dataclass(frozen=True, slots=True)
class MemoryPurchases(Purchases):
    rows: Tables
    locks: RowLocks

    async def take_ticket(self, purchase: PurchaseRef) -> int:
        await self.locks.lock(self.rows, purchase)
        known = self.rows.purchases.get(purchase) or KnownPurchase(purchase, 0)
        self.rows.purchases[purchase] = replace(known, ticket=known.ticket + 1)
        return known.ticket + 1

    async def lock(self, purchase: PurchaseRef) -> KnownPurchase:
        await self.locks.lock(self.rows, purchase)
        if purchase not in self.rows.purchases:
            raise NotFound("there is no such purchase", purchase=str(purchase))
        return self.rows.purchases[purchase]

    async def find(self, purchase: PurchaseRef) -> KnownPurchase | None:
        return self.rows.purchases.get(purchase)

    def save(self, purchase: KnownPurchase) -> None:
        if not self.locks.try_lock(self.rows, purchase.ref):
            raise AssertionError("a purchase is saved by whoever locked it")
        self.rows.purchases[purchase.ref] = purchase

    async def lots(self, purchase: PurchaseRef, wallet: WalletId) -> Sequence[BoughtLot]:
        mine = self.rows.bought(purchase, wallet)
        return [BoughtLot(lot.id, lot.source_ref, lot.granted, lot.reversal) for lot in mine]

    async def since(self, at: datetime) -> Sequence[KnownPurchase]:
        paid = [(each.at, str(each.ref), each) for each in self.rows.purchases.values() if each.at and each.at >= at]
        return [each for _, _, each in sorted(paid)]

    async def stray_lots(self, limit: int) -> Sequence[str]:
        facts = sorted(lot.source_ref for lot in self.rows.lots.values() if lot.source.is_purchase)
        return [fact for fact in facts if not self._is_known(fact)][:limit]

    def _is_known(self, source_ref: str) -> bool:
        read = (each for each in self.rows.purchases.values() if each.applied_ticket)
        return any(source_ref.startswith(f"{each.ref}:") for each in read)


@dataclass(frozen=True, slots=True)
class MemoryRefunds(Refunds):
    rows: Tables
    locks: RowLocks

    async def add(self, refund: Refund) -> None:
        if not self.locks.try_lock(self.rows, refund.purchase):
            raise AssertionError("a refund is added by whoever locked its purchase")
        if open := await self.open(refund.purchase):
            raise RefundOpen(purchase=str(refund.purchase), refund=str(open.id))
        self.rows.refunds[refund.id] = replace(refund)

    async def open(self, purchase: PurchaseRef) -> Refund | None:
        return next((replace(each) for each in self._open() if each.purchase == purchase), None)

    async def find(self, refund: RefundId) -> Refund | None:
        kept = self.rows.refunds.get(refund)
        return replace(kept) if kept else None

    async def lock_due(self, now: datetime) -> Refund | None:
        due = [each for each in self._open() if each.resume_at <= now]
        for each in sorted(due, key=lambda each: (each.resume_at, each.id)):
            if self.locks.try_lock(self.rows, ("refund", each.id)):
                return replace(each)
        return None

    async def save(self, refund: Refund) -> None:
        await self.locks.lock(self.rows, ("refund", refund.id))
        self.rows.refunds[refund.id] = replace(refund)

    def _open(self) -> list[Refund]:
        return [each for each in self.rows.refunds.values() if each.state is RefundState.INTENDED]


@dataclass(frozen=True, slots=True)
class MemorySubscriptions(Subscriptions):
    rows: Tables
    locks: RowLocks

    async def take_ticket(self, subscription: SubscriptionId) -> int:
        await self.locks.lock(self.rows, ("subscription", subscription))
        known = self.rows.subscriptions.get(subscription) or KnownSubscription(subscription, 0)
        self.rows.subscriptions[subscription] = replace(known, ticket=known.ticket + 1)
        return known.ticket + 1

    async def lock(self, subscription: SubscriptionId) -> KnownSubscription:
        await self.locks.lock(self.rows, ("subscription", subscription))
        if subscription not in self.rows.subscriptions:
            raise NotFound("there is no such subscription", subscription=subscription)
        return self.rows.subscriptions[subscription]

    def save(self, subscription: KnownSubscription) -> None:
        if not self.locks.try_lock(self.rows, ("subscription", subscription.id)):
            raise AssertionError("a subscription is saved by whoever locked it")
        self.rows.subscriptions[subscription.id] = subscription

    async def of_account(self, account: AccountId) -> Sequence[KnownSubscription]:
        mine = [each for each in self.rows.subscriptions.values() if each.account_id == account]
        return sorted(mine, key=lambda each: each.id)

    async def due(self, now: datetime, limit: int) -> Sequence[SubscriptionId]:
        due = [(each.review_at, each.id) for each in self.rows.subscriptions.values() if each.review_at]
        return [id for at, id in sorted(due) if at <= now][:limit]


@dataclass(frozen=True, slots=True)
class MemoryInbox(Inbox):
    rows: Tables
    locks: RowLocks

    async def add(self, hint: Hint, received_at: datetime) -> bool:
        await self.locks.lock(self.rows, ("hint", hint.id))
        if self.rows.hints.get(hint.id):
            return False
        self.rows.hints[hint.id] = WaitingHint(hint, received_at)
        return True

    async def lock_due(self, now: datetime) -> WaitingHint | None:
        waiting = [each for each in self.rows.hints.values() if each and not each.handled_at and each.resume_at <= now]
        for each in sorted(waiting, key=lambda each: (each.resume_at, each.hint.id)):
            if self.locks.try_lock(self.rows, ("hint", each.hint.id)):
                return replace(each)
        return None

    async def save(self, waiting: WaitingHint) -> None:
        self.rows.hints[waiting.hint.id] = replace(waiting)

    async def find(self, hint: str) -> WaitingHint | None:
        kept = self.rows.hints.get(hint)
        return replace(kept) if kept else None

    async def forget(self, created_before: datetime, limit: int) -> int:
        kept = [each.hint for each in self.rows.hints.values() if each]
        old = [hint.id for hint in kept if hint.created < created_before][:limit]
        self.rows.hints.update(dict.fromkeys(old))
        return len(old)
