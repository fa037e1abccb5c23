"""Whoever begins or ends sessions locks the account first: two who do at once wait for each other one way round."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from adapters.postgres.access_queries import PostgresAccessQueries
from adapters.postgres.session import Pool
from adapters.postgres.store import PostgresStore
from application.access import AccessStore, AccessTransaction
from application.accounts import ChangeRole, EndSessionsOf
from application.sessions import EndEverySession, LinkIdentity
from domain.accounts import AccountId, Role, Staff
from domain.errors import NotFound, SignInInvalid
from domain.identities import Person
from tests.contract.harnesses import StoreHarness, each_store
from tests.contract.store_contract import customer, new_id, soon, waits
from tests.doors import sign_in_on

pytestmark = pytest.mark.anyio
__all__ = ["each_store"]

ADA = Person("one", "ada", "ada@example.test", "Ada")


@dataclass
class Held(AccessStore):
    """A store whose transactions stop after they have ended sessions by `verb`, until they are let go."""

    store: AccessStore
    verb: str
    reached: asyncio.Event = field(default_factory=asyncio.Event)
    go: asyncio.Event = field(default_factory=asyncio.Event)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AccessTransaction]:
        async with self.store.transaction() as tx:
            end = getattr(tx.sessions, self.verb)

            async def end_and_stop(*words: Any, **named: Any) -> Any:
                done = await end(*words, **named)
                self.reached.set()
                await self.go.wait()
                return done

            setattr(tx.sessions, self.verb, end_and_stop)
            yield tx


@dataclass
class Ada:
    """A person who is signed in, and an admin."""

    store: PostgresStore
    account: AccountId
    token: str
    staff: Staff

    async def signs_in(self, store: AccessStore) -> None:
        await sign_in_on(store)(ADA, self.token)

    async def signs_out_everywhere(self, store: AccessStore) -> None:
        await EndEverySession(store, new_id)(self.account)

    async def has_another_role(self, store: AccessStore) -> None:
        await ChangeRole(store, new_id)(self.staff, self.account, Role.SUPPORT)

    async def is_signed_out_by_staff(self, store: AccessStore) -> None:
        await EndSessionsOf(store, new_id)(self.staff, self.account)


Act = Callable[[Ada, AccessStore], Awaitable[None]]
FIRST: dict[str, tuple[Act, str]] = {
    "signs in": (Ada.signs_in, "end_token"),
    "signs out everywhere": (Ada.signs_out_everywhere, "end_all"),
    "is signed out by staff": (Ada.is_signed_out_by_staff, "end_all"),
}
SECOND: dict[str, Act] = {
    "has another role": Ada.has_another_role,
    "is signed out by staff": Ada.is_signed_out_by_staff,
    "signs out everywhere": Ada.signs_out_everywhere,
}


@pytest.fixture
async def ada(pool: Pool) -> Ada:
    store = PostgresStore(pool)
    session, token = await sign_in_on(store)(ADA)
    admin = (await customer(store)).account_id
    async with store.transaction() as tx:
        await tx.accounts.save((await tx.accounts.find(admin)).with_role(Role.ADMIN))
    return Ada(store, session.account_id, token, Staff(admin, "ticket 4711"))


async def somebody_waits_for_a_lock(pool: Pool) -> None:
    waiting = b"SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    deadline = time.monotonic() + 4
    async with pool.connection() as connection:
        while await (await connection.execute(waiting)).fetchone() == (0,):
            assert time.monotonic() < deadline, "nobody waits"
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("second", SECOND)
@pytest.mark.parametrize("first", FIRST)
async def test_two_who_change_the_sessions_of_one_account_both_come_to_their_end(
    ada: Ada, pool: Pool, first: str, second: str
) -> None:
    """And what the first has begun is ended by the second."""
    act, verb = FIRST[first]
    held = Held(ada.store, verb)
    one = asyncio.ensure_future(act(ada, held))
    await held.reached.wait()
    other = asyncio.ensure_future(SECOND[second](ada, ada.store))
    await somebody_waits_for_a_lock(pool)
    held.go.set()
    assert [*await asyncio.gather(one, other, return_exceptions=True)] == [None, None]
    assert await PostgresAccessQueries(pool).sessions(ada.account) == []


async def test_a_sign_in_that_is_removed_meanwhile_opens_nothing(ada: Ada, pool: Pool) -> None:
    """Or whoever is shut out by its removal would be in for a month."""
    theirs = Person("two", "mallory", "mallory@example.test")
    linked = await LinkIdentity(ada.store, new_id)(ada.account, theirs)
    async with ada.store.transaction() as tx:
        await tx.identities.of_account(ada.account)
        late = asyncio.ensure_future(sign_in_on(ada.store)(theirs))
        await somebody_waits_for_a_lock(pool)
        await tx.identities.remove(linked.id)
    [refusal] = await asyncio.gather(late, return_exceptions=True)
    assert isinstance(refusal, SignInInvalid)
    assert {session.provider for session in await PostgresAccessQueries(pool).sessions(ada.account)} == {"one"}


async def test_an_account_that_is_locked_is_changed_by_nobody_else(harness: StoreHarness) -> None:
    account = (await customer(harness.store)).account_id

    async def change(role: Role) -> Role:
        async with harness.store.transaction() as tx:
            found = await tx.accounts.lock(account)
            await tx.accounts.save(found.with_role(role))
        return found.role

    async with harness.store.transaction() as tx:
        found = await tx.accounts.lock(account)
        change_later = soon(change(Role.ADMIN))
        await waits(change_later)
        await tx.accounts.save(found.with_role(Role.SUPPORT))
    assert await change_later is Role.SUPPORT, "it sees what was changed before"


async def test_an_account_that_is_not_there_cannot_be_locked(harness: StoreHarness) -> None:
    async with harness.store.transaction() as tx:
        with pytest.raises(NotFound):
            await tx.accounts.lock(AccountId(new_id()))
