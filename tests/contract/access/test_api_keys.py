"""API keys: made by people alone, told once, bounded by scope, mode and cap, worth nothing once revoked."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import psycopg
import pytest

from application.api_keys import Authenticate
from application.credits import GrantCredits
from application.generations import CancelGeneration, RequestGeneration
from application.queries import Queries
from domain.accounts import AccountId, Caller, Mode, Staff
from domain.errors import SpendCapReached
from domain.generations import GenerationId
from domain.limits import LIMITS
from domain.requests import Asked
from tests.sign_in_stage import OURS, Browser, refused
from tests.world import REASON

pytestmark = pytest.mark.anyio
PLAIN: dict[str, Any] = {"mode": "test", "scopes": ["generate", "read"]}


async def make(browser: Browser, key: str | None = None, **body: Any) -> httpx.Response:
    headers = OURS | ({"Idempotency-Key": key} if key else {})
    return await browser.http.post("/v1/api-keys", headers=headers, json=PLAIN | body)


async def made(browser: Browser, **body: Any) -> Any:
    answer = await make(browser, **body)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def use(browser: Browser, secret: str, path: str = "/v1/generations") -> httpx.Response:
    return await browser.site.browser().http.get(path, headers={"Authorization": f"Bearer {secret}"})


async def listed(browser: Browser) -> list[Any]:
    return list((await browser.http.get("/v1/api-keys")).json()["data"])


async def test_a_key_opens_what_its_scopes_and_mode_say(browser: Browser) -> None:
    await browser.sign_in()
    key = await made(browser, name="laptop")
    assert key["secret"].startswith("gi2_test_")
    assert (await use(browser, key["secret"])).status_code == 200
    assert refused(await use(browser, key["secret"], "/v1/credits"), 403, "missing-scope")
    assert [(k["name"], k["hint"], k["mode"], k["scopes"]) for k in await listed(browser)] == [
        ("laptop", key["secret"][-4:], "test", ["generate", "read"])
    ]


async def test_its_secret_is_told_once_and_kept_nowhere(browser: Browser, database_url: str) -> None:
    await browser.sign_in()
    key = await made(browser)
    assert "secret" not in (await listed(browser))[0]
    with psycopg.connect(database_url) as connection:
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        rows = [str(connection.execute(f'SELECT t::text FROM "{name}" t').fetchall()) for (name,) in tables]
    assert not any(key["secret"] in row or key["secret"][9:-6] in row for row in rows)


async def test_asked_again_with_the_same_idempotency_key_the_secret_is_not_told_again(browser: Browser) -> None:
    await browser.sign_in()
    first = (await make(browser, "once")).json()
    again = await make(browser, "once")
    assert refused(again, 409, "already-created")
    assert (again.json()["id"], first["secret"] in again.text) == (first["id"], False)
    assert refused(await make(browser, "once", name="another"), 422, "idempotency-mismatch")
    assert len(await listed(browser)) == 1


async def test_a_key_makes_no_keys(browser: Browser) -> None:
    await browser.sign_in()
    secret = (await made(browser))["secret"]
    answer = await browser.site.browser().http.post("/v1/api-keys", headers={"Authorization": f"Bearer {secret}"}, json=PLAIN)
    assert refused(answer, 403, "session-needed")


async def test_a_sign_in_of_an_hour_ago_makes_no_keys(browser: Browser) -> None:
    await browser.sign_in()
    await browser.site.time_passes(timedelta(hours=1))
    assert refused(await make(browser), 403, "fresh-sign-in-needed")


async def test_a_revoked_key_opens_nothing_a_second_later(browser: Browser) -> None:
    await browser.sign_in()
    key = await made(browser)
    assert (await use(browser, key["secret"])).status_code == 200
    assert (await browser.http.delete(f"/v1/api-keys/{key['id']}", headers=OURS)).status_code == 204
    authenticate = await browser.site.world.parts.get(Authenticate)
    authenticate.trusted.clear()  # as after a second
    assert refused(await use(browser, key["secret"]), 401, "unauthenticated")
    assert refused(await browser.http.delete(f"/v1/api-keys/{key['id']}", headers=OURS), 404, "not-found")
    assert await listed(browser) == []


async def test_somebody_elses_key_cannot_be_revoked(browser: Browser) -> None:
    await browser.sign_in()
    key = await made(browser)
    browser.site.one.mood(sub="somebody-else", email="eve@example.test")
    other = browser.site.browser()
    await other.sign_in()
    assert refused(await other.http.delete(f"/v1/api-keys/{key['id']}", headers=OURS), 404, "not-found")
    assert (await use(browser, key["secret"])).status_code == 200


async def test_there_are_so_many_keys_and_no_more_even_if_made_at_once(browser: Browser) -> None:
    await browser.sign_in()
    for _ in range(LIMITS["keys"] - 1):
        await made(browser)
    answers = await asyncio.gather(*(make(browser) for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"scopes": []}, "scopes"),
        ({"scopes": ["read", "read"]}, "scopes"),
        ({"scopes": ["admin"]}, "scopes[0]"),
        ({"mode": "both"}, "mode"),
        ({"spend_cap": -1}, "spend_cap"),
        ({"spend_cap": 2**63}, "spend_cap"),
        ({"name": ""}, "name"),
        ({"name": "4111 1111 1111 1111"}, "name"),
        ({"role": "admin"}, None),
    ],
    ids=str,
)
async def test_what_is_no_key_is_not_made(browser: Browser, body: dict[str, Any], field: str | None) -> None:
    await browser.sign_in()
    answer = await make(browser, **body)
    assert (answer.status_code, field is None or answer.json()["field"] == field) == (400, True), answer.text
    assert await listed(browser) == []


async def test_the_day_of_its_last_use_is_known_and_no_more(browser: Browser) -> None:
    await browser.sign_in()
    key = await made(browser)
    assert (await listed(browser))[0]["used_on"] is None
    await use(browser, key["secret"])
    assert (await listed(browser))[0]["used_on"] == datetime.now(UTC).date().isoformat()


# What a key may spend in a month


async def capped(browser: Browser, cap: int) -> Caller:
    await browser.sign_in()
    secret = (await made(browser, spend_cap=cap))["secret"]
    caller = await (await browser.site.world.parts.get(Authenticate))(secret)
    account = AccountId(UUID((await browser.who())["id"]))
    wallet = await (await browser.site.world.parts.get(Queries)).wallet(account, Mode.TEST)
    await (await browser.site.world.parts.get(GrantCredits))(Staff(account, REASON), wallet, 1_000)
    return caller


async def ask(browser: Browser, caller: Caller, n: int = 1) -> GenerationId:
    return (
        await (await browser.site.world.parts.get(RequestGeneration))(caller, Asked("a boat", size="64x64", quality="low", n=n))
    )[0]


async def spent(database_url: str) -> int:
    with psycopg.connect(database_url) as connection:
        return int(connection.execute("SELECT spent FROM api_keys").fetchall()[0][0])


async def test_a_cap_is_exact_under_a_race(browser: Browser, database_url: str) -> None:
    caller = await capped(browser, 7)
    ends = await asyncio.gather(*(ask(browser, caller) for _ in range(20)), return_exceptions=True)
    assert [type(end) for end in ends if isinstance(end, Exception)] == [SpendCapReached] * 13
    assert await spent(database_url) == 7


async def test_what_is_released_may_be_spent_again(browser: Browser, database_url: str) -> None:
    caller = await capped(browser, 3)
    kept = [await ask(browser, caller) for _ in range(3)]
    with pytest.raises(SpendCapReached) as refusal:
        await ask(browser, caller)
    assert refusal.value.facts == {"required": 1, "spent": 3, "spend_cap": 3}
    await (await browser.site.world.parts.get(CancelGeneration))(caller, kept[0])
    assert await spent(database_url) == 2
    await ask(browser, caller)


async def test_a_refused_request_spends_nothing(browser: Browser, database_url: str) -> None:
    caller = await capped(browser, 5)
    with pytest.raises(SpendCapReached):
        await ask(browser, caller, n=6)
    assert await spent(database_url) == 0
    assert (await (await browser.site.world.parts.get(Queries)).credits(caller.wallet_id)).held == 0
