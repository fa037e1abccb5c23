"""A customer at the sandbox of payments: what can be bought, changed, cancelled and resumed, and what a refusal says to do."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from application.payments import PaymentDeclined, PaymentRefused
from domain.billing import SubscriptionState
from domain.buying_errors import (
    AlreadySo,
    EmailNeeded,
    ForeignAddress,
    NoSubscription,
    NothingBought,
    NotSold,
    PaymentNeeded,
    SubscriptionEnding,
    SubscriptionExists,
    UnknownProduct,
)
from domain.catalogue import Catalogue
from domain.errors import AccountFrozen, DomainError, IdempotencyMismatch, InvalidRequest
from tests.buying_stage import STUDIO, Shop, shop
from tests.offer import CATALOGUE, MODELS, PLANS
from tests.sandbox_house import SHOP, SandboxHouse

pytestmark = pytest.mark.anyio
STARTER, PRO = CATALOGUE.plans["starter"], CATALOGUE.plans["pro"]
FROZEN = datetime(2027, 1, 1, tzinfo=UTC)
UNSOLD = Catalogue.parse(
    MODELS,
    PLANS.replace("[plans.starter]", "[plans.starter]\nsold = false").replace("[packs.small]", "[packs.small]\nsold = false"),
)


@pytest.fixture
async def ada() -> AsyncIterator[Shop]:
    async with SandboxHouse.opened() as house:
        house = replace(house, payments=replace(house.payments, origins=(STUDIO,)))
        yield await shop(house)


async def refused(asked: Awaitable[object], kind: type[DomainError], **facts: Any) -> None:
    with pytest.raises(kind) as refusal:
        await asked
    told = refusal.value
    assert {name: told.facts.get(name) for name in facts} == facts
    assert told.detail != told.title or kind is AccountFrozen, "it says what to do"


# Buying


async def test_a_plan_is_bought_and_brings_its_credits_and_its_place(ada: Shop) -> None:
    await ada.subscribes("starter")
    assert await ada.bought() == [(STARTER.price, STARTER.credits)]
    assert await ada.plan() == "starter"


async def test_a_pack_is_bought_also_beside_a_subscription(ada: Shop) -> None:
    await ada.subscribes("starter")
    ada.house.pays(await ada.check_out(pack="small"))
    await ada.hears()
    assert (500, 400) in await ada.bought()


async def test_the_same_key_leads_to_the_same_page_and_another_or_none_to_another(ada: Shop) -> None:
    pages = [await ada.check_out("starter", key=key) for key in ("a", "a", "b", None, None)]
    assert len({page.id for page in pages}) == 4
    assert pages[0] == pages[1]
    await refused(ada.check_out("pro", key="a"), IdempotencyMismatch, field="Idempotency-Key")


async def test_the_customer_is_made_once(ada: Shop) -> None:
    for product in ("small", "medium"):
        await ada.check_out(pack=product)
    assert len(ada.store.tables.customers) == 1
    await ada.write(email=None)
    await ada.check_out(pack="large")


async def test_whoever_has_no_address_is_told_to_give_one(ada: Shop) -> None:
    await ada.write(email=None)
    await refused(ada.check_out(pack="small"), EmailNeeded, field="email", allowed=["PATCH /v1/me"])
    assert not ada.store.tables.customers


@pytest.mark.parametrize(
    ("plan", "pack", "kind", "facts"),
    [
        ("gold", None, UnknownProduct, {"field": "plan", "allowed": ["pro", "studio"]}),
        ("small", None, UnknownProduct, {"field": "plan", "allowed": ["pro", "studio"]}),
        (None, "tiny", UnknownProduct, {"field": "pack", "allowed": ["medium", "large"]}),
        (None, "pro", UnknownProduct, {"field": "pack", "allowed": ["medium", "large"]}),
        ("starter", None, NotSold, {"field": "plan", "allowed": ["pro", "studio"]}),
        (None, "small", NotSold, {"field": "pack", "allowed": ["medium", "large"]}),
        ("free", None, NotSold, {"field": "plan", "allowed": ["cancel"]}),
        (None, None, InvalidRequest, {"allowed": ["plan", "pack"]}),
        ("pro", "medium", InvalidRequest, {"allowed": ["plan", "pack"]}),
    ],
)
async def test_what_cannot_be_bought_is_refused_with_what_can(
    ada: Shop, plan: str | None, pack: str | None, kind: type[DomainError], facts: dict[str, Any]
) -> None:
    ada.catalogue = UNSOLD
    await refused(ada.check_out(plan, pack), kind, **facts)
    assert not ada.store.tables.customers, "nothing was asked of the provider"


async def test_a_second_subscription_is_refused_with_what_to_do(ada: Shop) -> None:
    await ada.subscribes("starter")
    await refused(ada.check_out("pro"), SubscriptionExists, plan="starter", state="active", allowed=["change"])
    await ada.cancel()
    await refused(ada.check_out("pro"), SubscriptionExists, allowed=["resume", "change"])
    await ada.later(40)
    ada.house.pays(await ada.check_out("pro"))
    await ada.hears()
    assert await ada.plan() == "pro"


async def test_beside_one_that_waits_for_its_payment_none_is_bought(ada: Shop) -> None:
    await past_due(ada)
    known = await ada.subscription()
    assert known
    assert known.pay_url
    await refused(ada.check_out("pro"), SubscriptionExists, state="past_due", pay_url=known.pay_url, allowed=["pay", "cancel"])
    await refused(ada.change("pro"), PaymentNeeded, state="past_due", pay_url=known.pay_url, allowed=["pay", "cancel"])


@pytest.mark.parametrize("field", ["success_url", "cancel_url"])
async def test_nobody_is_led_elsewhere_from_the_checkout(ada: Shop, field: str) -> None:
    await refused(
        ada.check_out("pro", **{field: "https://evil.example/"}), ForeignAddress, field=field, allowed=["/", SHOP, STUDIO]
    )
    for ours in ("/back", f"{SHOP}/back", f"{STUDIO}/back?a=1", STUDIO):
        assert (await ada.check_out("pro", **{field: ours})).url


async def test_the_portal_is_for_whoever_has_bought(ada: Shop) -> None:
    await refused(ada.portal(), NothingBought, allowed=["checkout"])
    await ada.subscribes("starter")
    assert (await ada.portal(f"{STUDIO}/account")).url
    await refused(ada.portal("//evil.example"), ForeignAddress, field="return_url")


async def test_whoever_is_frozen_may_leave_and_not_buy(ada: Shop) -> None:
    await ada.subscribes("starter")
    await ada.write(frozen_at=FROZEN)
    for asked in (ada.check_out(pack="small"), ada.change("pro"), ada.resume()):
        await refused(asked, AccountFrozen)
    assert (await ada.portal()).url
    await ada.cancel()
    known = await ada.subscription()
    assert known
    assert known.cancel_at == known.period_end


# Changing


async def test_upwards_is_in_the_books_at_once_with_its_credits(ada: Shop) -> None:
    await ada.subscribes("starter")
    ada.house.later(10)
    await ada.change("pro")
    assert await ada.plan() == "pro"
    assert await ada.bought() == [(STARTER.price, STARTER.credits), (PRO.price, PRO.credits)]


async def test_downwards_costs_nothing_and_is_taken_back_for_nothing(ada: Shop) -> None:
    await ada.subscribes("pro")
    await ada.change("starter")
    assert await ada.plan() == "pro"
    await ada.change("pro")
    assert await ada.bought() == [(PRO.price, PRO.credits)]
    await ada.later(32)
    assert await ada.bought() == [(PRO.price, PRO.credits)] * 2


async def test_after_the_lower_period_has_begun_up_is_paid_again(ada: Shop) -> None:
    await ada.subscribes("pro")
    await ada.change("starter")
    await ada.later(32)
    assert await ada.plan() == "starter"
    await ada.later(5)
    await ada.change("pro")
    assert [paid for paid, _ in await ada.bought()] == [PRO.price, STARTER.price, PRO.price]


async def test_what_was_declined_can_be_tried_again_with_another_card(ada: Shop) -> None:
    id = await ada.subscribes("starter")
    customer = next(iter(ada.store.tables.customers))
    for card in ("declined", "authenticate"):
        ada.house.new_card(customer, card)
        with pytest.raises(PaymentDeclined):
            await ada.change("pro")
        assert await ada.plan() == "starter"
    ada.house.new_card(customer, "good")
    await ada.change("pro")
    known = await ada.subscription()
    assert known
    assert (known.id, known.plan, len(await ada.bought())) == (id, "pro", 2)


async def test_what_cannot_be_changed_is_refused_with_what_to_do(ada: Shop) -> None:
    for asked in (ada.change("pro"), ada.cancel(), ada.resume()):
        await refused(asked, NoSubscription, allowed=["checkout"])
    await ada.subscribes("starter")
    await refused(ada.change("starter"), AlreadySo, plan="starter")
    await refused(ada.change("free"), NotSold, allowed=["cancel"])
    await refused(ada.change("small"), UnknownProduct, field="plan", allowed=["starter", "pro", "studio"])
    await refused(ada.resume(), AlreadySo, plan="starter")
    await ada.cancel()
    await refused(ada.change("pro"), SubscriptionEnding, allowed=["resume"])
    assert await ada.bought() == [(STARTER.price, STARTER.credits)]


async def test_a_plan_that_is_sold_no_longer_is_nobodys_to_change_to(ada: Shop) -> None:
    await ada.subscribes("pro")
    ada.catalogue = UNSOLD
    await refused(ada.change("starter"), NotSold, allowed=["pro", "studio"])


# Ending


async def test_it_is_cancelled_resumed_and_cancelled_again(ada: Shop) -> None:
    await ada.subscribes("starter")
    for _ in range(2):
        await ada.cancel()
        await ada.cancel()
        known = await ada.subscription()
        assert known
        assert known.cancel_at == known.period_end
        await ada.resume()
        known = await ada.subscription()
        assert known
        assert known.cancel_at is None
    await ada.later(32)
    assert len(await ada.bought()) == 2


async def test_what_is_not_paid_ends_at_once_and_nothing_is_owed(ada: Shop) -> None:
    await past_due(ada)
    await ada.cancel()
    known = await ada.subscription()
    assert known
    assert (known.state, known.pay_url, await ada.plan()) == (SubscriptionState.CANCELED, None, "free")
    await refused(ada.cancel(), NoSubscription)


async def test_what_the_provider_refuses_is_read_so_that_the_books_know_why(ada: Shop) -> None:
    id = await ada.subscribes("starter")
    await ada.house.payments.cancel(id, at_once=True, key="by an operator")
    with pytest.raises(PaymentRefused):
        await ada.cancel()
    await refused(ada.cancel(), NoSubscription)


async def test_of_two_that_were_paid_at_once_each_can_be_cancelled(ada: Shop) -> None:
    pages = [await ada.check_out(plan) for plan in ("pro", "starter")]
    ends: list[Callable[[], Awaitable[None]]] = [ada.cancel, ada.cancel]
    for page in pages:
        ada.house.pays(page)
    await ada.hears()
    known = await ada.subscription()
    assert known
    assert known.plan == "pro"
    for end in ends:
        await end()
    assert all(each.cancel_at for each in await ada.subscriptions())
    await ada.resume()
    known = await ada.subscription()
    assert known
    assert (known.plan, known.cancel_at) == ("pro", None)


async def past_due(ada: Shop) -> None:
    await ada.subscribes("starter")
    ada.house.new_card(next(iter(ada.store.tables.customers)), "declined")
    await ada.later(32)
    known = await ada.subscription()
    assert known
    assert (known.state, known.needs_payment) == (SubscriptionState.PAST_DUE, True)
