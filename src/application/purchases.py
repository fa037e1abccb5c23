"""What the store keeps of money: who pays, what was bought, subscriptions, top-ups, and hints of what happened at the provider.

A purchase or subscription is read outside of transactions, and a slow reader may be overtaken. So whoever reads takes a ticket
first, in a transaction of its own, and writes only what no later ticket has written.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from domain.accounts import AccountId
from domain.billing import CustomerId, Hint, KnownPurchase, KnownSubscription, Payer, PurchaseRef, SubscriptionId, WaitingHint
from domain.convergence import BoughtLot
from domain.ledger import WalletId
from domain.refunds import Refund, RefundId
from domain.top_up import TopUp, TopUpAttempt


class Customers(Protocol):
    """Which of the provider's customers an account is: one each, for good."""

    async def add(self, customer: CustomerId, account: AccountId) -> Payer:
        """Where one of them has another partner already, nothing changes. Raises NotFound for an account that is not there."""

    async def of_account(self, account: AccountId) -> CustomerId | None: ...

    async def payer(self, customer: CustomerId) -> Payer | None: ...


class Purchases(Protocol):
    """Purchases, and the lots that they brought."""

    async def take_ticket(self, purchase: PurchaseRef) -> int:
        """The next one of this purchase, from 1."""

    async def lock(self, purchase: PurchaseRef) -> KnownPurchase:
        """Others who lock it wait until this transaction ends. Raises NotFound if no ticket was ever taken."""

    async def find(self, purchase: PurchaseRef) -> KnownPurchase | None:
        """Without a lock."""

    def save(self, purchase: KnownPurchase) -> None:
        """Write the reading, before the transaction ends, by whoever locked it."""

    async def lots(self, purchase: PurchaseRef, wallet: WalletId) -> Sequence[BoughtLot]:
        """All that it brought to this wallet. Steady while the purchase is locked."""

    async def since(self, at: datetime) -> Sequence[KnownPurchase]:
        """What was read of those that were paid at that instant or later, oldest first. No locks."""

    async def stray_lots(self, limit: int) -> Sequence[str]:
        """So many facts, at most, of bought lots of whose purchase nothing is known. No locks."""


class Refunds(Protocol):
    """Refunds that staff decided on. A purchase has one open at most, and it changes under the purchase's lock."""

    async def add(self, refund: Refund) -> None:
        """By whoever locked the purchase. Raises RefundOpen."""

    async def open(self, purchase: PurchaseRef) -> Refund | None:
        """Steady while the purchase is locked."""

    async def find(self, refund: RefundId) -> Refund | None:
        """Without a lock."""

    async def lock_due(self, now: datetime) -> Refund | None:
        """The open one due longest, or None; others pass it over until this transaction ends."""

    async def save(self, refund: Refund) -> None:
        """Its attempts and its end."""


class Subscriptions(Protocol):
    """Subscriptions, under the same rule of tickets."""

    async def take_ticket(self, subscription: SubscriptionId) -> int: ...

    async def lock(self, subscription: SubscriptionId) -> KnownSubscription:
        """Locked after its account. Raises NotFound."""

    def save(self, subscription: KnownSubscription) -> None:
        """Write the reading, before the transaction ends, by whoever locked it."""

    async def of_account(self, account: AccountId) -> Sequence[KnownSubscription]:
        """By their ids. Steady while the account is locked."""

    async def due(self, now: datetime, limit: int) -> Sequence[SubscriptionId]:
        """So many, at most, that were to be looked at again by now, the longest due first. No locks."""


class Inbox(Protocol):
    """Hints, each followed at least once."""

    async def add(self, hint: Hint, received_at: datetime) -> bool:
        """Whether it is new. One that is known changes nothing."""

    async def lock_due(self, now: datetime) -> WaitingHint | None:
        """The one due longest that is not handled, or None; others pass it over until this transaction ends."""

    async def save(self, waiting: WaitingHint) -> None: ...

    async def find(self, hint: str) -> WaitingHint | None:
        """Without a lock."""

    async def forget(self, created_before: datetime, limit: int) -> int:
        """Remove so many that are older, at most, handled or not; answers how many."""


@dataclass(frozen=True, slots=True)
class Watched:
    """A page of customers in the order of their accounts: who is to be looked at, and the last of them; None on an empty one."""

    concerned: Sequence[AccountId]
    last: AccountId | None


class TopUps(Protocol):
    """What accounts said of top-ups, and the attempts at them. Steady while the account is locked."""

    async def of_account(self, account: AccountId) -> TopUp:
        """What it said, or else the default."""

    def save(self, top_up: TopUp) -> None:
        """Write it, before the transaction ends and once in it, by whoever locked the account."""

    def save_attempt(self, attempt: TopUpAttempt) -> None:
        """The same of an attempt, new or known. An account has one that is open, at most."""

    async def attempts(self, account: AccountId, since: datetime) -> Sequence[TopUpAttempt]:
        """Those that are open, and those that ended at that instant or later, oldest first."""

    async def last(self, account: AccountId) -> TopUpAttempt | None:
        """The one begun last."""

    async def available(self, account: AccountId, now: datetime) -> int | None:
        """Credits of its live wallet, without those that have lapsed; None if it is closed. No locks."""

    async def has_bought(self, account: AccountId) -> bool:
        """Whether it ever paid for anything."""

    async def went_back(self, account: AccountId, since: datetime | None) -> bool:
        """Whether credits that were bought have been taken back since that instant (None: ever) because their money went."""

    async def watch(self, after: AccountId | None, now: datetime, limit: int) -> Watched:
        """Of the next so many customers those whom `TopUp.concerns`, but for closed wallets without an attempt. No locks."""
