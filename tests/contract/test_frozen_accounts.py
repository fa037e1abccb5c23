"""Frozen accounts: what they could do they still can, route by route, but for what spends.

A new route is covered by itself: it must answer a frozen account as any other, or stand in SPENDS.
"""

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx
import pytest

from adapters.postgres.access_queries import PostgresAccessQueries
from adapters.postgres.queries import PostgresQueries
from adapters.postgres.session import Pool
from adapters.postgres.store import PostgresStore
from application.access import AccessStore
from application.api_keys import AddKey, Authenticate, MakeKey, NoteKeyUse, hash_key
from application.sessions import AuthenticateSession
from application.store import Store
from domain.accounts import AccountId, KeyId, Mode, Scope
from domain.api_keys import ApiKey, write_key
from domain.errors import AccountFrozen
from domain.identities import Person
from entrypoints.http.auth import Person as PersonOnly
from entrypoints.http.auth import access_of
from tests import plain_http
from tests.contract.harnesses import StoreHarness, each_store
from tests.contract.store_contract import customer, now, soon, waits
from tests.doors import sign_in_on
from tests.http_house import SMALL, House, check_problem
from tests.http_routes import GUARDED, at, method_of, parameter_of
from tests.kill_matrix import a_png
from tests.people import NOWHERE, Resident, signed_in
from tests.protocol import World, pictures
from tests.protocol_audit import ProtocolAudit
from tests.world import new_id

__all__ = ["each_store"]

SPENDS = {"requestGeneration", "retryGeneration", "upload", "makeApiKey", "checkOut", "changeSubscription", "resumeSubscription"}
SPENDS |= {"generateImages", "editImages", "redeemPromotion", "beginUpload", "completeUpload"}
REFUSED_TO_ALL = {"unlinkIdentity": 409, "redeemPromotion": 400}
"""The last sign-in stays, and there is no promotion; everything else is asked for so that it succeeds."""
OF_PERSONS = {handler.operation_id for _, handler in GUARDED if isinstance(access_of(handler), PersonOnly)}
ROUTES = sorted(  # what takes things away comes last, the largest thing last of all
    ((str(handler.operation_id), method_of(handler), path) for path, handler in GUARDED),
    key=lambda route: (route[0] == "endEverySession", route[1] == "DELETE", route[1] != "GET", -route[2].count("{")),
)


@dataclass(frozen=True, slots=True)
class Asking:
    """An account that asks as a key in test mode, or as a session in live mode, and what it owns by the name of its parameter.
    `spare`: a browser that signs out."""

    who: Resident
    mode: Mode
    spare: httpx.Client
    things: dict[str, str]

    def __call__(self, operation: str, method: str, path: str) -> httpx.Response:
        where, said = at(path, self.things.get(parameter_of(path)), self.things), self._said(operation)
        if self.mode is Mode.TEST and operation not in OF_PERSONS:
            with plain_http.Client(base_url=self.who.http.base_url, timeout=60) as program:
                return program.request(method, where, headers=self.who.bearer(Mode.TEST), **said)
        return (self.spare if operation == "signOut" else self.who.http).request(method, where, **said)

    def _said(self, operation: str) -> dict[str, Any]:
        picture = {"prompt": "a boat"} | (SMALL if self.mode is Mode.TEST else {"size": "1024x1024", "quality": "low"})
        said: dict[str, dict[str, Any]] = {
            "requestGeneration": {"json": picture},
            "generateImages": {"json": picture},
            "editImages": {"files": {"image": ("picture", a_png())}, "data": picture},
            "quote": {"json": picture},
            "upload": {"files": {"file": ("picture", a_png())}},
            "requestArchive": {"json": {"assets": [self.things["asset_id"]]}},
            "beginUpload": {"json": {"content_type": "image/png", "bytes": 1}},
            "makeApiKey": {"json": {"mode": "test", "scopes": ["read"]}},
            "changeMe": {"json": {"name": "Ada L."}},
            "checkOut": {"json": {"pack": "small"}},
            "openPortal": {"json": {}},
            "changeSubscription": {"json": {"plan": "pro"}},
            "redeemPromotion": {"json": {"code": "WELCOME"}},
            "makeWebhookEndpoint": {"json": {"mode": "test", "url": NOWHERE, "events": ["credits.low"]}},
            "changeWebhookEndpoint": {"json": {"enabled": True}},
            "changeGeneration": {"json": {"favourite": True}},
            "actOnManyGenerations": {"json": {"action": "favourite", "ids": [self.things["generation_id"]]}},
            "makeCollection": {"json": {"name": "boats"}},
            "changeCollection": {"json": {"name": "ships"}},
            "putCollectionItem": {"json": {}},
            "setTopUp": {"json": {"enabled": False}},
        }
        return said.get(operation, {})

    def tries_to_spend(self) -> httpx.Response:
        return self(*next(route for route in ROUTES if route[0] == "retryGeneration"))


@contextmanager
def asking(served: House, mode: Mode) -> Iterator[Asking]:
    address, email = str(served.client.base_url), f"{new_id().hex}@example.test"
    with ExitStack() as stack:
        http, spare, _ = (stack.enter_context(signed_in(address, email)) for _ in range(3))
        me = http.get("/v1/me").json()
        bare = Resident(http, AccountId(UUID(me["id"])))
        who = Resident(http, bare.account, {mode: bare.make_key(mode)["secret"] for mode in Mode})
        endpoint, delivery = who.hook()
        things = {
            "endpoint_id": endpoint,
            "delivery_id": delivery,
            "generation_id": (picture := who.picture(mode)["id"]),
            "collection_id": who.collection(mode, picture),
            "asset_id": (upload := who.upload(mode, a_png())),
            "archive_id": who.archive(mode, upload),
            "upload_id": who.send(mode, a_png()),
            "key_id": who.make_key(mode)["id"],
            "session_id": http.get("/v1/sessions").json()["data"][0]["id"],  # the last to sign in, who does nothing here
            "identity_id": me["identities"][0]["id"],
        }
        who.subscribes("starter")
        yield Asking(who, mode, spare, things)


async def freeze(store: Store | AccessStore, account: AccountId, *, frozen: bool = True) -> None:
    async with store.transaction() as tx:
        known = await tx.accounts.lock(account)
        await tx.accounts.save(known.freeze(await tx.now()) if frozen else known.unfreeze())


def set_frozen(served: House, account: AccountId, *, frozen: bool = True) -> None:
    async def change() -> None:
        await freeze(await served.service.parts.get(AccessStore), account, frozen=frozen)

    served.portal.call(change)


def until_status(asking: Asking, status: int) -> None:
    """A key is known to a process for a second."""
    deadline = time.monotonic() + 30
    while asking.tries_to_spend().status_code != status:
        assert time.monotonic() < deadline, f"still not {status}"


@pytest.mark.parametrize("mode", Mode)
def test_a_frozen_account_is_refused_where_it_would_spend_and_nowhere_else(served: House, mode: Mode) -> None:
    with asking(served, mode) as free, asking(served, mode) as frozen:
        set_frozen(served, frozen.who.account)
        until_status(frozen, 403)
        credits = frozen.who.http.get("/v1/credits").json()
        for route in ROUTES:
            operation, _, path = route
            usual, answer = free(*route), frozen(*route)
            assert usual.status_code == REFUSED_TO_ALL.get(operation) or usual.status_code < 400, usual.text
            if operation in SPENDS:
                check_problem(answer, 403, "account-frozen")
            else:
                assert answer.status_code == usual.status_code, (path, answer.text)
            if operation != "endEverySession":
                assert frozen.who.http.get("/v1/credits").json() == credits, path
        assert {operation for operation, _, _ in ROUTES} >= SPENDS


def test_an_account_that_is_frozen_no_longer_spends_as_before(served: House) -> None:
    with asking(served, Mode.TEST) as asked:
        set_frozen(served, asked.who.account)
        until_status(asked, 403)
        set_frozen(served, asked.who.account, frozen=False)
        until_status(asked, 202)


@pytest.mark.anyio
async def test_a_key_that_is_known_is_frozen_within_a_second(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = 1000.0
    monkeypatch.setattr("application.api_keys.monotonic", lambda: clock)
    store, secret = PostgresStore(pool), write_key(Mode.LIVE, bytes(24))
    owner = await customer(store)
    key = ApiKey(KeyId(new_id()), owner.account_id, Mode.LIVE, frozenset(Scope), hash_key(secret), secret[-4:], await now(store))
    await AddKey(store)(key)
    processes = [Authenticate(PostgresQueries(pool), NoteKeyUse(store)) for _ in range(2)]
    assert [(await known(secret)).frozen for known in processes] == [False, False]
    await freeze(store, owner.account_id)
    clock += 1.0
    assert [(await known(secret)).frozen for known in processes] == [True, True]


@pytest.mark.anyio
async def test_a_session_is_frozen_at_once(pool: Pool) -> None:
    store = PostgresStore(pool)
    session, token = await sign_in_on(store)(Person("one", "ada", "ada@example.test"))
    authenticate = AuthenticateSession(store, PostgresAccessQueries(pool))
    for frozen in (True, False):
        await freeze(store, session.account_id, frozen=frozen)
        assert (await authenticate(token)).caller.frozen is frozen


@pytest.mark.anyio
async def test_a_frozen_account_signs_in(pool: Pool) -> None:
    store, ada = PostgresStore(pool), Person("one", "ada", "ada@example.test")
    session, _ = await sign_in_on(store)(ada)
    await freeze(store, session.account_id)
    assert (await sign_in_on(store)(ada))[0].account_id == session.account_id


@pytest.mark.anyio
async def test_no_key_is_made_after_the_freeze_by_whoever_asked_before(pool: Pool) -> None:
    store = PostgresStore(pool)
    account = (await customer(store)).account_id
    async with store.transaction() as tx:
        await tx.accounts.save((await tx.accounts.lock(account)).freeze(await tx.now()))
        make = soon(MakeKey(store, new_id, os.urandom)(account, Mode.LIVE, {Scope.GENERATE}, None, None))
        await waits(make)
    with pytest.raises(AccountFrozen):
        await make


@pytest.fixture
def world(harness: StoreHarness) -> World:
    return World(harness)


@pytest.mark.anyio
@pytest.mark.parametrize("when", ["waiting", "running"])
async def test_what_was_asked_for_before_the_freeze_is_made_and_paid(world: World, when: str) -> None:
    generation = await world.ask()
    if when == "waiting":
        await freeze(world.store, generation.account_id)
    work, call = await world.call_out()
    await freeze(world.store, generation.account_id)
    call.finish(pictures(2))
    assert await work
    seen = await world.see(generation)
    assert (seen.state.value, seen.delivered) == ("succeeded", 2)
    await ProtocolAudit(world)()
    row = await world.harness.queries.credits(generation.wallet_id)
    assert (row.available, row.held) == (94, 0)
