"""Each timeline of the pretended Stripe comes to the money it says by hand, read by the SDK over HTTP, and tells of it well."""

import json

import pytest
import stripe as sdk

from tests.stripe_process import StripeProcess
from tests.stripe_stage import Stage
from tests.stripe_timelines import TIMELINES, play
from tests.stripe_truth import in_order, purchases
from tests.stripe_world import World

pytestmark = pytest.mark.anyio
ALL = sorted(TIMELINES)
NOW = 1_800_000_000


def test_there_are_forty_at_least() -> None:
    assert len(TIMELINES) >= 40


@pytest.mark.parametrize("name", ALL)
async def test_a_timeline_comes_to_the_money_it_says(stripe: StripeProcess, client: sdk.StripeClient, name: str) -> None:
    said = stripe.do("play", name=name)
    (customer,) = (await client.v1.customers.list_async()).data
    assert said == json.loads(json.dumps(TIMELINES[name].as_data()))
    assert await purchases(client, customer.id) == in_order(TIMELINES[name].purchases)


@pytest.mark.parametrize("name", ALL)
def test_what_is_told_last_of_an_object_is_how_it_is(name: str) -> None:
    world = World(NOW)
    play(name, world)
    last = {event["data"]["object"]["id"]: event["data"]["object"] for event in world.events}
    for id, told in last.items():
        now = world.expanded(world.objects[id], [])
        assert {field for field in now if now[field] != told[field]} <= QUIET.get(now["object"], set()), (name, id)


QUIET = {
    "charge": {"disputed"},
    "checkout.session": set[str](),
    "coupon": {"times_redeemed"},
    "invoice": {"lines", "payments"},
    "invoiceitem": {"invoice"},
    "payment_intent": {"latest_charge", "payment_method"},
    "promotion_code": {"times_redeemed"},
    "subscription": {"latest_invoice"},
}
"""What changes without an event of its own, as at Stripe."""


@pytest.mark.parametrize("name", ALL)
def test_a_timeline_is_the_same_each_time(name: str) -> None:
    told = []
    for _ in range(2):
        world = World(NOW)
        play(name, world)
        told.append(world.events)
    assert told[0] == told[1]


def test_two_timelines_in_one_world_do_not_touch_each_other() -> None:
    world = World(NOW)
    for name in ("dispute won", "renewal", "pack refunded thrice by a third"):
        play(name, world)
    assert len(world.all("customer")) == 3
    assert len({one["id"] for one in world.all("price")}) == len(world.all("price")) == 5


def test_a_month_ends_when_it_ends() -> None:
    """31 January 2027, 12:00 UTC: the anchor's day comes back after a short month."""
    world = World(1_801_396_800)
    stage = Stage(world)
    subscription = stage.subscribe("starter")
    ends = [world.objects[subscription]["items"]["data"][0]["current_period_end"]]
    for _ in range(3):
        stage.to_renewal(subscription, 0.1)
        ends.append(world.objects[subscription]["items"]["data"][0]["current_period_end"])
    days = [(end - 1_801_396_800) / 86_400 for end in ends]
    assert days == [28, 59, 89, 120]
