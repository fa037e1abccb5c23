"""What becomes of a Stripe that fails: three errors of ours, and nothing of the SDK's, of an answer or of a secret in them."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from uuid import UUID

import pytest

from adapters.payments.stripe_payments import StripePayments
from application.payments import PaymentDeclined, PaymentRefused, PaymentsUnavailable
from domain.accounts import AccountId
from domain.billing import CustomerId, Hint, PurchaseKind, PurchaseRef, SubscriptionId
from tests.offer import CATALOGUE
from tests.payments_house import SECRET, URL, StripeHouse
from tests.stripe_process import KEY, StripeProcess

pytestmark = pytest.mark.anyio
ACCOUNT, EMAIL = AccountId(UUID(int=7)), "ada@mail.example"
CUSTOMER, SUBSCRIPTION = CustomerId("cus_x"), SubscriptionId("sub_x")
SINCE = datetime.fromtimestamp(0, UTC)


async def _drained(every: AsyncIterator[object]) -> list[object]:
    return [each async for each in every]


ASKED: dict[str, Callable[[StripePayments], Awaitable[object]]] = {
    "add_customer": lambda payments: payments.add_customer(ACCOUNT, EMAIL),
    "owner": lambda payments: payments.owner(CUSTOMER),
    "check_out": lambda payments: payments.check_out(CUSTOMER, "small", URL, URL, key="k"),
    "portal": lambda payments: payments.portal(CUSTOMER, URL),
    "change": lambda payments: payments.change(SUBSCRIPTION, "pro", upwards=True, key="k"),
    "cancel": lambda payments: payments.cancel(SUBSCRIPTION, at_once=False, key="k"),
    "cancel at once": lambda payments: payments.cancel(SUBSCRIPTION, at_once=True, key="k"),
    "resume": lambda payments: payments.resume(SUBSCRIPTION, key="k"),
    "top_up": lambda payments: payments.top_up(CUSTOMER, "small", key="k"),
    "topped_up": lambda payments: payments.topped_up(CUSTOMER, key="k"),
    "refund": lambda payments: payments.refund(PurchaseRef(PurchaseKind.INVOICE, "in_x"), 1, key="k"),
    "purchase": lambda payments: payments.purchase(PurchaseRef(PurchaseKind.CHECKOUT, "cs_x")),
    "subscription": lambda payments: payments.subscription(SUBSCRIPTION),
    "touched": lambda payments: payments.touched(Hint("evt_x", "charge.refunded", SINCE, "charge", "ch_x")),
    "hints": lambda payments: _drained(payments.hints(SINCE)),
    "paid": lambda payments: _drained(payments.paid(SINCE)),
    "offer": lambda payments: payments.offer(CATALOGUE),
}


def quiet(error: BaseException) -> None:
    """Neither the key, nor the address, nor an answer is in it, nor is the SDK's error told as its cause."""
    said = f"{error!r} {error} {error.args} {list(vars(error).values())}"
    assert not any(word in said for word in (KEY, SECRET, EMAIL, "api_error", "http", "{")), said
    assert error.__cause__ is None
    assert error.__suppress_context__


@pytest.mark.parametrize("name", ASKED)
@pytest.mark.parametrize("fault", ["rate-limit", "error", "reset", "error-after", "reset-after"])
async def test_a_stripe_that_fails_is_unavailable(stripe_house: StripeHouse, name: str, fault: str) -> None:
    stripe_house.stripe.do("fault", name=fault)
    with pytest.raises(PaymentsUnavailable) as failed:
        await ASKED[name](stripe_house.payments)
    quiet(failed.value)
    assert len(stripe_house.stripe.do("calls")) == 1, "one request for one call"


@pytest.mark.parametrize("name", ASKED)
async def test_a_stripe_that_is_not_there_or_says_nothing_is_unavailable(stripe: StripeProcess, name: str) -> None:
    async with StripePayments.opened(KEY, [SECRET], base_url=stripe.url, seconds=(5.0, 0.2)) as impatient:
        stripe.do("fault", name="silent")
        with pytest.raises(PaymentsUnavailable) as failed:
            await ASKED[name](impatient)
        quiet(failed.value)
        stripe.do("down")
        try:
            with pytest.raises(PaymentsUnavailable) as failed:
                await ASKED[name](impatient)
        finally:
            stripe.do("up")
        quiet(failed.value)


@pytest.mark.parametrize("name", ASKED)
async def test_a_key_that_is_not_accepted_is_unavailable_and_not_told(stripe: StripeProcess, name: str) -> None:
    async with StripePayments.opened("rk_wrong_secret", [SECRET], base_url=stripe.url) as stranger:
        with pytest.raises(PaymentsUnavailable) as failed:
            await ASKED[name](stranger)
    quiet(failed.value)
    assert "rk_" not in str(failed.value)


@pytest.mark.parametrize(
    ("status", "code", "means"),
    [
        (400, "parameter_invalid", PaymentRefused),
        (401, "invalid_api_key", PaymentsUnavailable),
        (402, "card_declined", PaymentDeclined),
        (403, "forbidden", PaymentsUnavailable),
        (404, "resource_missing", PaymentRefused),
        (409, "idempotency_key_in_use", PaymentsUnavailable),
        (409, "lock_timeout", PaymentsUnavailable),
        (400, "rate_limit", PaymentsUnavailable),
        (429, "lock_timeout", PaymentsUnavailable),
        (500, "api_error", PaymentsUnavailable),
        (502, "", PaymentsUnavailable),
        (503, "x", PaymentsUnavailable),
    ],
)
async def test_every_status_has_a_meaning(status: int, code: str, means: type[Exception]) -> None:
    error = {"type": "invalid_request_error", "code": code, "message": "Stripe's words."}
    async with _saying(json.dumps({"error": error}).encode(), status) as payments:
        with pytest.raises(means) as failed:
            await payments.check_out(CUSTOMER, "small", URL, URL, key="k")
    quiet(failed.value)
    if isinstance(failed.value, PaymentsUnavailable):
        assert failed.value.at_work == (code == "idempotency_key_in_use")
    if isinstance(failed.value, PaymentDeclined | PaymentRefused):
        assert failed.value.code == code
    if isinstance(failed.value, PaymentRefused):
        assert failed.value.message == str(failed.value) == "Stripe's words."


ODD = {
    "nothing": b"",
    "null": b"null",
    "a list": b"[]",
    "a number": b"7",
    "an empty object": b"{}",
    "a list of nothing": b'{"object":"list"}',
    "a list of no list": b'{"object":"list","data":{"a":1},"has_more":true}',
    "a list of strangers": b'{"object":"list","data":[{"object":"x"}],"has_more":true}',
    "an object of another form": b'{"object":{"object":["list"]},"id":["x"],"data":"x"}',
    "html": b"<html>busy</html>",
    "no unicode": b'{"id":"\xff\xfe"}',
    "deep": b'{"object":"list","data":' * 20_000,
    "an error that is none": b'{"error":7}',
    "an error in words": b'{"error":"x"}',
}


@pytest.mark.parametrize("status", [200, 302, 402, 404, 500])
@pytest.mark.parametrize("body", ODD)
async def test_an_answer_of_another_form_is_none(body: str, status: int) -> None:
    async with _saying(ODD[body], status) as payments:
        for ask in ASKED.values():
            with pytest.raises(PaymentsUnavailable) as failed:
                await ask(payments)
            quiet(failed.value)


async def test_an_answer_that_trickles_is_given_up_in_time() -> None:
    async def trickle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 X\r\ncontent-length: 1000000\r\n\r\n")
        while not reader.at_eof():
            writer.write(b" ")
            await writer.drain()
            with suppress(TimeoutError):
                await asyncio.wait_for(reader.read(1 << 16), 0.02)

    async with asyncio.timeout(30), _serving(trickle) as url:
        opened = StripePayments.opened(KEY, [SECRET], base_url=url, seconds=(5.0, 0.5))
        async with opened as payments:
            with pytest.raises(PaymentsUnavailable):
                await payments.owner(CUSTOMER)


@pytest.mark.parametrize("address", ["http://stripe.example", "ftp://127.0.0.1", "http://10.0.0.1:80", "//x", ""])
async def test_the_key_goes_nowhere_in_the_open(address: str) -> None:
    with pytest.raises(ValueError, match="https only"):
        async with StripePayments.opened(KEY, [SECRET], base_url=address):
            pass


async def test_nothing_secret_is_in_what_it_says_of_itself(payments: StripePayments) -> None:
    assert KEY not in repr(payments)
    assert SECRET not in repr(payments)


@asynccontextmanager
async def _saying(body: bytes, status: int) -> AsyncIterator[StripePayments]:
    """A server that answers everything with this."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.readuntil(b"\r\n\r\n"):
            lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
            await reader.readexactly(int(lengths[0].split(b":")[1]) if lengths else 0)
            said = f"HTTP/1.1 {status} X\r\ncontent-length: {len(body)}\r\ncontent-type: application/json\r\n"
            writer.write(said.encode() + b"stripe-notice: you are being told\r\n\r\n" + body)
            await writer.drain()

    async with _serving(answer) as url, StripePayments.opened(KEY, [SECRET], base_url=url) as payments:
        yield payments


@asynccontextmanager
async def _serving(answer: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]) -> AsyncIterator[str]:
    """Its address. Every line has come to its end when the block has."""
    lines = set[asyncio.Event]()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        lines.add(ended := asyncio.Event())
        with suppress(asyncio.IncompleteReadError, OSError):
            await answer(reader, writer)
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
        ended.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    for ended in lines:
        await ended.wait()
