"""The ledger machine's way to whole stores: each command told in a transaction of its own, each wallet read row by row.

Every history has wallets and ids of its own, so one Postgres serves any number of them without being emptied.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from datetime import datetime, timedelta
from itertools import count
from typing import Any

import psycopg

from domain.accounts import Account, AccountId, Mode, Role
from domain.commands import Command
from domain.errors import DomainError
from domain.ledger import WalletId
from tests.contract.harnesses import MemoryHarness, StoreHarness
from tests.contract.postgres_harness import on_postgres
from tests.contract.still_postgres import on_still_postgres
from tests.contract.store_contract import new_id, say
from tests.ledger_audit import Snapshot
from tests.ledger_driver import Answer, Driver
from tests.wallet_rows import ReadWallet, from_memory, from_postgres

_salts = count(1)


class StoreDriver(Driver):
    """Histories over one store. `clock` says what the store's own says."""

    def __init__(self, loop: asyncio.Runner, harness: StoreHarness, read: ReadWallet, clock: Callable[[], datetime]) -> None:
        self._loop, self._harness, self._read, self._clock = loop, harness, read, clock
        self._salt = next(_salts)
        self._wallets = loop.run(self._open_account())

    @property
    def salt(self) -> int:
        return self._salt

    async def _open_account(self) -> list[WalletId]:
        account = Account(AccountId(new_id()), Role.USER, "free", datetime.fromisoformat("2030-01-01T00:00:00Z"))
        wallets = [WalletId(new_id()) for _ in Mode]
        async with self._harness.store.transaction() as tx:
            await tx.accounts.add(account)
            for wallet, mode in zip(wallets, Mode, strict=True):
                await tx.wallets.create(wallet, account.id, mode)
        return wallets

    def apply(self, wallet: int, command: Command) -> Answer:
        try:
            return self._loop.run(say(self._harness.store, self._wallets[wallet], command))
        except DomainError as refusal:
            return type(refusal)

    def state(self, wallet: int) -> Snapshot:
        return self._read(self._wallets[wallet]).books

    def advance(self, seconds: float) -> None:
        self._loop.run(self._harness.advance(seconds))

    def now(self) -> datetime:
        return self._clock()

    def close(self) -> None:
        """The store is given back by whoever opened it."""


MakeDriver = Callable[[], StoreDriver]


@contextmanager
def in_memory() -> Iterator[MakeDriver]:
    with asyncio.Runner() as loop:

        def make() -> StoreDriver:
            harness = MemoryHarness()
            return StoreDriver(loop, harness, from_memory(harness.store), harness.clock)

        yield make


@contextmanager
def in_postgres(url: str, *, clock_runs: bool = False) -> Iterator[MakeDriver]:
    """The database's clock, moved by an offset if it runs, or one that stands still: then exact instants can be come to."""
    with asyncio.Runner() as loop, psycopg.connect(url, autocommit=True, options="-c timezone=UTC") as connection:
        stack, read = AsyncExitStack(), from_postgres(connection)
        loop.run(stack.__aenter__())
        harness, clock = loop.run(stack.enter_async_context(_opened(url, connection if clock_runs else None)))
        try:
            yield lambda: StoreDriver(loop, harness, read, clock)
        finally:
            loop.run(stack.aclose())


@asynccontextmanager
async def _opened(url: str, watch: psycopg.Connection[Any] | None) -> AsyncIterator[tuple[StoreHarness, Callable[[], datetime]]]:
    if watch is None:
        async with on_still_postgres(url) as still:
            yield still, still.clock
        return
    async with on_postgres(url) as running:

        def read_clock() -> datetime:
            row = watch.execute("SELECT clock_timestamp()").fetchone()
            assert row
            offset: timedelta = running.store.offset
            now: datetime = row[0] + offset
            return now

        yield running, read_clock
