"""Reads of subscriptions and purchases in memory."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import md5
from uuid import UUID

from adapters.memory.store import MemoryStore
from application.billing_queries import BillingQueries, Standing, TransactionRow
from application.queries import Position
from domain.accounts import AccountId
from domain.errors import NotFound
from domain.ledger import WalletId


@dataclass(frozen=True, slots=True)
class MemoryBillingQueries(BillingQueries):
    store: MemoryStore

    async def standing(self, account: AccountId) -> Standing:
        rows = self.store.tables
        if account not in rows.accounts:
            raise NotFound("there is no such account", account=str(account))
        mine = [each for each in rows.subscriptions.values() if each.account_id == account]
        return Standing(rows.accounts[account].plan, sorted(mine, key=lambda each: each.id))

    async def transactions(self, wallet: WalletId, after: Position | None, limit: int) -> Sequence[TransactionRow]:
        newest = sorted(self._told(wallet), key=lambda row: (row.at, row.id), reverse=True)
        return [row for row in newest if after is None or (row.at, row.id) < after][:limit]

    def _told(self, wallet: WalletId) -> Iterator[TransactionRow]:
        rows = self.store.tables
        for each in rows.purchases.values():
            if each.wallet_id == wallet and each.at and each.state and each.currency:
                lots = rows.bought(each.ref, wallet)
                yield TransactionRow(
                    UUID(md5(str(each.ref).encode(), usedforsecurity=False).hexdigest()),
                    each.ref.kind,
                    each.at,
                    each.state,
                    each.currency,
                    each.paid,
                    each.reversed,
                    sum(lot.granted for lot in lots),
                    sum(lot.reversal for lot in lots),
                    each.receipt_url,
                )
