"""A repeated key, and what can go wrong on the way: the pretended Stripe does each thing once, and says the same of it."""

import asyncio
from typing import Any

import pytest
import stripe as sdk

from tests.stripe_process import KEY, StripeProcess
from tests.stripe_shapes import Obj

pytestmark = pytest.mark.anyio


async def make(client: sdk.StripeClient, key: str, email: str = "a@b.example") -> sdk.Customer:
    return await client.v1.customers.create_async({"email": email}, {"idempotency_key": key})


def replayed(answer: sdk.Customer) -> bool:
    assert answer.last_response
    return "idempotent-replayed" in answer.last_response.headers


def made(stripe: StripeProcess) -> int:
    return len(stripe.events("customer.created"))


async def test_the_same_key_gets_the_same_answer_and_nothing_more(stripe: StripeProcess, client: sdk.StripeClient) -> None:
    first, again = await make(client, "k"), await make(client, "k")
    assert (first.id, made(stripe)) == (again.id, 1)
    assert replayed(again)
    assert not replayed(first)
    assert (await make(client, "other")).id != first.id


async def test_a_key_is_kept_for_other_parameters_or_another_path_to_be_refused(
    stripe: StripeProcess, client: sdk.StripeClient
) -> None:
    await make(client, "k")
    with pytest.raises(sdk.IdempotencyError):
        await make(client, "k", "c@d.example")
    with pytest.raises(sdk.IdempotencyError):
        await client.v1.products.create_async({"name": "x"}, {"idempotency_key": "k"})
    assert made(stripe) == 1


async def test_a_key_is_forgotten_after_a_day_of_its_clock(stripe: StripeProcess, client: sdk.StripeClient) -> None:
    await make(client, "k")
    stripe.do("advance", seconds=24 * 3600 - 1)
    await make(client, "k")
    assert made(stripe) == 1
    stripe.do("advance", seconds=1)
    await make(client, "k", "c@d.example")
    assert made(stripe) == 2


async def test_an_error_of_the_operation_is_repeated_though_it_would_succeed_now(
    client: sdk.StripeClient, stripe: StripeProcess, shop: Obj
) -> None:
    intent = stripe.do("pay", session=_session(stripe, shop))["payment_intent"]
    refund = {"payment_intent": intent, "amount": 700}
    await client.v1.refunds.create_async({"payment_intent": intent, "amount": 500})
    for _ in range(2):
        with pytest.raises(sdk.InvalidRequestError, match="greater than unrefunded"):
            await client.v1.refunds.create_async(refund, {"idempotency_key": "k"})  # type: ignore[arg-type]  # a map
    failing = stripe.do("ask", verb="get", path="/v1/refunds")["data"][0]["id"]
    stripe.do("end_refund", refund=failing, status="failed")
    with pytest.raises(sdk.InvalidRequestError, match="greater than unrefunded"):
        await client.v1.refunds.create_async(refund, {"idempotency_key": "k"})  # type: ignore[arg-type]  # a map


async def test_what_was_refused_before_it_began_is_not_kept(client: sdk.StripeClient, stripe: StripeProcess) -> None:
    wrong: Any = {"emial": "x"}
    with pytest.raises(sdk.InvalidRequestError):
        await client.v1.customers.create_async(wrong, {"idempotency_key": "k"})
    await make(client, "k")
    assert made(stripe) == 1


async def test_two_at_once_with_one_key_are_one(stripe: StripeProcess, client: sdk.StripeClient) -> None:
    stripe.do("fault", name="slow", verb="post")
    first = asyncio.create_task(make(client, "k"))
    while not stripe.do("calls"):
        await asyncio.sleep(0.01)
    with pytest.raises(sdk.APIError) as refused:
        await make(client, "k")
    assert refused.value.http_status == 409
    assert refused.value.error
    assert refused.value.error.code == "idempotency_key_in_use"
    stripe.do("let_go")
    assert (await first).id == (await make(client, "k")).id
    assert made(stripe) == 1


@pytest.mark.parametrize(
    ("fault", "error", "status", "done"),
    [
        ("rate-limit", sdk.RateLimitError, 429, 0),
        ("error", sdk.APIError, 500, 0),
        ("error-after", sdk.APIError, 500, 1),
        ("declined", sdk.CardError, 402, 0),
        ("reset", sdk.APIConnectionError, None, 0),
        ("reset-after", sdk.APIConnectionError, None, 1),
    ],
)
async def test_a_fault_happens_once_before_or_after_the_effect(
    stripe: StripeProcess, client: sdk.StripeClient, fault: str, error: type[sdk.StripeError], status: int | None, done: int
) -> None:
    stripe.do("fault", name=fault, verb="post", path="/v1/customers")
    with pytest.raises(error) as refused:
        await make(client, "k")
    assert (refused.value.http_status, made(stripe)) == (status, done)
    assert (await make(client, "another")).id
    assert stripe.do("calls")[0]["fault"] == fault


@pytest.mark.parametrize("fault", ["error", "error-after", "declined"])
async def test_an_error_that_was_ordered_is_repeated_for_its_key(
    stripe: StripeProcess, client: sdk.StripeClient, fault: str
) -> None:
    stripe.do("fault", name=fault, verb="post")
    said = []
    for _ in range(2):
        with pytest.raises(sdk.StripeError) as refused:
            await make(client, "k")
        said.append((refused.value.http_status, str(refused.value.user_message)))
    assert said[0] == said[1]
    assert made(stripe) == (fault == "error-after")


@pytest.mark.parametrize(("fault", "done"), [("reset-after", 1), ("silent-after", 1), ("silent", 0)])
async def test_after_a_lost_answer_the_same_key_tells_what_was_done(
    stripe: StripeProcess, client: sdk.StripeClient, fault: str, done: int
) -> None:
    stripe.do("fault", name=fault, verb="post")
    async with stripe.client(seconds=0.5) as impatient:
        with pytest.raises(sdk.APIConnectionError):
            await make(impatient, "k")
    assert made(stripe) == done
    again = await make(client, "k")
    assert (replayed(again), made(stripe)) == (bool(done), 1)


async def test_a_stripe_that_is_down_comes_back_with_all_it_knew(stripe: StripeProcess, client: sdk.StripeClient) -> None:
    known = await make(client, "k")
    stripe.do("down")
    with pytest.raises(sdk.APIConnectionError):
        await make(client, "k")
    stripe.do("up")
    assert (await client.v1.customers.retrieve_async(known.id)).email == "a@b.example"


async def test_every_call_is_on_record_with_its_key(stripe: StripeProcess, client: sdk.StripeClient) -> None:
    await make(client, "order-7")
    call = stripe.do("calls")[-1]
    assert (call["verb"], call["path"], call["key"], call["status"]) == ("POST", "/v1/customers", "order-7", 200)
    assert KEY not in str(call)


def _session(stripe: StripeProcess, shop: Obj) -> str:
    params = {"mode": "payment", "success_url": "https://x.example", "line_items": [{"price": shop["pack"], "quantity": 1}]}
    return str(stripe.do("ask", verb="post", path="/v1/checkout/sessions", params=params)["id"])
