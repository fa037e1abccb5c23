"""A new key is told of by mail: written down with it, once, whatever is asked again."""

import asyncio
import os
from dataclasses import dataclass

import pytest

from adapters.postgres.session import Pool
from adapters.postgres.store import PostgresStore
from application.api_keys import MakeKey
from application.store import IdempotencyKey
from domain.accounts import AccountId, Mode, Scope
from domain.api_keys import ApiKey
from domain.errors import AlreadyCreated, IdempotencyMismatch, TooManyKeys
from domain.identities import Person
from domain.limits import LIMITS
from domain.notices import Facts, Notice, NoticeKind
from tests.doors import sign_in_on
from tests.world import new_id

pytestmark = pytest.mark.anyio
ADA = Person("one", "subject-1", "ada@example.test", "Ada")


@dataclass
class KeyMaker:
    """A person who is signed in, and what waits to be sent to them."""

    store: PostgresStore
    account: AccountId

    async def make(self, once: str | None = None, *, body: str = "a body") -> tuple[ApiKey, str]:
        again = (IdempotencyKey(self.account, Mode.LIVE, "POST /v1/api-keys", once), body) if once else None
        scopes = {Scope.READ, Scope.GENERATE}
        return await MakeKey(self.store, new_id, os.urandom)(self.account, Mode.TEST, scopes, "laptop", None, again)

    async def told(self) -> list[Notice]:
        """What waits, the first first. It is taken away."""
        found = []
        async with self.store.transaction() as tx:
            while waiting := await tx.notices.lock_due(await tx.now()):
                await tx.notices.remove(waiting.notice.id)
                found.append(waiting.notice)
        return found


@pytest.fixture
async def ada(pool: Pool) -> KeyMaker:
    store = PostgresStore(pool)
    session, _ = await sign_in_on(store)(ADA)
    ada = KeyMaker(store, session.account_id)
    assert [notice.kind for notice in await ada.told()] == [NoticeKind.WELCOME]
    return ada


async def test_a_new_key_is_told_with_its_mode_its_end_and_its_scopes(ada: KeyMaker) -> None:
    key, secret = await ada.make()
    [notice] = await ada.told()
    assert (notice.kind, notice.address, notice.account_id) == (NoticeKind.KEY_MADE, ADA.email, ada.account)
    assert notice.facts == Facts(mode=Mode.TEST, hint=secret[-4:], scopes=(Scope.GENERATE, Scope.READ))
    assert notice.at >= key.created_at


async def test_the_same_idempotency_key_again_tells_nothing_twice(ada: KeyMaker) -> None:
    await ada.make("once")
    assert len(await ada.told()) == 1
    with pytest.raises(AlreadyCreated):
        await ada.make("once")
    with pytest.raises(IdempotencyMismatch):
        await ada.make("once", body="another body")
    assert await ada.told() == []


async def test_of_many_who_ask_at_once_with_one_idempotency_key_one_is_told(ada: KeyMaker) -> None:
    ends = await asyncio.gather(*(ada.make("once") for _ in range(6)), return_exceptions=True)
    assert sorted(type(end).__name__ for end in ends) == ["AlreadyCreated"] * 5 + ["tuple"]
    assert len(await ada.told()) == 1


async def test_a_key_that_was_not_made_is_not_told(ada: KeyMaker) -> None:
    for _ in range(LIMITS["keys"]):
        await ada.make()
    assert len(await ada.told()) == LIMITS["keys"]
    with pytest.raises(TooManyKeys):
        await ada.make()
    assert await ada.told() == []
