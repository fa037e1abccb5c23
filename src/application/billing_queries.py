"""What an account can read of its money: its subscriptions, and what it paid."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from application.queries import Position
from domain.accounts import AccountId
from domain.billing import KnownSubscription, PurchaseKind, PurchaseState
from domain.ledger import WalletId


@dataclass(frozen=True, slots=True)
class Standing:
    """`plan`: that the account is served by now."""

    plan: str
    subscriptions: Sequence[KnownSubscription]


@dataclass(frozen=True, slots=True)
class TransactionRow:
    """A purchase. `paid` and `reversed`: money in minor units; `credits_reversed`: of those granted, what went back with money.
    `id` is of our making and stays the same."""

    id: UUID
    kind: PurchaseKind
    at: datetime
    state: PurchaseState
    currency: str
    paid: int
    reversed: int
    credits_granted: int
    credits_reversed: int
    receipt_url: str | None


class BillingQueries(Protocol):
    async def standing(self, account: AccountId) -> Standing:
        """Raises NotFound."""
        ...

    async def transactions(self, wallet: WalletId, after: Position | None, limit: int) -> Sequence[TransactionRow]:
        """Newest first; what is known to be paid, or to wait for a bank."""
        ...
