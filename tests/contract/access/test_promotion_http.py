"""A promotion's code over HTTP: for a signed-in person, with one answer however often it is asked."""

from pathlib import Path

import httpx
import pytest

from entrypoints.http.app import HttpConfig, create_app
from tests.contract.test_promotions import WELCOME
from tests.offer import PLANS
from tests.sign_in_stage import HERE, OURS, Browser, Site, refused
from tests.world import world

pytestmark = pytest.mark.anyio


async def test_a_person_redeems_a_code(site: Site, database_url: str, tmp_path: Path) -> None:
    (tmp_path / "plans.toml").write_text(PLANS + WELCOME)
    settings = {"sign_in": tmp_path / "sign_in.toml", "catalogue_plans": tmp_path / "plans.toml"}
    async with world(database_url, tmp_path, **settings) as made:
        site.app = create_app(made.parts, HttpConfig("1", HERE, sandbox_sign_in=False))
        browser = site.browser()
        await browser.sign_in()
        first = await redeem(browser, "welcome")
        assert (first.status_code, first.json()["promotion"], first.json()["credits"]) == (200, "WELCOME", 100)
        assert set(first.json()) == {"promotion", "credits", "expires_at"}
        assert (await redeem(browser, "WELCOME")).json() == first.json()
        unknown = await redeem(browser, "NOSUCH")
        assert refused(unknown, 400, "unknown-promotion")
        assert unknown.content == (await redeem(browser, "BYGONE")).content
        assert refused(await redeem(browser, "4111 1111 1111 1111"), 400, "card-number-refused")
        assert (await browser.http.post("/v1/billing/promotion", json={"code": "WELCOME"})).status_code == 403, (
            "not from our pages"
        )
        assert (await site.browser().http.post("/v1/billing/promotion", json={"code": "W"}, headers=OURS)).status_code == 401


async def redeem(browser: Browser, code: str) -> httpx.Response:
    return await browser.http.post("/v1/billing/promotion", json={"code": code}, headers=OURS)
