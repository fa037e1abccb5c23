"""`gpt-image admin` on a real database: what each command does."""

from dataclasses import replace

import pytest

from domain.ledger import LotSource
from tests.contract.store_contract import a_grant, a_request, queued, running, say
from tests.desk import Desk, a_staffed_desk, an_operator, commands, without_picture_workers

pytestmark = pytest.mark.anyio
__all__ = ["a_staffed_desk", "an_operator", "without_picture_workers"]


def test_every_command_answers_in_json() -> None:
    for path, command in commands():
        assert "as_json" in {parameter.name for parameter in command.params}, path
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
        ("audit", "show"),
        ("audit", "verify"),
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
