"""Ways in that are over leave nothing behind: sessions that ended by themselves, old invitations, trials of long ago."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

from adapters.postgres.pool import open_pool
from adapters.postgres.store import PostgresStore
from application.housekeeping import ForgetAccess
from application.registration import INVITATION_DAYS, Invite
from domain.accounts import AccountId, Staff
from domain.identities import Person
from domain.registration import TRIAL_KEPT
from domain.sessions import Session, SessionRules
from tests.doors import sign_in_on
from tests.processes import part, until
from tests.world import REASON, new_id

pytestmark = pytest.mark.anyio
RULES = SessionRules()
ADA = Person("one", "ada", "ada@example.test")
STAFF = Staff(AccountId(new_id()), REASON)


@dataclass
class House:
    store: PostgresStore
    url: str

    async def forget(self, batch: int = 1_000) -> Mapping[str, int]:
        forgotten = await ForgetAccess(self.store, RULES, batch)()
        return {name: many for name, many in forgotten.items() if many}

    async def sign_in(self, person: Person = ADA) -> Session:
        return (await sign_in_on(self.store)(person))[0]

    async def invite(self) -> None:
        await Invite(self.store, new_id, lambda: new_id().hex)(STAFF)

    def passes(self, span: timedelta) -> None:
        self.store.offset += span

    def rows(self, table: str) -> int:
        with psycopg.connect(self.url) as connection:
            [(rows,)] = connection.execute(f"SELECT count(*) FROM {table}".encode()).fetchall()
        return int(rows)


@pytest.fixture
async def house(database_url: str) -> AsyncIterator[House]:
    async with open_pool(database_url, size=4) as pool:
        yield House(PostgresStore(pool), database_url)


async def test_a_session_that_nobody_used_is_removed_and_one_that_lives_is_not(house: House) -> None:
    await house.sign_in()
    house.passes(RULES.idle - timedelta(minutes=1))
    await house.sign_in()
    assert await house.forget() == {}
    house.passes(timedelta(minutes=2))
    assert await house.forget() == {"sessions_forgotten": 1}
    assert house.rows("sessions") == 1


async def test_a_session_in_use_is_removed_when_its_time_is_over(house: House) -> None:
    session = await house.sign_in()
    house.passes(RULES.absolute + timedelta(minutes=1))
    async with house.store.transaction() as tx:
        await tx.sessions.note(session.id, await tx.now())
    assert await house.forget() == {"sessions_forgotten": 1}


async def test_an_invitation_that_opens_nothing_any_more_is_removed(house: House) -> None:
    await house.invite()
    house.passes(timedelta(days=INVITATION_DAYS) - timedelta(minutes=1))
    await house.invite()
    assert await house.forget() == {}
    house.passes(timedelta(minutes=2))
    assert await house.forget() == {"invitations_forgotten": 1}
    assert house.rows("invitations") == 1


async def test_who_had_trial_credits_is_known_for_two_years_and_no_longer(house: House) -> None:
    await house.sign_in()
    house.passes(TRIAL_KEPT - timedelta(minutes=1))
    assert "trials_forgotten" not in await house.forget()
    house.passes(timedelta(minutes=2))
    assert await house.forget() == {"trials_forgotten": 2}
    assert house.rows("trials") == 0


async def test_more_than_fit_one_transaction_are_all_removed(house: House) -> None:
    for number in range(5):
        await house.sign_in(replace(ADA, subject=f"{number}"))
    house.passes(RULES.absolute + timedelta(minutes=1))
    assert await house.forget(batch=2) == {"sessions_forgotten": 5}


async def test_a_worker_forgets_what_is_over(new_database_url: str, tmp_path: Path) -> None:
    async with open_pool(new_database_url, size=2) as pool:
        house = House(PostgresStore(pool), new_database_url)
        house.passes(-RULES.absolute - timedelta(minutes=1))
        await house.sign_in()
    with part("worker", tmp_path, DATABASE_URL=new_database_url) as worker:
        await asyncio.to_thread(until, lambda: house.rows("sessions") == 0, "the session to be removed")
        await asyncio.to_thread(until, lambda: '"sessions_forgotten": 1' in worker.log.read_text(), "the worker to say so")
        assert await asyncio.to_thread(worker.stop) == 0
