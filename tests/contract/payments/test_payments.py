"""What whoever takes the money promises, on every adapter: what a customer buys, changes and gets back."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from application.payments import PRICED_HIGHER, HintRefused, PaymentDeclined, PaymentRefused, Touched
from domain.accounts import AccountId
from domain.billing import CustomerId, Hint, PurchaseKind, PurchaseRef, SubscriptionId
from tests.offer import CATALOGUE
from tests.payments_house import ACCOUNT, URL, House, bought, buy, paid, sent, subscribe

pytestmark = pytest.mark.anyio
SMALL, MEDIUM = CATALOGUE.packs["small"], CATALOGUE.packs["medium"]
STARTER, PRO = CATALOGUE.plans["starter"], CATALOGUE.plans["pro"]


async def test_an_account_has_one_customer_however_often_it_is_asked_for(house: House) -> None:
    first = await house.payments.add_customer(ACCOUNT, "ada@mail.example")
    assert await house.payments.add_customer(ACCOUNT, "ada@mail.example") == first
    house.later(2)
    assert await house.payments.add_customer(ACCOUNT, "ada@elsewhere.example") == first
    other = AccountId(UUID(int=8))
    assert await house.payments.add_customer(other, "ada@mail.example") != first
    assert await house.payments.owner(first) == ACCOUNT


async def test_whose_customer_nobody_is_has_no_owner(house: House) -> None:
    assert await house.payments.owner(CustomerId("cus_none")) is None


async def test_a_pack_is_one_line_paid_in_full(house: House, customer: CustomerId) -> None:
    ref = await buy(house, customer, "small")
    purchase = await house.payments.purchase(ref)
    assert purchase
    assert (purchase.customer, purchase.subscription, purchase.is_settled) == (customer, None, True)
    assert (purchase.currency, purchase.paid, purchase.reversed_money) == (SMALL.currency, SMALL.price, 0)
    (line,) = purchase.lines
    assert (line.product, line.quantity, line.gross, line.net) == ("small", 1, SMALL.price, SMALL.price)
    assert line.period_end is None, "credits of a pack end by our rule"
    assert purchase.at == house.now
    assert purchase.receipt_url


async def test_a_promotion_code_lowers_the_net_and_not_the_gross(house: House, customer: CustomerId) -> None:
    page = await house.payments.check_out(customer, "small", URL, URL, key="k")
    house.pays(page, code=house.promotion(50))
    (purchase,) = await bought(house)
    (line,) = purchase.lines
    assert (line.gross, line.net, purchase.paid) == (SMALL.price, SMALL.price // 2, SMALL.price // 2)


async def test_what_costs_nothing_by_a_code_is_bought_all_the_same(house: House, customer: CustomerId) -> None:
    page = await house.payments.check_out(customer, "small", URL, URL, key="k")
    house.pays(page, code=house.promotion(100))
    (purchase,) = await bought(house)
    assert (purchase.is_settled, purchase.paid, purchase.lines[0].net, purchase.reversed_money) == (True, 0, 0, 0)


async def test_a_page_that_is_left_or_declined_brings_nothing(house: House, customer: CustomerId) -> None:
    page = await house.payments.check_out(customer, "small", URL, URL, key="k")
    ref = PurchaseRef(PurchaseKind.CHECKOUT, page.id)
    assert await house.payments.purchase(ref) is None
    house.pays(page, "declined")
    assert (await bought(house), await house.payments.purchase(ref)) == ([], None)
    house.later(2)
    assert await bought(house) == []


@pytest.mark.parametrize("ok", [True, False])
@pytest.mark.parametrize("product", ["small", "starter"])
async def test_while_a_bank_decides_nothing_is_settled(house: House, customer: CustomerId, product: str, ok: bool) -> None:
    ref = await buy(house, customer, product, "debit")
    waiting = await house.payments.purchase(ref)
    assert waiting
    assert (waiting.is_settled, waiting.paid, waiting.lines[0].product) == (False, 0, product)
    assert [each async for each in house.payments.paid(datetime.fromtimestamp(0, UTC))] == []
    house.later(4)
    house.bank_answers(ref, ok=ok)
    settled = await house.payments.purchase(ref)
    assert (settled.is_settled if settled else None) == (True if ok else None)
    assert await paid(house) == ([(product, {"small": SMALL.price, "starter": STARTER.price}[product])] if ok else [])


@pytest.mark.parametrize("product", ["nothing", "free", "starter "])
async def test_what_is_not_on_offer_is_refused(house: House, customer: CustomerId, product: str) -> None:
    with pytest.raises(PaymentRefused):
        await house.payments.check_out(customer, product, URL, URL, key="k")
    with pytest.raises(PaymentRefused):
        await house.payments.top_up(customer, product, key="k")


async def test_what_does_not_exist_is_none_or_refused(house: House, customer: CustomerId) -> None:
    for kind in PurchaseKind:
        assert await house.payments.purchase(PurchaseRef(kind, "xx_none")) is None
        with pytest.raises(PaymentRefused):
            await house.payments.refund(PurchaseRef(kind, "xx_none"), 1, key="k")
    nobody = SubscriptionId("sub_none")
    assert await house.payments.subscription(nobody) is None
    for asked in (
        house.payments.change(nobody, "pro", upwards=True, key="k"),
        house.payments.cancel(nobody, at_once=True, key="k"),
        house.payments.cancel(nobody, at_once=False, key="k"),
        house.payments.resume(nobody, key="k"),
        house.payments.check_out(CustomerId("cus_none"), "small", URL, URL, key="k"),
        house.payments.portal(CustomerId("cus_none"), URL),
        house.payments.top_up(CustomerId("cus_none"), "small", key="k"),
    ):
        with pytest.raises(PaymentRefused):
            await asked


async def test_a_pack_that_became_dearer_is_not_bought_unasked(house: House, customer: CustomerId) -> None:
    house.new_card(customer, "good")
    with pytest.raises(PaymentRefused) as refused:
        await house.payments.top_up(customer, "medium", key="t", most=1_999)
    assert refused.value.code == PRICED_HIGHER
    assert (await paid(house), await house.payments.topped_up(customer, key="t")) == ([], None)
    await house.payments.top_up(customer, "medium", key="u", most=2_000)
    assert await paid(house) == [("medium", 2_000)]


async def test_a_top_up_is_a_pack_paid_by_the_card_on_file(house: House, customer: CustomerId) -> None:
    house.new_card(customer, "good")
    ref = await house.payments.top_up(customer, "medium", key="t")
    purchase = await house.payments.purchase(ref)
    assert purchase
    assert [(line.product, line.net) for line in purchase.lines] == [("medium", MEDIUM.price)]
    assert (purchase.customer, purchase.subscription, purchase.paid) == (customer, None, MEDIUM.price)
    assert await bought(house) == [purchase]


@pytest.mark.parametrize(
    ("card", "code"),
    [("declined", "card_declined"), ("authenticate", "authentication_required"), (None, "no_payment_method")],
)
async def test_a_top_up_that_is_not_paid_leaves_nothing_owed(
    house: House, customer: CustomerId, card: str | None, code: str
) -> None:
    if card:
        house.new_card(customer, card)
    for _ in range(2):
        with pytest.raises(PaymentDeclined) as declined:
            await house.payments.top_up(customer, "small", key="t")
        assert declined.value.code == code
    house.new_card(customer, "good")
    house.later(40)
    assert await bought(house) == []
    again = await house.payments.top_up(customer, "small", key="another")
    assert [each.ref for each in await bought(house)] == [again]


async def test_what_became_of_a_top_up_is_found_by_its_key_when_the_key_is_forgotten(house: House, customer: CustomerId) -> None:
    house.new_card(customer, "good")
    refs = [await house.payments.top_up(customer, "small", key=key) for key in ("a", "b")]
    house.new_card(customer, "declined")
    with pytest.raises(PaymentDeclined):
        await house.payments.top_up(customer, "small", key="c")
    house.later(2)
    assert [await house.payments.topped_up(customer, key=key) for key in ("a", "b", "c", "d")] == [*refs, None, None]


@pytest.mark.parametrize("product", ["small", "starter"])
async def test_refunds_are_counted_and_no_more_is_given_back_than_was_paid(
    house: House, customer: CustomerId, product: str
) -> None:
    ref = await buy(house, customer, product)
    for key, amount in (("a", 100), ("b", 300)):
        await house.payments.refund(ref, amount, key=key)
    purchase = await house.payments.purchase(ref)
    assert purchase
    assert (purchase.refunded, purchase.reversed_money) == (400, 400)
    with pytest.raises(PaymentRefused):
        await house.payments.refund(ref, purchase.paid - 399, key="too much")
    await house.payments.refund(ref, purchase.paid - 400, key="rest")
    (purchase,) = await bought(house)
    assert purchase.reversed_money == purchase.refunded == purchase.paid


@pytest.mark.parametrize(("ends", "stands"), [(None, 200), ("succeeded", 200), ("failed", 0)])
async def test_a_refund_stands_until_it_fails(house: House, customer: CustomerId, ends: str | None, stands: int) -> None:
    ref = await buy(house, customer, "small")
    refund = house.refunds_at_the_desk(ref, 200, "pending")
    if ends:
        house.refund_ends(refund, ends)
    purchase = await house.payments.purchase(ref)
    assert purchase
    assert purchase.refunded == stands


async def test_a_dispute_holds_the_money_until_it_is_back(house: House, customer: CustomerId) -> None:
    ref = await buy(house, customer, "small")
    disputed = house.disputes(ref)
    opened = await house.payments.purchase(ref)
    house.wins(disputed, reinstated=False)
    won = await house.payments.purchase(ref)
    assert opened
    assert won
    assert (opened.withdrawn, opened.has_open_dispute, opened.reversed_money) == (SMALL.price, True, SMALL.price)
    assert (won.withdrawn, won.has_open_dispute, won.reversed_money) == (SMALL.price, False, SMALL.price)


async def test_a_dispute_that_is_won_gives_the_money_back(house: House, customer: CustomerId) -> None:
    ref = await buy(house, customer, "small")
    house.wins(house.disputes(ref))
    purchase = await house.payments.purchase(ref)
    assert purchase
    assert (purchase.withdrawn, purchase.has_open_dispute, purchase.reversed_money) == (0, False, 0)


async def test_a_page_is_where_the_customer_sees_to_cards_and_receipts(house: House, customer: CustomerId) -> None:
    page = await house.payments.portal(customer, URL)
    assert page.url.startswith("https://")
    assert (await house.payments.portal(customer, URL)).id != page.id


async def test_what_was_paid_since_is_all_of_it_and_nothing_older(house: House, customer: CustomerId) -> None:
    subscription = await subscribe(house, customer, "starter")
    house.later(32)
    since = house.now - timedelta(days=2)
    page = await house.payments.check_out(customer, "small", URL, URL, key="k")
    house.pays(page)
    house.new_card(customer, "good")
    topped = await house.payments.top_up(customer, "medium", key="t")
    renewal = [each.ref for each in await bought(house) if each.subscription == subscription.id][1]
    newest = [each.ref async for each in house.payments.paid(since)]
    assert sorted(map(str, newest)) == sorted(map(str, (renewal, topped, PurchaseRef(PurchaseKind.CHECKOUT, page.id))))


async def test_what_was_asked_for_long_ago_and_paid_now_is_paid_now(house: House, customer: CustomerId) -> None:
    await subscribe(house, customer, "starter")
    house.new_card(customer, "declined")
    house.later(32)
    house.new_card(customer, "good")
    since = house.now
    house.later(4)
    assert [each.lines[0].product async for each in house.payments.paid(since)] == ["starter"]


async def test_what_was_delivered_can_be_asked_for_the_newest_first(house: House, customer: CustomerId) -> None:
    await buy(house, customer, "small")
    since = house.now
    house.later(3)
    page = await house.payments.check_out(customer, "medium", URL, URL, key="k")
    house.pays(page)
    delivered = [house.payments.read_hint(body, signature, sent(signature)) for body, signature in house.delivered()]
    every = [hint async for hint in house.payments.hints(since - timedelta(days=1))]
    assert sorted(every, key=str) == sorted(delivered, key=str)
    assert [hint.created for hint in every] == sorted((hint.created for hint in every), reverse=True)
    newer = [hint async for hint in house.payments.hints(since + timedelta(seconds=1))]
    assert newer == [hint for hint in every if hint.created > since]
    assert 0 < len(newer) < len(every)


async def test_what_was_delivered_holds_five_minutes_and_no_other_secret(house: House, customer: CustomerId) -> None:
    body, signature = house.delivered()[-1]
    moment = sent(signature)
    assert house.payments.read_hint(body, signature, moment + timedelta(seconds=299)).id
    for told, by, now in (
        (body, signature, moment + timedelta(seconds=301)),
        (body, signature, moment - timedelta(seconds=301)),
        (body + b" ", signature, moment),
        (body, None, moment),
        (body, signature[:-1], moment),
    ):
        with pytest.raises(HintRefused):
            house.payments.read_hint(told, by, now)


async def test_what_is_about_neither_a_purchase_nor_a_subscription_touches_nothing(house: House) -> None:
    for kind in ("price", "payment_method", "balance", "nothing anybody knows"):
        assert await house.payments.touched(Hint("evt_1", "x", house.now, kind, "xx_1")) == Touched()
    for kind in ("charge", "refund", "dispute", "invoice", "invoice_payment", "checkout.session", "payment_intent", "customer"):
        for id in ("", "xx_none"):
            touched = await house.payments.touched(Hint("evt_1", "x", house.now, kind, id))
            assert (*touched.purchases, *touched.subscriptions) == (), kind


async def test_the_catalogue_is_offered_once(house: House) -> None:
    assert list(await house.payments.offer(CATALOGUE)) == []
