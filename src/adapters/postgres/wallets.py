"""Wallets in Postgres: lock the row, load what the command needs in a second statement, write everything back in one.

The second statement is a new one because a joined `FOR UPDATE` that had to wait sees the new wallet and the old lots.
"""

from datetime import datetime

import msgspec

from adapters.postgres import tables
from adapters.postgres.session import Session
from application.store import IdempotencyKey, OpenWallet, Remembered, Wallets
from domain.accounts import AccountId, Mode
from domain.commands import About, Recorded
from domain.credits import Hold, Wallet
from domain.errors import NotFound
from domain.ledger import Lot, LotId, WalletId

_LOCK = "SELECT row_to_json(w)::text FROM wallets w WHERE id = %(wallet)s FOR UPDATE"

_LOAD = """
SELECT json_build_object(
    'now', clock_timestamp(),
    'recorded', (SELECT row_to_json(c) FROM wallet_commands c WHERE c.id = %(command)s AND c.wallet_id = %(wallet)s),
    'granted', (SELECT l.id FROM lots l WHERE l.source = %(source)s AND l.source_ref = %(source_ref)s),
    'lots', (SELECT coalesce(json_agg(l), '[]') FROM (
        SELECT * FROM lots WHERE wallet_id = %(wallet)s
            AND (remaining > 0 OR held > 0 OR reversal > 0 OR repaid > 0)
        UNION SELECT * FROM lots WHERE wallet_id = %(wallet)s AND (id = %(lot)s OR %(every_lot)s)
        ) l),
    'hold', (SELECT json_build_object('id', h.id, 'amount', h.amount, 'expires_at', h.expires_at, 'captured', h.captured,
            'state', h.state, 'allocations', (
                SELECT json_agg(a ORDER BY a.ordinal) FROM hold_allocations a WHERE a.hold_id = h.id))
        FROM holds h WHERE h.id = %(hold)s AND h.wallet_id = %(wallet)s),
    'remembered', (SELECT row_to_json(k) FROM idempotency_keys k WHERE k.digest = %(digest)s)
)::text
"""


class _Loaded(msgspec.Struct):
    now: datetime
    lots: list[Lot]
    recorded: Recorded | None
    granted: LotId | None
    hold: Hold | None
    remembered: Remembered | None


_wallet = msgspec.json.Decoder(Wallet)
_loaded = msgspec.json.Decoder(_Loaded)


class PostgresWallets(Wallets):
    def __init__(self, session: Session) -> None:
        self._session = session

    async def create(self, wallet: WalletId, account: AccountId, mode: Mode) -> None:
        insert = "INSERT INTO wallets (id, account_id, mode) VALUES (%(wallet)s, %(account)s, %(mode)s) ON CONFLICT DO NOTHING"
        await self._session.read_all(insert + " RETURNING 1", wallet=wallet, account=account, mode=mode)

    async def open(self, wallet: WalletId, about: About, remembering: IdempotencyKey | None = None) -> OpenWallet:
        row = await self._session.read(_LOCK, wallet=wallet)
        if not row:
            raise NotFound(wallet=str(wallet))
        source, source_ref = about.fact or (None, None)
        document = await self._session.read(
            _LOAD,
            wallet=wallet,
            command=about.command,
            hold=about.hold,
            lot=about.lot,
            source=source,
            source_ref=source_ref,
            every_lot=about.every_lot,
            digest=remembering.digest if remembering else None,
        )
        opened, loaded = _wallet.decode(row), _loaded.decode(document)
        opened.lots = {lot.id: lot for lot in loaded.lots}
        opened.holds = {loaded.hold.id: loaded.hold} if loaded.hold else {}
        opened.recorded, opened.granted = loaded.recorded, loaded.granted
        return OpenWallet(opened, self._session.at(loaded.now), loaded.remembered)

    def save(self, wallet: Wallet) -> None:
        """The numbers were decided under the lock, so they are written as they stand."""
        if not wallet.done:
            return
        writes = self._session.writes
        writes.update(tables.wallets, wallet)
        writes.insert(tables.wallet_commands, wallet.done, wallet_id=wallet.id)
        for lot in wallet.touched:
            writes.put(tables.lots, wallet.lots[lot], wallet_id=wallet.id)
        for hold in wallet.holds.values():
            writes.put(tables.holds, hold, wallet_id=wallet.id)
            for ordinal, allocation in enumerate(hold.allocations, 1):
                writes.put(tables.hold_allocations, allocation, hold_id=hold.id, ordinal=ordinal)
        for transfer in wallet.transfers:
            writes.insert(tables.transfers, transfer, wallet_id=wallet.id)
        for lot_id, reversal in wallet.reversals:
            row = {"command_id": wallet.done.id, "lot_id": lot_id, "reversal": reversal, "at": wallet.done.at}
            writes.insert(tables.lot_reversals, None, wallet_id=wallet.id, **row)
