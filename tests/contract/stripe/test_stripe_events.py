"""What the pretended Stripe tells: events as they were, in pages, and signed at an endpoint until they are heard."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
import stripe as sdk

from tests.provider_wire import Line
from tests.stripe_delivery import RETRIES, signed
from tests.stripe_process import StripeProcess
from tests.stripe_shapes import Obj

pytestmark = pytest.mark.anyio
SECRET = "whsec_local"


@dataclass(slots=True)
class Ear:
    """An endpoint that answers `status` and keeps what it heard: the body and its signature."""

    status: int = 200
    port: int = 0
    heard: list[tuple[bytes, str]] = field(default_factory=list)
    at_once: int = 0
    most: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/webhooks/stripe"

    def ids(self) -> list[str]:
        return [sdk.Webhook.construct_event(body, signature, SECRET).id for body, signature in self.heard]

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = Line(reader, writer)
        head = await line.head()
        if head:
            body = await line.body(head[2])
            self.at_once += 1
            self.most = max(self.most, self.at_once)
            await asyncio.sleep(0.01)  # so that others can come meanwhile
            self.at_once -= 1
            self.heard.append((body or b"", head[2]["stripe-signature"]))
            await line.answer(self.status, {"location": "/elsewhere", "connection": "close"}, b"")
        await line.hang_up()


@asynccontextmanager
async def listening(status: int = 200) -> AsyncIterator[Ear]:
    ear = Ear(status)
    server = await asyncio.start_server(ear.take, "127.0.0.1", 0)
    ear.port = server.sockets[0].getsockname()[1]
    try:
        yield ear
    finally:
        server.close()


async def until(found: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + 20
    while not found():
        assert time.monotonic() < end, f"waited in vain for {what}"
        await asyncio.sleep(0.01)


async def quiet(stripe: StripeProcess) -> None:
    await until(lambda: not stripe.do("unfinished"), "deliveries to end")


def customers(stripe: StripeProcess, number: int) -> list[str]:
    """Ids of as many events."""
    for index in range(number):
        stripe.do("ask", verb="post", path="/v1/customers", params={"email": f"a{index}@mail.example"})
    return [event["id"] for event in stripe.events("customer.created")]


async def test_events_are_paged_and_filtered(stripe: StripeProcess, client: sdk.StripeClient) -> None:
    ids = customers(stripe, 7)
    stripe.do("advance", seconds=60)
    later = customers(stripe, 3)[7:]
    now = stripe.do("now")
    page = await client.v1.events.list_async({"limit": 4})
    assert [event.id for event in page.data] == [*later[::-1], ids[-1]]
    assert page.has_more
    assert [event.id async for event in page.auto_paging_iter()] == [*later[::-1], *ids[::-1]]
    next_page = await client.v1.events.list_async({"limit": 3, "starting_after": ids[3]})
    assert ([event.id for event in next_page.data], next_page.has_more) == (ids[2::-1], False)
    assert [event.id for event in (await client.v1.events.list_async({"limit": 2, "ending_before": ids[0]})).data] == ids[2:0:-1]
    assert len((await client.v1.events.list_async({"created": {"gte": now}})).data) == 3
    assert len((await client.v1.events.list_async({"created": {"lt": now}, "limit": 100})).data) == 7
    assert (await client.v1.events.list_async({"types": ["invoice.*", "customer.deleted"]})).data == []
    assert len((await client.v1.events.list_async({"types": ["customer.*"], "limit": 100})).data) == 10
    stripe.do("advance", seconds=30 * 86_400 - 60)
    assert {event.id for event in (await client.v1.events.list_async({"limit": 100})).data} == set(later)


@pytest.mark.parametrize(
    ("params", "param"),
    [
        ({"limit": 0}, "limit"),
        ({"limit": 101}, "limit"),
        ({"starting_after": "evt_none"}, "starting_after"),
        ({"type": "a", "types": ["b"]}, "type"),
        ({"types": [f"t{number}" for number in range(21)]}, "types"),
        ({"created": {"since": 3}}, "created[since]"),
    ],
)
async def test_a_wrong_page_is_refused(client: sdk.StripeClient, params: Any, param: str) -> None:
    with pytest.raises(sdk.InvalidRequestError) as refused:
        await client.v1.events.list_async(params)
    assert refused.value.param == param


async def test_an_event_keeps_what_was_and_names_the_request(stripe: StripeProcess, client: sdk.StripeClient) -> None:
    one = await client.v1.customers.create_async({"email": "a@b.example", "name": "Ada"}, {"idempotency_key": "k1"})
    await client.v1.customers.update_async(one.id, {"name": "Eve", "metadata": {"a": "1"}}, {"idempotency_key": "k2"})
    await client.v1.customers.update_async(one.id, {"name": "Eve"})
    created, updated = stripe.events()
    assert (created["data"]["object"]["name"], "previous_attributes" in created["data"]) == ("Ada", False)
    assert updated["data"]["previous_attributes"] == {"name": "Ada", "metadata": {"a": None}}
    assert [event["request"]["idempotency_key"] for event in (created, updated)] == ["k1", "k2"]
    assert created["request"]["id"].startswith("req_")
    assert (await client.v1.events.retrieve_async(created["id"])).data.object["name"] == "Ada"


async def test_events_are_delivered_signed_and_many_at_once(stripe: StripeProcess) -> None:
    async with listening() as ear:
        stripe.do("endpoint", url=ear.url, secret=SECRET)
        ids = customers(stripe, 12)
        await quiet(stripe)
    assert sorted(ear.ids()) == sorted(ids)
    assert ear.most > 1
    assert {event["pending_webhooks"] for event in stripe.events()} == {0}


async def test_an_endpoint_hears_of_its_types_only_and_again_if_it_repeats(stripe: StripeProcess) -> None:
    async with listening() as ear:
        stripe.do("endpoint", url=ear.url, secret=SECRET, types=["customer.created"], repeats=2)
        (id,) = customers(stripe, 1)
        stripe.do("ask", verb="post", path="/v1/products", params={"name": "x"})
        await quiet(stripe)
    assert ear.ids() == [id, id, id]


@pytest.mark.parametrize("status", [500, 404, 302])
async def test_what_is_not_taken_comes_again_until_it_is(stripe: StripeProcess, client: sdk.StripeClient, status: int) -> None:
    async with listening(status) as ear:
        stripe.do("endpoint", url=ear.url, secret=SECRET)
        (id,) = customers(stripe, 1)
        await quiet(stripe)
        missed = await client.v1.events.list_async({"delivery_success": False})
        assert [event.id for event in missed.data] == [id]
        assert (await client.v1.events.list_async({"delivery_success": True})).data == []
        stripe.do("advance", seconds=RETRIES[0] - 1)
        await quiet(stripe)
        assert len(ear.heard) == 1
        ear.status = 200
        stripe.do("advance", seconds=1)
        await quiet(stripe)
        assert ear.ids() == [id, id]
    assert (await client.v1.events.list_async({"delivery_success": False})).data == []


async def test_after_three_days_nobody_tries_any_more(stripe: StripeProcess, client: sdk.StripeClient) -> None:
    async with listening() as ear:
        url = ear.url
    stripe.do("endpoint", url=url, secret=SECRET)
    (id,) = customers(stripe, 1)
    await quiet(stripe)
    for pause in (*RETRIES, RETRIES[-1]):
        stripe.do("advance", seconds=pause)
        await quiet(stripe)
    assert [each["status"] for each in stripe.do("deliveries")] == [0] * (len(RETRIES) + 1)
    assert [event.id for event in (await client.v1.events.list_async({"delivery_success": False})).data] == [id]


@pytest.fixture
def event(stripe: StripeProcess) -> Obj:
    customers(stripe, 1)
    told: Obj = stripe.events()[0]
    return told


def test_a_signature_is_good_for_its_body_its_secret_and_five_minutes(event: Obj) -> None:
    now = int(time.time())
    body, header = signed(event, SECRET)
    assert sdk.Webhook.construct_event(body, header, SECRET).id == event["id"]
    for wrong in (
        (body[:-1] + b" }", header, SECRET),
        (body, header, "whsec_other"),
        (body, header.replace("v1=", "v0="), SECRET),
    ):
        with pytest.raises(sdk.SignatureVerificationError):
            sdk.Webhook.construct_event(*wrong)
    body, header = signed(event, SECRET, at=now - 301)
    with pytest.raises(sdk.SignatureVerificationError, match="tolerance"):
        sdk.Webhook.construct_event(body, header, SECRET)


def test_an_event_can_be_told_in_another_version_or_of_an_unknown_type(event: Obj) -> None:
    body, header = signed(event, SECRET, api_version="2020-08-27", type="moon.landed")
    told = sdk.Webhook.construct_event(body, header, SECRET)
    assert (told.id, told.api_version, str(told.type)) == (event["id"], "2020-08-27", "moon.landed")
