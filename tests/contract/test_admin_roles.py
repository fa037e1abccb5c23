"""Who among staff may do what, at the keyboard and underneath it: from the tree of commands, so that a new one is covered."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace

import click
import pytest

from adapters.postgres.access_queries import PostgresAccessQueries
from adapters.postgres.session import Pool
from adapters.postgres.store import PostgresStore
from application.accounts import ChangeRole
from application.sessions import AuthenticateSession, ChangeProfile
from domain.accounts import AccountId, Act, Caller, Role, Staff
from domain.errors import DomainError, LastAdmin, StaffOnly, Unauthenticated
from domain.identities import Person
from domain.quarantine import ImpoundedId
from domain.sessions import SessionId
from entrypoints.answers import ACTS
from tests.contract.store_contract import customer, new_id, soon, uploaded, waits
from tests.desk import LOOKS, Desk, Traded, a_staffed_desk, an_operator, commands, without_picture_workers
from tests.doors import sign_in_on

pytestmark = pytest.mark.anyio
__all__ = ["a_staffed_desk", "an_operator", "without_picture_workers"]


@dataclass(frozen=True, slots=True)
class Scene:
    lot: object
    traded: Traded
    asset: object
    impounded: ImpoundedId


Words = Callable[[AccountId, "Scene", Desk], tuple[object, ...]]
WORDS: dict[Act, Words] = {
    Act.CHANGE_ROLE: lambda person, scene, desk: (person, "support"),
    **dict.fromkeys((Act.FREEZE, Act.UNFREEZE, Act.END_SESSIONS, Act.REVOKE_KEYS), lambda person, scene, desk: (person,)),
    Act.INVITE: lambda person, scene, desk: (),
    Act.GRANT_CREDITS: lambda person, scene, desk: (person, 5),
    Act.ADJUST_CREDITS: lambda person, scene, desk: (desk.customer.account_id, scene.lot, 5),
    Act.SYNC: lambda person, scene, desk: (),
    Act.REPLAY: lambda person, scene, desk: (scene.traded.event,),
    Act.REFUND: lambda person, scene, desk: (scene.traded.purchase,),
    Act.CANCEL: lambda person, scene, desk: (scene.traded.subscription,),
    Act.SWEEP: lambda person, scene, desk: (),
    Act.PURGE: lambda person, scene, desk: (scene.asset,),
    Act.LIST_IMPOUNDED: lambda person, scene, desk: (),
    Act.RELEASE_IMPOUNDED: lambda person, scene, desk: (scene.impounded,),
}
"""What each act is asked with: nothing about it is to refuse but the role."""


def act_of(command: click.Command) -> Act | None:
    return ACTS.get(command.callback) if command.callback else None


def test_a_command_changes_nothing_or_says_which_role_it_takes() -> None:
    assert {path for path, command in commands() if not act_of(command)} == LOOKS
    for path, command in commands():
        signs = {"staff", "reason"} <= {parameter.name for parameter in command.params}
        assert signs == (path not in LOOKS), path
    assert {act_of(command) for path, command in commands() if path not in LOOKS} == set(Act) == set(WORDS)


async def test_every_change_takes_its_least_role_or_a_higher_one_and_refuses_the_others(desk: Desk) -> None:
    asset = await uploaded(desk.store, desk.customer)
    scene = Scene((await desk.grant(30)).json["lot"], await desk.trades(), asset.id, await desk.impounds())
    matrix = dict[tuple[Act, Role], int]()
    people = {Role.USER: desk.customer, Role.SUPPORT: desk.supporter, Role.ADMIN: desk.admin}
    for path, command in commands():
        if act := act_of(command):
            for role, who in people.items():
                somebody = await desk.somebody(frozen=act is Act.UNFREEZE)
                before = desk.rows()
                answer = await desk.run(*path, *WORDS[act](somebody, scene, desk), *desk.sign(who.account_id))
                matrix[act, role] = answer.code
                if not role.covers(act.least_role):
                    assert (answer.out, len(answer.err.splitlines())) == ("", 1), (path, role)
                    assert "staff-only" in answer.err
                    assert desk.rows() == before
                else:
                    assert len(desk.rows()) > len(before), "a change leaves a record"
                    assert desk.records()[-1][0].startswith(act), "of its own name"
                    assert desk.records()[-1][2:] == (who.account_id, "ticket 4711")
    assert matrix == {(act, role): 0 if role.covers(act.least_role) else 1 for act in Act for role in Role}


# How roles change


@dataclass
class Offices:
    """Accounts with roles, and who signs changes of them."""

    store: PostgresStore
    pool: Pool

    async def hire(self, role: Role) -> Caller:
        person = await customer(self.store)
        async with self.store.transaction() as tx:
            await tx.accounts.save((await tx.accounts.find(person.account_id)).with_role(role))
        return person

    async def change(self, by: Caller, of: Caller, role: Role) -> None:
        await ChangeRole(self.store, new_id)(Staff(by.account_id, "ticket 4711"), of.account_id, role)

    async def role(self, of: Caller) -> Role:
        async with self.store.transaction() as tx:
            return (await tx.accounts.find(of.account_id)).role

    async def records(self) -> int:
        async with self.pool.connection() as connection:
            row = await (await connection.execute(b"SELECT count(*) FROM audit_records")).fetchone()
            return int(row[0]) if row else 0


@pytest.fixture
def offices(pool: Pool) -> Offices:
    return Offices(PostgresStore(pool), pool)


async def test_the_last_admin_cannot_be_demoted_at_the_keyboard_either(desk: Desk) -> None:
    before = desk.rows()
    refused = await desk.run("accounts", "role", desk.admin.account_id, "user", *desk.sign(desk.admin.account_id))
    assert (refused.code, refused.out) == (1, "")
    assert refused.err.startswith("gpt-image: last-admin")
    assert "make another account an admin first" in refused.err
    assert desk.rows() == before


async def test_of_two_admins_who_demote_each_other_at_once_one_stays(offices: Offices) -> None:
    for _ in range(10):
        one, other = [await offices.hire(Role.ADMIN) for _ in range(2)]
        ends = await asyncio.gather(
            offices.change(one, other, Role.USER), offices.change(other, one, Role.SUPPORT), return_exceptions=True
        )
        assert sorted(str(type(end)) for end in ends if end) == [str(StaffOnly)], "who is no admin any more changes nothing"
        left = [who for who in (one, other) if await offices.role(who) is Role.ADMIN]
        assert len(left) == 1
        [admin] = left
        with pytest.raises(LastAdmin):
            await offices.change(admin, admin, Role.USER)
        async with offices.store.transaction() as tx:
            await tx.accounts.save((await tx.accounts.find(admin.account_id)).with_role(Role.USER))
    assert await offices.records() == 10


async def test_of_admins_who_all_resign_at_once_one_stays(offices: Offices) -> None:
    admins = [await offices.hire(Role.ADMIN) for _ in range(4)]
    ends = await asyncio.gather(*(offices.change(who, who, Role.USER) for who in admins), return_exceptions=True)
    assert [type(end) for end in ends if end] == [LastAdmin]
    assert [await offices.role(who) for who in admins].count(Role.ADMIN) == 1


async def test_who_signs_must_have_the_role_still_when_the_change_is_made(offices: Offices) -> None:
    """Between the look at who signs and the change itself an admin may have become a user."""
    first, second, person = [await offices.hire(role) for role in (Role.ADMIN, Role.ADMIN, Role.USER)]
    async with offices.store.transaction() as tx:
        found = await tx.accounts.lock_with_admins(first.account_id)
        assert set(found) == {first.account_id, second.account_id}
        change = soon(offices.change(first, person, Role.ADMIN))
        await waits(change)
        await tx.accounts.save(found[first.account_id].with_role(Role.USER))
    with pytest.raises(StaffOnly):
        await change
    assert await offices.role(person) is Role.USER


async def test_the_same_role_again_changes_nothing_and_leaves_no_record(offices: Offices) -> None:
    admin, supporter = await offices.hire(Role.ADMIN), await offices.hire(Role.SUPPORT)
    await offices.change(admin, supporter, Role.SUPPORT)
    assert await offices.records() == 0


async def test_a_role_of_nobody_or_by_nobody_is_not_found(offices: Offices) -> None:
    admin, nobody = await offices.hire(Role.ADMIN), AccountId(new_id())
    change = ChangeRole(offices.store, new_id)
    for staff, account in ((admin.account_id, nobody), (nobody, admin.account_id)):
        with pytest.raises(DomainError, match="no such thing"):
            await change(Staff(staff, "ticket 4711"), account, Role.SUPPORT)


async def test_a_new_role_ends_every_session_of_that_account_and_of_no_other(offices: Offices) -> None:
    admin, store = await offices.hire(Role.ADMIN), offices.store
    authenticate, sign_in = AuthenticateSession(store, PostgresAccessQueries(offices.pool)), sign_in_on(store)
    ada, bob = Person("one", "ada", "ada@example.test", "Ada"), Person("one", "bob", "bob@example.test", "Bob")
    session, first = await sign_in(ada)
    _, second = await sign_in(ada)
    _, others = await sign_in(bob)
    change = ChangeRole(store, new_id)
    await change(Staff(admin.account_id, "ticket 4711"), session.account_id, Role.SUPPORT)
    for ended in (first, second):
        with pytest.raises(Unauthenticated):
            await authenticate(ended)
    await authenticate(others)
    _, anew = await sign_in(ada)
    await change(Staff(admin.account_id, "ticket 4711"), session.account_id, Role.SUPPORT)
    await authenticate(anew)


async def test_a_session_that_begins_while_the_role_changes_ends_with_the_old_role(offices: Offices) -> None:
    admin, store = await offices.hire(Role.ADMIN), offices.store
    ada = Person("one", "ada", "ada@example.test", "Ada")
    session, _ = await sign_in_on(store)(ada)
    async with store.transaction() as tx:  # a sign-in that has not come to its end
        await tx.sessions.add(replace(session, id=SessionId(new_id()), token_hash=b"late"))
        change = soon(ChangeRole(store, new_id)(Staff(admin.account_id, "r"), session.account_id, Role.SUPPORT))
        await waits(change)
    await change
    assert await PostgresAccessQueries(offices.pool).sessions(session.account_id) == []


async def test_a_profile_that_changes_while_the_role_does_leaves_the_role_alone(offices: Offices) -> None:
    someone = await offices.hire(Role.SUPPORT)
    rename = ChangeProfile(offices.store)
    async with offices.store.transaction() as tx:  # a change of role that has not come to its end
        before = await tx.accounts.lock(someone.account_id)
        renamed = soon(rename(someone.account_id, lambda account: replace(account, name="Ada")))
        await waits(renamed)
        await tx.accounts.save(before.with_role(Role.USER))
    assert (await renamed).role is Role.USER
    assert await offices.role(someone) is Role.USER
