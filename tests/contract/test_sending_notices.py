"""From what happens to the mail about it: written down with it, sent outside of it, tried again, and forgotten."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from email import message_from_bytes
from pathlib import Path

import psycopg
import pytest

from adapters.postgres.pool import open_pool
from adapters.postgres.store import PostgresStore
from application.notices import NoticeRefused, Notices, NoticesUnavailable, SendNotices
from application.sessions import EndEverySession, LinkIdentity, UnlinkIdentity
from domain.accounts import AccountId
from domain.errors import IdentityTaken, LastIdentity
from domain.identities import Person
from domain.notices import BACK_OFF, KEPT, Facts, Notice, NoticeId, NoticeKind
from tests.doors import sign_in_on
from tests.processes import part, until
from tests.world import new_id

pytestmark = pytest.mark.anyio
ADA = Person("one", "subject-1", "ada@example.test", "Ada")
BEA = replace(ADA, subject="subject-2", email="bea@example.test")
Told = tuple[NoticeKind, str, Facts]


class Post(Notices):
    """A carrier that takes what `act` lets it."""

    def __init__(self) -> None:
        self.sent: list[Notice] = []
        self.act: Callable[[Notice], object] = lambda _: None

    async def send(self, notice: Notice) -> None:
        done = self.act(notice)
        if asyncio.iscoroutine(done):
            await done
        self.sent.append(notice)

    async def examine(self) -> str | None:
        return None

    def fails(self, error: Exception) -> None:
        def act(_: Notice) -> None:
            raise error

        self.act = act


@dataclass
class Door:
    """The store, its clock, what signs people in, and the post."""

    store: PostgresStore
    url: str
    post: Post = field(default_factory=Post)

    async def sign_in(self, person: Person, replaces: str | None = None) -> tuple[AccountId, str]:
        session, token = await sign_in_on(self.store)(person, replaces)
        return session.account_id, token

    async def link(self, account: AccountId, person: Person) -> None:
        await LinkIdentity(self.store, new_id)(account, person)

    @property
    def send(self) -> SendNotices:
        return SendNotices(self.store, self.post)

    async def told(self) -> list[Told]:
        """What is sent now, in the order it happened."""
        begun = len(self.post.sent)
        await self.send()
        return [(notice.kind, notice.address, notice.facts) for notice in self.post.sent[begun:]]

    def rows(self) -> int:
        with psycopg.connect(self.url) as connection:
            row = connection.execute("SELECT count(*) FROM notices").fetchone()
            return row[0] if row else 0


@pytest.fixture
async def door(database_url: str) -> AsyncIterator[Door]:
    async with open_pool(database_url, size=10) as pool:
        yield Door(PostgresStore(pool), database_url)


# What is told


async def test_a_first_sign_in_is_welcomed_once(door: Door) -> None:
    await door.sign_in(ADA)
    assert await door.told() == [(NoticeKind.WELCOME, ADA.email, Facts(provider="one"))]
    assert await door.told() == []
    assert door.rows() == 0, "nothing is kept of a mail"


async def test_two_first_sign_ins_at_once_are_one_welcome(door: Door) -> None:
    await asyncio.gather(*(door.sign_in(ADA) for _ in range(4)))
    assert sorted(kind for kind, _, _ in await door.told()) == [NoticeKind.NEW_SIGN_IN] * 3 + [NoticeKind.WELCOME]


async def test_a_session_in_another_browser_is_told_to_the_address_of_the_account(door: Door) -> None:
    await door.sign_in(ADA)
    await door.told()
    await door.sign_in(replace(ADA, email="elsewhere@example.test"))
    assert await door.told() == [(NoticeKind.NEW_SIGN_IN, ADA.email, Facts(provider="one"))]


async def test_a_browser_that_was_signed_in_is_no_other_browser(door: Door) -> None:
    _, token = await door.sign_in(ADA)
    await door.told()
    await door.sign_in(ADA, token)
    assert await door.told() == []


@pytest.mark.parametrize("brought", ["nonsense", "a stranger's", "one that was ended"])
async def test_whoever_brings_another_token_is_another_browser(door: Door, brought: str) -> None:
    """Or else whoever got in with somebody's sign-in would keep it quiet with a cookie of their own making."""
    account, token = await door.sign_in(ADA)
    _, strangers = await door.sign_in(BEA)
    await EndEverySession(door.store, new_id)(account)
    await door.told()
    await door.sign_in(ADA, {"nonsense": "nonsense", "a stranger's": strangers, "one that was ended": token}[brought])
    assert await door.told() == [(NoticeKind.NEW_SIGN_IN, ADA.email, Facts(provider="one"))]


async def test_a_sign_in_that_was_linked_and_one_that_was_removed_are_told(door: Door) -> None:
    account, _ = await door.sign_in(ADA)
    await door.told()
    other = replace(ADA, provider="two", email="elsewhere@example.test")
    linked = await LinkIdentity(door.store, new_id)(account, other)
    assert await door.told() == [(NoticeKind.SIGN_IN_CHANGED, ADA.email, Facts(provider="two", linked=True))]
    await door.link(account, other)
    assert await door.told() == [], "linked again changes nothing"
    await UnlinkIdentity(door.store, new_id)(account, linked.id)
    assert await door.told() == [(NoticeKind.SIGN_IN_CHANGED, ADA.email, Facts(provider="two", linked=False))]


async def test_what_was_refused_is_not_told(door: Door) -> None:
    account, _ = await door.sign_in(ADA)
    await door.sign_in(BEA)
    await door.told()
    with pytest.raises(IdentityTaken):
        await door.link(account, BEA)
    linked = await LinkIdentity(door.store, new_id)(account, ADA)
    with pytest.raises(LastIdentity):
        await UnlinkIdentity(door.store, new_id)(account, linked.id)
    assert await door.told() == []


async def test_a_sign_out_everywhere_is_told_if_anybody_was_signed_in(door: Door) -> None:
    account, _ = await door.sign_in(ADA)
    await door.told()
    for told in ([(NoticeKind.SIGNED_OUT_EVERYWHERE, ADA.email, Facts())], []):
        await EndEverySession(door.store, new_id)(account)
        assert await door.told() == told


@pytest.mark.parametrize("email", ["4242424242424242@example.test", "a,b@example.test", "ada@example..test", "ada\u202e@x.test"])
async def test_whoever_cannot_be_written_to_signs_in_all_the_same(door: Door, email: str) -> None:
    await door.sign_in(replace(ADA, email=email))
    assert await door.told() == []


@pytest.mark.parametrize("name", ["Ada\r\nBcc: all@example.test", "\u202eadA", "4242 4242 4242 4242", None])
async def test_names_are_no_part_of_a_notice(door: Door, name: str | None) -> None:
    await door.sign_in(replace(ADA, name=name))
    assert await door.told() == [(NoticeKind.WELCOME, ADA.email, Facts(provider="one"))]


async def test_what_did_not_happen_is_not_told(door: Door) -> None:
    account, _ = await door.sign_in(ADA)
    await door.told()
    notice = Notice(NoticeId(new_id()), account, NoticeKind.WELCOME, ADA.email, door.post.sent[0].at, Facts(provider="one"))

    async def undone() -> None:
        async with door.store.transaction() as tx:
            tx.notices.add(notice)
            await tx.sessions.end_all(account)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await undone()
    assert door.rows() == 0


# How it is sent


async def test_a_post_that_is_closed_delays_no_sign_in_and_loses_nothing(door: Door) -> None:
    door.post.fails(NoticesUnavailable("closed"))
    await door.sign_in(ADA)
    assert await door.send() == {"sent": 0, "put_off": 1, "given_up": 0}
    await door.sign_in(BEA)
    door.post.act = lambda _: None
    assert [address for _, address, _ in await door.told()] == [BEA.email], "the other one waits for its time"
    door.store.offset += BACK_OFF[0]
    assert [address for _, address, _ in await door.told()] == [ADA.email]


async def test_it_is_tried_again_after_longer_and_longer_waits_then_given_up_and_counted(door: Door) -> None:
    door.post.fails(NoticesUnavailable("closed"))
    await door.sign_in(ADA)
    for wait in BACK_OFF:
        assert await door.send() == {"sent": 0, "put_off": 1, "given_up": 0}
        door.store.offset += wait - timedelta(seconds=30)
        assert await door.send() == {"sent": 0, "put_off": 0, "given_up": 0}, f"not before {wait}"
        door.store.offset += timedelta(seconds=31)
    assert door.rows() == 1
    assert await door.send() == {"sent": 0, "put_off": 0, "given_up": 1}
    assert door.rows() == 0


async def test_what_was_refused_for_good_is_given_up_at_once(door: Door) -> None:
    door.post.fails(NoticeRefused("nobody of this name"))
    await door.sign_in(ADA)
    assert await door.send() == {"sent": 0, "put_off": 0, "given_up": 1}
    assert door.rows() == 0


async def test_a_defect_is_put_off_and_keeps_nobody_else_waiting(door: Door) -> None:
    def act(notice: Notice) -> None:
        if notice.address == ADA.email:
            raise ZeroDivisionError

    door.post.act = act
    await door.sign_in(ADA)
    await door.sign_in(BEA)
    assert await door.send() == {"sent": 1, "put_off": 1, "given_up": 0}


async def test_what_nobody_sent_for_three_days_is_given_up_and_forgotten(door: Door) -> None:
    await door.sign_in(ADA)
    door.store.offset += KEPT + timedelta(seconds=1)
    await door.sign_in(BEA)
    assert await door.send() == {"sent": 1, "put_off": 0, "given_up": 1}
    assert [notice.address for notice in door.post.sent] == [BEA.email]
    assert door.rows() == 0


async def test_of_many_senders_at_once_one_sends_each_notice(door: Door) -> None:
    people = [replace(ADA, subject=f"{number}", email=f"{number}@example.test") for number in range(12)]
    for person in people:
        await door.sign_in(person)
    door.post.act = lambda _: asyncio.sleep(0.01)
    ends = await asyncio.gather(*(door.send() for _ in range(4)))
    assert sorted(notice.address for notice in door.post.sent) == sorted(person.email for person in people)
    assert sum(end["sent"] for end in ends) == 12


async def test_it_is_sent_outside_of_any_transaction(door: Door) -> None:
    def act(_: Notice) -> None:
        with psycopg.connect(door.url) as connection:
            locked = connection.execute("SELECT tries FROM notices FOR UPDATE NOWAIT").fetchall()
            idle = connection.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%' AND datname = current_database()"
            ).fetchone()
        assert (locked, idle) == ([(1,)], (0,))

    door.post.act = act
    await door.sign_in(ADA)
    assert (await door.send())["sent"] == 1


async def test_a_notice_whose_sender_died_comes_again_after_a_minute(door: Door) -> None:
    out = asyncio.Event()

    async def never() -> None:
        out.set()
        await asyncio.Event().wait()

    door.post.act = lambda _: never()
    await door.sign_in(ADA)
    sender = asyncio.create_task(door.send())
    await out.wait()
    sender.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sender
    door.post.act = lambda _: None
    assert await door.told() == [], "somebody may still be sending it"
    door.store.offset += BACK_OFF[0]
    assert [kind for kind, _, _ in await door.told()] == [NoticeKind.WELCOME]


async def test_kinds_of_a_newer_version_are_left_to_it(new_database_url: str) -> None:
    async with open_pool(new_database_url, size=2) as pool:
        door = Door(PostgresStore(pool), new_database_url)
        await door.sign_in(ADA)
        with psycopg.connect(new_database_url) as connection:
            connection.execute("ALTER TABLE notices DROP CONSTRAINT notices_kind_ck")
            connection.execute("UPDATE notices SET kind = 'a_later_one', facts = '[]'")
        await door.sign_in(BEA)
        assert [address for _, address, _ in await door.told()] == [BEA.email]
        assert door.rows() == 1


async def test_what_another_version_says_of_a_kind_keeps_nobody_waiting(door: Door) -> None:
    await door.sign_in(ADA)
    with psycopg.connect(door.url, autocommit=True) as connection:
        connection.execute("UPDATE notices SET facts = '{}'")
    await door.sign_in(BEA)
    assert await door.told() == [(NoticeKind.WELCOME, BEA.email, Facts(provider="one"))]
    assert (await door.told(), door.rows()) == ([], 1)


async def test_a_worker_sends_what_a_sign_in_left(new_database_url: str, tmp_path: Path) -> None:
    async with open_pool(new_database_url, size=2) as pool:
        await Door(PostgresStore(pool), new_database_url).sign_in(ADA)
        with part("worker", tmp_path, DATABASE_URL=new_database_url) as worker:
            await asyncio.to_thread(until, lambda: '"sent": 1' in worker.log.read_text(), "the notice to leave")
            assert await asyncio.to_thread(worker.stop) == 0
        (file,) = (tmp_path / "outbox").glob("*.eml")
        assert message_from_bytes(file.read_bytes())["To"] == ADA.email
        assert ADA.email not in worker.log.read_text()
