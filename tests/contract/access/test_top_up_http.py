"""Top-ups as a signed-in person sees them: refused before the first purchase, then set, used, and shown."""

from typing import Any
from uuid import UUID

import httpx
import pytest

from adapters.payments.sandbox_pages import pay
from application.accounts import FreezeAccount
from application.billing import ConvergePurchase
from application.queries import Queries
from application.top_up import WatchCredits
from domain.accounts import AccountId, Mode
from domain.billing import PurchaseKind, PurchaseRef
from domain.top_up import MOST_BELOW
from entrypoints.wiring_payments import Card, SandboxPayments
from tests.sign_in_stage import OURS, Browser, refused

pytestmark = pytest.mark.anyio
ROUTE = "/v1/billing/top-up"
ASKED = {"enabled": True, "pack": "small", "below": 500, "monthly_cap": 700, "notify_below": 0}


async def put(browser: Browser, **body: Any) -> httpx.Response:
    return await browser.http.put(ROUTE, headers=OURS, json=ASKED | body)


async def buys(browser: Browser) -> AccountId:
    """A small pack, with a card that stays on file."""
    account, parts = AccountId(UUID((await browser.who())["id"])), browser.site.world.parts
    sandbox = await parts.get(SandboxPayments)
    customer = await sandbox.add_customer(account, "")
    page = await sandbox.check_out(customer, "small", "/", "/", key="k")
    await sandbox.act(lambda here: pay(here, page.id, Card.GOOD, "", confirmed=True))
    await (await parts.get(ConvergePurchase))(PurchaseRef(PurchaseKind.CHECKOUT, page.id))
    return account


async def test_an_account_that_said_nothing_is_written_to_below_20_and_buys_nothing(browser: Browser) -> None:
    await browser.sign_in()
    assert (await browser.http.get(ROUTE)).json() == {
        "enabled": False,
        "pack": None,
        "below": 0,
        "monthly_cap": 0,
        "notify_below": 20,
        "currency": "usd",
        "spent": 0,
        "declined": None,
        "last": None,
    }


async def test_who_has_bought_nothing_is_told_to_buy_a_pack_first(browser: Browser) -> None:
    await browser.sign_in()
    answer = await put(browser)
    assert refused(answer, 409, "nothing-bought")
    assert "buy a pack first" in answer.json()["detail"]
    assert (await put(browser, enabled=False)).json()["notify_below"] == 0


async def test_what_was_asked_for_is_bought_and_shown(browser: Browser) -> None:
    await browser.sign_in()
    account = await buys(browser)
    assert (await put(browser)).json()["enabled"]
    assert (await (await browser.site.world.parts.get(WatchCredits))())["paid"] == 1
    shown = (await browser.http.get(ROUTE)).json()
    assert {name: shown[name] for name in ASKED} == ASKED
    assert (shown["spent"], shown["declined"]) == (500, None)
    assert {name: shown["last"][name] for name in ("pack", "price", "state", "code")} == {
        "pack": "small",
        "price": 500,
        "state": "paid",
        "code": None,
    }
    queries = await browser.site.world.parts.get(Queries)
    wallet = await queries.wallet(account, Mode.LIVE)
    assert (await queries.credits(wallet)).available == 850, "50 on trial"


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ({"pack": "starter"}, "invalid-request"),
        ({"pack": None}, "invalid-request"),
        ({"below": -1}, "limit-exceeded"),
        ({"below": MOST_BELOW + 1}, "limit-exceeded"),
        ({"monthly_cap": 499}, "invalid-request"),
        ({"monthly_cap": -1}, "limit-exceeded"),
        ({"notify_below": MOST_BELOW + 1}, "limit-exceeded"),
        ({"enabled": None}, "invalid-request"),
        ({"unknown": 1}, "invalid-request"),
    ],
)
async def test_what_makes_no_sense_is_refused(browser: Browser, body: dict[str, Any], problem: str) -> None:
    await browser.sign_in()
    await buys(browser)
    assert refused(await put(browser, **body), 400, problem)
    assert not (await browser.http.get(ROUTE)).json()["enabled"]


async def test_a_frozen_account_may_switch_off_and_not_on(browser: Browser) -> None:
    await browser.sign_in()
    account = await buys(browser)
    await put(browser)
    async with (await browser.site.world.parts.get(FreezeAccount)).store.transaction() as tx:
        frozen = (await tx.accounts.lock(account)).freeze(await tx.now())
        await tx.accounts.save(frozen)
    assert refused(await put(browser), 403, "account-frozen")
    assert (await put(browser, enabled=False)).status_code == 200
