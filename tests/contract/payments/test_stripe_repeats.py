"""Whatever is asked of Stripe twice is done once: by another process, after a lost answer, and after Stripe forgot the key."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any
from uuid import UUID

import pytest

from application.payments import PaymentDeclined, PaymentRefused, PaymentsUnavailable
from domain.accounts import AccountId
from domain.billing import CustomerId, PurchaseRef, SubscriptionId
from tests.contract.payments.conftest import opened_stripe
from tests.payments_house import URL, StripeHouse, bought, subscriptions
from tests.stripe_process import StripeProcess

pytestmark = pytest.mark.anyio
ACCOUNT, EMAIL, KEY = AccountId(UUID(int=7)), "ada@mail.example", "the key of the caller"
DONE = (
    "charge.succeeded",
    "checkout.session.completed",
    "customer.created",
    "customer.subscription.created",
    "customer.subscription.deleted",
    "customer.subscription.resumed",
    "invoice.created",
    "invoice.paid",
    "invoice.voided",
    "invoiceitem.created",
    "payment_intent.created",
    "refund.created",
)

Scene = dict[str, Any]
Write = Callable[[StripeHouse, Scene], Awaitable[object]]


async def _customer(house: StripeHouse) -> Scene:
    return {"customer": await house.payments.add_customer(ACCOUNT, EMAIL)}


async def _carded(house: StripeHouse) -> Scene:
    scene = await _customer(house)
    house.new_card(scene["customer"], "good")
    return scene


async def _refused(house: StripeHouse) -> Scene:
    scene = await _customer(house)
    house.new_card(scene["customer"], "declined")
    return scene


async def _bought(house: StripeHouse) -> Scene:
    scene = await _customer(house)
    house.pays(await house.payments.check_out(scene["customer"], "small", URL, URL, key="before"))
    return scene | {"ref": (await bought(house))[0].ref}


async def _subscribed(house: StripeHouse, plan: str = "starter") -> Scene:
    scene = await _customer(house)
    house.pays(await house.payments.check_out(scene["customer"], plan, URL, URL, key="before"))
    house.later(5)
    return scene | {"id": (await subscriptions(house))[0].id}


async def _leaving(house: StripeHouse) -> Scene:
    scene = await _subscribed(house)
    await house.payments.cancel(scene["id"], at_once=False, key="before")
    return scene


async def _paused(house: StripeHouse) -> Scene:
    scene = await _customer(house)
    asked = {"trial_period_days": 7, "trial_settings": {"end_behavior": {"missing_payment_method": "pause"}}}
    price = house.ask("get", "/v1/prices", lookup_keys=["starter"])["data"][0]["id"]
    made = house.ask("post", "/v1/subscriptions", customer=scene["customer"], items=[{"price": price}], **asked)
    house.later(8)
    house.new_card(scene["customer"], "good")
    return scene | {"id": SubscriptionId(made["id"])}


async def _top_up(house: StripeHouse, scene: Scene) -> object:
    try:
        return await house.payments.top_up(scene["customer"], "small", key=KEY)
    except PaymentDeclined as declined:
        return declined.code


WRITES: dict[str, tuple[Callable[[StripeHouse], Awaitable[Scene]], Write]] = {
    "a customer": (lambda house: _nothing(), lambda house, scene: house.payments.add_customer(ACCOUNT, EMAIL)),
    "up": (_subscribed, lambda house, scene: house.payments.change(scene["id"], "pro", upwards=True, key=KEY)),
    "down": (
        lambda house: _subscribed(house, "pro"),
        lambda house, scene: house.payments.change(scene["id"], "starter", upwards=False, key=KEY),
    ),
    "cancel": (_subscribed, lambda house, scene: house.payments.cancel(scene["id"], at_once=False, key=KEY)),
    "cancel at once": (_subscribed, lambda house, scene: house.payments.cancel(scene["id"], at_once=True, key=KEY)),
    "resume": (_leaving, lambda house, scene: house.payments.resume(scene["id"], key=KEY)),
    "resume after a pause": (_paused, lambda house, scene: house.payments.resume(scene["id"], key=KEY)),
    "top up": (_carded, _top_up),
    "top up declined": (_refused, _top_up),
    "refund": (_bought, lambda house, scene: house.payments.refund(scene["ref"], 200, key=KEY)),
    "check out": (
        _customer,
        lambda house, scene: house.payments.check_out(scene["customer"], "small", URL, URL, key=KEY),
    ),
}
LOST = [(name, fault, 0) for name in WRITES for fault in ("reset", "reset-after", "rate-limit")]
LOST += [(name, "reset-after", 2) for name in WRITES if name != "check out"]  # a second page to pay at costs nothing


async def _nothing() -> Scene:
    return {}


async def scene_of(house: StripeHouse, name: str) -> tuple[Scene, Write]:
    house.stripe.do("fresh")
    house.stock()
    prepare, write = WRITES[name]
    return await prepare(house), write


def done(house: StripeHouse) -> Counter[str]:
    """How often each thing happened that must happen once, and how many pages there are."""
    pages = len(house.ask("get", "/v1/checkout/sessions", limit=100)["data"])
    return Counter(event["type"] for event in house.stripe.events(*DONE)) + Counter(pages=pages)


async def undisturbed(house: StripeHouse, name: str) -> tuple[object, Counter[str], list[str]]:
    """The answer, what was done, and the verbs of the writes it took."""
    scene, write = await scene_of(house, name)
    before = len(house.stripe.do("calls"))
    answer = _alike(await write(house, scene))
    return answer, done(house), [call["verb"] for call in house.stripe.do("calls")[before:] if call["verb"] != "GET"]


def _alike(answer: object) -> object:
    """Ids differ from world to world."""
    if isinstance(answer, str) and not answer.startswith("cus_"):
        return answer
    return (
        type(answer).__name__,
        getattr(answer, "plan", None),
        getattr(answer, "state", None),
        getattr(answer, "cancel_at", None),
    )


@pytest.mark.parametrize("name", WRITES)
async def test_what_is_said_again_by_another_process_is_done_once(stripe_house: StripeHouse, name: str) -> None:
    _, once, writes = await undisturbed(stripe_house, name)
    assert writes
    scene, write = await scene_of(stripe_house, name)
    first = await write(stripe_house, scene)
    async with opened_stripe(stripe_house.stripe) as another:
        assert await write(another, scene) == first
    assert done(stripe_house) == once


@pytest.mark.parametrize(("name", "fault", "later"), LOST)
async def test_a_lost_answer_anywhere_on_the_way_is_made_good_by_saying_it_again(
    stripe_house: StripeHouse, name: str, fault: str, later: int
) -> None:
    """`later`: after so many days Stripe has forgotten every key."""
    answer, once, writes = await undisturbed(stripe_house, name)
    for number, verb in enumerate(writes):
        scene, write = await scene_of(stripe_house, name)
        stripe_house.stripe.do("fault", name=fault, verb=verb, after=writes[:number].count(verb))
        with pytest.raises(PaymentsUnavailable):
            await write(stripe_house, scene)
        stripe_house.later(later)
        if later and name == "top up declined":
            with suppress(PaymentRefused):  # what was voided is not tried again
                await write(stripe_house, scene)
        else:
            assert _alike(await write(stripe_house, scene)) == answer, (number, verb)
        assert done(stripe_house) == once, (number, verb)


async def test_two_at_once_are_one(stripe_house: StripeHouse) -> None:
    scene, write = await scene_of(stripe_house, "top up")
    both = await asyncio.gather(write(stripe_house, scene), write(stripe_house, scene), return_exceptions=True)
    assert all(isinstance(each, (PurchaseRef, PaymentsUnavailable)) for each in both), both
    assert await write(stripe_house, scene) in both or all(isinstance(each, PaymentsUnavailable) for each in both)
    assert len(stripe_house.stripe.events("charge.succeeded")) == 1


async def test_a_key_that_is_at_work_is_unavailable_and_then_done_once(stripe_house: StripeHouse, stripe: StripeProcess) -> None:
    stripe.do("fault", name="slow", verb="post")
    first = asyncio.create_task(stripe_house.payments.add_customer(ACCOUNT, EMAIL))
    while not [call for call in stripe.do("calls") if call["verb"] == "POST"]:
        await asyncio.sleep(0.01)
    with pytest.raises(PaymentsUnavailable):
        await stripe_house.payments.add_customer(ACCOUNT, EMAIL)
    stripe.do("let_go")
    assert await first == await stripe_house.payments.add_customer(ACCOUNT, EMAIL)
    assert len(stripe.events("customer.created")) == 1


async def test_a_customer_with_another_address_is_the_same_once_stripe_finds_it(stripe_house: StripeHouse) -> None:
    known = await stripe_house.payments.add_customer(ACCOUNT, EMAIL)
    with pytest.raises(PaymentsUnavailable):
        await stripe_house.payments.add_customer(ACCOUNT, "ada@elsewhere.example")
    stripe_house.stripe.do("advance", seconds=60)
    assert await stripe_house.payments.add_customer(ACCOUNT, "ada@elsewhere.example") == known


async def test_other_keys_are_other_things(stripe_house: StripeHouse) -> None:
    scene, _ = await scene_of(stripe_house, "top up")
    customer: CustomerId = scene["customer"]
    refs = {await stripe_house.payments.top_up(customer, "small", key=key) for key in ("a", "b")}
    assert len(refs) == 2
    for ref in refs:
        for key in ("a", "b"):
            await stripe_house.payments.refund(ref, 10, key=key)
        purchase = await stripe_house.payments.purchase(ref)
        assert purchase
        assert purchase.refunded == 20
