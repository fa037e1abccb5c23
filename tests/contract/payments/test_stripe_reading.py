"""What Stripe shows in pieces, in another currency, twice or for somebody else is read as what it is."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from application.payments import PaymentDeclined, PaymentRefused, PaymentsUnavailable
from domain.billing import CustomerId, Hint, PurchaseKind, PurchaseRef, SubscriptionId, SubscriptionState
from tests.payments_house import StripeHouse, bought, subscribe

pytestmark = pytest.mark.anyio
BEGINNING = datetime.fromtimestamp(0, UTC)


@pytest.fixture
def house(stripe_house: StripeHouse) -> StripeHouse:
    stripe_house.stock()
    return stripe_house


@pytest.fixture
def customer(house: StripeHouse) -> CustomerId:
    made = CustomerId(house.ask("post", "/v1/customers", email="ada@mail.example")["id"])
    house.new_card(made, "good")
    return made


def price(house: StripeHouse, product: str) -> str:
    return str(house.ask("get", "/v1/prices", lookup_keys=[product])["data"][0]["id"])


def session(house: StripeHouse, customer: CustomerId | None, *products: str, **more: Any) -> Any:
    """A page of somebody else's making, paid."""
    items = [{"price": price(house, product), "quantity": 2} for product in products]
    asked = {"mode": "payment", "line_items": items, "success_url": "https://shop.example", **more}
    made = house.ask("post", "/v1/checkout/sessions", **asked, **({"customer": customer} if customer else {}))
    return house.stripe.do("pay", session=made["id"])


def invoice(house: StripeHouse, customer: CustomerId, lines: int) -> PurchaseRef:
    """A paid invoice of so many lines."""
    for _ in range(lines):
        house.ask("post", "/v1/invoiceitems", customer=customer, pricing={"price": price(house, "small")})
    made = house.ask("post", "/v1/invoices", customer=customer, pending_invoice_items_behavior="include")
    house.ask("post", f"/v1/invoices/{made['id']}/pay")
    return PurchaseRef(PurchaseKind.INVOICE, made["id"])


@pytest.mark.parametrize("lines", [1, 11, 101])
async def test_every_line_of_an_invoice_is_read(house: StripeHouse, customer: CustomerId, lines: int) -> None:
    purchase = await house.payments.purchase(invoice(house, customer, lines))
    assert purchase
    assert len({line.id for line in purchase.lines}) == lines
    assert (sum(line.net for line in purchase.lines), purchase.paid) == (lines * 500, lines * 500)
    assert [each async for each in house.payments.paid(BEGINNING)] == [purchase]


async def test_every_refund_is_counted(house: StripeHouse, customer: CustomerId) -> None:
    ref = PurchaseRef(PurchaseKind.CHECKOUT, session(house, customer, "large")["id"])
    for _ in range(101):
        house.refunds_at_the_desk(ref, 3)
    purchase = await house.payments.purchase(ref)
    assert purchase
    assert (purchase.paid, purchase.refunded) == (20_000, 303)


async def test_more_than_a_page_of_events_is_told(house: StripeHouse, customer: CustomerId) -> None:
    for _ in range(23):
        session(house, customer, "small")
    every = [hint.id async for hint in house.payments.hints(BEGINNING)]
    assert len(every) > 100
    assert every == [event["id"] for event in reversed(house.stripe.events())]
    assert len([each async for each in house.payments.paid(BEGINNING)]) == 23


async def test_only_what_never_reached_us_is_told_if_asked(house: StripeHouse, customer: CustomerId) -> None:
    assert [hint async for hint in house.payments.hints(BEGINNING, undelivered=True)] == []
    house.stripe.do("endpoint", url="http://127.0.0.1:9/nobody", secret="whsec_x", types=["charge.*"])
    session(house, customer, "small")
    missed = [hint.type async for hint in house.payments.hints(BEGINNING, undelivered=True)]
    assert missed == ["charge.succeeded"]


async def test_a_session_of_two_kinds_has_a_line_of_each(house: StripeHouse, customer: CustomerId) -> None:
    purchase = await house.payments.purchase(
        PurchaseRef(PurchaseKind.CHECKOUT, session(house, customer, "small", "medium")["id"])
    )
    assert purchase
    assert {(line.product, line.quantity, line.gross) for line in purchase.lines} == {("small", 2, 1000), ("medium", 2, 4000)}


async def test_a_receipt_is_no_purchase_and_its_checkout_is(house: StripeHouse, customer: CustomerId) -> None:
    paid = session(house, customer, "small", invoice_creation={"enabled": True})
    assert paid["invoice"]
    receipt = PurchaseRef(PurchaseKind.INVOICE, paid["invoice"])
    assert await house.payments.purchase(receipt) is None
    (purchase,) = [each async for each in house.payments.paid(BEGINNING)]
    assert purchase.ref == PurchaseRef(PurchaseKind.CHECKOUT, paid["id"])
    assert [each.ref for each in await bought(house)] == [purchase.ref]


async def test_who_paid_without_being_a_customer_of_ours_bought_nothing_of_ours(house: StripeHouse) -> None:
    paid = session(house, None, "small")
    assert await house.payments.purchase(PurchaseRef(PurchaseKind.CHECKOUT, paid["id"])) is None
    assert [each async for each in house.payments.paid(BEGINNING)] == []


async def test_what_we_do_not_sell_is_a_line_of_no_product(house: StripeHouse, customer: CustomerId) -> None:
    mug = house.ask("post", "/v1/prices", currency="usd", unit_amount=700, product_data={"name": "Mug"})["id"]
    items = [{"price": mug, "quantity": 1}]
    made = house.ask(
        "post", "/v1/checkout/sessions", mode="payment", line_items=items, success_url="https://x.example", customer=customer
    )
    house.stripe.do("pay", session=made["id"])
    house.ask("post", "/v1/invoiceitems", customer=customer, pricing={"price": mug})
    invoice(house, customer, 0)
    assert [each.lines[0].product async for each in house.payments.paid(BEGINNING)] == [None, None]


async def test_money_paid_elsewhere_counts_and_cannot_be_given_back_by_us(house: StripeHouse, customer: CustomerId) -> None:
    subscription = await subscribe(house, customer, "starter")
    house.new_card(customer, "declined")
    house.later(32)
    waiting = house.ask("get", "/v1/invoices", status="open")["data"][0]["id"]
    house.ask("post", f"/v1/invoices/{waiting}/pay", paid_out_of_band="true")
    purchase = await house.payments.purchase(PurchaseRef(PurchaseKind.INVOICE, waiting))
    assert purchase
    assert (purchase.is_settled, purchase.paid, purchase.subscription) == (True, 900, subscription.id)
    with pytest.raises(PaymentRefused):
        await house.payments.refund(purchase.ref, 1, key="k")


@pytest.mark.parametrize(("back", "withdrawn"), [(False, 1000), (True, 0)])
async def test_a_dispute_is_counted_in_the_money_that_was_paid(
    house: StripeHouse, customer: CustomerId, back: bool, withdrawn: int
) -> None:
    """Where our account is kept in another currency, the rate of the way back is another."""
    ref = PurchaseRef(PurchaseKind.CHECKOUT, session(house, customer, "small")["id"])
    house.stripe.do("settings", rate=0.8)
    disputed = house.disputes(ref)
    house.stripe.do("settings", rate=0.7)
    house.wins(disputed, reinstated=back)
    purchase = await house.payments.purchase(ref)
    assert purchase
    assert (purchase.withdrawn, purchase.has_open_dispute) == (withdrawn, False)


async def test_an_inquiry_is_no_dispute(house: StripeHouse, customer: CustomerId) -> None:
    ref = PurchaseRef(PurchaseKind.CHECKOUT, session(house, customer, "small")["id"])
    house.stripe.do("dispute", charge=house.charge(ref), inquiry=True)
    purchase = await house.payments.purchase(ref)
    assert purchase
    assert (purchase.withdrawn, purchase.has_open_dispute) == (0, False)


async def test_a_subscription_that_pauses_does_not_collect(house: StripeHouse, customer: CustomerId) -> None:
    subscription = await subscribe(house, customer, "starter")
    house.ask("post", f"/v1/subscriptions/{subscription.id}", pause_collection={"behavior": "void"})
    paused = await house.payments.subscription(subscription.id)
    assert paused
    assert (paused.collects, paused.state) == (False, SubscriptionState.ACTIVE)
    assert (await house.payments.resume(subscription.id, key="k")).collects


async def test_an_unpaid_subscription_says_where_though_its_newest_invoice_is_a_draft(
    house: StripeHouse, customer: CustomerId
) -> None:
    house.stripe.do("settings", after_retries="unpaid")
    subscription = await subscribe(house, customer, "starter")
    house.new_card(customer, "declined")
    house.later(80)
    unpaid = await house.payments.subscription(subscription.id)
    (waiting,) = house.ask("get", "/v1/invoices", status="open")["data"]
    assert unpaid
    assert (unpaid.state, unpaid.pay_url) == (SubscriptionState.UNPAID, waiting["hosted_invoice_url"])
    assert house.ask("get", f"/v1/subscriptions/{subscription.id}")["latest_invoice"] != waiting["id"]


async def test_a_refund_takes_from_each_payment_what_it_has(house: StripeHouse, customer: CustomerId) -> None:
    ref = PurchaseRef(PurchaseKind.CHECKOUT, session(house, customer, "small")["id"])
    house.refunds_at_the_desk(ref, 300)
    await house.payments.refund(ref, 700, key="rest")
    purchase = await house.payments.purchase(ref)
    assert purchase
    assert purchase.refunded == purchase.paid == 1000


async def test_too_large_a_refund_is_refused_before_anything_is_asked(house: StripeHouse, customer: CustomerId) -> None:
    ref = PurchaseRef(PurchaseKind.CHECKOUT, session(house, customer, "small")["id"])
    house.refunds_at_the_desk(ref, 300)
    with pytest.raises(PaymentRefused) as refused:
        await house.payments.refund(ref, 701, key="k")
    assert refused.value.code == "amount_too_large"
    assert all(call["verb"] == "GET" for call in house.stripe.do("calls"))


async def test_the_invoice_of_a_top_up_that_is_declined_is_void(house: StripeHouse, customer: CustomerId) -> None:
    house.new_card(customer, "declined")
    with pytest.raises(PaymentDeclined):
        await house.payments.top_up(customer, "small", key="k")
    assert [each["status"] for each in house.ask("get", "/v1/invoices")["data"]] == ["void"]


@pytest.mark.parametrize(("fault", "status"), [("reset", "void"), ("reset-after", "paid")])
async def test_a_top_up_whose_end_was_lost_is_looked_up_and_what_waits_to_be_paid_is_void(
    house: StripeHouse, customer: CustomerId, fault: str, status: str
) -> None:
    house.new_card(customer, "good")
    house.stripe.do("fault", name=fault, verb="post", after=3)
    with pytest.raises(PaymentsUnavailable):
        await house.payments.top_up(customer, "small", key="k")
    house.later(2)
    found = await house.payments.topped_up(customer, key="k")
    (invoice,) = house.ask("get", "/v1/invoices")["data"]
    assert (invoice["status"], found.id if found else None) == (status, invoice["id"] if status == "paid" else None)


async def test_a_deleted_customer_has_no_owner_and_keeps_its_purchases(house: StripeHouse, customer: CustomerId) -> None:
    paid = session(house, customer, "small")
    house.ask("delete", f"/v1/customers/{customer}")
    assert await house.payments.owner(customer) is None
    purchase = await house.payments.purchase(PurchaseRef(PurchaseKind.CHECKOUT, paid["id"]))
    assert purchase
    assert purchase.customer == customer
    touched = await house.payments.touched(Hint("evt_1", "customer.deleted", house.now, "customer", customer))
    assert (*touched.purchases, *touched.subscriptions) == ()


async def test_whose_mark_is_no_account_of_ours_is_nobodys(house: StripeHouse) -> None:
    for written in ("7", "not an id", "{}"):
        made = house.ask("post", "/v1/customers", metadata={"account_id": written})
        assert await house.payments.owner(CustomerId(made["id"])) is None


async def test_a_customer_leads_to_each_of_its_subscriptions(house: StripeHouse, customer: CustomerId) -> None:
    subscription = await subscribe(house, customer, "starter")
    await house.payments.cancel(subscription.id, at_once=True, key="k")
    touched = await house.payments.touched(Hint("evt_1", "customer.updated", house.now, "customer", customer))
    assert list(touched.subscriptions) == [SubscriptionId(subscription.id)]


async def test_a_pack_in_a_subscriptions_checkout_is_told_from_its_plan(house: StripeHouse, customer: CustomerId) -> None:
    session(house, customer, "small", "starter", mode="subscription")
    (purchase,) = await bought(house)
    ends = {line.product: line.period_end for line in purchase.lines}
    assert ends == {"small": None, "starter": purchase.at + timedelta(days=31)}
