"""Customers to ask with, made by the domain and written in bulk, so that the books are whole."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import uuid_utils.compat
from psycopg import AsyncConnection

from adapters.postgres import tables
from adapters.postgres.pool import open_pool
from adapters.postgres.session import Session
from adapters.postgres.wallets import PostgresWallets
from application.api_keys import hash_key
from domain.accounts import Account, AccountId, Caller, KeyId, Mode, Role, Scope
from domain.api_keys import ApiKey, write_key
from domain.commands import Grant, command_id
from domain.credits import Wallet
from domain.ledger import LotId, LotSource, WalletId

KEYS = "01900000-0000-7000-8000-"
"""What the ids of their keys begin with; the customer's number follows, so that the floor finds a key without a list."""

LOTS = ((LotSource.SUBSCRIPTION, 50, 30), (LotSource.PACK, 100, 365), (LotSource.STAFF, 100, None))
"""Source, priority and days to live of the three lots each of them has."""

PLAN = "starter"
CREDITS = 10_000_000
_BATCH = 250
_KEY = {"revoked_at": None, "spent_month": None, "spent": 0, "used_on": datetime.now(UTC).date()}
"""Used today already: the service writes that down once a day."""


@dataclass(slots=True)
class Customer:
    account: Account
    wallets: dict[Mode, Wallet]
    key: ApiKey
    secret: str

    @property
    def caller(self) -> Caller:
        wallet = self.wallets[self.key.mode].id
        return Caller(self.account.id, self.key.id, self.key.mode, self.key.scopes, self.account.plan, wallet)


async def seed(url: str, count: int, mode: Mode = Mode.TEST) -> Sequence[Customer]:
    """So many customers, each with a key of this mode and three lots on that wallet."""
    customers = [_customer(number, mode) for number in range(1, count + 1)]
    async with open_pool(url, size=1) as pool, pool.connection() as connection:
        for first in range(0, count, _BATCH):
            batch = customers[first : first + _BATCH]
            async with connection.transaction():
                await _open(connection, batch)
                for lot in range(len(LOTS)):
                    await _grant(connection, batch, lot)
        await connection.execute("VACUUM ANALYZE")
    return customers


def _customer(number: int, mode: Mode) -> Customer:
    now = datetime.now(UTC)
    account = Account(AccountId(uuid_utils.compat.uuid7()), Role.USER, PLAN, now)
    secret = write_key(mode, os.urandom(24))
    key_id = KeyId(UUID(f"{KEYS}{number:012x}"))
    key = ApiKey(key_id, account.id, mode, frozenset(Scope), hash_key(secret), secret[-4:], now)
    return Customer(account, {each: Wallet(WalletId(uuid_utils.compat.uuid7())) for each in Mode}, key, secret)


async def _open(connection: AsyncConnection[Any], customers: Sequence[Customer]) -> None:
    session = Session(connection, timedelta(0))
    for customer in customers:
        session.writes.insert(tables.accounts, customer.account)
        secret_hash = "\\x" + customer.key.secret_hash.hex()  # JSON has no bytes
        session.writes.insert(tables.api_keys, customer.key, secret_hash=secret_hash, **_KEY)
        for mode, wallet in customer.wallets.items():
            session.writes.insert(tables.wallets, wallet, account_id=customer.account.id, mode=mode)
    await session.flush()


async def _grant(connection: AsyncConnection[Any], customers: Sequence[Customer], lot: int) -> None:
    source, priority, days = LOTS[lot]
    session = Session(connection, timedelta(0))
    now = await session.now()
    for customer in customers:
        mode = customer.key.mode
        wallet = customer.wallets[mode]
        said = f"{source}:{customer.key.id}"
        expires_at = now + timedelta(days=days) if days else None
        wallet.apply(
            Grant(
                id=command_id("grant", said),
                lot_id=LotId(command_id("lot", said)),
                amount=CREDITS,
                source=source,
                source_ref=str(customer.key.id),
                priority=priority,
                expires_at=expires_at,
            ),
            now,
        )
        PostgresWallets(session).save(wallet)
        customer.wallets[mode] = replace(wallet, recorded=None, done=None, transfers=[], touched=set())
    await session.flush()
