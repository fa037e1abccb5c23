"""Signing in: an account for every person, a session for every browser, and nothing of either after its end."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from adapters.keyring import PurposeKeys
from adapters.postgres.access_queries import PostgresAccessQueries
from adapters.postgres.pool import open_pool
from adapters.postgres.store import PostgresStore
from application.sessions import (
    AuthenticateSession,
    EndEverySession,
    EndSession,
    LinkIdentity,
    SignIn,
    UnlinkIdentity,
    hash_token,
)
from domain.accounts import Mode, Scope
from domain.errors import FreshSignInNeeded, IdentityTaken, LastIdentity, NotFound, Unauthenticated
from domain.identities import Person
from domain.limits import LIMITS
from domain.registration import RegistrationRules
from domain.sessions import SessionRules
from tests.doors import sign_in_on
from tests.world import new_id

pytestmark = pytest.mark.anyio
RULES = SessionRules()
ADA = Person("one", "subject-1", "ada@example.test", "Ada")


@dataclass
class Door:
    """The store, its clock, and the use cases on it."""

    store: PostgresStore
    queries: PostgresAccessQueries
    rules: RegistrationRules = RegistrationRules()
    digests: PurposeKeys = PurposeKeys({"a": b"a" * 32})

    @property
    def sign_in(self) -> SignIn:
        return sign_in_on(self.store, self.rules, self.digests)

    @property
    def authenticate(self) -> AuthenticateSession:
        return AuthenticateSession(self.store, self.queries)

    def passes(self, span: timedelta) -> None:
        self.store.offset += span
        self.queries.offset += span


@pytest.fixture
async def door(database_url: str) -> AsyncIterator[Door]:
    async with open_pool(database_url, size=10) as pool:
        yield Door(PostgresStore(pool), PostgresAccessQueries(pool))


async def test_a_first_sign_in_makes_an_account_with_a_wallet_in_each_mode(door: Door) -> None:
    session, token = await door.sign_in(ADA)
    caller = (await door.authenticate(token)).caller
    assert (caller.account_id, caller.key_id) == (session.account_id, None)
    assert (caller.mode, caller.scopes) == (Mode.LIVE, frozenset(Scope))
    async with door.store.transaction() as tx:
        account = await tx.accounts.find(session.account_id)
    assert (account.name, account.email, account.plan) == ("Ada", "ada@example.test", "free")
    assert [(i.provider, i.subject) for i in await door.queries.identities(session.account_id)] == [("one", "subject-1")]


async def test_the_next_one_leads_to_the_same_account_by_a_session_of_its_own(door: Door) -> None:
    first, _ = await door.sign_in(ADA)
    second, _ = await door.sign_in(replace(ADA, email="ada@elsewhere.test"))
    assert first.account_id == second.account_id
    assert len({session.id for session in await door.queries.sessions(first.account_id)}) == 2


async def test_two_first_sign_ins_at_once_make_one_account(door: Door) -> None:
    made = await asyncio.gather(*(door.sign_in(ADA) for _ in range(8)))
    assert len({session.account_id for session, _ in made}) == 1


async def test_an_equal_address_links_nothing(door: Door) -> None:
    one, _ = await door.sign_in(ADA)
    other, _ = await door.sign_in(replace(ADA, provider="two"))
    assert one.account_id != other.account_id


async def test_signing_in_again_ends_the_session_this_browser_had(door: Door) -> None:
    _, before = await door.sign_in(ADA)
    _, after = await door.sign_in(ADA, before)
    with pytest.raises(Unauthenticated):
        await door.authenticate(before)
    await door.authenticate(after)


async def test_nothing_is_kept_of_a_token_but_its_hash(door: Door) -> None:
    session, token = await door.sign_in(ADA)
    assert session.token_hash == hash_token(token)
    assert token.encode() not in session.token_hash


async def test_an_unknown_token_is_nobody(door: Door) -> None:
    with pytest.raises(Unauthenticated):
        await door.authenticate("token-99")


async def test_a_session_nobody_uses_ends(door: Door) -> None:
    _, token = await door.sign_in(ADA)
    door.passes(RULES.idle - timedelta(seconds=10))
    await door.authenticate(token)
    door.passes(RULES.idle - timedelta(seconds=10))
    await door.authenticate(token)
    door.passes(RULES.idle)
    with pytest.raises(Unauthenticated):
        await door.authenticate(token)


async def test_a_session_that_is_used_every_day_ends_all_the_same(door: Door) -> None:
    _, token = await door.sign_in(ADA)
    for _ in range(RULES.absolute.days - 1):
        door.passes(timedelta(days=1))
        await door.authenticate(token)
    door.passes(timedelta(days=1))
    with pytest.raises(Unauthenticated):
        await door.authenticate(token)


async def test_its_use_is_written_down_now_and_then(door: Door) -> None:
    session, token = await door.sign_in(ADA)
    door.passes(RULES.noted - timedelta(seconds=10))
    await door.authenticate(token)
    assert (await door.queries.sessions(session.account_id))[0].seen_at == session.seen_at
    door.passes(timedelta(seconds=20))
    await door.authenticate(token)
    assert (await door.queries.sessions(session.account_id))[0].seen_at > session.seen_at


async def test_what_cannot_be_undone_wants_a_fresh_sign_in(door: Door) -> None:
    _, token = await door.sign_in(ADA)
    await door.authenticate(token, fresh=True)
    door.passes(RULES.fresh)
    await door.authenticate(token)
    with pytest.raises(FreshSignInNeeded):
        await door.authenticate(token, fresh=True)


async def test_one_session_or_all_can_be_ended_and_only_ones_own(door: Door) -> None:
    mine, token = await door.sign_in(ADA)
    theirs, their_token = await door.sign_in(replace(ADA, subject="subject-2"))
    with pytest.raises(NotFound):
        await EndSession(door.store)(theirs.account_id, mine.id)
    await EndSession(door.store)(mine.account_id, mine.id)
    with pytest.raises(Unauthenticated):
        await door.authenticate(token)
    more = [(await door.sign_in(ADA))[1] for _ in range(3)]
    assert await EndEverySession(door.store, new_id)(mine.account_id) == 3
    for ended in more:
        with pytest.raises(Unauthenticated):
            await door.authenticate(ended)
    await door.authenticate(their_token)


async def test_of_too_many_sessions_the_oldest_end(door: Door) -> None:
    made = [(await door.sign_in(ADA))[1] for _ in range(LIMITS["sessions"] + 2)]
    for token in made[:2]:
        with pytest.raises(Unauthenticated):
            await door.authenticate(token)
    await door.authenticate(made[2])


async def test_another_sign_in_is_linked_by_ones_own_act_and_leads_here(door: Door) -> None:
    session, _ = await door.sign_in(ADA)
    other = replace(ADA, provider="two", email="ada@elsewhere.test")
    linked = await LinkIdentity(door.store, new_id)(session.account_id, other)
    assert (await LinkIdentity(door.store, new_id)(session.account_id, other)) == linked, "again changes nothing"
    assert (await door.sign_in(other))[0].account_id == session.account_id


async def test_somebody_elses_sign_in_cannot_be_linked(door: Door) -> None:
    session, _ = await door.sign_in(ADA)
    stranger = replace(ADA, subject="subject-2")
    await door.sign_in(stranger)
    with pytest.raises(IdentityTaken):
        await LinkIdentity(door.store, new_id)(session.account_id, stranger)


async def test_the_last_sign_in_stays_even_if_two_leave_at_once(door: Door) -> None:
    session, _ = await door.sign_in(ADA)
    await LinkIdentity(door.store, new_id)(session.account_id, replace(ADA, provider="two"))
    both = [identity.id for identity in await door.queries.identities(session.account_id)]
    left = await asyncio.gather(
        *(UnlinkIdentity(door.store, new_id)(session.account_id, id) for id in both), return_exceptions=True
    )
    assert [type(end) for end in left if end] == [LastIdentity]
    with pytest.raises(NotFound):
        await UnlinkIdentity(door.store, new_id)(session.account_id, both[0] if left[0] is None else both[1])
