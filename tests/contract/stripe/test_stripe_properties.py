"""Whatever people, banks and the clock do at the pretended Stripe, in any order: its books are right and its events say so."""

from contextlib import suppress
from itertools import pairwise
from typing import Any
from urllib.parse import urlencode

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from stripe._encode import _api_encode

from tests import stripe_acts as acts
from tests.stripe_money import CARDS
from tests.stripe_params import Refused, form
from tests.stripe_shapes import Obj
from tests.stripe_stage import PRICES, Stage
from tests.stripe_world import World, page

NOW = 1_800_000_000
DISPUTED = ("won", "lost", "warning_closed")
STATES = {
    "incomplete": {"active", "incomplete_expired", "canceled", "past_due"},
    "trialing": {"active", "past_due", "canceled", "paused"},
    "active": {"past_due", "canceled"},
    "past_due": {"active", "unpaid", "canceled"},
    "unpaid": {"active", "canceled"},
    "paused": {"active", "past_due", "canceled"},
}
"""What a subscription may become, by what it is; what has ended stays so."""
PRORATIONS = ["always_invoice", "create_prorations", "none"]
ACTS = st.one_of(
    st.tuples(st.just("days"), st.integers(1, 40)),
    st.tuples(st.just("buy"), st.sampled_from(["pack", "big_pack"])),
    st.tuples(st.just("subscribe"), st.sampled_from(["starter", "pro"]), st.sampled_from(sorted(CARDS)), st.sampled_from([0, 7])),
    st.tuples(st.just("card"), st.sampled_from(sorted(CARDS))),
    st.tuples(st.just("switch"), st.sampled_from(["starter", "pro", "starter_year"]), st.sampled_from(PRORATIONS)),
    st.tuples(st.just("cancel"), st.booleans()),
    st.tuples(st.just("resume")),
    st.tuples(st.just("refund"), st.integers(1, 3000), st.sampled_from(["succeeded", "pending"])),
    st.tuples(st.just("end_refund"), st.sampled_from(["failed", "succeeded"])),
    st.tuples(st.just("dispute"), st.booleans()),
    st.tuples(st.just("close"), st.sampled_from(["won", "lost"])),
    st.tuples(st.just("settle"), st.booleans()),
)


def _do(stage: Stage, name: str, *given: Any) -> None:
    """One act on the newest thing it fits; nothing where there is none."""
    world = stage.world
    living = [one for one in world.all("subscription") if one["status"] not in ("canceled", "incomplete_expired")]
    charges = [one for one in world.all("charge", status="succeeded") if not one["disputed"]]
    if name == "days":
        stage.days(given[0])
    elif name == "buy":
        stage.buy(given[0])
    elif name == "subscribe":
        trial: Obj = {"subscription_data": {"trial_period_days": given[2]}} if given[2] else {}
        stage.pay(stage.session(given[0], **trial), given[1])
    elif name == "card":
        stage.act("new_card", stage.customer, given[0])
    elif name == "switch" and living:
        acts.switch(world, living[-1]["id"], stage.price(given[0]), given[1])
    elif name == "cancel" and living:
        acts.cancel(world, living[-1]["id"], given[0])
    elif name == "resume" and living:
        acts.resume(world, living[-1]["id"])
    elif name == "refund" and charges:
        acts.refund(world, charges[-1]["id"], given[0], given[1])
    elif name == "end_refund":
        for refund in world.all("refund", status="pending")[:1]:
            acts.end_refund(world, refund["id"], given[0])
    elif name == "dispute" and charges:
        acts.dispute(world, charges[-1]["id"], withdrawn=given[0])
    elif name == "close":
        for dispute in [one for one in world.all("dispute") if one["status"] not in DISPUTED][:1]:
            acts.close_dispute(world, dispute["id"], given[0])
    elif name == "settle":
        for intent in world.all("payment_intent", status="processing")[:1]:
            acts.settle(world, intent["id"], given[0])


@settings(max_examples=150, deadline=None, derandomize=True, print_blob=True, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(ACTS, min_size=10, max_size=20))
def test_the_books_are_right_after_any_acts(wanted: list[tuple[Any, ...]]) -> None:
    world = World(NOW)
    stage = Stage(world)
    for name, *how in wanted:
        with suppress(Refused):
            _do(stage, name, *how)
        for invoice in world.all("invoice"):
            _invoice_is_right(world, invoice)
        for charge in world.all("charge"):
            _charge_is_right(world, charge)
    moved = [one["ending_balance"] - one["starting_balance"] for one in world.all("invoice") if one["number"]]
    assert world.objects[stage.customer]["balance"] == sum(moved)
    numbers = [one["number"] for one in world.all("invoice") if one["number"]]
    assert len(numbers) == len(set(numbers))
    created = [event["created"] for event in world.events]
    assert created == sorted(created)
    _states_follow_each_other(world)


def _invoice_is_right(world: World, invoice: Obj) -> None:
    lines = invoice["lines"]["data"]
    less = sum(part["amount"] for part in invoice["total_discount_amounts"])
    assert invoice["subtotal"] == sum(line["amount"] for line in lines)
    assert invoice["total"] == invoice["subtotal"] - less
    assert (invoice["number"] is None) == (invoice["status"] == "draft")
    if invoice["status"] == "paid":
        paid = [world.objects[one["payment"]["payment_intent"]] for one in invoice["payments"]["data"] if one["status"] == "paid"]
        assert invoice["amount_paid"] == invoice["amount_due"] == sum(intent["amount_received"] for intent in paid)
        assert invoice["amount_remaining"] == 0
    if invoice["status"] != "draft":
        assert invoice["starting_balance"] + invoice["total"] == invoice["ending_balance"] + invoice["amount_due"]


def _charge_is_right(world: World, charge: Obj) -> None:
    standing = [one["amount"] for one in world.all("refund", charge=charge["id"]) if one["status"] not in ("failed", "canceled")]
    assert charge["amount_refunded"] == sum(standing) <= charge["amount"]
    assert charge["refunded"] == (charge["amount_refunded"] == charge["amount"])
    for dispute in world.all("dispute", charge=charge["id"]):
        assert sum(moved["amount"] for moved in dispute["balance_transactions"]) in (0, -dispute["amount"])


def _states_follow_each_other(world: World) -> None:
    for one in world.all("subscription"):
        told = [event["data"]["object"]["status"] for event in world.events if event["data"]["object"]["id"] == one["id"]]
        for before, after in pairwise(told):
            assert before == after or after in STATES.get(before, set()), told
        ends = [item["current_period_end"] for item in one["items"]["data"]]
        assert one["status"] in ("canceled", "incomplete_expired", "paused", "incomplete") or min(ends) > world.now


@given(st.integers(0, 60), st.integers(1, 100), st.sampled_from(["starting_after", "ending_before"]))
@settings(max_examples=100, deadline=None, derandomize=True, print_blob=True)
def test_pages_show_each_object_once_and_in_order(count: int, limit: int, cursor: str) -> None:
    members = [{"id": f"evt_{number}", "created": number} for number in range(count)]
    first = page(members, "/v1/events", {"limit": 100})["data"]
    seen, params = list[Obj](), Obj(limit=limit)
    if cursor == "ending_before" and count:
        params["ending_before"] = first[-1]["id"]
    while True:
        shown = page(members, "/v1/events", params)
        seen = [*shown["data"], *seen] if cursor == "ending_before" else [*seen, *shown["data"]]
        assert len(seen) <= count
        if not shown["has_more"]:
            break
        edge = shown["data"][0 if cursor == "ending_before" else -1]
        params = {"limit": limit, cursor: edge["id"]}
    assert seen == (first[:-1] if cursor == "ending_before" else first)


@given(st.recursive(st.text(max_size=3), lambda inner: st.dictionaries(st.sampled_from("abc"), inner, min_size=1), max_leaves=5))
@settings(max_examples=100, deadline=None, derandomize=True, print_blob=True)
def test_a_form_is_read_as_it_was_written(value: Any) -> None:
    written = {"x": value}
    assert form(urlencode(list(_api_encode(written)))) == written


def test_every_price_of_a_stage_is_there() -> None:
    stage = Stage(World(NOW))
    assert len({stage.price(key) for key in PRICES}) == len(PRICES)
