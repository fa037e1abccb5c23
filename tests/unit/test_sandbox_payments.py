"""The sandbox of payments by time and by key: what happens when, and that a thing said twice is done once."""

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from adapters.payments.sandbox_file import StateFile
from adapters.payments.sandbox_state import months_after
from application.payments import PaymentDeclined, PaymentRefused
from domain.accounts import AccountId
from domain.billing import CustomerId, Purchase, Subscription, SubscriptionId, SubscriptionState
from domain.redirects import is_ours
from tests.offer import CATALOGUE
from tests.sandbox_house import BEGINNING, SHOP, SandboxHouse, sandbox

pytestmark = pytest.mark.anyio
STARTER = CATALOGUE.plans["starter"]
LONG_AGO = datetime.fromtimestamp(0, UTC)


@pytest.fixture
async def house() -> AsyncIterator[SandboxHouse]:
    async with SandboxHouse.opened() as house:
        yield house


@pytest.fixture
async def customer(house: SandboxHouse) -> CustomerId:
    return await house.payments.add_customer(AccountId(UUID(int=7)), "ada@mail.example")


async def purchases(house: SandboxHouse) -> list[Purchase]:
    return [each async for each in house.payments.paid(LONG_AGO)]


async def subscribe(house: SandboxHouse, customer: CustomerId, plan: str = "starter", card: str = "good") -> SubscriptionId:
    page = await house.payments.check_out(customer, plan, "/", "/", key=f"subscribe {plan}")
    house.pays(page, card)
    return SubscriptionId(list(StateFile(house.payments.path).read().subscriptions)[-1])


async def now(house: SandboxHouse, id: SubscriptionId) -> Subscription:
    known = await house.payments.subscription(id)
    assert known
    return known


# Time


@pytest.mark.parametrize(
    ("anchor", "months", "then"),
    [((2027, 1, 31), 1, (2027, 2, 28)), ((2027, 1, 31), 2, (2027, 3, 31)), ((2027, 12, 5), 1, (2028, 1, 5))],
)
def test_a_month_ends_on_the_same_day_or_the_last(anchor: tuple[int, int, int], months: int, then: tuple[int, int, int]) -> None:
    assert months_after(datetime(*anchor, tzinfo=UTC), months) == datetime(*then, tzinfo=UTC)


async def test_a_page_can_be_paid_at_for_a_day(house: SandboxHouse, customer: CustomerId) -> None:
    pages = [await house.payments.check_out(customer, "small", "/", "/", key=key) for key in ("a", "b")]
    house.later(1 - 1 / 86_400)
    house.pays(pages[0])
    house.later(1 / 86_400)
    with pytest.raises(PaymentRefused):
        house.pays(pages[1])
    assert [each.ref.id for each in await purchases(house)] == [pages[0].id]


async def test_a_page_is_paid_at_once_however_often(house: SandboxHouse, customer: CustomerId) -> None:
    page = await house.payments.check_out(customer, "small", "/", "/", key="a")
    for card in ("good", "declined", "good"):
        house.pays(page, card)
    assert len(await purchases(house)) == 1


async def test_each_month_is_paid_when_it_begins_also_after_a_long_silence(house: SandboxHouse, customer: CustomerId) -> None:
    id = await subscribe(house, customer)
    house.later(95)
    assert [each.lines[0].period_end for each in await purchases(house)] == [months_after(BEGINNING, n) for n in range(1, 5)]
    assert (await now(house, id)).period_start == months_after(BEGINNING, 3)


async def test_a_declined_renewal_is_past_due_and_paid_when_the_card_is_good_again(
    house: SandboxHouse, customer: CustomerId
) -> None:
    id = await subscribe(house, customer)
    house.new_card(customer, "declined")
    house.later(31)
    due = await now(house, id)
    assert (due.state, due.period_start) == (SubscriptionState.PAST_DUE, months_after(BEGINNING, 1))
    assert len(await purchases(house)) == 1
    house.new_card(customer, "good")
    house.later(2)
    assert (await now(house, id)).state is SubscriptionState.PAST_DUE
    house.later(1)
    assert await now(house, id) == replace(due, state=SubscriptionState.ACTIVE, pay_url=None)
    assert len(await purchases(house)) == 2


async def test_a_renewal_declined_five_times_ends_the_subscription_and_nothing_is_owed(
    house: SandboxHouse, customer: CustomerId
) -> None:
    id = await subscribe(house, customer)
    house.new_card(customer, "declined")
    house.later(31 + 12 - 1)
    assert (await now(house, id)).state is SubscriptionState.PAST_DUE
    house.later(1)
    ended = await now(house, id)
    assert (ended.state, ended.pay_url) == (SubscriptionState.CANCELED, None)
    house.new_card(customer, "good")
    house.later(90)
    assert len(await purchases(house)) == 1


async def test_a_payment_that_waits_is_paid_at_its_page(house: SandboxHouse, customer: CustomerId) -> None:
    id = await subscribe(house, customer)
    house.new_card(customer, "authenticate")
    house.later(31)
    page = (await now(house, id)).pay_url
    assert page
    invoice = page.rpartition("/")[2]
    with house.acting() as here:
        here.pay(here.state.payments[invoice], here.state.customers[customer].card)  # type: ignore[arg-type]  # it has one
    assert (await now(house, id)).state is SubscriptionState.ACTIVE
    assert [each.ref.id for each in await purchases(house)][1:] == [invoice]


async def test_what_is_cancelled_ends_with_its_period_and_what_is_resumed_does_not(
    house: SandboxHouse, customer: CustomerId
) -> None:
    id = await subscribe(house, customer)
    await house.payments.cancel(id, at_once=False, key="c")
    house.later(30)
    assert (await now(house, id)).state is SubscriptionState.ACTIVE
    await house.payments.resume(id, key="r")
    house.later(1)
    assert len(await purchases(house)) == 2
    await house.payments.cancel(id, at_once=False, key="c2")
    house.later(31)
    assert (await now(house, id)).state is SubscriptionState.CANCELED
    assert len(await purchases(house)) == 2
    for act in (house.payments.resume(id, key="r2"), house.payments.cancel(id, at_once=False, key="c3")):
        with pytest.raises(PaymentRefused):
            await act


async def test_a_month_can_be_played(house: SandboxHouse, customer: CustomerId) -> None:
    id = await subscribe(house, customer)
    house.later(3)
    for _ in range(2):
        with house.acting() as here:
            here.pass_month(here.subscribed(id))
    played = await now(house, id)
    assert (played.period_start, played.period_end) == (house.now, months_after(house.now, 1))
    assert [each.at for each in await purchases(house)] == [BEGINNING, house.now, house.now]


async def test_one_card_is_disputed_a_little_later_and_once(house: SandboxHouse, customer: CustomerId) -> None:
    page = await house.payments.check_out(customer, "small", "/", "/", key="a")
    house.pays(page, "disputed")
    assert [each.has_open_dispute for each in await purchases(house)] == [False]
    house.later(1)
    (purchase,) = await purchases(house)
    assert (purchase.has_open_dispute, purchase.withdrawn) == (True, purchase.paid)
    with pytest.raises(PaymentRefused):
        await house.payments.refund(purchase.ref, 1, key="r")
    with house.acting() as here:
        here.close_dispute(here.state.payments[page.id].dispute, won=False)  # type: ignore[arg-type]  # it has one
    (purchase,) = await purchases(house)
    assert (purchase.has_open_dispute, purchase.withdrawn) == (False, purchase.paid)
    with pytest.raises(PaymentRefused):
        house.disputes(purchase.ref)


# Keys


async def done(house: SandboxHouse) -> Counter[str]:
    return Counter([hint.type async for hint in house.payments.hints(LONG_AGO)])


@pytest.mark.parametrize("write", ["check_out", "change", "cancel", "cancel_at_once", "resume", "top_up", "refund"])
async def test_what_is_said_twice_is_done_once_also_by_another_process(
    house: SandboxHouse, customer: CustomerId, write: str
) -> None:
    id = await subscribe(house, customer)
    (bought,) = await purchases(house)
    if write == "resume":
        await house.payments.cancel(id, at_once=False, key="before")

    def say(key: str) -> Awaitable[object]:
        payments = sandbox(house.payments.path, house.clock)
        ways: dict[str, Callable[[], Awaitable[object]]] = {
            "check_out": lambda: payments.check_out(customer, "small", "/", "/", key=key),
            "change": lambda: payments.change(id, "pro", upwards=True, key=key),
            "cancel": lambda: payments.cancel(id, at_once=False, key=key),
            "cancel_at_once": lambda: payments.cancel(id, at_once=True, key=key),
            "resume": lambda: payments.resume(id, key=key),
            "top_up": lambda: payments.top_up(customer, "small", key=key),
            "refund": lambda: payments.refund(bought.ref, 100, key=key),
        }
        return ways[write]()

    first = await say("k")
    once = await done(house)
    house.later(1 / 24)
    assert await say("k") == first
    assert await done(house) == once
    checkouts = len(StateFile(house.payments.path).read().checkouts)
    assert checkouts == (2 if write == "check_out" else 1)


async def test_a_key_says_one_thing(house: SandboxHouse, customer: CustomerId) -> None:
    house.new_card(customer, "good")
    await house.payments.top_up(customer, "small", key="k")
    with pytest.raises(PaymentRefused) as refused:
        await house.payments.top_up(customer, "large", key="k")
    assert refused.value.code == "idempotency_error"
    assert len(await purchases(house)) == 1


async def test_a_decline_stays_one_and_a_refusal_may_do_later(house: SandboxHouse, customer: CustomerId) -> None:
    with pytest.raises(PaymentDeclined):
        await house.payments.top_up(customer, "small", key="k")
    house.new_card(customer, "good")
    with pytest.raises(PaymentDeclined):
        await house.payments.top_up(customer, "small", key="k")
    assert await purchases(house) == []
    ref = await house.payments.top_up(customer, "small", key="another")
    dispute = house.disputes(ref)
    with pytest.raises(PaymentRefused):
        await house.payments.refund(ref, 100, key="r")
    house.wins(dispute)
    await house.payments.refund(ref, 100, key="r")
    assert (await purchases(house))[0].refunded == 100


# Hints that nobody took, and what is not ours


async def test_hints_are_brought_in_order_until_they_are_taken(house: SandboxHouse, customer: CustomerId) -> None:
    await subscribe(house, customer)
    heard, willing = list[str](), [True, True, False]

    async def post(body: bytes, signature: str) -> bool:
        heard.append(house.payments.read_hint(body, signature, house.now).id)
        return not willing or willing.pop(0)

    every = [hint.id async for hint in house.payments.hints(LONG_AGO)][::-1]
    assert await house.payments.deliver(post) == 2
    assert heard == every[:3]
    assert [hint.id async for hint in house.payments.hints(LONG_AGO, undelivered=True)][::-1] == every[2:]
    heard.clear()
    assert await house.payments.deliver(post) == len(every) - 2
    assert heard == every[2:]
    assert [hint async for hint in house.payments.hints(LONG_AGO, undelivered=True)] == []
    assert await house.payments.deliver(post) == 0


async def test_bringing_hints_lets_happen_what_is_due(house: SandboxHouse, customer: CustomerId) -> None:
    await subscribe(house, customer)
    house.clock.now += timedelta(days=31)

    async def post(body: bytes, signature: str) -> bool:
        return True

    await house.payments.deliver(post)
    assert len(await purchases(house)) == 2


async def test_hints_are_kept_for_a_month(house: SandboxHouse, customer: CustomerId) -> None:
    house.later(29)
    assert len(await done(house)) == 1
    house.later(1)
    assert len(await done(house)) == 0


@pytest.mark.parametrize("address", ["/", "/billing?done=1#x", SHOP, f"{SHOP}/back", f"{SHOP}?a=b"])
def test_our_own_addresses(address: str) -> None:
    assert is_ours(address, SHOP)


FOREIGN = ["", "//evil.example", "/\\evil.example", "\\/evil.example", "/a\\b", "https://evil.example", f"{SHOP}.evil.example"]
FOREIGN += [f"{SHOP}@evil.example", f"{SHOP}:444/", "http://shop.example/", "javascript:alert(1)", " /", "/\t/evil.example"]
FOREIGN += ["back", "/\r\nSet-Cookie: a=b", "/é", "/" + "x" * 2_000, "HTTPS://shop.example/"]


@pytest.mark.parametrize("address", FOREIGN)
async def test_nobody_is_led_elsewhere(house: SandboxHouse, customer: CustomerId, address: str) -> None:
    for asked in (
        house.payments.check_out(customer, "small", address, "/", key="a"),
        house.payments.check_out(customer, "small", "/", address, key="a"),
        house.payments.portal(customer, address),
    ):
        with pytest.raises(PaymentRefused):
            await asked
