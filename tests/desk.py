"""A staffed desk: an admin, a supporter and a customer in a real database, and an operator who runs commands on it."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import click
import psycopg
import pytest

from adapters.payments.sandbox import SandboxPayments
from adapters.payments.sandbox_pages import pay
from adapters.payments.sandbox_state import Card
from adapters.postgres.session import Pool
from adapters.postgres.store import PostgresStore
from domain.accounts import AccountId, Caller, Role
from domain.quarantine import Impounded, ImpoundedId, Origin
from entrypoints import wiring
from entrypoints.admin import admin
from tests.contract.store_contract import customer, new_id
from tests.offer import CATALOGUE
from tests.operator import Answer, Operator
from tests.sandbox_house import SHOP

__all__ = ["Answer", "Operator"]

LOOKS = {
    *(("accounts", "find"), ("accounts", "show")),
    *(("audit", "show"), ("audit", "verify")),
    *(("credits", "statement"), ("credits", "audit")),
    *(("generations", "show"), ("jobs", "status")),
    *(("billing", "reconcile"), ("billing", "events")),
    *(("catalogue", "show"), ("catalogue", "radar")),
    *(("media", "orphans"), ("media", "verify")),
    *(("db", "check"), ("db", "upgrade")),
}
"""Commands that change nothing of anybody's: every other one is signed, and says which role it takes."""
BOOKS = (
    *("accounts", "api_keys", "sessions", "invitations"),
    *("wallets", "lots", "transfers", "wallet_commands", "lot_reversals"),
    *("customers", "purchases", "refunds", "subscriptions", "payment_hints"),
    *("quarantine", "audit_records"),
)


def commands(group: click.Group = admin, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command of the tree with its words."""
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name), command


@dataclass(frozen=True, slots=True)
class Traded:
    """As commands call them: the pack's purchase, the subscription, and an event."""

    purchase: str
    subscription: str
    event: str


@dataclass
class Desk:
    """An operator with an admin's and a supporter's account, and one customer."""

    run: Operator
    store: PostgresStore
    admin: Caller
    supporter: Caller
    customer: Caller

    async def grant(self, *words: object, staff: object = None, account: object = None) -> Answer:
        return await self.run("credits", "grant", account or self.customer.account_id, *words, *self.sign(staff))

    def sign(self, staff: object = None) -> tuple[object, ...]:
        return ("--as", staff or self.supporter.account_id, "--reason", "ticket 4711", "--json")

    def rows(self) -> list[str]:
        """Everything a change could have touched."""
        with psycopg.connect(self.run.database_url) as connection:
            texts = [f"SELECT '{table} ' || t::text FROM {table} t" for table in BOOKS]
            return sorted(row[0] for row in connection.execute(" UNION ALL ".join(texts).encode()).fetchall())

    def records(self) -> list[tuple[str, str, UUID, str]]:
        with psycopg.connect(self.run.database_url) as connection:
            return connection.execute("SELECT action, subject, staff, reason FROM audit_records ORDER BY day, number").fetchall()

    @property
    def sandbox(self) -> SandboxPayments:
        """The one of the commands: whoever buys there has told nobody yet."""
        return SandboxPayments(self.run.folder / "payments.json", CATALOGUE, SHOP, ["secret"], lambda: datetime.now(UTC))

    async def buys(self, product: str) -> None:
        """The customer does."""
        payer = await self.sandbox.add_customer(self.customer.account_id, "ada@example.test")
        page = await self.sandbox.check_out(payer, product, SHOP, SHOP, key=str(new_id()))
        await self.sandbox.act(lambda here: pay(here, page.id, Card.GOOD, confirmed=True))

    async def trades(self) -> Traded:
        """The customer has bought a pack and a plan, and our books say so."""
        for product in ("small", "starter"):
            await self.buys(product)
        assert (await self.run("billing", "reconcile")).code == 0
        page = (await self.run("accounts", "show", self.customer.account_id, "--json")).json
        pack = next(each["ref"] for each in page["purchases"] if each["paid"] == CATALOGUE.packs["small"].price)
        events = (await self.run("billing", "events", "--json")).json["events"]
        return Traded(pack, page["subscriptions"][0]["id"], events[0]["id"])

    async def impounds(self) -> ImpoundedId:
        """A picture of the customer's is held."""
        held = ImpoundedId(new_id())
        async with self.store.transaction() as tx:
            now, account = await tx.now(), self.customer.account_id
            await tx.quarantine.add(Impounded(held, account, Origin.UPLOAD, "0a" * 32, "f0" * 32, 7, now))
        return held

    async def somebody(self, *, frozen: bool = False) -> AccountId:
        """An account with a key."""
        account = (await customer(self.store)).account_id
        if frozen:
            async with self.store.transaction() as tx:
                await tx.accounts.save((await tx.accounts.lock(account)).freeze(await tx.now()))
        return account


@pytest.fixture(name="no_picture_workers", autouse=True)
def without_picture_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """No command may start them."""

    def refuse(*_: object) -> None:
        raise AssertionError("a picture worker was started")

    monkeypatch.setattr(wiring, "picture_pool", refuse)


@pytest.fixture(name="run")
def an_operator(database_url: str, tmp_path: Path) -> Operator:
    return Operator(database_url, tmp_path / "data")


@pytest.fixture(name="desk")
async def a_staffed_desk(run: Operator, pool: Pool) -> Desk:
    store = PostgresStore(pool)
    people = [await customer(store) for _ in range(3)]
    async with store.transaction() as tx:
        for person, role in zip(people, (Role.ADMIN, Role.SUPPORT, Role.USER), strict=True):
            account = replace(await tx.accounts.find(person.account_id), name="Ada", email=f"{role}@example.com")
            await tx.accounts.save(account.with_role(role))
    return Desk(run, store, *people)
