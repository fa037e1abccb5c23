"""Every row of a wallet, read past the ports: what a store really keeps, for audits."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
import psycopg

from adapters.memory import MemoryStore
from domain.commands import Recorded
from domain.credits import Hold
from domain.ledger import Lot, LotId, Transfer, WalletId
from tests.ledger_audit import Snapshot


@dataclass(frozen=True, slots=True)
class WalletRows:
    """A wallet's books, and what each command did to it, the earliest first."""

    books: Snapshot
    commands: list[Recorded]


ReadWallet = Callable[[WalletId], WalletRows]


def from_memory(store: MemoryStore) -> ReadWallet:
    """The rows themselves: the store never changes one in place."""

    def read(wallet: WalletId) -> WalletRows:
        rows, kept = store.tables, store.tables.wallets[wallet]
        lots = {lot.id: lot for lot in rows.lots_of(wallet)}
        holds = {hold: row for (owner, hold), row in rows.holds.items() if owner == wallet}
        reversals = [rows.reversals[wallet, number] for number in range(1, kept.reversals + 1)]
        books = Snapshot(
            kept.available,
            kept.held,
            kept.debt,
            kept.version,
            lots,
            holds,
            list(rows.transfers_of(wallet)),
            [(row.lot_id, row.reversal, row.at) for row in reversals],
        )
        # A command that names neither lot nor hold leaves no word of its wallet; no use case says one.
        return WalletRows(books, [said for said in rows.commands.values() if said.subject in lots or said.subject in holds])

    return read


# Rows of one command bear its transaction's number, which tells apart those of one instant.
_ROWS = b"""
SELECT json_build_object('available', w.available, 'held', w.held, 'debt', w.debt, 'version', w.version,
    'lots', (SELECT coalesce(json_agg(l), '[]') FROM lots l WHERE l.wallet_id = w.id),
    'holds', (SELECT coalesce(json_agg(json_build_object('id', h.id, 'amount', h.amount, 'expires_at', h.expires_at,
            'captured', h.captured, 'state', h.state, 'allocations', (
                SELECT coalesce(json_agg(a ORDER BY a.ordinal), '[]') FROM hold_allocations a WHERE a.hold_id = h.id))), '[]')
        FROM holds h WHERE h.wallet_id = w.id),
    'transfers', (SELECT coalesce(json_agg(t ORDER BY t.version), '[]') FROM transfers t WHERE t.wallet_id = w.id),
    'reversals', (SELECT coalesce(json_agg(json_build_array(r.lot_id, r.reversal, r.at) ORDER BY r.xmin::text::bigint), '[]')
        FROM lot_reversals r WHERE r.wallet_id = w.id),
    'commands', (SELECT coalesce(json_agg(c ORDER BY c.xmin::text::bigint), '[]') FROM wallet_commands c
        WHERE c.wallet_id = w.id))::text
FROM wallets w WHERE w.id = %s
"""


class _Document(msgspec.Struct):
    available: int
    held: int
    debt: int
    version: int
    lots: list[Lot]
    holds: list[Hold]
    transfers: list[Transfer]
    reversals: list[tuple[LotId, int, datetime]]
    commands: list[Recorded]


_document = msgspec.json.Decoder(_Document)


def from_postgres(connection: psycopg.Connection[Any]) -> ReadWallet:
    def read(wallet: WalletId) -> WalletRows:
        row = connection.execute(_ROWS, (wallet,), prepare=True).fetchone()
        assert row, f"there is no wallet {wallet}"
        kept = _document.decode(row[0])
        lots, holds = {lot.id: lot for lot in kept.lots}, {hold.id: hold for hold in kept.holds}
        numbers = (kept.available, kept.held, kept.debt, kept.version)
        return WalletRows(Snapshot(*numbers, lots, holds, kept.transfers, kept.reversals), kept.commands)

    return read
