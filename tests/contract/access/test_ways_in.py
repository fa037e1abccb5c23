"""No way in but the written ones: what opens a session, what does no longer, and what its token is."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest

from application.access import AccessStore
from application.sessions import SignIn
from entrypoints.http.app import HttpConfig, create_app
from entrypoints.http.sandbox_page import PAGE
from tests import plain_http
from tests.service import serving
from tests.sign_in_process import CLIENT, SECRET
from tests.sign_in_stage import HERE, OURS, SESSION, Browser, Site, refused
from tests.world import world

pytestmark = pytest.mark.anyio
AS_A_FORM = {"Origin": HERE, "Accept": "text/html", "Content-Type": "application/x-www-form-urlencoded"}


async def test_what_is_unlinked_leads_here_no_longer(site: Site, browser: Browser) -> None:
    await browser.sign_in()
    leaving = await browser.http.post("/auth/another/link", headers=OURS)
    await browser.end(browser.at_provider(leaving.json()["url"], "another"), "another")
    mine = await browser.who()
    (other,) = [identity["id"] for identity in mine["identities"] if identity["provider"] == "another"]
    assert (await browser.http.delete(f"/v1/me/identities/{other}", headers=OURS)).status_code == 204
    elsewhere = site.browser()
    await elsewhere.sign_in("another")
    assert (await elsewhere.who())["id"] != mine["id"]


async def test_a_session_is_as_fresh_as_the_providers_last_question(site: Site, browser: Browser) -> None:
    """One who merely came through a provider that remembers them proves nothing new."""
    async with (await site.world.parts.get(AccessStore)).transaction() as tx:
        now = (await tx.now()).timestamp()
    for ago, status in ((899 - 60, 200), (900, 403), (40 * 86_400, 403), (-600, 200)):
        site.one.mood(auth_time=now - ago)
        await browser.sign_in(fresh="true")
        answer = await browser.http.post("/auth/another/link", headers=OURS)
        assert answer.status_code == status, (ago, answer.text)
        assert (await browser.me()).status_code == 200, "it is a session all the same"
    assert answer.is_success
    await site.time_passes(timedelta(minutes=16))
    assert refused(await browser.http.post("/auth/another/link", headers=OURS), 403, "fresh-sign-in-needed")


@pytest.mark.parametrize(("said", "max_age"), [({}, None), ({"fresh": "true"}, "900"), ({"fresh": "false"}, None)])
async def test_to_become_fresh_one_is_asked_again(browser: Browser, said: dict[str, str], max_age: str | None) -> None:
    leaving = await browser.http.get("/auth/provider/start", params=said)
    asked = dict(parse_qsl(urlsplit(leaving.headers["location"]).query))
    assert (asked.get("max_age"), asked["prompt"]) == (max_age, "select_account")


async def test_the_token_of_a_session_is_all_chance(site: Site, browser: Browser) -> None:
    await browser.sign_in()
    new_secret = (await site.world.parts.get(SignIn)).new_secret
    tokens = [browser.http.cookies[SESSION], *(new_secret() for _ in range(1_000))]
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{43}", token) for token in tokens), "32 bytes"
    assert len(set(tokens)) == len(tokens)
    for place in range(42):  # the last character has four bits only
        assert len({token[place] for token in tokens}) > 32


def test_where_a_provider_is_set_up_the_sandbox_page_is_missing(database_url: str, tmp_path: Path) -> None:
    provider = f'[p]\nissuer = "http://127.0.0.1:1"\nclient_id = "{CLIENT}"\nclient_secret = "{SECRET}"\n'
    (tmp_path / "sign_in.toml").write_text(provider)
    file = str(tmp_path / "sign_in.toml")
    with serving(database_url, tmp_path, SIGN_IN=file, PUBLIC_URL="http://127.0.0.1:1") as (address,):
        assert [p["id"] for p in plain_http.get(f"{address}/auth/providers").json()["data"]] == ["p"]
        for answer in (
            plain_http.get(address + PAGE),
            plain_http.post(address + PAGE),
            plain_http.get(f"{address}/auth/sandbox/start"),
        ):
            assert answer.status_code == 404


async def test_a_sandbox_form_or_address_of_many_fields_is_refused(database_url: str, tmp_path: Path) -> None:
    many = "&".join(["a=1"] * 100)
    async with world(database_url, tmp_path) as made:
        app: Any = create_app(made.parts, HttpConfig("1", HERE, sandbox_sign_in=True))
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=HERE, headers=AS_A_FORM) as http:
            place = (await http.get("/auth/sandbox/start")).headers["location"]
            for answer in (await http.get(f"{PAGE}?{many}"), await http.post(place, content=many)):
                assert (answer.status_code, answer.headers["content-type"]) == (400, "text/html; charset=utf-8"), answer.text
