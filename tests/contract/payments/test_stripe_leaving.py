"""What leaves us for Stripe: an opaque account id and an e-mail address, ids of the catalogue, addresses of ours, marks (P25)."""

import re
from urllib.parse import parse_qsl
from uuid import UUID

import pytest

from adapters.payments.stripe_payments import StripePayments
from application.payments import PaymentDeclined
from domain.accounts import AccountId
from tests.offer import CATALOGUE
from tests.payments_house import SECRET, URL, StripeHouse, bought, subscriptions
from tests.stripe_process import KEY, StripeProcess

pytestmark = pytest.mark.anyio
ACCOUNT, EMAIL, SECRET_WISH = AccountId(UUID(int=7)), "ada@mail.example", "a key with my prompt: a red fox"
HEADERS = {"accept", "accept-encoding", "authorization", "connection", "content-length", "content-type", "host"}
HEADERS |= {"idempotency-key", "stripe-version", "user-agent"}

THEIRS = r"(?:cus|price|prod|sub|si|in|pi|pm|cs_test|bpc|il|re|ch)_\w+"
MARKS = r"[0-9a-f]{64}"
OUR_WORDS = {
    *("payment", "subscription", "month", "usd", "exclusive", "none", "now", "error_if_incomplete", "at_period_end", "auto"),
    *("exclude", "portal", "true", "false", "", "address", "tax_id", str(ACCOUNT), EMAIL, URL),
    *(str(id) for id in (*CATALOGUE.plans, *CATALOGUE.packs)),
    *(plan.name for plan in CATALOGUE.plans.values()),
    *(pack.name for pack in CATALOGUE.packs.values()),
}
FIELDS = {
    *("email", "metadata[account_id]", "metadata[catalogue_id]", "metadata[mark]", "metadata[page]"),
    *("name", "active", "product", "unit_amount", "currency", "lookup_key", "transfer_lookup_key", "tax_behavior"),
    *("recurring[interval]", "mode", "customer", "line_items[0][price]", "line_items[0][quantity]", "success_url", "cancel_url"),
    *("allow_promotion_codes", "automatic_tax[enabled]", "customer_update[address]", "return_url", "configuration"),
    *("items[0][id]", "items[0][price]", "proration_behavior", "payment_behavior", "billing_cycle_anchor[type]"),
    *("cancel_at_period_end", "pause_collection", "auto_advance", "pending_invoice_items_behavior", "invoice", "pricing[price]"),
    *("off_session", "payment_method", "amount", "payment_intent"),
}


async def everything(house: StripeHouse) -> None:
    """Each write, and what goes wrong with it."""
    taker, key = house.payments, SECRET_WISH
    await taker.offer(CATALOGUE)
    customer = await taker.add_customer(ACCOUNT, EMAIL)
    await taker.portal(customer, URL)
    for product in ("starter", "small"):
        house.pays(await taker.check_out(customer, product, URL, URL, key=f"{key} {product}"))
    (subscription,) = await subscriptions(house)
    await taker.change(subscription.id, "pro", upwards=True, key=key)
    await taker.change(subscription.id, "starter", upwards=False, key=f"{key} down")
    await taker.cancel(subscription.id, at_once=False, key=key)
    await taker.resume(subscription.id, key=key)
    for each in [each for each in await bought(house) if each.paid]:
        await taker.refund(each.ref, 1, key=f"{key} {each.ref}")
    await taker.top_up(customer, "medium", key=key)
    house.new_card(customer, "declined")
    with pytest.raises(PaymentDeclined):
        await taker.top_up(customer, "medium", key=f"{key} once more")
    await taker.cancel(subscription.id, at_once=True, key=key)
    _ = [each async for each in taker.paid(house.now)], [each async for each in taker.hints(house.now)]


@pytest.mark.parametrize("automatic_tax", [False, True])
async def test_nothing_leaves_us_but_what_the_policy_says(
    stripe: StripeProcess, monkeypatch: pytest.MonkeyPatch, automatic_tax: bool
) -> None:
    for name in ("CLAUDECODE", "CURSOR_AGENT", "CODEX_SANDBOX", "GEMINI_CLI"):
        monkeypatch.setenv(name, "1")  # the SDK would tell what the program was written with
    async with StripePayments.opened(KEY, [SECRET], base_url=stripe.url, automatic_tax=automatic_tax) as payments:
        await everything(StripeHouse(payments, stripe))
    calls = stripe.do("calls")
    assert {call["verb"] for call in calls} == {"GET", "POST", "DELETE"}
    for call in calls:
        assert call["headers"].keys() <= HEADERS
        assert re.fullmatch(r"Stripe/v1 PythonBindings/[\d.]+", call["headers"]["user-agent"])
        assert "fox" not in str(call)
        if call["verb"] == "POST":
            assert re.fullmatch(MARKS, call["key"]) or re.fullmatch(r"[0-9a-f-]{36}", call["key"])
            for name, value in parse_qsl(call["body"], keep_blank_values=True):
                assert name in FIELDS or name.startswith("features["), name
                assert value in OUR_WORDS or re.fullmatch(rf"\d{{1,6}}|{THEIRS}|{MARKS}", value), (name, value)
        else:
            assert EMAIL not in call["body"]
    emails = [call["path"] for call in calls if "ada%40mail.example" in call["body"]]
    assert emails == ["/v1/customers"], "the address goes there once"


async def test_every_write_but_what_sets_a_field_has_a_key_of_ours(stripe_house: StripeHouse) -> None:
    """Keys of the SDK's are dice, and differ each time: for a new page of the portal, and for the catalogue's own fields."""
    await everything(stripe_house)
    diced = {
        re.sub(r"/\w+_P\w+", "/{id}", call["path"])
        for call in stripe_house.stripe.do("calls")
        if call["verb"] == "POST" and not re.fullmatch(MARKS, call["key"])
    }
    assert diced == {"/v1/billing_portal/sessions"}
