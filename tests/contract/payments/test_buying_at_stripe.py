"""Buying while Stripe fails in every way: nothing is half-made, and whoever asks again gets it once."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress

import pytest

from adapters.payments.stripe_payments import StripePayments
from application.payments import Page, PaymentDeclined, PaymentsUnavailable
from domain.buying_errors import AlreadySo
from domain.errors import IdempotencyMismatch, StillAtWork
from tests.buying_stage import Shop, shop
from tests.contract.payments.conftest import opened_stripe
from tests.offer import CATALOGUE
from tests.payments_house import SECRET, StripeHouse, paid
from tests.stripe_process import KEY, StripeProcess

pytestmark = pytest.mark.anyio
STARTER, PRO = CATALOGUE.plans["starter"], CATALOGUE.plans["pro"]
LOST = ("rate-limit", "reset", "reset-after", "error", "error-after")
Wish = Callable[[Shop], Awaitable[object]]


@pytest.fixture
async def ada(stripe: StripeProcess) -> AsyncIterator[Shop]:
    async with opened_stripe(stripe) as house:
        await house.payments.offer(CATALOGUE)
        yield await shop(house)


def fails(ada: Shop, fault: str, after: int, verb: str = "post") -> None:
    assert isinstance(ada.house, StripeHouse)
    ada.house.stripe.do("fault", name=fault, verb=verb, after=after)


def made(ada: Shop, what: str) -> int:
    assert isinstance(ada.house, StripeHouse)
    return len(ada.house.ask("get", what, limit=100)["data"])


@pytest.mark.parametrize(("fault", "after"), [*((fault, 1) for fault in LOST), *((f, 0) for f in LOST if "error" not in f)])
async def test_a_checkout_that_broke_off_is_made_once(ada: Shop, fault: str, after: int) -> None:
    """What Stripe itself said had failed, it says again under the same key: another key is needed then."""
    fails(ada, fault, after)
    with pytest.raises(PaymentsUnavailable):
        await ada.check_out("starter", key="k")
    page = await ada.check_out("starter", key="another" if fault.startswith("error") else "k")
    assert made(ada, "/v1/customers") == 1
    assert made(ada, "/v1/checkout/sessions") == (2 if (fault, after) == ("error-after", 1) else 1)
    await is_bought_once(ada, page)


async def test_a_checkout_that_is_still_being_made_is_told_from_one_that_failed(ada: Shop, stripe: StripeProcess) -> None:
    await ada.check_out("starter")  # makes the customer
    before = len(stripe.do("calls"))
    stripe.do("fault", name="slow", verb="post")
    first = asyncio.create_task(ada.check_out("starter", key="k"))
    while len(stripe.do("calls")) == before:
        await asyncio.sleep(0.01)
    with pytest.raises(StillAtWork):
        await ada.check_out("starter", key="k")
    stripe.do("let_go")
    assert await first == await ada.check_out("starter", key="k")
    with pytest.raises(IdempotencyMismatch):
        await ada.check_out("pro", key="k")


@pytest.mark.parametrize("fault", [fault for fault in LOST if "error" in fault])
async def test_a_customer_whom_stripe_failed_to_make_is_made_anew_at_once(ada: Shop, fault: str) -> None:
    """One that it made all the same is never asked for money."""
    fails(ada, fault, 0)
    page = await ada.check_out("starter", key="k")
    assert made(ada, "/v1/customers") == (2 if fault == "error-after" else 1)
    await is_bought_once(ada, page)


async def is_bought_once(ada: Shop, page: Page) -> None:
    ada.house.pays(page)
    await ada.hears()
    assert await ada.bought() == [(STARTER.price, STARTER.credits)]


MOVES: dict[str, Wish] = {
    "change": lambda ada: ada.change("pro"),
    "cancel": lambda ada: ada.cancel(),
    "resume": lambda ada: ada.resume(),
}


async def before(ada: Shop, move: str) -> None:
    await ada.subscribes("starter")
    if move == "resume":
        await ada.cancel()


async def came_true(ada: Shop, move: str) -> None:
    known = await ada.subscription()
    assert known
    assert (known.plan, known.cancel_at is None) == {
        "change": ("pro", True),
        "cancel": ("starter", False),
        "resume": ("starter", True),
    }[move]
    await ada.hears()
    money = [STARTER.price, PRO.price] if move == "change" else [STARTER.price]
    assert [each for _, each in await paid(ada.house)] == money
    assert sum(credits for _, credits in await ada.bought()) == STARTER.credits + (PRO.credits if move == "change" else 0)


@pytest.mark.parametrize("fault", LOST)
@pytest.mark.parametrize("move", MOVES)
async def test_a_move_that_broke_off_is_done_once(ada: Shop, move: str, fault: str) -> None:
    await before(ada, move)
    fails(ada, fault, 0)
    with pytest.raises(PaymentsUnavailable):
        await MOVES[move](ada)
    try:
        await MOVES[move](ada)
    except AlreadySo:
        assert fault == "error-after", "it was done, and the books know it"
    await came_true(ada, move)


@pytest.mark.parametrize("move", MOVES)
async def test_a_move_whose_reading_broke_off_is_read_when_it_is_asked_again(ada: Shop, move: str) -> None:
    await before(ada, move)
    for number in range(12):
        fails(ada, "reset", number, "get")
        try:
            await MOVES[move](ada)
        except PaymentsUnavailable:
            continue
        except AlreadySo:
            assert number, "the first who asked has had it done"
        break
    else:
        raise AssertionError("it is never done")
    with suppress(PaymentsUnavailable):  # the last fault may not have been met yet
        await ada.hears()
    await came_true(ada, move)


@pytest.mark.parametrize("move", MOVES)
async def test_two_who_ask_at_once_have_it_done_once(ada: Shop, move: str) -> None:
    await before(ada, move)
    await asyncio.gather(*(MOVES[move](ada) for _ in range(2)), return_exceptions=True)
    await came_true(ada, move)


@pytest.mark.parametrize("move", MOVES)
async def test_while_stripe_is_down_or_silent_nothing_moves(ada: Shop, move: str) -> None:
    await before(ada, move)
    known = await ada.subscription()
    assert isinstance(ada.house, StripeHouse)
    stripe = ada.house.stripe
    async with StripePayments.opened(KEY, [SECRET], base_url=stripe.url, seconds=(5.0, 0.3)) as impatient:
        ada.taker = impatient
        stripe.do("fault", name="silent", verb="post")
        with pytest.raises(PaymentsUnavailable):
            await MOVES[move](ada)
        stripe.do("down")
        try:
            with pytest.raises(PaymentsUnavailable):
                await MOVES[move](ada)
        finally:
            stripe.do("up")
    ada.taker = None
    assert await ada.subscription() == known
    await MOVES[move](ada)
    await came_true(ada, move)


async def test_a_card_that_is_declined_changes_nothing_and_another_is_charged_once(ada: Shop) -> None:
    await ada.subscribes("starter")
    customer = next(iter(ada.store.tables.customers))
    ada.house.new_card(customer, "declined")
    for _ in range(2):
        with pytest.raises(PaymentDeclined) as declined:
            await ada.change("pro")
        assert declined.value.code == "card_declined"
        assert await ada.plan() == "starter"
    ada.house.new_card(customer, "good")
    await ada.change("pro")
    await came_true(ada, "change")
