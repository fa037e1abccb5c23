"""Promotions: credits for a code, once per person, so many times in all, until they lapse."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import count

import psycopg
import pytest

from adapters.postgres.access_queries import PostgresAccessQueries
from adapters.postgres.pool import open_pool
from adapters.postgres.queries import PostgresQueries
from adapters.postgres.store import PostgresStore
from application.promotions import RedeemPromotion
from application.sessions import AuthenticateSession
from domain.accounts import Caller
from domain.buying_errors import PromotionRedeemed, PromotionUsedUp, UnknownPromotion
from domain.catalogue import Catalogue
from domain.commands import Close, command_id
from domain.errors import AccountClosed, AccountFrozen, CardNumberRefused, DomainError, InvalidText
from domain.identities import Identity, IdentityId, Person
from tests.contract.store_contract import new_id, numbers, say
from tests.doors import KEYS, sign_in_on
from tests.offer import CATALOGUE, MODELS, PLANS

pytestmark = pytest.mark.anyio

WELCOME = """
[promotions.WELCOME]
credits = 100
days = 30
ends = 2999-12-31
most = 10

[promotions.BYGONE]
credits = 100
days = 30
ends = 2020-01-01
most = 10
"""
PROMOTED = Catalogue.parse(MODELS, PLANS + WELCOME)
TRIAL = CATALOGUE.plan(CATALOGUE.default_plan).trial_credits


@dataclass
class Counter:
    """Where codes are redeemed."""

    store: PostgresStore
    queries: PostgresQueries
    access: PostgresAccessQueries
    people: "count[int]"
    url: str
    catalogue: Catalogue = PROMOTED

    async def person(self, subject: str | None = None, email: str | None = None) -> Caller:
        """Signed in; each a new one, unless said."""
        number = next(self.people)
        who = Person("one", subject or f"s{number}", email or f"p{number}@example.test", None)
        _, token = await sign_in_on(self.store)(who)
        return (await AuthenticateSession(self.store, self.access)(token)).caller

    async def redeem(self, caller: Caller, code: str = "WELCOME") -> tuple[int, object]:
        found = await RedeemPromotion(self.store, self.catalogue, KEYS)(caller, code)
        return found.credits, found.expires_at

    async def promoted(self, caller: Caller) -> int:
        """Credits above those of the trial."""
        available, held, debt = await numbers(self.queries, caller.wallet_id)
        assert (held, debt) == (0, 0)
        return available - (TRIAL if available >= TRIAL else 0)


@pytest.fixture(name="counter")
async def a_counter(database_url: str) -> AsyncIterator[Counter]:
    async with open_pool(database_url, size=10) as pool:
        yield Counter(PostgresStore(pool), PostgresQueries(pool), PostgresAccessQueries(pool), count(1), database_url)


async def test_a_code_brings_its_credits_until_they_lapse(counter: Counter) -> None:
    ada = await counter.person()
    credits, expires_at = await counter.redeem(ada)
    assert (credits, await counter.promoted(ada)) == (100, 100)
    [lot] = [lot for lot in (await counter.queries.credits(ada.wallet_id)).lots if lot.source == "promotion"]
    assert (lot.granted, lot.expires_at) == (100, expires_at)
    async with counter.store.transaction() as tx:
        left = lot.expires_at - await tx.now() if lot.expires_at else None
    assert left
    assert timedelta(days=29) < left <= timedelta(days=30)


@pytest.mark.parametrize("code", ["welcome", "Welcome", " WELCOME\n"])
async def test_a_code_may_be_typed_in_any_case(counter: Counter, code: str) -> None:
    assert (await counter.redeem(await counter.person(), code))[0] == 100


async def test_again_it_is_what_it_was_the_first_time(counter: Counter) -> None:
    ada = await counter.person()
    first = await counter.redeem(ada)
    counter.store.offset += timedelta(days=3)
    counter.catalogue = Catalogue.parse(MODELS, PLANS + WELCOME.replace("2999-12-31", "2020-01-01").replace("100", "70"))
    assert await counter.redeem(ada, "welcome") == first
    assert await counter.promoted(ada) == 100


async def test_unknown_and_ended_are_one_and_the_same_answer(counter: Counter) -> None:
    ada, answers = await counter.person(), set[tuple[object, ...]]()
    for code in ("NOSUCH", "BYGONE", "WELCOM", "WELCOME2", "%", "'; --"):
        with pytest.raises(UnknownPromotion) as refused:
            await counter.redeem(ada, code)
        answers.add((refused.value.detail, *refused.value.facts.items()))
    assert len(answers) == 1
    assert await counter.promoted(ada) == 0


async def test_a_code_that_is_none_is_refused_as_any_text(counter: Counter) -> None:
    ada = await counter.person()
    for code in ("", "  ", "x" * 101, "nul\0", "\ud800"):
        with pytest.raises(InvalidText):
            await counter.redeem(ada, code)
    with pytest.raises(CardNumberRefused):
        await counter.redeem(ada, "4111 1111 1111 1111")


async def test_it_is_good_until_the_end_of_its_last_day_in_utc(counter: Counter) -> None:
    ada, bob = await counter.person(), await counter.person()
    async with counter.store.transaction() as tx:
        now = await tx.now()
    ends = date(2999, 12, 31)
    midnight = now.replace(year=2999, month=12, day=31, hour=23, minute=50)
    counter.store.offset += midnight - now
    assert counter.catalogue.promotions["WELCOME"].ends == ends
    await counter.redeem(ada)
    counter.store.offset += timedelta(minutes=11)
    with pytest.raises(UnknownPromotion):
        await counter.redeem(bob)


async def test_so_many_redeem_it_and_no_more_though_all_come_at_once(counter: Counter) -> None:
    people = [await counter.person() for _ in range(64)]
    ends = await asyncio.gather(*(counter.redeem(each) for each in people), return_exceptions=True)
    refused = [end for end in ends if isinstance(end, BaseException)]
    assert {type(end) for end in refused} == {PromotionUsedUp}
    assert len(refused) == 54
    assert sorted([await counter.promoted(each) for each in people]) == [0] * 54 + [100] * 10


async def test_one_account_at_once_from_everywhere_is_granted_once(counter: Counter) -> None:
    ada = await counter.person()
    assert len(set(await asyncio.gather(*(counter.redeem(ada) for _ in range(16))))) == 1
    assert await counter.promoted(ada) == 100
    with psycopg.connect(counter.url) as connection:
        assert connection.execute("SELECT redeemed FROM promotions").fetchall() == [(1,)]


@pytest.mark.parametrize("email", ["ada@example.test", "ADA+more@Example.test"])
async def test_another_account_of_the_same_person_does_not_get_it_again(counter: Counter, email: str) -> None:
    await counter.redeem(await counter.person(email="ada@example.test"))
    second = await counter.person(email=email)
    for _ in range(2):
        with pytest.raises(PromotionRedeemed):
            await counter.redeem(second)
    assert (await counter.redeem(await counter.person()))[0] == 100, "who is refused uses nothing up"


async def test_two_accounts_of_one_person_at_once_get_it_once(counter: Counter) -> None:
    for number in range(8):
        pair = [await counter.person(email=f"ada{number}@example.test") for _ in range(2)]
        ends = await asyncio.gather(*(counter.redeem(each) for each in pair), return_exceptions=True)
        assert [type(end) for end in ends if isinstance(end, DomainError)] == [PromotionRedeemed]


async def test_any_linked_sign_in_makes_it_the_same_person(counter: Counter) -> None:
    ada = await counter.person(subject="ada", email="ada@example.test")
    async with counter.store.transaction() as tx:
        linked = Identity(IdentityId(new_id()), ada.account_id, "two", "x", "other@example.test", await tx.now())
        tx.identities.add(linked)
    await counter.redeem(ada)
    with pytest.raises(PromotionRedeemed):
        await counter.redeem(await counter.person(email="other@example.test"))


async def test_a_frozen_or_closed_account_gets_nothing(counter: Counter) -> None:
    frozen, closed = await counter.person(), await counter.person()
    async with counter.store.transaction() as tx:
        account = await tx.accounts.lock(frozen.account_id)
        await tx.accounts.save(account.freeze(await tx.now()))
    await say(counter.store, closed.wallet_id, Close(id=command_id("close", closed.wallet_id)))
    with pytest.raises(AccountFrozen):
        await counter.redeem(replace(frozen, frozen=False))
    with pytest.raises(AccountClosed):
        await counter.redeem(closed)
    for _ in range(10):
        await counter.redeem(await counter.person())
