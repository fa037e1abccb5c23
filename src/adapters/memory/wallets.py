"""Wallets in memory."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from adapters.memory.locks import RowLocks
from adapters.memory.tables import LotReversal, Tables, WalletRow, copy_of_hold
from application.store import IdempotencyKey, OpenWallet, Wallets
from domain.accounts import AccountId, Mode
from domain.commands import About
from domain.credits import Wallet
from domain.errors import NotFound
from domain.ledger import Lot, WalletId


@dataclass(frozen=True, slots=True)
class MemoryWallets(Wallets):
    rows: Tables
    locks: RowLocks
    clock: Callable[[], datetime]

    async def create(self, wallet: WalletId, account: AccountId, mode: Mode) -> None:
        await self.locks.lock(self.rows, ("wallet of", account, mode))
        if (account, mode) not in self.rows.wallet_ids:
            self.rows.wallet_ids[account, mode] = wallet
            self.rows.wallets[wallet] = WalletRow(account, mode)

    async def open(self, wallet: WalletId, about: About, remembering: IdempotencyKey | None = None) -> OpenWallet:
        rows = self.rows
        await self.locks.lock(rows, ("wallet", wallet))
        await self.locks.lock(rows, ("command", about.command))  # an id is one command's, whichever the wallet
        row = rows.wallets.get(wallet)
        if not row:
            raise NotFound("there is no such wallet", wallet=str(wallet))
        loaded = Wallet(
            wallet,
            row.available,
            row.held,
            row.debt,
            row.version,
            row.last_at,
            row.closed_at,
            open_holds=row.open_holds,
            recorded=rows.commands.get(about.command),
            granted=rows.facts.get(about.fact) if about.fact else None,
        )
        if about.hold and (hold := rows.holds.get((wallet, about.hold))):
            loaded.holds[hold.id] = copy_of_hold(hold)
        loaded.lots = {lot.id: replace(lot) for lot in rows.lots_of(wallet) if _is_needed(lot, about, loaded)}
        remembered = rows.remembered.get(remembering.digest) if remembering else None
        return OpenWallet(loaded, self.clock(), remembered[0] if remembered else None)

    def save(self, wallet: Wallet) -> None:
        rows, row, done = self.rows, self.rows.wallets[wallet.id], wallet.done
        if not self.locks.try_lock(rows, ("wallet", wallet.id)):
            raise AssertionError("a wallet is saved by whoever opened it")
        if not done:
            return
        for lot_id in wallet.touched:
            lot = wallet.lots[lot_id]
            if (wallet.id, lot_id) not in rows.lots:
                row = replace(row, lots=(*row.lots, lot_id))
                rows.facts[lot.source, lot.source_ref] = lot_id
            rows.lots[wallet.id, lot_id] = replace(lot)
        for hold_id, hold in wallet.holds.items():
            rows.holds[wallet.id, hold_id] = copy_of_hold(hold)
        for line in wallet.transfers:
            rows.transfers[wallet.id, line.version] = line
        rows.commands[done.id] = done
        for number, (lot_id, reversal) in enumerate(wallet.reversals, row.reversals + 1):
            rows.reversals[wallet.id, number] = LotReversal(lot_id, reversal, done.at)
        rows.wallets[wallet.id] = replace(
            row,
            available=wallet.available,
            held=wallet.held,
            debt=wallet.debt,
            version=wallet.version,
            last_at=wallet.last_at,
            closed_at=wallet.closed_at,
            open_holds=wallet.open_holds,
            reversals=row.reversals + len(wallet.reversals),
        )


def _is_needed(lot: Lot, about: About, wallet: Wallet) -> bool:
    """As few lots as a store with an index over those that matter would load, so that loading too few shows here first."""
    named = lot.id == about.lot or any(share.lot_id == lot.id for hold in wallet.holds.values() for share in hold.allocations)
    return bool(about.every_lot or lot.remaining or lot.held or lot.reversal or lot.repaid or named)
