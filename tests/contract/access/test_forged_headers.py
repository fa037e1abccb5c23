"""What callers write into headers that are a proxy's to write, and the most they may write into addresses."""

from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from entrypoints.http.app import HttpConfig, create_app
from entrypoints.http.protocol import FRUITLESS_BYTES
from tests.sign_in_stage import BEGUN, HERE, Browser, Site

pytestmark = pytest.mark.anyio
FORGED = {
    "X-Forwarded-For": "203.0.113.66",
    "X-Forwarded-Host": "evil.example",
    "X-Forwarded-Proto": "http",
    "X-Forwarded-Port": "81",
    "X-Forwarded-Prefix": "/evil",
    "Forwarded": "for=203.0.113.66;host=evil.example;proto=http",
    "X-Original-URL": "/v1/credits",
    "X-Rewrite-URL": "/v1/credits",
    "X-HTTP-Method-Override": "DELETE",
    "X-Method-Override": "DELETE",
}
BROWSERS_KEEP = 4096
"""Bytes of one cookie: what is longer no browser brings back."""


def back_to(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 303, answer.text
    return parse_qs(urlsplit(answer.headers["location"]).query)["redirect_uri"]


def flags(answer: httpx.Response) -> list[str]:
    """The cookie without its value."""
    (said,) = answer.headers.get_list("set-cookie")
    name, _, rest = said.partition("=")
    return [name, *sorted(rest.split("; ")[1:])]


async def test_no_header_of_a_proxy_changes_where_a_sign_in_comes_back_to_or_its_cookie(site: Site, browser: Browser) -> None:
    plain = await browser.http.get("/auth/provider/start")
    forged = await browser.http.get("/auth/provider/start", headers=FORGED)
    assert back_to(plain) == back_to(forged) == [f"{HERE}/auth/provider/callback"]
    assert flags(plain) == flags(forged)
    local = replace(site, app=create_app(site.world.parts, HttpConfig("1"))).browser()
    local.http.base_url = httpx.URL("http://127.0.0.1:8000")
    forged = await local.http.get("/auth/provider/start", headers=FORGED)
    assert back_to(forged) == ["http://127.0.0.1:8000/auth/provider/callback"], "it was asked under this name"
    assert "secure" not in " ".join(flags(forged)).lower()


async def test_no_header_changes_which_route_is_asked(browser: Browser) -> None:
    await browser.sign_in()
    assert (await browser.http.get("/v1/me", headers=FORGED)).json()["name"] == "Ada Lovelace"
    assert (await browser.http.get("/v1/sessions", headers=FORGED)).status_code == 200
    assert (await browser.me()).status_code == 200, "nothing was deleted"


async def test_over_plain_http_nobody_is_led_to_https(site: Site) -> None:
    """A key that was sent in clear is to be noticed, not to work at the second try."""
    plain = site.browser()
    plain.http.base_url = httpx.URL("http://studio.example")
    for method, path in (("GET", "/v1/models"), ("GET", "/v1/credits"), ("POST", "/v1/generations"), ("GET", "/nowhere")):
        for headers in ({}, {"Authorization": "Bearer x"}, {"X-Forwarded-Proto": "http"}):
            answer = await plain.http.request(method, path, headers=headers)
            assert (answer.is_redirect, "location" in answer.headers) == (False, False)


async def test_the_longest_beginning_makes_a_cookie_that_comes_back_whole(browser: Browser) -> None:
    longest: dict[str, Any] = {"return_to": "/" + "%" * 254, "invitation": "i" * 64}
    leaving = await browser.http.get("/auth/provider/start", params=longest)
    assert leaving.status_code == 303, leaving.text
    (cookie,) = leaving.headers.get_list("set-cookie")
    assert len(cookie) <= BROWSERS_KEEP < FRUITLESS_BYTES
    assert browser.http.cookies[BEGUN]
    back = await browser.end(browser.at_provider(leaving.headers["location"], "provider"))
    assert (back.status_code, back.headers["location"]) == (303, longest["return_to"])
    for name in longest:
        refused = await browser.http.get("/auth/provider/start", params=longest | {name: longest[name] + "x"})
        assert refused.status_code == 400
