"""The account's own page, as a browser without scripts sees it: buying, plans, and coming back."""

import re
from collections.abc import Iterator

import pytest

from entrypoints.http.pages import HOME
from tests import plain_http
from tests.http_house import House
from tests.people import Tab, signed_in, words
from tests.processes import until


@pytest.fixture
def tab(served: House) -> Iterator[Tab]:
    with signed_in(str(served.client.base_url)) as browser:
        yield Tab(browser)


def test_whoever_opens_the_address_is_led_to_sign_in_and_then_to_the_account(served: House, tab: Tab) -> None:
    with plain_http.Client(base_url=str(served.client.base_url)) as stranger:
        assert stranger.get("/").headers["location"] == HOME
        assert stranger.get(HOME).headers["location"] == "/sign-in"
        (way,) = re.findall(r'href="([^"]+)"', stranger.get("/sign-in").text)
        assert way == "/auth/sandbox/start?return_to=/account"
        assert stranger.post(HOME, data={"pack": "small"}).headers["location"] == "/sign-in"
    assert "on the plan Free" in tab.text


def test_a_pack_is_bought_with_a_card_and_its_credits_are_there(tab: Tab) -> None:
    assert "Buy 400 credits for 5.00 USD" in tab.text
    paid = tab.pay(tab.led_on(tab.press("pack", "small")))
    assert (paid.status_code, paid.headers["location"].endswith("/account?paid=true")) == (303, True)
    assert "Thank you" in words(tab.http.get(paid.headers["location"]))
    until(lambda: "450 to spend" in tab.text, "400 credits beside the trial's 50")
    assert re.search(r": 5\.00 USD , 400 credits, paid", tab.text)


def test_a_plan_is_had_changed_ended_and_resumed(tab: Tab) -> None:
    tab.pay(tab.led_on(tab.press("plan", "starter")))
    until(lambda: "on the plan Starter" in tab.text, "the plan")
    assert "Change to Pro: 2,600 credits for 29.00 USD a month" in tab.text
    assert tab.press("change", "pro").headers["location"] == HOME
    assert "on the plan Pro" in tab.text
    assert "3,400 to spend" in tab.text
    tab.press("cancel")
    assert re.search(r"Pro , active; ends on \d\d \w+ \d{4}", tab.text)
    tab.press("resume")
    assert re.search(r"Pro , active; renews on", tab.text)
    assert tab.led_on(tab.press("portal")).startswith(f"{tab.http.base_url}".rstrip("/") + "/sandbox/payments/portal/")


def test_who_paid_two_checkouts_of_plans_is_told_and_can_end_one(tab: Tab) -> None:
    for page in [tab.led_on(tab.press("plan", plan)) for plan in ("starter", "pro")]:
        tab.pay(page)
    until(lambda: "You have 2 subscriptions, and each is paid." in tab.text, "both plans")
    assert "on the plan Pro" in tab.text
    assert tab.http.get("/v1/billing/subscription").json()["others"] == 1
    tab.press("cancel")
    until(lambda: "You have" not in tab.text, "one to end")
    assert tab.http.get("/v1/billing/subscription").json()["others"] == 0


def test_a_card_that_is_declined_changes_nothing_and_says_so(tab: Tab) -> None:
    tab.pay(tab.led_on(tab.press("plan", "starter")))
    until(lambda: "on the plan Starter" in tab.text, "the plan")
    portal = tab.led_on(tab.press("portal"))
    assert tab.http.post(portal, data={"card": "declined"}).status_code == 303
    declined = tab.press("change", "studio")
    assert declined.status_code == 402
    assert "The bank has declined. Nothing was changed, and nothing is owed." in words(declined)
    assert "on the plan Starter" in tab.text


@pytest.mark.parametrize(
    "said", [{}, {"pack": "small", "plan": "pro"}, {"nonsense": "1"}, {"pack": "\0"}, {"plan": "4242424242424242"}]
)
def test_what_no_button_says_is_refused_as_a_page(tab: Tab, said: dict[str, str]) -> None:
    refused = tab.http.post(HOME, data=said, headers={"Accept": "text/html"})
    assert refused.status_code == 400
    assert "<main>" in refused.text
    assert "4242" not in refused.text


def test_another_site_can_press_no_button(tab: Tab) -> None:
    assert tab.http.post(HOME, data={"pack": "small"}, headers={"Origin": "https://evil.example"}).status_code == 403
    assert tab.http.post(HOME, data={"pack": "small"}, headers={"Origin": "null"}).status_code == 403
