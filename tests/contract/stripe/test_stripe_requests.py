"""What the pretended Stripe refuses: whatever the SDK's own types do not allow, and the rules that no type can say."""

from collections.abc import Mapping
from typing import Any

import pytest
import stripe as sdk

from tests import plain_http
from tests.stripe_api import ROUTES
from tests.stripe_params import operations
from tests.stripe_process import KEY, StripeProcess
from tests.stripe_shapes import Obj

pytestmark = pytest.mark.anyio
URL = "https://shop.example/done"
NO_SUCH = "price_none"


def session(shop: Obj, **more: Any) -> dict[str, Any]:
    """A session that is right, with parameters more or others; None takes one away."""
    right = {"mode": "payment", "success_url": URL, "line_items": [{"price": shop["pack"], "quantity": 1}]} | more
    return {name: value for name, value in right.items() if value is not None}


def test_every_operation_pretended_is_one_of_the_sdk() -> None:
    known = {f"{each.verb} {each.template}" for each in operations()}
    assert ROUTES.keys() <= known
    assert len(ROUTES) > 60


@pytest.mark.parametrize(
    ("path", "params", "param", "code"),
    [
        ("customers", {"emial": "a"}, "emial", "parameter_unknown"),
        ("customers", {"email": ""}, "email", "parameter_invalid_empty"),
        ("customers", {"email": {"a": "b"}}, "email", None),
        ("customers", {"metadata": "x"}, "metadata", None),
        ("customers", {"metadata": {"k": "v" * 501}}, "metadata", None),
        ("customers", {"preferred_locales": "en"}, "preferred_locales", None),
        ("customers", {"tax_exempt": "maybe"}, "tax_exempt", None),
        ("prices", {"unit_amount": 1, "product": "p"}, "currency", "parameter_missing"),
        ("prices", {"currency": "eur", "product": "p"}, "unit_amount", "parameter_missing"),
        ("prices", {"currency": "eur", "unit_amount": "ten", "product": "p"}, "unit_amount", "parameter_invalid_integer"),
        ("prices", {"currency": "eur", "unit_amount": 1.5, "product": "p"}, "unit_amount", "parameter_invalid_integer"),
        ("prices", {"currency": "eur", "unit_amount": -1, "product": "p"}, "unit_amount", "parameter_invalid_integer"),
        ("prices", {"currency": "euro", "unit_amount": 1, "product": "p"}, "currency", None),
        ("prices", {"currency": "eur", "unit_amount": 1}, "product", "parameter_missing"),
        ("prices", {"currency": "eur", "unit_amount": 1, "product": "p", "active": "yes"}, "active", None),
        (
            "prices",
            {"currency": "eur", "unit_amount": 1, "product": "p", "recurring": {"interval": "monthly"}},
            "recurring[interval]",
            None,
        ),
        ("coupons", {"percent_off": 10, "amount_off": 3, "currency": "eur"}, "percent_off", None),
        ("coupons", {"amount_off": 3}, "currency", "parameter_missing"),
        ("coupons", {"percent_off": 101}, "percent_off", None),
        ("coupons", {"percent_off": 10, "duration": "repeating"}, "duration_in_months", None),
        ("promotion_codes", {"promotion": {"type": "coupon"}}, "promotion[coupon]", "parameter_missing"),
        ("promotion_codes", {"promotion": {"type": "gift"}}, "promotion[type]", None),
        ("refunds", {}, "charge", "parameter_missing"),
        ("refunds", {"charge": "ch_none"}, "charge", "resource_missing"),
        ("refunds", {"charge": "ch_none", "reason": "bored"}, "reason", None),
        ("payment_intents", {"amount": 49, "currency": "eur"}, "amount", "amount_too_small"),
        ("payment_intents", {"amount": 100, "currency": "eur", "off_session": True}, "off_session", None),
        ("subscriptions", {"customer": "cus_none"}, "customer", "resource_missing"),
        ("subscriptions", {"items": []}, "customer", "parameter_missing"),
        ("subscriptions/sub_none", {"proration_behavior": "sometimes"}, "proration_behavior", None),
        ("subscriptions/sub_none", {"cancel_at_period_end": 1}, "cancel_at_period_end", None),
        ("subscriptions/sub_none", {}, "id", "resource_missing"),
        ("billing_portal/sessions", {"return_url": URL}, "customer", "parameter_missing"),
        ("billing_portal/sessions", {"customer": "cus_none"}, "customer", "resource_missing"),
        ("invoices", {"customer": "cus_none", "collection_method": "beg"}, "collection_method", None),
    ],
)
async def test_a_wrong_parameter_is_named(
    client: sdk.StripeClient, path: str, params: Mapping[str, Any], param: str, code: str | None
) -> None:
    with pytest.raises(sdk.InvalidRequestError) as refused:
        await client.raw_request_async("post", f"/v1/{path}", **params)
    assert (refused.value.param, refused.value.code) == (param, code)


async def test_a_map_that_lacks_what_is_required_is_refused(client: sdk.StripeClient, shop: Obj) -> None:
    recurring: Any = {"interval_count": 1}
    with pytest.raises(sdk.InvalidRequestError) as refused:
        await client.v1.prices.create_async(
            {"currency": "eur", "unit_amount": 1, "product": shop["product"], "recurring": recurring}
        )
    assert (refused.value.param, refused.value.code) == ("recurring[interval]", "parameter_missing")


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"mode": None}, "mode"),
        ({"mode": "sub"}, "mode"),
        ({"line_items": None}, "line_items"),
        ({"success_url": None}, "success_url"),
        ({"success_url": "/done"}, "success_url"),
        ({"cancel_url": "javascript:alert(1)"}, "cancel_url"),
        ({"customer": "cus_none"}, "customer"),
        ({"customer": "$customer", "customer_email": "a@b.example"}, "customer"),
        ({"allow_promotion_codes": True, "discounts": [{"coupon": "c"}]}, "discounts"),
        ({"discounts": [{"coupon": "none"}]}, "discounts[0]"),
        ({"discounts": [{"coupon": "a"}, {"coupon": "b"}]}, "discounts"),
        ({"line_items": [{"price": "$pack"}]}, "line_items[0][quantity]"),
        ({"line_items": [{"quantity": 1}]}, "line_items[0][price]"),
        ({"line_items": [{"price": "$pack", "quantity": 0}]}, "line_items[0][quantity]"),
        ({"line_items": [{"price": "$pack", "qty": 1}]}, "line_items[0][qty]"),
        ({"line_items": [{"price": NO_SUCH, "quantity": 1}]}, "line_items[0][price]"),
        ({"line_items": [{"price": "$plan", "quantity": 1}]}, "line_items[0][price]"),
        ({"mode": "subscription"}, "line_items"),
        ({"subscription_data": {"trial_period_days": 7}}, "subscription_data"),
        ({"mode": "subscription", "invoice_creation": {"enabled": True}}, "invoice_creation"),
        ({"expires_at": 1_800_000_000 + 60}, "expires_at"),
        ({"expires_at": 1_800_000_000 + 2 * 86_400}, "expires_at"),
        ({"automatic_tax": {"enabled": True}, "customer": "$customer"}, "automatic_tax"),
    ],
)
async def test_a_session_keeps_the_rules_that_no_type_can_say(
    client: sdk.StripeClient, shop: Obj, change: dict[str, Any], param: str
) -> None:
    asked = session(shop, **_filled(change, shop))
    with pytest.raises(sdk.InvalidRequestError) as refused:
        await client.v1.checkout.sessions.create_async(asked)  # type: ignore[arg-type]  # wrong on purpose
    assert refused.value.param == param


def _filled(value: Any, shop: Obj) -> Any:
    """`$pack` is the price of that name."""
    if isinstance(value, dict):
        return {name: _filled(each, shop) for name, each in value.items()}
    if isinstance(value, list):
        return [_filled(each, shop) for each in value]
    return shop[value[1:]] if isinstance(value, str) and value.startswith("$") else value


async def test_an_inactive_price_is_not_sold(client: sdk.StripeClient, shop: Obj) -> None:
    await client.v1.prices.update_async(shop["pack"], {"active": False})
    with pytest.raises(sdk.InvalidRequestError, match="inactive"):
        await client.v1.checkout.sessions.create_async(session(shop))  # type: ignore[arg-type]  # a map of any


async def test_a_lookup_key_belongs_to_one_price_and_moves_when_asked(client: sdk.StripeClient, shop: Obj) -> None:
    asked: Any = {"product": shop["product"], "currency": "eur", "unit_amount": 1200, "lookup_key": "pack"}
    with pytest.raises(sdk.InvalidRequestError) as refused:
        await client.v1.prices.create_async(asked)
    assert refused.value.param == "lookup_key"
    new = await client.v1.prices.create_async(asked | {"transfer_lookup_key": True})
    found = await client.v1.prices.list_async({"lookup_keys": ["pack"]})
    assert [price.id for price in found.data] == [new.id]
    assert (await client.v1.prices.retrieve_async(shop["pack"])).lookup_key is None


async def test_what_is_taken_by_stripe_and_not_pretended_is_said_and_not_ignored(client: sdk.StripeClient, shop: Obj) -> None:
    with pytest.raises(sdk.APIError) as refused:
        await client.v1.checkout.sessions.create_async(session(shop, submit_type="pay"))  # type: ignore[arg-type]  # a map of any
    assert refused.value.http_status == 501
    with pytest.raises(sdk.APIError, match="not pretended"):
        await client.v1.charges.search_async({"query": "x"})
    with pytest.raises(sdk.InvalidRequestError, match="Unrecognized request URL"):
        await client.raw_request_async("get", "/v1/nothing")


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"authorization": "Bearer pk_test_x"}, 401),
        ({"authorization": ""}, 401),
        ({"stripe-version": "2020-08-27"}, 400),
        ({"stripe-version": ""}, 400),
        ({"idempotency-key": ""}, 400),
        ({"idempotency-key": "k" * 256}, 400),
        ({"content-type": "application/json"}, 400),
        ({}, 200),
    ],
)
async def test_headers_are_required(stripe: StripeProcess, change: dict[str, str], status: int) -> None:
    right = {"authorization": f"Bearer {KEY}", "stripe-version": str(sdk.api_version), "idempotency-key": "k"}
    headers = {"content-type": "application/x-www-form-urlencoded"} | right | change
    async with plain_http.AsyncClient(trust_env=False) as http:
        answer = await http.post(f"{stripe.url}/v1/customers", content="email=a%40b.example", headers=headers)
    assert answer.status_code == status
    assert answer.headers["request-id"].startswith("req_")
    assert len(stripe.events()) == (status == 200)


async def test_what_is_not_there_is_not_found(client: sdk.StripeClient) -> None:
    with pytest.raises(sdk.InvalidRequestError) as refused:
        await client.v1.customers.retrieve_async("cus_none")
    assert (refused.value.http_status, refused.value.code) == (404, "resource_missing")
