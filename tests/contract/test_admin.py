"""`gpt-image admin` on a real database: what each command does, who may, and what it refuses."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import click
import psycopg
import pytest
from tests.contract.store_contract import a_grant, a_request, customer, new_id, queued, running, say
from tests.operator import Answer, Operator

from adapters.postgres.session import Pool
from adapters.postgres.store import PostgresStore
from domain.accounts import Caller, Role
from domain.ledger import LotSource
from entrypoints import wiring
from entrypoints.admin import admin

pytestmark = pytest.mark.anyio

BOOKS = ("accounts", "wallets", "lots", "transfers", "wallet_commands", "lot_reversals", "audit_records")
NOBODY = UUID(int=4711)


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
            return connection.execute("SELECT action, subject, staff, reason FROM audit_records ORDER BY at, id").fetchall()


@pytest.fixture(autouse=True)
def no_picture_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """No command may start them."""

    def refuse(*_: object) -> None:
        raise AssertionError("a picture worker was started")

    monkeypatch.setattr(wiring, "picture_pool", refuse)


@pytest.fixture
def run(database_url: str, tmp_path: Path) -> Operator:
    return Operator(database_url, tmp_path / "data")


@pytest.fixture
async def desk(run: Operator, pool: Pool) -> AsyncIterator[Desk]:
    store = PostgresStore(pool)
    people = [await customer(store) for _ in range(3)]
    async with store.transaction() as tx:
        for person, role in zip(people, (Role.ADMIN, Role.SUPPORT, Role.USER), strict=True):
            account = replace(await tx.accounts.find(person.account_id), name="Ada", email=f"{role}@example.com")
            await tx.accounts.save(account.with_role(role))
    yield Desk(run, store, *people)


def commands(group: click.Group = admin, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name), command


CHANGES = {("accounts", "role"), ("credits", "grant"), ("credits", "adjust")}


def test_every_command_answers_in_json_and_every_change_is_signed() -> None:
    for path, command in commands():
        options = {parameter.name: parameter for parameter in command.params}
        assert "as_json" in options, path
        assert ("staff" in options and "reason" in options) == (path in CHANGES), path
        assert command.help, path


# Accounts


async def test_accounts_are_found_by_id_name_or_address(desk: Desk) -> None:
    for text in ("admin@", desk.admin.account_id, "ADMIN@EXAMPLE"):
        found = (await desk.run("accounts", "find", text, "--json")).json["accounts"]
        assert [account["id"] for account in found] == [str(desk.admin.account_id)]
    assert len((await desk.run("accounts", "find", "ada", "--limit", 2, "--json")).json["accounts"]) == 2
    assert (await desk.run("accounts", "find", "nobody", "--json")).json == {"accounts": []}


async def test_an_account_is_shown_with_wallets_keys_generations_and_what_staff_did(desk: Desk) -> None:
    await desk.grant(30)
    await queued(desk.store, desk.customer)
    page = (await desk.run("accounts", "show", desk.customer.account_id, "--json")).json
    assert page["account"]["email"] == "user@example.com"
    assert {wallet["mode"]: (wallet["available"], wallet["held"]) for wallet in page["wallets"]} == {
        "live": (27, 3),
        "test": (0, 0),
    }
    assert [key["hint"] for key in page["keys"]] == ["abcd"]
    assert page["generations"] == {"queued": 1}
    assert [(record["action"], record["reason"]) for record in page["records"]] == [("credits.grant", "ticket 4711")]


async def test_an_admin_changes_a_role_and_leaves_a_record(desk: Desk) -> None:
    changed = await desk.run("accounts", "role", desk.customer.account_id, "support", *desk.sign(desk.admin.account_id))
    assert (changed.code, changed.json["role"]) == (0, "support")
    subject, staff = str(desk.customer.account_id), desk.admin.account_id
    assert desk.records() == [("accounts.role.support", subject, staff, "ticket 4711")]


# Credits


async def test_a_grant_is_a_lot_and_a_record(desk: Desk) -> None:
    terms = ("--source", "goodwill", "--expires-at", "2090-01-01T00:00:00Z", "--priority", 7)
    granted = (await desk.grant(25, *terms)).json
    assert (granted["amount"], granted["new"], granted["wallet"]["available"]) == (25, True, 25)
    assert granted["wallet"]["lots"] == [
        {"id": granted["lot"], "source": "goodwill", "granted": 25, "remaining": 25, "held": 0, "priority": 7}
        | {"expires_at": "2090-01-01T00:00:00Z"}
    ]
    assert desk.records() == [("credits.grant", str(desk.customer.wallet_id), desk.supporter.account_id, "ticket 4711")]


async def test_the_same_fact_is_one_lot_however_often_granted(desk: Desk) -> None:
    first = (await desk.grant(25, "--fact", "ticket-1")).json
    before = desk.rows()
    again = (await desk.grant(25, "--fact", "ticket-1")).json
    assert (again["lot"], again["new"], again["wallet"]["available"]) == (first["lot"], False, 25)
    assert desk.rows() == before


async def test_the_same_fact_for_another_customer_or_mode_is_another_lot(desk: Desk) -> None:
    lots = {(await desk.grant(25, "--fact", "ticket-1")).json["lot"]}
    lots.add((await desk.grant(25, "--fact", "ticket-1", "--mode", "test")).json["lot"])
    other = (await desk.grant(25, "--fact", "ticket-1", account=desk.admin.account_id)).json
    assert len(lots | {other["lot"]}) == 3
    assert (other["new"], other["wallet"]["available"]) == (True, 25)


async def test_a_fact_with_other_terms_is_refused(desk: Desk) -> None:
    await desk.grant(25, "--fact", "ticket-1")
    before = desk.rows()
    refused = await desk.grant(26, "--fact", "ticket-1")
    assert refused.code == 1
    assert "command-conflict" in refused.err
    assert desk.rows() == before


async def test_what_remains_of_a_lot_is_taken_back(desk: Desk) -> None:
    lot = (await desk.grant(25)).json["lot"]
    back = (await desk.run("credits", "adjust", desk.customer.account_id, lot, 10, *desk.sign())).json
    assert (back["lot"], back["amount"], back["wallet"]["available"]) == (lot, 10, 15)
    assert [record[0] for record in desk.records()] == ["credits.grant", "credits.adjust"]


async def test_a_bought_lot_a_foreign_lot_and_more_than_remains_are_not_taken_back(desk: Desk) -> None:
    bought = a_grant(10, source=LotSource.PACK)
    await say(desk.store, desk.customer.wallet_id, bought)
    given = (await desk.grant(5)).json["lot"]
    foreign = (await desk.grant(5, account=desk.admin.account_id)).json["lot"]
    before = desk.rows()
    for lot, amount, problem in ((bought.lot_id, 1, "invalid-amount"), (given, 6, "invalid-amount"), (foreign, 1, "no-such-lot")):
        refused = await desk.run("credits", "adjust", desk.customer.account_id, lot, amount, *desk.sign())
        assert refused.code == 1
        assert problem in refused.err
    assert desk.rows() == before


async def test_a_statement_is_read_page_by_page(desk: Desk) -> None:
    for _ in range(5):
        await desk.grant(2)
    read = ("credits", "statement", desk.customer.account_id, "--json", "--limit", 2)
    page, versions = (await desk.run(*read)).json, []
    assert (page["wallet"]["available"], len(page["wallet"]["lots"])) == (10, 5)
    while True:
        versions += [line["version"] for line in page["lines"]]
        if not page["next"]:
            break
        page = (await desk.run(*read, "--before", page["next"])).json
    assert versions == [5, 4, 3, 2, 1]
    assert (await desk.run(*read, "--mode", "test")).json["lines"] == []


# Generations and jobs


async def test_a_generation_is_shown_without_what_was_asked_for(desk: Desk) -> None:
    await desk.grant(30)
    request = replace(a_request(2), prompt="a most private lighthouse")
    generation, _ = await running(desk.store, desk.customer, request=request, metadata={"client": "Mrs Secret"})
    page = (await desk.run("generations", "show", generation.id, "--json")).json
    assert (page["generation"]["state"], page["generation"]["purged"]) == ("running", False)
    assert [attempt["outcome"] for attempt in page["attempts"]] == ["intended"]
    assert (page["hold"]["state"], page["hold"]["amount"], page["hold"]["allocations"][0]["amount"]) == ("open", 6, 6)
    assert [(line["debit"], line["credit"], line["amount"]) for line in page["transfers"]] == [("available", "held", 6)]
    shown = [await desk.run("generations", "show", generation.id, *more) for more in ((), ("--json",))]
    for answer in shown:
        assert answer.code == 0
        assert not any(word in answer.out for word in ("private", "lighthouse", "client", "Secret"))


async def test_the_queues_are_shown(desk: Desk) -> None:
    assert (await desk.run("jobs", "status", "--json")).json == {"queues": []}
    async with desk.store.transaction() as tx:
        tx.wakeups.wake()
    (queue,) = (await desk.run("jobs", "status", "--json")).json["queues"]
    assert (queue["queue"], queue["waiting"], queue["failed"]) == ("generations", 1, 0)


async def test_without_json_every_look_is_a_table(desk: Desk) -> None:
    await desk.grant(30)
    generation, _ = await running(desk.store, desk.customer)
    looks = [
        ("accounts", "find", "ada"),
        ("accounts", "show", desk.customer.account_id),
        ("credits", "statement", desk.customer.account_id),
        ("credits", "audit"),
        ("generations", "show", generation.id),
        ("jobs", "status"),
        ("db", "check"),
        ("db", "upgrade"),
    ]
    for words in looks:
        answer = await desk.run(*words)
        assert (answer.code, answer.err) == (0, ""), words
        assert answer.out.strip(), words
        assert not answer.out.lstrip().startswith("{"), words


async def test_a_name_cannot_command_the_terminal(desk: Desk) -> None:
    async with desk.store.transaction() as tx:
        account = await tx.accounts.find(desk.customer.account_id)
        await tx.accounts.save(replace(account, name="\x1b[2J[red]Mal\nlory\u202e"))
    for words in (("find", "Mal"), ("show", desk.customer.account_id)):
        shown = (await desk.run("accounts", *words)).out
        assert "[red]Mal\ufffdlory\ufffd" in shown
        assert "\x1b" not in shown


# Who may, and what is refused


def changes(desk: Desk, lot: object) -> dict[tuple[str, str], tuple[object, ...]]:
    account = desk.customer.account_id
    return {
        ("accounts", "role"): (account, "admin"),
        ("credits", "grant"): (account, 5),
        ("credits", "adjust"): (account, lot, 5),
    }


async def test_a_change_without_a_name_or_a_reason_is_wrong_usage(desk: Desk) -> None:
    lot = (await desk.grant(30)).json["lot"]
    before, staff = desk.rows(), desk.admin.account_id
    for path, words in changes(desk, lot).items():
        for signed in ((), ("--as", staff), ("--reason", "because"), ("--as", "me", "--reason", "because")):
            assert (await desk.run(*path, *words, *signed)).code == 2, (path, signed)
    assert changes(desk, lot).keys() == CHANGES
    assert desk.rows() == before


async def test_who_is_not_staff_changes_nothing(desk: Desk) -> None:
    lot = (await desk.grant(30)).json["lot"]
    before = desk.rows()
    for path, words in changes(desk, lot).items():
        for staff in (desk.customer.account_id, NOBODY, *([desk.supporter.account_id] if path == ("accounts", "role") else [])):
            refused = await desk.run(*path, *words, *desk.sign(staff))
            assert (refused.code, refused.out) == (1, ""), (path, staff)
            assert len(refused.err.splitlines()) == 1
            assert "staff-only" in refused.err or "not-found" in refused.err
    assert desk.rows() == before


@pytest.mark.parametrize("reason", ["", "   ", "x" * 501, "card 4111 1111 1111 1111", "nul \0"])
async def test_a_reason_must_be_one(desk: Desk, reason: str) -> None:
    before = desk.rows()
    words = ("--as", desk.supporter.account_id, "--reason", reason)
    refused = await desk.run("credits", "grant", desk.customer.account_id, 5, *words)
    assert refused.code == 1
    assert "4111" not in refused.err
    assert desk.rows() == before


@pytest.mark.parametrize("amount", [0, -1, 2**63, 2**64, 10**30, "1.5", "ten", ""])
async def test_an_amount_that_is_none_is_wrong_usage(desk: Desk, amount: Any) -> None:
    assert (await desk.grant("--", amount)).code == 2
    assert (await desk.run("credits", "adjust", *desk.sign(), "--", desk.customer.account_id, new_id(), amount)).code == 2


async def test_an_amount_above_the_limit_is_refused(desk: Desk) -> None:
    for amount in (10**9 + 1, 2**63 - 1):
        assert "invalid-amount" in (await desk.grant(amount)).err
    assert (await desk.grant(10**9)).code == 0


@pytest.mark.parametrize(
    "words",
    [
        ("--fact", "Mrs Smith asked twice"),
        ("--fact", "smith@example.com"),
        ("--fact", ""),
        ("--expires-at", "tomorrow"),
        ("--expires-at", "2030-01-01T00:00:00"),
        ("--expires-at", "0001-01-01T00:00:00+14:00"),
        ("--priority", 2**31),
        ("--mode", "both"),
        ("--source", "pack"),
    ],
)
async def test_terms_that_are_none_are_wrong_usage(desk: Desk, words: tuple[object, ...]) -> None:
    before = desk.rows()
    assert (await desk.grant(5, *words)).code == 2
    assert desk.rows() == before


@pytest.mark.parametrize("words", [("accounts", "show"), ("credits", "statement"), ("generations", "show")])
async def test_what_is_not_there_is_named_in_one_line(run: Operator, words: tuple[str, ...]) -> None:
    unknown = uuid4()
    refused = await run(*words, unknown)
    assert (refused.code, refused.out) == (1, "")
    assert refused.err.startswith("gpt-image: not-found")
    assert str(unknown) in refused.err
    assert (await run(*words, "not-an-id")).code == 2
