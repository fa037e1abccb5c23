"""Signing in as a browser does it, at providers in processes of their own, and what must come of it when something is wrong."""

from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest

from application.queries import Queries
from tests.sign_in_process import NOW
from tests.sign_in_stage import BEGUN, HERE, OURS, SESSION, Answer, Browser, Site, refused

pytestmark = pytest.mark.anyio


async def test_signed_in_one_is_back_where_one_began_with_a_session(browser: Browser) -> None:
    assert [p["id"] for p in (await browser.http.get("/auth/providers")).json()["data"]] == ["provider", "another"]
    back = await browser.sign_in(return_to="/studio?a=1")
    assert back.headers["location"] == "/studio?a=1"
    cookies = {said.split("=")[0]: said for said in back.headers.get_list("set-cookie")}
    kept = {part.strip().lower() for part in cookies[SESSION].split(";")[1:]}
    assert kept == {"path=/", "httponly", "secure", "samesite=lax", "max-age=2592000"}
    assert "max-age=0" in cookies[BEGUN].lower(), "what was begun is over"
    me = await browser.who()
    assert (me["name"], [i["provider"] for i in me["identities"]]) == ("Ada Lovelace", ["provider"])


async def test_the_next_sign_in_is_the_same_account(site: Site) -> None:
    first, second = site.browser(), site.browser()
    await first.sign_in()
    await second.sign_in()
    assert (await first.who())["id"] == (await second.who())["id"]


async def test_an_answer_works_once(site: Site, browser: Browser) -> None:
    answer = await browser.begin()
    kept = browser.http.cookies[BEGUN]
    await browser.end(answer)
    again = site.browser()
    again.http.cookies.set(BEGUN, kept, domain="studio.example")
    assert refused(await again.end(answer), 400, "sign-in-invalid")
    assert (await again.me()).status_code == 401


@pytest.mark.parametrize(
    "altered",
    [{"state": "another"}, {"state": ""}, {"code": "another"}, {"code": ""}, {"iss": "https://other.example"}],
    ids=lambda altered: "-".join(f"{name}:{value or 'none'}" for name, value in altered.items()).replace("https://", ""),
)
async def test_an_altered_answer_signs_nobody_in(browser: Browser, altered: Answer) -> None:
    answer = await browser.begin() | altered
    assert refused(await browser.end(answer), 400, "sign-in-invalid")
    assert (await browser.me()).status_code == 401


async def test_a_word_said_twice_has_no_meaning(browser: Browser) -> None:
    answer = await browser.begin()
    back = await browser.http.get(f"/auth/provider/callback?{urlencode(answer)}&{urlencode({'code': answer['code']})}")
    assert refused(back, 400, "sign-in-invalid")


async def test_nobody_is_signed_in_by_somebody_elses_answer(site: Site, browser: Browser) -> None:
    """Login CSRF: an attacker's answer in a browser that has begun nothing, or something else."""
    attackers = await site.browser().begin()
    assert refused(await browser.end(attackers), 400, "sign-in-expired")
    await browser.begin()
    assert refused(await browser.end(attackers), 400, "sign-in-invalid")


async def test_an_answer_of_one_provider_is_none_of_another(browser: Browser) -> None:
    """Mix-up."""
    answer = await browser.begin("provider")
    assert refused(await browser.end(answer, "another"), 400, "sign-in-invalid")
    assert not browser.site.two.requests("/token")


@pytest.mark.parametrize(
    "elsewhere",
    ["https://evil.example", "//evil.example", "/\\evil.example", "\\/evil.example", "evil", "/a\r\nSet-Cookie: a=b", "/\tevil"],
)
async def test_one_comes_back_to_this_service_alone(browser: Browser, elsewhere: str) -> None:
    assert refused(await browser.http.get("/auth/provider/start", params={"return_to": elsewhere}), 400, "invalid-request")


async def test_a_planted_session_is_worth_nothing(site: Site, browser: Browser) -> None:
    """Session fixation."""
    await browser.sign_in()
    first = browser.http.cookies[SESSION]
    await browser.sign_in()
    assert browser.http.cookies[SESSION] != first
    other = site.browser()
    other.http.cookies.set(SESSION, first, domain="studio.example")
    assert (await other.me()).status_code == 401


async def test_what_was_signed_by_others_or_long_ago_is_no_beginning(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = await browser.begin()
    monkeypatch.setattr("time.time", lambda: NOW + 600)
    assert refused(await browser.end(answer), 400, "sign-in-expired")
    kept = browser.http.cookies[BEGUN].strip('"')
    browser.http.cookies.clear()
    for altered in (kept[:-2] + "AA", "a.b", "a.b.c", "ä.ö.ü", kept.replace(".", ".A", 1)):
        browser.http.cookies.clear()
        answered = await browser.http.get(
            f"/auth/provider/callback?{urlencode(answer)}", headers=[(b"Cookie", f"{BEGUN}={altered}".encode())]
        )
        assert refused(answered, 400, "sign-in-invalid"), altered


@pytest.mark.parametrize(
    ("mood", "status", "name"),
    [
        ({"fault": "denied"}, 403, "sign-in-denied"),
        ({"fault": "busy"}, 503, "provider-unavailable"),
        ({"email": None}, 403, "email-unverified"),
        ({"email_verified": False}, 403, "email-unverified"),
        ({"fault": "expired"}, 400, "sign-in-invalid"),
        ({"fault": "alg-none"}, 400, "sign-in-invalid"),
        ({"fault": "wrong-signature"}, 400, "sign-in-invalid"),
        ({"fault": "altered-nonce"}, 400, "sign-in-invalid"),
        ({"fault": "wrong-issuer"}, 400, "sign-in-invalid"),
    ],
    ids=lambda said: str(said),
)
async def test_what_goes_wrong_at_the_provider_leaves_nothing_and_says_what_to_do(
    browser: Browser, mood: dict[str, Any], status: int, name: str
) -> None:
    browser.site.one.mood(**mood)
    before = await accounts(browser.site)
    answer = await browser.begin()
    page = await browser.end(answer, Accept="text/html,*/*;q=0.8")
    assert (page.status_code, page.headers["content-type"]) == (status, "text/html; charset=utf-8")
    assert 'href="/auth/provider/start"' in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert refused(await browser.end(await browser.begin()), status, name)
    assert await accounts(browser.site) == before
    assert (await browser.me()).status_code == 401


async def accounts(site: Site) -> int:
    return len(await (await site.world.parts.get(Queries)).accounts("", 1_000))


async def test_another_sign_in_is_linked_by_whoever_is_signed_in(browser: Browser) -> None:
    await browser.sign_in()
    before = await browser.who()
    assert (await link(browser)).status_code == 303
    assert [i["provider"] for i in (await browser.who())["identities"]] == ["provider", "another"]
    elsewhere = browser.site.browser()
    await elsewhere.sign_in("another")
    assert (await elsewhere.who())["id"] == before["id"]


async def link(browser: Browser) -> httpx.Response:
    leaving = await browser.http.post("/auth/another/link", headers=OURS)
    assert leaving.status_code == 200, leaving.text
    return await browser.end(browser.at_provider(leaving.json()["url"], "another"), "another")


async def test_what_leads_to_another_account_cannot_be_linked(browser: Browser) -> None:
    elsewhere = browser.site.browser()
    await elsewhere.sign_in("another")
    await browser.sign_in()
    assert refused(await link(browser), 409, "identity-taken")


async def test_whoever_signed_in_meanwhile_is_linked_to_nothing(browser: Browser) -> None:
    await browser.sign_in()
    leaving = (await browser.http.post("/auth/another/link", headers=OURS)).json()["url"]
    kept = browser.http.cookies[BEGUN]
    browser.site.one.mood(sub="somebody-else", email="eve@example.test")
    await browser.sign_in()
    browser.http.cookies.set(BEGUN, kept, domain="studio.example")
    assert refused(await browser.end(browser.at_provider(leaving, "another"), "another"), 400, "sign-in-invalid")
    assert len((await browser.who())["identities"]) == 1


async def test_the_last_sign_in_stays(browser: Browser) -> None:
    await browser.sign_in()
    await link(browser)
    first, second = (await browser.who())["identities"]
    assert (await browser.http.delete(f"/v1/me/identities/{first['id']}", headers=OURS)).status_code == 204
    assert refused(await browser.http.delete(f"/v1/me/identities/{second['id']}", headers=OURS), 409, "last-identity")


async def test_what_cannot_be_undone_wants_a_fresh_sign_in(browser: Browser) -> None:
    await browser.sign_in()
    await browser.site.time_passes(timedelta(minutes=15))
    assert refused(await browser.http.post("/auth/another/link", headers=OURS), 403, "fresh-sign-in-needed")
    await browser.sign_in()
    await browser.site.time_passes(-timedelta(minutes=15))
    assert (await browser.http.post("/auth/another/link", headers=OURS)).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://studio.example"},
        {"Origin": HERE, "Sec-Fetch-Site": "cross-site"},
        {"Origin": HERE, "Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        {"Referer": f"{HERE}/studio"},
    ],
    ids=str,
)
async def test_another_sites_page_cannot_act_in_ones_name(browser: Browser, headers: dict[str, str]) -> None:
    await browser.sign_in()
    assert refused(await browser.http.post("/auth/sign-out", headers=headers), 403, "cross-origin")
    assert (await browser.me()).status_code == 200


async def test_signed_out_means_at_once_and_everywhere(site: Site, browser: Browser) -> None:
    others = [site.browser() for _ in range(3)]
    for each in [browser, *others]:
        await each.sign_in()
    listed = (await browser.http.get("/v1/sessions")).json()["data"]
    assert sorted(s["current"] for s in listed) == [False, False, False, True]
    assert (await others[0].http.post("/auth/sign-out", headers=OURS)).status_code == 204
    assert (await others[0].me()).status_code == 401
    left = [s["id"] for s in (await browser.http.get("/v1/sessions")).json()["data"] if not s["current"]]
    assert (await browser.http.delete(f"/v1/sessions/{left[0]}", headers=OURS)).status_code == 204
    assert refused(await browser.http.delete(f"/v1/sessions/{left[0]}", headers=OURS), 404, "not-found")
    assert (await browser.http.delete("/v1/sessions", headers=OURS)).status_code == 204
    assert [(await each.me()).status_code for each in [browser, *others]] == [401] * 4


async def test_a_person_changes_their_name_and_picks_one_of_their_addresses(browser: Browser) -> None:
    browser.site.two.mood(email="ada@elsewhere.test")
    await browser.sign_in()
    await link(browser)

    async def change(**said: Any) -> httpx.Response:
        return await browser.http.patch("/v1/me", headers=OURS, json=said)

    assert (await change(name="Ada L.", email="ada@elsewhere.test")).status_code == 200
    assert {name: (await browser.who())[name] for name in ("name", "email")} == {"name": "Ada L.", "email": "ada@elsewhere.test"}
    assert (await change(name=None)).json()["name"] is None
    assert (await browser.who())["email"] == "ada@elsewhere.test", "what is left out stays"
    for wrong in ({"email": "eve@example.test"}, {"email": None}, {"name": ""}, {"name": "4111111111111111"}, {"role": "admin"}):
        assert (await change(**wrong)).status_code == 400, wrong
