"""Objects of the pretended Stripe are objects of Stripe: each field and each value is one that the SDK's own types have."""

import types
from typing import Any, ForwardRef, Literal, Union, get_args, get_origin

import pytest
import stripe as sdk
from stripe._object_classes import get_object_class

from tests.stripe_shapes import SHAPES, WITHOUT_CREATION, WITHOUT_MODE, Obj
from tests.stripe_timelines import TIMELINES, play
from tests.stripe_world import World

EVENTS = frozenset(get_args(sdk.Event.__annotations__["type"]))
"""Types of events that the SDK knows."""


@pytest.mark.parametrize("kind", SHAPES)
def test_every_field_is_one_of_the_sdk(kind: str) -> None:
    known = _class(kind).__annotations__.keys()
    assert SHAPES[kind].keys() <= known
    assert ("created" in known, "livemode" in known) == (kind not in WITHOUT_CREATION, kind not in WITHOUT_MODE)


def test_every_value_of_every_timeline_is_of_the_type_that_the_sdk_says() -> None:
    wrong = set[str]()
    for name in TIMELINES:
        world = World(1_800_000_000)
        play(name, world)
        for event in world.events:
            wrong |= {f"{name}: {each}" for each in _wrong(event["data"]["object"])}
            assert event["type"] in EVENTS, event["type"]
            assert event["data"].get("previous_attributes", {}).keys() <= event["data"]["object"].keys()
        whole = [one for one in world.objects.values() if one["object"] != "event"]
        wrong |= {f"{name}: {each}" for one in whole for each in _wrong(one)}
    assert sorted(wrong)[:20] == []


def test_an_event_is_built_by_the_sdk_and_read_by_attributes() -> None:
    world = World(1_800_000_000)
    play("upgrade in the middle billed at once", world)
    for said in world.events:
        event = sdk.Event.construct_from(said, "sk_test_x")
        assert event.data.object.id == said["data"]["object"]["id"]
        assert event.api_version == sdk.api_version
    paid = [event for event in world.events if event["type"] == "invoice.paid"]
    invoice: Any = sdk.Event.construct_from(paid[1], "sk_test_x").data.object
    assert type(invoice).__name__ == "Invoice"
    assert invoice.parent.subscription_details.subscription.startswith("sub_")
    assert [line.parent.subscription_item_details is None for line in invoice.lines.data] == [True, True]
    with pytest.raises(AttributeError):
        _ = invoice.subscription  # gone from the API at this version


def test_a_field_that_no_object_has_is_not_made() -> None:
    with pytest.raises(AssertionError, match="customer has no"):
        World(0).new("customer", emial="x")


def _class(kind: str) -> Any:
    found = get_object_class("V1", kind)
    assert found is not sdk.StripeObject, kind
    return found


def _wrong(one: Obj) -> list[str]:
    declared = _class(one["object"])
    return [
        f"{one['object']}.{each}"
        for name, value in one.items()
        if name not in ("object", "type")
        for each in _misfits(value, declared.__annotations__[name], name)
    ]


def _misfits(value: Any, declared: Any, at: str) -> list[str]:
    """Where a value is not of its declared type. Enumerations that the SDK leaves open are closed here."""
    origin, arms = get_origin(declared), get_args(declared)
    if origin in (Union, types.UnionType):
        if any(get_origin(arm) is Literal for arm in arms):
            arms = tuple(arm for arm in arms if arm is not str)
        found = [_misfits(value, arm, at) for arm in arms]
        return [] if [] in found else max(found, key=lambda each: len(each[0]))
    if isinstance(declared, (str, ForwardRef)) or (origin is not None and getattr(origin, "__name__", "") == "ListObject"):
        return _reference(value, at)
    if origin is Literal:
        return [] if value in arms else [f"{at}: {value!r} is none of {arms}"]
    if origin is list:
        return [each for one in value for each in _misfits(one, arms[0], at)] if isinstance(value, list) else [f"{at}: no list"]
    known = getattr(declared, "__annotations__", {}) if isinstance(declared, type) else {}
    if isinstance(value, dict) and "object" not in value and known:
        unknown = [f"{at}.{name}" for name in value if name not in known]
        inner = [each for name in value if name in known for each in _misfits(value[name], known[name], name)]
        return unknown + [f"{at}.{each}" for each in inner]
    if getattr(origin or declared, "__name__", "") in ("UntypedStripeObject", "Decimal"):
        return [] if isinstance(value, dict | str) else [f"{at}: {value!r}"]
    fits = type(value) is declared or (declared is float and type(value) in (int, float))
    return [] if fits else [f"{at}: {value!r} is no {declared}"]


def _reference(value: Any, at: str) -> list[str]:
    if isinstance(value, dict) and value.get("object") == "list":
        return [f"{at}.{each}" for one in value["data"] for each in _wrong(one)]
    if isinstance(value, dict) and "object" in value:
        return [f"{at}.{each}" for each in _wrong(value)]
    return [] if isinstance(value, str) else [f"{at}: {value!r} names nothing"]
