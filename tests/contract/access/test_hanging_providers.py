"""A provider that takes the connection and never answers, or only in drops: a page that says what to do, and no session."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from adapters.identity.line import STEP_SECONDS, WHOLE_SECONDS, Line
from application.providers import Providers
from application.queries import Queries
from entrypoints.http.app import HttpConfig, create_app
from entrypoints.http.auth import routes
from entrypoints.http.signing_in import callback
from tests.github_provider import GitHubProvider, github_provider
from tests.openid_provider import OpenIdProvider, openid_provider
from tests.openid_stage import DISCOVERY, JWKS, TOKEN, USERINFO
from tests.sign_in_process import CLIENT, NOW, PATIENT, SECRET
from tests.sign_in_stage import HERE, SESSION, Browser, Site, refused
from tests.world import World, world

pytestmark = pytest.mark.anyio
SHORT = 0.3
LINES = {"hanging": (SHORT, PATIENT[1]), "dripping": (PATIENT[0], SHORT)}
"""Seconds for a step and for the whole, of which a test meets one."""
PLACES = [
    *(("openid", place) for place in (DISCOVERY, TOKEN, JWKS, USERINFO)),
    *(("github", place) for place in ("/login/oauth/access_token", "/api/v3/user", "/api/v3/user/emails")),
]


@pytest.fixture(params=PLACES, ids=" ".join)
async def hanging(request: pytest.FixtureRequest, database_url: str, tmp_path: Path) -> AsyncIterator[tuple[Site, str]]:
    """A service that knows one provider, and where that one will hang."""
    kind, place = request.param
    running: Any = openid_provider(tmp_path) if kind == "openid" else github_provider(tmp_path)
    with running as provider:
        table = f'[provider]\nclient_id = "{CLIENT}"\nclient_secret = "{SECRET}"\n'
        table += (
            f'issuer = "{provider.url}"\n'
            if kind == "openid"
            else f'kind = "github"\nsite = "{provider.url}"\napi = "{provider.api}"\n'
        )
        (tmp_path / "sign_in.toml").write_text(table)
        async with world(database_url, tmp_path, sign_in=tmp_path / "sign_in.toml") as made:
            yield Site(create_app(made.parts, HttpConfig("1", HERE, sandbox_sign_in=False)), made, provider, provider), place


async def wait_no_longer_than(world: World, seconds: tuple[float, float]) -> None:
    known = cast(dict[str, Any], (await world.parts.get(Providers)).by_name)
    known["provider"] = replace(known["provider"], line=Line(seconds))


@pytest.fixture(autouse=True)
def at_the_providers_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time", lambda: NOW)


@pytest.mark.parametrize("fault", LINES)
async def test_who_signs_in_is_told_what_to_do_and_has_no_session(hanging: tuple[Site, str], fault: str) -> None:
    site, place = hanging
    provider: OpenIdProvider | GitHubProvider = site.one
    browser = site.browser()
    mood: dict[str, Any] = {"email": None} if isinstance(provider, OpenIdProvider) else {}
    provider.mood(**mood)
    await wait_no_longer_than(site.world, PATIENT)
    answer = {} if place == DISCOVERY else await browser.begin()
    await wait_no_longer_than(site.world, LINES[fault])
    provider.mood(fault=fault, at=place, **mood)
    async with asyncio.timeout(WHOLE_SECONDS):
        page = await come(browser, answer)
    assert (page.status_code, page.headers["content-type"]) == (503, "text/html; charset=utf-8")
    assert "Wait a minute, then begin again" in page.text
    assert 'href="/auth/provider/start"' in page.text
    assert (page.headers["retry-after"], SESSION in page.headers.get("set-cookie", "")) == ("10", False)
    assert (await browser.me()).status_code == 401
    assert len(await (await site.world.parts.get(Queries)).accounts("", 1_000)) == 0


async def come(browser: Browser, answer: dict[str, str]) -> Any:
    """Back from the provider, or to its door if one has not come away from here."""
    headers = {"Accept": "text/html,*/*;q=0.8"}
    return await (browser.end(answer, **headers) if answer else browser.http.get("/auth/provider/start", headers=headers))


async def test_a_callback_that_hangs_for_another_reason_ends_on_a_page_too(site: Site, browser: Browser) -> None:
    answer = await browser.begin()
    known = cast(dict[str, Any], (await site.world.parts.get(Providers)).by_name)
    known["provider"] = replace(known["provider"], line=Line(PATIENT))
    for path, handler in routes(site.app):
        if path == "/auth/{provider}/callback":
            handler.opt["bounds"] = replace(handler.opt["bounds"], answer=SHORT)
    site.one.mood(fault="hanging", at=TOKEN)
    async with asyncio.timeout(PATIENT[0] / 2):
        page = await come(browser, answer)
    assert (page.status_code, page.headers["content-type"]) == (503, "text/html; charset=utf-8")
    assert refused(await browser.end(answer), 503, "unavailable")


def test_our_own_patience_ends_after_the_lines_does() -> None:
    assert STEP_SECONDS < WHOLE_SECONDS < callback.opt["bounds"].seconds <= 30
