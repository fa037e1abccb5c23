"""The catalogue at Stripe: made once, followed when it changes, and never a price taken from those who already pay it."""

import re
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from adapters.payments.stripe_payments import StripePayments
from application.payments import PaymentRefused, PaymentsUnavailable
from domain.accounts import AccountId
from domain.billing import CustomerId
from domain.catalogue import Catalogue
from domain.convergence import credits_of
from domain.entitlements import entitle
from tests.offer import CATALOGUE, MODELS, PLANS
from tests.payments_house import SECRET, URL, StripeHouse, bought, subscriptions
from tests.stripe_process import KEY

pytestmark = pytest.mark.anyio
SOLD = {"starter": 900, "pro": 2900, "studio": 9900, "small": 500, "medium": 2000, "large": 10_000}


def catalogue(plans: str) -> Catalogue:
    return Catalogue.parse(MODELS, plans)


def priced(starter: int) -> Catalogue:
    return catalogue(PLANS.replace("price = 900\n", f"price = {starter}\n"))


def without(table: str) -> Catalogue:
    return catalogue(re.sub(rf"\[{re.escape(table)}\](\n.+)+", "", PLANS))


def unsold(table: str) -> Catalogue:
    return catalogue(PLANS.replace(f"[{table}]", f"[{table}]\nsold = false"))


def prices(house: StripeHouse, **wanted: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = house.ask("get", "/v1/prices", limit=100, **wanted)["data"]
    return found


def on_offer(house: StripeHouse) -> dict[str, int]:
    return {each["lookup_key"]: each["unit_amount"] for each in prices(house, active=True)}


async def customer(house: StripeHouse) -> CustomerId:
    return await house.payments.add_customer(AccountId(UUID(int=7)), "ada@mail.example")


async def test_what_has_a_price_is_made_and_then_left_alone(stripe_house: StripeHouse) -> None:
    made = await stripe_house.payments.offer(CATALOGUE)
    assert len(made) == 2 * len(SOLD) + 1
    assert all(any(line.startswith(f"{id}:") for line in made) for id in (*SOLD, "portal"))
    assert on_offer(stripe_house) == SOLD
    for each in prices(stripe_house):
        assert (each["currency"], each["tax_behavior"]) == ("usd", "exclusive")
        is_plan = each["lookup_key"] in CATALOGUE.plans
        assert (each["recurring"] or {}).get("interval") == ("month" if is_plan else None)
    products = stripe_house.ask("get", "/v1/products")["data"]
    assert {each["metadata"]["catalogue_id"]: each["name"] for each in products} == {
        id: (CATALOGUE.plans.get(id) or CATALOGUE.packs[id]).name for id in SOLD
    }
    written = [call for call in stripe_house.stripe.do("calls") if call["verb"] != "GET"]
    assert list(await stripe_house.payments.offer(CATALOGUE)) == []
    assert [call for call in stripe_house.stripe.do("calls") if call["verb"] != "GET"] == written


async def test_another_price_takes_the_place_of_the_old_one(stripe_house: StripeHouse) -> None:
    await stripe_house.payments.offer(CATALOGUE)
    done = await stripe_house.payments.offer(priced(950))
    assert list(done) == ["starter: price of 950 usd made", "starter: price of 900 usd retired"]
    assert on_offer(stripe_house) == SOLD | {"starter": 950}
    assert [each["lookup_key"] for each in prices(stripe_house, active=False)] == [None]
    assert list(await stripe_house.payments.offer(priced(950))) == []


async def test_a_price_that_comes_back_is_taken_up_again(stripe_house: StripeHouse) -> None:
    """Within the day in which Stripe would answer the first making of it again."""
    for price in (900, 950, 900, 950, 900):
        await stripe_house.payments.offer(priced(price))
        assert on_offer(stripe_house)["starter"] == price
    assert len(prices(stripe_house)) == len(SOLD) + 1


async def test_who_subscribed_at_the_old_price_keeps_it_and_gets_what_it_is_for(stripe_house: StripeHouse) -> None:
    await stripe_house.payments.offer(CATALOGUE)
    page = await stripe_house.payments.check_out(await customer(stripe_house), "starter", URL, URL, key="k")
    stripe_house.pays(page)
    await stripe_house.payments.offer(priced(950))
    stripe_house.later(32)
    async with StripePayments.opened(KEY, [SECRET], base_url=stripe_house.stripe.url) as another:
        house = StripeHouse(another, stripe_house.stripe)
        first, renewal = await bought(house)
        (subscription,) = await subscriptions(house)
    assert [(line.product, line.net) for line in (*first.lines, *renewal.lines)] == [("starter", 900)] * 2
    assert subscription.plan == "starter"


@pytest.mark.parametrize("ended", [without, unsold])
@pytest.mark.parametrize(("table", "id"), [("plans.pro", "pro"), ("packs.small", "small")])
async def test_what_is_no_longer_sold_is_archived_until_it_is_sold_again(
    stripe_house: StripeHouse, table: str, id: str, ended: Callable[[str], Catalogue]
) -> None:
    await stripe_house.payments.offer(CATALOGUE)
    done = await stripe_house.payments.offer(ended(table))
    assert list(done) == [f"{id}: price of {SOLD[id]} usd retired", f"{id}: product archived"]
    assert on_offer(stripe_house) == {name: price for name, price in SOLD.items() if name != id}
    buyer = await customer(stripe_house)
    with pytest.raises(PaymentRefused):
        await stripe_house.payments.check_out(buyer, id, URL, URL, key="k")
    assert list(await stripe_house.payments.offer(ended(table))) == []
    assert len(await stripe_house.payments.offer(CATALOGUE)) == 2
    assert on_offer(stripe_house) == SOLD
    assert len(prices(stripe_house)) == len(SOLD)


async def test_a_name_follows(stripe_house: StripeHouse) -> None:
    await stripe_house.payments.offer(CATALOGUE)
    for name in ("Beginner", "Starter", "Beginner"):
        done = await stripe_house.payments.offer(catalogue(PLANS.replace('name = "Starter"', f'name = "{name}"')))
        assert list(done) == ["starter: product brought up to date"]
        names = [each["name"] for each in stripe_house.ask("get", "/v1/products")["data"]]
        assert (name in names, len(names)) == (True, len(SOLD))


async def test_what_others_sell_on_the_same_account_is_left_alone(stripe_house: StripeHouse) -> None:
    theirs = stripe_house.ask("post", "/v1/prices", currency="usd", unit_amount=7, product_data={"name": "Mugs"})
    await stripe_house.payments.offer(CATALOGUE)
    assert stripe_house.ask("get", f"/v1/prices/{theirs['id']}") == theirs
    assert stripe_house.ask("get", f"/v1/products/{theirs['product']}")["active"]


async def test_an_offer_that_breaks_off_anywhere_is_made_good_by_the_next(stripe_house: StripeHouse) -> None:
    await stripe_house.payments.offer(CATALOGUE)
    count = sum(call["verb"] != "GET" for call in stripe_house.stripe.do("calls"))
    for number in range(count):
        stripe_house.stripe.do("fresh")
        stripe_house.stripe.do("fault", name="reset-after" if number % 2 else "reset", verb="post", after=number)
        with pytest.raises(PaymentsUnavailable):
            await stripe_house.payments.offer(CATALOGUE)
        await stripe_house.payments.offer(CATALOGUE)
        assert list(await stripe_house.payments.offer(CATALOGUE)) == []
        assert on_offer(stripe_house) == SOLD
        assert len(prices(stripe_house)) == len(SOLD)
        assert len(stripe_house.ask("get", "/v1/products")["data"]) == len(SOLD)
        assert len(stripe_house.ask("get", "/v1/billing_portal/configurations")["data"]) == 1


async def test_the_portal_lets_nobody_change_a_plan(stripe_house: StripeHouse) -> None:
    buyer = await customer(stripe_house)
    with pytest.raises(PaymentRefused) as refused:
        await stripe_house.payments.portal(buyer, URL)
    assert refused.value.code == "no_portal"
    await stripe_house.payments.offer(CATALOGUE)
    (configuration,) = stripe_house.ask("get", "/v1/billing_portal/configurations")["data"]
    features = {name: each["enabled"] for name, each in configuration["features"].items()}
    cards_and_receipts = {"invoice_history": True, "payment_method_update": True, "subscription_cancel": True}
    assert features == cards_and_receipts | {"customer_update": False, "subscription_update": False}
    page = await stripe_house.payments.portal(buyer, URL)
    told = next(event["data"]["object"] for event in stripe_house.stripe.events("billing_portal.session.created"))
    assert (told["id"], told["configuration"], told["return_url"]) == (page.id, configuration["id"], URL)


async def test_a_portal_that_was_changed_by_hand_is_put_right(stripe_house: StripeHouse) -> None:
    await stripe_house.payments.offer(CATALOGUE)
    (known,) = stripe_house.ask("get", "/v1/billing_portal/configurations")["data"]
    changed = {"subscription_cancel": {"enabled": True, "mode": "immediately"}}
    stripe_house.ask("post", f"/v1/billing_portal/configurations/{known['id']}", features=changed)
    assert list(await stripe_house.payments.offer(CATALOGUE)) == ["portal: configuration brought up to date"]
    assert stripe_house.ask("get", "/v1/billing_portal/configurations")["data"] == [known]


async def test_who_pays_tax_says_where_at_stripe_and_not_to_us(stripe_house: StripeHouse) -> None:
    stripe_house.stripe.do("settings", tax_percent=20)
    async with StripePayments.opened(KEY, [SECRET], base_url=stripe_house.stripe.url, automatic_tax=True) as taxing:
        house = StripeHouse(taxing, stripe_house.stripe)
        await taxing.offer(CATALOGUE)
        (configuration,) = house.ask("get", "/v1/billing_portal/configurations")["data"]
        house.pays(await taxing.check_out(await customer(house), "small", URL, URL, key="k"))
        (purchase,) = await bought(house)
    assert configuration["features"]["customer_update"] == {"allowed_updates": ["address", "tax_id"], "enabled": True}
    assert (purchase.paid, purchase.lines[0].gross, purchase.lines[0].net) == (600, 500, 500)


async def test_a_plan_that_is_no_longer_sold_renews_with_its_credits(stripe_house: StripeHouse) -> None:
    await stripe_house.payments.offer(CATALOGUE)
    page = await stripe_house.payments.check_out(await customer(stripe_house), "pro", URL, URL, key="k")
    stripe_house.pays(page)
    await stripe_house.payments.offer(unsold("plans.pro"))
    stripe_house.later(32)
    _, renewal = await bought(stripe_house)
    assert [(line.product, line.net) for line in renewal.lines] == [("pro", SOLD["pro"])]
    assert sum(credits_of(renewal, unsold("plans.pro")).values()) == CATALOGUE.plans["pro"].credits
    (subscription,) = await subscriptions(stripe_house)
    assert entitle(subscription, None, unsold("plans.pro"), stripe_house.now).plan == "pro"
