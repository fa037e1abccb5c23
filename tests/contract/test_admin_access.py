"""What staff does when an account is abused or taken over, and whom they let in; on a real database, and at running processes."""

import asyncio
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from adapters.postgres.access_queries import PostgresAccessQueries
from adapters.postgres.audit_chain import PostgresAuditTrail
from adapters.postgres.session import Pool
from adapters.postgres.store import PostgresStore
from application.accounts import RevokeKeysOf
from application.api_keys import MakeKey
from application.registration import INVITATION_DAYS
from application.sessions import AuthenticateSession
from domain.accounts import AccountId, Mode, Role, Scope, Staff
from domain.errors import RegistrationClosed, Unauthenticated
from domain.identities import Person
from domain.registration import RegistrationRules
from tests import plain_http
from tests.contract.store_contract import a_generation, customer, new_id, place, soon, waits
from tests.desk import Desk, Operator, a_staffed_desk, an_operator, without_picture_workers
from tests.doors import sign_in_on
from tests.people import resident
from tests.service import serving

pytestmark = pytest.mark.anyio
__all__ = ["a_staffed_desk", "an_operator", "without_picture_workers"]

ADA, BOB = (Person("one", name, f"{name}@example.test", name.title()) for name in ("ada", "bob"))
REASON = "ticket 4711"


async def test_staff_freezes_an_account_and_an_admin_unfreezes_it(desk: Desk) -> None:
    account, admin = desk.customer.account_id, desk.admin.account_id
    frozen = (await desk.run("accounts", "freeze", account, *desk.sign())).json
    assert frozen["frozen_at"]
    assert (await desk.run("accounts", "show", account, "--json")).json["account"]["frozen_at"] == frozen["frozen_at"]
    freed = await desk.run("accounts", "unfreeze", account, *desk.sign(admin))
    assert (freed.code, freed.json.get("frozen_at")) == (0, None)
    assert desk.records() == [
        ("accounts.freeze", str(account), desk.supporter.account_id, REASON),
        ("accounts.unfreeze", str(account), admin, REASON),
    ]


async def test_frozen_or_unfrozen_again_nothing_changes_and_nothing_is_recorded(desk: Desk) -> None:
    account, admin = desk.customer.account_id, desk.sign(desk.admin.account_id)
    before = desk.rows()
    assert (await desk.run("accounts", "unfreeze", account, *admin)).code == 0
    assert desk.rows() == before
    await desk.run("accounts", "freeze", account, *admin)
    before = desk.rows()
    assert (await desk.run("accounts", "freeze", account, *admin)).code == 0
    assert desk.rows() == before


async def test_ended_sessions_are_worth_nothing_at_the_next_request_and_others_stay(desk: Desk, pool: Pool) -> None:
    sign_in, authenticate = sign_in_on(desk.store), AuthenticateSession(desk.store, PostgresAccessQueries(pool))
    (session, first), (_, second), (_, others) = [await sign_in(person) for person in (ADA, ADA, BOB)]
    done = await desk.run("accounts", "end-sessions", session.account_id, *desk.sign())
    assert done.json == {"account": str(session.account_id), "ended": 2}
    for ended in (first, second):
        with pytest.raises(Unauthenticated):
            await authenticate(ended)
    await authenticate(others)
    await authenticate((await sign_in(ADA))[1])
    subject, staff = str(session.account_id), desk.supporter.account_id
    assert desk.records() == [("accounts.end_sessions", subject, staff, REASON)]


async def test_every_key_of_the_account_is_revoked_in_both_modes_and_no_other(desk: Desk, pool: Pool) -> None:
    account, make = desk.customer.account_id, MakeKey(desk.store, new_id, lambda n: new_id().bytes + bytes(n - 16))
    for mode in Mode:
        await make(account, mode, {Scope.GENERATE}, None, None)
    done = await desk.run("accounts", "revoke-keys", account, *desk.sign())
    assert done.json == {"account": str(account), "revoked": 3}
    queries = PostgresAccessQueries(pool)
    assert await queries.keys(account) == []
    assert len(await queries.keys(desk.admin.account_id)) == 1
    assert (await desk.run("accounts", "revoke-keys", account, *desk.sign())).json["revoked"] == 0
    assert [action for action, *_ in desk.records()] == ["accounts.revoke_keys"] * 2


async def test_an_invitation_is_shown_once_and_opens_one_account_until_its_end(desk: Desk) -> None:
    made = await desk.run("accounts", "invite", *desk.sign())
    code, until = made.json["invitation"], datetime.fromisoformat(made.json["until"])
    async with desk.store.transaction() as tx:
        assert timedelta(days=INVITATION_DAYS, hours=-1) < until - await tx.now() <= timedelta(days=INVITATION_DAYS)
    assert not any(code in row for row in desk.rows()), "nothing is kept of it but its hash"
    enter = sign_in_on(desk.store, RegistrationRules.parse("invite"))
    await enter(ADA, None, code)
    with pytest.raises(RegistrationClosed):
        await enter(BOB, None, code)
    assert desk.records() == [("accounts.invite", "-", desk.supporter.account_id, REASON)]


async def test_what_a_person_reads_names_the_invitation_once(desk: Desk) -> None:
    said = await desk.run("accounts", "invite", *desk.sign()[:-1])
    words = said.out.split()
    assert (words[0], words.count(words[1]), words[2:6]) == ("invitation", 1, ["opens", "one", "account", "until"])
    await sign_in_on(desk.store, RegistrationRules.parse("invite"))(ADA, None, words[1])


@pytest.mark.parametrize("command", ["freeze", "end-sessions", "revoke-keys"])
async def test_support_does_nothing_to_an_admin(desk: Desk, command: str) -> None:
    before = desk.rows()
    refused = await desk.run("accounts", command, desk.admin.account_id, *desk.sign())
    assert (refused.code, desk.rows()) == (1, before)
    assert "staff-only" in refused.err


@pytest.mark.parametrize("command", ["freeze", "unfreeze", "end-sessions", "revoke-keys"])
async def test_an_account_that_is_not_there_is_refused_and_nothing_recorded(desk: Desk, command: str) -> None:
    before = desk.rows()
    refused = await desk.run("accounts", command, new_id(), *desk.sign(desk.admin.account_id))
    assert (refused.code, refused.out, len(refused.err.splitlines())) == (1, "", 1)
    assert "not-found" in refused.err
    assert desk.rows() == before


async def test_the_records_of_all_of_it_are_a_sound_chain(desk: Desk, pool: Pool) -> None:
    account, signature = desk.customer.account_id, desk.sign(desk.admin.account_id)
    for command in ("freeze", "unfreeze", "end-sessions", "revoke-keys"):
        assert (await desk.run("accounts", command, account, *signature)).code == 0
    assert (await desk.run("accounts", "invite", *signature)).code == 0
    assert len(await PostgresAuditTrail(pool).newest(10)) == 5
    assert (await desk.run("audit", "verify", "--json")).json["findings"] == []


async def a_supporter(store: PostgresStore) -> Staff:
    signs = (await customer(store)).account_id
    async with store.transaction() as tx:
        await tx.accounts.save((await tx.accounts.find(signs)).with_role(Role.SUPPORT))
    return Staff(signs, REASON)


async def test_a_key_that_is_being_made_is_revoked_with_the_others(pool: Pool) -> None:
    store = PostgresStore(pool)
    account, supporter = (await customer(store)).account_id, await a_supporter(store)
    async with store.transaction() as tx:  # as a key's maker does
        await tx.keys.of_account(account)
        revoke = soon(RevokeKeysOf(store, new_id)(supporter, account))
        await waits(revoke)
    assert await revoke == 1


async def test_a_request_by_a_capped_key_and_the_revoking_of_it_wait_for_each_other_one_way_round(pool: Pool) -> None:
    """The request has the key's spending and then names the account; the revoking has the account and then wants the key."""
    store = PostgresStore(pool)
    caller, supporter = await customer(store, 10), await a_supporter(store)
    async with pool.connection() as connection:
        await connection.execute("UPDATE api_keys SET spend_cap = 9 WHERE account_id = %s", (caller.account_id,))
    async with store.transaction() as tx:
        generation = a_generation(caller, await tx.now())
        assert caller.key_id
        assert await tx.spendings.lock(caller.key_id)
        revoke = soon(RevokeKeysOf(store, new_id)(supporter, caller.account_id))
        await waits(revoke)
        await place(tx, generation)
    assert await revoke == 1


async def test_at_every_process_a_freeze_counts_within_a_second_and_ended_sessions_and_revoked_keys_are_refused(
    new_database_url: str, tmp_path: Path
) -> None:
    run = Operator(new_database_url, tmp_path)
    assert (await run("db", "upgrade", "--first-admin", "admin@example.test")).code == 0
    with psycopg.connect(new_database_url) as connection:
        row = connection.execute("SELECT id FROM accounts WHERE role = %s", (Role.ADMIN.value,)).fetchone()
    sign = ("--as", row[0] if row else "", "--reason", REASON)
    await asyncio.to_thread(_at_two_processes, new_database_url, tmp_path, lambda *words: asyncio.run(_done(run, *words, *sign)))


async def _done(run: Operator, *words: object) -> None:
    answer = await run("accounts", *words)
    assert answer.code == 0, answer.err


def _at_two_processes(database_url: str, folder: Path, admin: Callable[[str, AccountId], None]) -> None:
    with serving(database_url, folder, processes=2) as addresses, resident(addresses[0]) as who:
        by_key, cookie = who.bearer(Mode.TEST), {"Cookie": f"session={who.http.cookies['session']}"}

        def statuses(path: str, headers: dict[str, str], method: str = "GET") -> set[int]:
            return {plain_http.request(method, f"{each}{path}", headers=headers, timeout=60).status_code for each in addresses}

        spends = f"/v1/generations/{new_id()}/retry"
        assert statuses(spends, by_key, "POST") == {404}
        admin("freeze", who.account)
        assert statuses("/v1/api-keys", cookie) == {200}
        time.sleep(1)  # no more than the promise
        assert statuses(spends, by_key, "POST") == {403}
        assert statuses("/v1/credits", by_key) == {200}
        admin("revoke-keys", who.account)
        time.sleep(1)
        assert statuses("/v1/credits", by_key) == {401}
        admin("end-sessions", who.account)
        assert statuses("/v1/me", cookie) == {401}
