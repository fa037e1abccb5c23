"""`gpt-image admin audit`: what staff changed is shown, and whether somebody changed the record of it."""

from pathlib import Path

import psycopg
import pytest

from adapters.keyring import Keyring
from application.audit_chain import SignHeads
from entrypoints.settings import Settings
from entrypoints.wiring import container
from tests.desk import Desk, a_staffed_desk, an_operator, without_picture_workers
from tests.operator import Operator
from tests.processes import part, until

pytestmark = pytest.mark.anyio
__all__ = ["a_staffed_desk", "an_operator", "without_picture_workers"]


async def sign(desk: Desk) -> int:
    """As a worker does, with the operator's own keys and files."""
    async with container(Settings(database_url=desk.run.database_url, data_dir=desk.run.folder)) as parts:
        return (await (await parts.get(SignHeads))())["heads"]


def tamper(desk: Desk, statement: str) -> None:
    with psycopg.connect(desk.run.database_url) as connection:
        connection.execute(b"SET session_replication_role = replica")
        connection.execute(statement.encode())


async def test_records_are_shown_newest_first_and_by_day(desk: Desk) -> None:
    await desk.grant(30)
    await desk.run("accounts", "role", desk.customer.account_id, "support", *desk.sign(desk.admin.account_id))
    records = (await desk.run("audit", "show", "--json")).json["records"]
    assert [(each["number"], each["record"]["action"]) for each in records] == [
        (2, "accounts.role.support"),
        (1, "credits.grant"),
    ]
    assert {each["record"]["reason"] for each in records} == {"ticket 4711"}
    assert len((await desk.run("audit", "show", "--limit", 1, "--json")).json["records"]) == 1
    today, long_ago = records[0]["day"], "2001-01-01"
    assert len((await desk.run("audit", "show", "--day", today, "--json")).json["records"]) == 2
    assert (await desk.run("audit", "show", "--day", long_ago, "--json")).json == {"records": []}
    for day in ("yesterday", "2001-02-30"):
        assert (await desk.run("audit", "show", "--day", day)).code == 2


async def test_untouched_records_are_clean_and_no_signature_is_asked_for(desk: Desk) -> None:
    empty = await desk.run("audit", "verify", "--json")
    assert (empty.code, empty.json["clean"], empty.json["records"]) == (0, True, 0)
    await desk.grant(30)
    assert await sign(desk) == 1
    await desk.grant(5)
    verified = await desk.run("audit", "verify", "--json")
    assert verified.code == 0
    assert verified.json == {"clean": True, "records": 2, "heads": 1, "unsigned": 1, "findings": [], "cut": False}
    assert "the records are what they were" in (await desk.run("audit", "verify")).out


async def test_a_finding_is_named_and_ends_with_exit_code_1(desk: Desk) -> None:
    for amount in (1, 2, 3):
        await desk.grant(amount)
    await sign(desk)
    tamper(desk, "UPDATE audit_records SET reason = 'ticket 4712' WHERE number = 2")
    verified = await desk.run("audit", "verify", "--json")
    assert (verified.code, verified.json["clean"]) == (1, False)
    assert [(each["flaw"], each["number"]) for each in verified.json["findings"]] == [("edited", 2)]
    tamper(desk, "TRUNCATE audit_records")
    shown = await desk.run("audit", "verify")
    assert (shown.code, shown.err) == (1, "")
    assert "day_removed" in shown.out
    assert "the records are NOT what they were" in shown.out


async def test_heads_by_the_keys_of_another_installation_are_not_ours(desk: Desk) -> None:
    await desk.grant(30)
    await sign(desk)
    other = Operator(desk.run.database_url, desk.run.folder, {"KEYRING": Keyring.generate()})
    verified = await other("audit", "verify", "--json")
    assert (verified.code, [each["flaw"] for each in verified.json["findings"]]) == (1, ["head_invalid"])


async def test_a_retired_key_still_verifies_what_it_signed(desk: Desk) -> None:
    await desk.grant(30)
    await sign(desk)
    old, new = (desk.run.folder / "keyring").read_text().strip(), Keyring.generate()
    rotated = Operator(desk.run.database_url, desk.run.folder, {"KEYRING": f"{new},{old}"})
    assert (await rotated("audit", "verify", "--json")).json["clean"]


async def test_a_worker_signs_by_itself(new_database_url: str, tmp_path: Path) -> None:
    run = Operator(new_database_url, tmp_path)
    made = await run("db", "upgrade", "--first-admin", "root@example.com", "--json")
    assert made.code == 0
    with part("worker", tmp_path, DATABASE_URL=new_database_url, AUDIT_HEAD_SECONDS="0.2") as worker:
        until(lambda: list((tmp_path / "objects" / "audit").rglob("*.object")), "a head")
        until(lambda: '"heads": 1' in worker.log.read_text(), "a word of it")
    verified = await run("audit", "verify", "--json")
    assert verified.json == {"clean": True, "records": 1, "heads": 1, "unsigned": 0, "findings": [], "cut": False}
