"""First sign-ins: an account with its trial credits, once per person, and only where the door is open."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import count

import pytest

from adapters.keyring import PurposeKeys
from adapters.postgres.pool import open_pool
from adapters.postgres.queries import PostgresQueries
from adapters.postgres.store import PostgresStore
from application.queries import CreditsRow
from application.registration import INVITATION_DAYS, Invite
from domain.accounts import AccountId, Mode, Staff
from domain.errors import RegistrationClosed
from domain.identities import Person
from domain.registration import TEST_CREDITS, RegistrationRules
from tests.doors import sign_in_on
from tests.offer import CATALOGUE
from tests.world import REASON, new_id

pytestmark = pytest.mark.anyio
ADA = Person("one", "subject-1", "ada@example.test", "Ada")
FREE = CATALOGUE.plan(CATALOGUE.default_plan)
STAFF = Staff(AccountId(new_id()), REASON)
OLD, NEW = b"a" * 32, b"b" * 32


@dataclass
class Door:
    store: PostgresStore
    queries: PostgresQueries
    numbers: "count[int]"

    async def enter(
        self, person: Person, rules: str = "open", invitation: str | None = None, keys: PurposeKeys | None = None
    ) -> AccountId:
        sign_in = sign_in_on(self.store, RegistrationRules.parse(rules), keys or PurposeKeys({"old": OLD}))
        return (await sign_in(person, None, invitation))[0].account_id

    async def credits(self, account: AccountId, mode: Mode = Mode.LIVE) -> CreditsRow:
        return await self.queries.credits(await self.queries.wallet(account, mode))

    async def invite(self) -> str:
        return (await Invite(self.store, new_id, lambda: f"code-{next(self.numbers)}")(STAFF))[0]


@pytest.fixture
async def door(database_url: str) -> AsyncIterator[Door]:
    async with open_pool(database_url, size=10) as pool:
        yield Door(PostgresStore(pool), PostgresQueries(pool), count())


async def test_a_new_account_has_its_plans_trial_credits_and_some_to_test_with(door: Door) -> None:
    account = await door.enter(ADA)
    live, test = await door.credits(account), await door.credits(account, Mode.TEST)
    assert (live.available, test.available) == (FREE.trial_credits, TEST_CREDITS)
    assert live.lots[0].expires_at
    assert test.lots[0].expires_at is None


@pytest.mark.parametrize(
    "again",
    [
        replace(ADA, provider="two", subject="subject-2"),
        replace(ADA, provider="two", subject="subject-2", email="Ada+trial@Example.test"),
    ],
    ids=["the same address elsewhere", "written in another way"],
)
async def test_a_second_account_of_one_person_has_no_second_trial(door: Door, again: Person) -> None:
    await door.enter(ADA)
    assert (await door.credits(await door.enter(again))).available == 0


async def test_whoever_left_and_comes_back_has_no_second_trial(door: Door) -> None:
    """Neither by the address nor by the sign-in, though nothing else is left of the first account."""
    first = await door.enter(ADA)
    async with door.store.transaction() as tx:
        for identity in await tx.identities.of_account(first):
            await tx.identities.remove(identity.id)
    back = replace(ADA, email="another@example.test")
    assert (await door.credits(await door.enter(back))).available == 0


async def test_a_new_key_for_digests_forgets_nobody(door: Door) -> None:
    await door.enter(ADA)
    rotated = PurposeKeys({"new": NEW, "old": OLD})
    assert (await door.credits(await door.enter(replace(ADA, provider="two"), keys=rotated))).available == 0


async def test_many_accounts_at_once_have_one_trial(door: Door) -> None:
    people = [replace(ADA, provider=f"p{number}") for number in range(8)]
    accounts = await asyncio.gather(*(door.enter(person) for person in people))
    assert sum([(await door.credits(account)).available for account in accounts]) == FREE.trial_credits


async def test_where_the_door_is_closed_those_who_live_there_still_come_in(door: Door) -> None:
    account = await door.enter(ADA)
    assert await door.enter(ADA, "closed") == account
    with pytest.raises(RegistrationClosed):
        await door.enter(replace(ADA, subject="subject-2"), "closed")
    assert len(await door.queries.accounts("example.test", 10)) == 1


async def test_an_invitation_opens_one_account(door: Door) -> None:
    code = await door.invite()
    with pytest.raises(RegistrationClosed):
        await door.enter(ADA, "invite", "code-99")
    await door.enter(ADA, "invite", code)
    with pytest.raises(RegistrationClosed):
        await door.enter(replace(ADA, subject="subject-2"), "invite", code)


async def test_an_invitation_is_not_used_up_by_who_has_an_account_or_may_not_enter(door: Door) -> None:
    code = await door.invite()
    await door.enter(ADA)
    await door.enter(ADA, "invite", code)
    with pytest.raises(RegistrationClosed):
        await door.enter(replace(ADA, subject="subject-2"), "closed", code)
    await door.enter(replace(ADA, subject="subject-2"), "invite", code)


async def test_an_old_invitation_opens_nothing(door: Door) -> None:
    code = await door.invite()
    door.store.offset += timedelta(days=INVITATION_DAYS)
    with pytest.raises(RegistrationClosed):
        await door.enter(ADA, "invite", code)
