"""Reads of sessions and identities in Postgres."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec

from adapters.postgres.access import IDENTITY, KEPT, KEY, SESSION, identity_document, key_document, session_document
from adapters.postgres.pool import read_all
from adapters.postgres.session import Pool, unavailable
from application.access import AccessQueries, SignedIn
from domain.accounts import AccountId, Caller, Mode, Scope
from domain.api_keys import ApiKey
from domain.identities import Identity
from domain.ledger import WalletId
from domain.sessions import Session

_SIGNED_IN = f"""
SELECT json_build_object('session', {SESSION}, 'plan', a.plan, 'wallet_id', w.id, 'frozen', a.frozen_at IS NOT NULL,
    'clock', clock_timestamp())::text
FROM sessions s JOIN accounts a ON a.id = s.account_id JOIN wallets w ON w.account_id = s.account_id AND w.mode = 'live'
WHERE s.token_hash = %(hash)s
"""


@dataclass(frozen=True, slots=True)
class _Found:
    session: Session
    plan: str
    wallet_id: WalletId
    frozen: bool
    clock: datetime


class PostgresAccessQueries(AccessQueries):
    """`offset` is added to the database's clock, for tests."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self.offset = timedelta(0)

    async def signed_in(self, token_hash: bytes) -> SignedIn | None:
        rows = await self._read(_SIGNED_IN, hash=token_hash)
        if not rows:
            return None
        found = msgspec.json.decode(rows[0], type=_Found)
        account, all_of_them = found.session.account_id, frozenset(Scope)
        caller = Caller(account, None, Mode.LIVE, all_of_them, found.plan, found.wallet_id, frozen=found.frozen)
        return SignedIn(found.session, caller, found.clock + self.offset)

    async def sessions(self, account: AccountId) -> Sequence[Session]:
        select = f"SELECT {SESSION}::text FROM sessions s WHERE account_id = %(account)s ORDER BY signed_in_at DESC, id DESC"
        return [session_document.decode(row) for row in await self._read(select, account=account)]

    async def identities(self, account: AccountId) -> Sequence[Identity]:
        rows = await self._read(f"{IDENTITY} WHERE account_id = %(account)s ORDER BY linked_at, id", account=account)
        return [identity_document.decode(row) for row in rows]

    async def keys(self, account: AccountId) -> Sequence[ApiKey]:
        select = f"SELECT {KEY}::text FROM api_keys k WHERE {KEPT} ORDER BY created_at DESC, id DESC"
        return [key_document.decode(row) for row in await self._read(select, account=account)]

    async def _read(self, statement: str, **parameters: Any) -> list[Any]:
        with unavailable():
            return await read_all(self._pool, statement, parameters)
