"""The states of the pretended Stripe, moved by requests of the SDK, by its clock, and by what customers and banks do."""

from typing import Any

import pytest
import stripe as sdk

from tests.stripe_process import StripeProcess
from tests.stripe_shapes import Obj

pytestmark = pytest.mark.anyio
DAY = 86_400
URL = "https://shop.example/done"


async def session(client: sdk.StripeClient, shop: Obj, price: str = "plan", **more: Any) -> Any:
    mode = "payment" if price == "pack" else "subscription"
    asked: Any = {"mode": mode, "success_url": URL, "customer": shop["customer"]}
    return await client.v1.checkout.sessions.create_async(asked | {"line_items": [{"price": shop[price], "quantity": 1}]} | more)


async def subscribed(client: sdk.StripeClient, stripe: StripeProcess, shop: Obj, card: str = "good", **more: Any) -> str:
    return str(stripe.do("pay", session=(await session(client, shop, **more)).id, card=card)["subscription"])


async def state(client: sdk.StripeClient, subscription: str) -> str:
    return (await client.v1.subscriptions.retrieve_async(subscription)).status


async def test_a_session_is_open_complete_or_expired(client: sdk.StripeClient, stripe: StripeProcess, shop: Obj) -> None:
    paid, left, closed = [await session(client, shop, "pack") for _ in range(3)]
    assert (paid.status, paid.payment_status, paid.url[:8]) == ("open", "unpaid", "https://")
    stripe.do("pay", session=paid.id)
    await client.v1.checkout.sessions.expire_async(closed.id)
    stripe.do("advance", seconds=DAY)
    shown = [await client.v1.checkout.sessions.retrieve_async(one.id) for one in (paid, left, closed)]
    assert [one.status for one in shown] == ["complete", "expired", "expired"]
    assert (shown[0].payment_status, shown[0].url) == ("paid", None)
    for ended in shown:
        with pytest.raises(sdk.InvalidRequestError, match="status in"):
            await client.v1.checkout.sessions.expire_async(ended.id)
    assert len(stripe.events("checkout.session.expired")) == 2


async def test_a_single_payment_has_an_invoice_only_where_it_was_asked_for(
    client: sdk.StripeClient, stripe: StripeProcess, shop: Obj
) -> None:
    plain, with_receipt = (
        await session(client, shop, "pack"),
        await session(client, shop, "pack", invoice_creation={"enabled": True}),
    )
    assert stripe.do("pay", session=plain.id)["invoice"] is None
    paid = stripe.do("pay", session=with_receipt.id)
    invoice: Any = await client.v1.invoices.retrieve_async(paid["invoice"], {"expand": ["payments"]})
    assert invoice.payments.data[0].payment.payment_intent == paid["payment_intent"]
    assert len((await client.v1.charges.list_async()).data) == 2, "the same money, not more of it"


async def test_a_guest_who_subscribes_becomes_a_customer(client: sdk.StripeClient, stripe: StripeProcess, shop: Obj) -> None:
    asked = await client.v1.checkout.sessions.create_async(
        {
            "mode": "subscription",
            "success_url": URL,
            "customer_email": "g@b.example",
            "line_items": [{"price": shop["plan"], "quantity": 1}],
        }
    )
    paid = stripe.do("pay", session=asked.id)
    assert (
        (await client.v1.customers.retrieve_async(paid["customer"])).email == paid["customer_details"]["email"] == "g@b.example"
    )


async def test_line_items_and_payments_are_shown_where_expand_asks(
    client: sdk.StripeClient, stripe: StripeProcess, shop: Obj
) -> None:
    subscription = await subscribed(client, stripe, shop)
    one: Any = await client.v1.subscriptions.retrieve_async(
        subscription, {"expand": ["latest_invoice.payments", "customer", "items.data.price.product"]}
    )
    assert one.latest_invoice.payments.data[0].status == "paid"
    assert (one.customer.email, one["items"].data[0].price.product.name) == ("ada@mail.example", "Credits")
    plain: Any = await client.v1.invoices.retrieve_async(one.latest_invoice.id)
    assert "payments" not in plain.to_dict()
    with pytest.raises(sdk.InvalidRequestError, match="cannot be expanded"):
        await client.v1.subscriptions.retrieve_async(subscription, {"expand": ["status"]})
    with pytest.raises(sdk.InvalidRequestError, match="more than 4 levels"):
        await client.v1.subscriptions.retrieve_async(subscription, {"expand": ["a.b.c.d.e"]})


async def test_a_subscription_becomes_past_due_then_unpaid_then_active(
    client: sdk.StripeClient, stripe: StripeProcess, shop: Obj
) -> None:
    stripe.do("settings", after_retries="unpaid")
    subscription = await subscribed(client, stripe, shop)
    stripe.do("new_card", customer=shop["customer"], card="declined")
    seen = []
    for days in (31, 1, 20):
        stripe.do("advance", seconds=days * DAY)
        seen.append(await state(client, subscription))
    assert seen == ["active", "past_due", "unpaid"]
    (invoice,) = (await client.v1.invoices.list_async({"status": "open"})).data
    assert (invoice.attempt_count, invoice.next_payment_attempt) == (4, None)
    with pytest.raises(sdk.CardError) as refused:
        await client.v1.invoices.pay_async(invoice.id)
    assert refused.value.code == "card_declined"
    stripe.do("new_card", customer=shop["customer"])
    await client.v1.invoices.pay_async(invoice.id)
    assert await state(client, subscription) == "active"


async def test_a_cancellation_at_the_period_end_can_be_taken_back_until_then(
    client: sdk.StripeClient, stripe: StripeProcess, shop: Obj
) -> None:
    subscription = await subscribed(client, stripe, shop)
    one = await client.v1.subscriptions.update_async(subscription, {"cancel_at_period_end": True})
    assert (one.status, one.cancel_at) == ("active", one["items"].data[0].current_period_end)
    one = await client.v1.subscriptions.update_async(subscription, {"cancel_at_period_end": False})
    assert (one.cancel_at, one.canceled_at) == (None, None)
    stripe.do("cancel", subscription=subscription)
    stripe.do("advance", seconds=40 * DAY)
    assert await state(client, subscription) == "canceled"
    assert len((await client.v1.invoices.list_async()).data) == 1, "what has ended is not renewed"
    with pytest.raises(sdk.InvalidRequestError) as refused:
        await client.v1.subscriptions.cancel_async(subscription)
    assert refused.value.http_status == 404
    with pytest.raises(sdk.InvalidRequestError, match="canceled subscription"):
        await client.v1.subscriptions.update_async(subscription, {"cancel_at_period_end": False})
    assert (await client.v1.subscriptions.list_async()).data == []
    assert [one.id for one in (await client.v1.subscriptions.list_async({"status": "all"})).data] == [subscription]


@pytest.mark.parametrize(
    ("behavior", "invoiced", "pending"),
    [("always_invoice", [-450, 1450], 0), ("create_prorations", [], 2), ("none", [], 0)],
)
async def test_a_change_in_the_middle_is_prorated_as_asked(
    client: sdk.StripeClient, stripe: StripeProcess, shop: Obj, behavior: Any, invoiced: list[int], pending: int
) -> None:
    subscription = await subscribed(client, stripe, shop)
    one = await client.v1.subscriptions.retrieve_async(subscription)
    item = one["items"].data[0]
    stripe.do("advance", seconds=(item.current_period_end - item.current_period_start) // 2)
    changed = await client.v1.subscriptions.update_async(
        subscription, {"items": [{"id": item.id, "price": shop["pro"]}], "proration_behavior": behavior}
    )
    assert changed["items"].data[0].price.id == shop["pro"]
    invoices = (await client.v1.invoices.list_async()).data
    assert [line.amount for invoice in invoices[:-1] for line in invoice.lines.data] == invoiced
    assert len(stripe.events("invoiceitem.created")) - len(invoiced) == pending
    told = [event["data"]["previous_attributes"] for event in stripe.events("customer.subscription.updated")]
    (before,) = [previous["items"] for previous in told if "items" in previous]
    assert before["data"][0]["price"]["id"] == shop["plan"]


async def test_a_change_without_the_item_adds_one_and_is_easily_a_mistake(
    client: sdk.StripeClient, stripe: StripeProcess, shop: Obj
) -> None:
    subscription = await subscribed(client, stripe, shop)
    changed = await client.v1.subscriptions.update_async(subscription, {"items": [{"price": shop["pro"]}]})
    assert len(changed["items"].data) == 2
    with pytest.raises(sdk.InvalidRequestError, match="already has an item"):
        await client.v1.subscriptions.update_async(subscription, {"items": [{"price": shop["pro"]}]})
    with pytest.raises(sdk.InvalidRequestError) as refused:
        await client.v1.subscriptions.update_async(subscription, {"items": [{"id": "si_none", "price": shop["pro"]}]})
    assert refused.value.param == "items[0][id]"


async def test_a_change_that_must_be_paid_is_refused_with_a_bad_card(
    client: sdk.StripeClient, stripe: StripeProcess, shop: Obj
) -> None:
    subscription = await subscribed(client, stripe, shop)
    item = (await client.v1.subscriptions.retrieve_async(subscription))["items"].data[0].id
    stripe.do("new_card", customer=shop["customer"], card="declined")
    before = len(stripe.events())
    with pytest.raises(sdk.CardError):
        await client.v1.subscriptions.update_async(
            subscription,
            {
                "items": [{"id": item, "price": shop["pro"]}],
                "proration_behavior": "always_invoice",
                "payment_behavior": "error_if_incomplete",
            },
        )
    assert len(stripe.events()) == before


async def test_an_invoice_is_draft_open_and_paid_void_or_uncollectible(
    client: sdk.StripeClient, stripe: StripeProcess, shop: Obj
) -> None:
    ends = []
    for end in ("pay", "void_invoice", "mark_uncollectible"):
        await client.v1.invoice_items.create_async({"customer": shop["customer"], "pricing": {"price": shop["pack"]}})
        draft = await client.v1.invoices.create_async({"customer": shop["customer"], "pending_invoice_items_behavior": "include"})
        assert (draft.status, draft.number, draft.total) == ("draft", None, 1000)
        stripe.do("new_card", customer=shop["customer"])
        opened = await client.v1.invoices.finalize_invoice_async(draft.id)
        assert opened.status == "open"
        with pytest.raises(sdk.InvalidRequestError, match="finalized"):
            await client.v1.invoices.finalize_invoice_async(draft.id)
        ended = await getattr(client.v1.invoices, f"{end}_async")(draft.id)
        ends.append((ended.status, ended.number[-4:], ended.amount_paid))
    assert ends == [("paid", "0001", 1000), ("void", "0002", 0), ("uncollectible", "0003", 0)]
    for number, message in ((0, "only pass in open"), (1, "only pass in open")):
        with pytest.raises(sdk.InvalidRequestError, match=message):
            await client.v1.invoices.void_invoice_async(stripe.events("invoice.finalized")[number]["data"]["object"]["id"])


async def test_a_refund_is_never_more_than_what_is_left(client: sdk.StripeClient, stripe: StripeProcess, shop: Obj) -> None:
    intent = stripe.do("pay", session=(await session(client, shop, "pack")).id)["payment_intent"]
    first = await client.v1.refunds.create_async({"payment_intent": intent, "amount": 600})
    with pytest.raises(sdk.InvalidRequestError) as refused:
        await client.v1.refunds.create_async({"payment_intent": intent, "amount": 401})
    assert refused.value.param == "amount"
    stripe.do("end_refund", refund=first.id, status="failed")
    rest = await client.v1.refunds.create_async({"payment_intent": intent})
    assert rest.amount == 1000
    with pytest.raises(sdk.InvalidRequestError) as refused:
        await client.v1.refunds.create_async({"payment_intent": intent})
    assert refused.value.code == "charge_already_refunded"
    charge = await client.v1.charges.retrieve_async(str(rest.charge))
    assert (charge.refunded, charge.amount_refunded) == (True, 1000)
    with pytest.raises(sdk.InvalidRequestError):
        await client.v1.refunds.cancel_async(rest.id)


async def test_a_dispute_takes_money_and_may_bring_it_back(client: sdk.StripeClient, stripe: StripeProcess, shop: Obj) -> None:
    stripe.do("pay", session=(await session(client, shop, "pack")).id)
    (paid,) = (await client.v1.charges.list_async()).data
    opened = stripe.do("dispute", charge=paid.id, withdrawn=False)["id"]
    seen = []
    for act in ({"act": "withdraw"}, {"act": "respond"}, {"act": "close_dispute", "status": "won"}, {"act": "reinstate"}):
        stripe.do(**act, dispute=opened)
        one = await client.v1.disputes.retrieve_async(opened)
        seen.append((one.status, sum(moved.amount for moved in one.balance_transactions)))
    assert seen == [("needs_response", -1000), ("under_review", -1000), ("won", -1000), ("won", 0)]
    with pytest.raises(sdk.InvalidRequestError) as refused:
        await client.v1.refunds.create_async({"charge": paid.id})
    assert refused.value.code == "charge_disputed"
    with pytest.raises(sdk.InvalidRequestError):
        await client.v1.disputes.close_async(opened)
    told = [event["type"].rpartition(".")[2] for event in stripe.events() if event["type"].startswith("charge.dispute.")]
    assert told == ["created", "funds_withdrawn", "updated", "closed", "funds_reinstated"]


async def test_a_payment_off_session_says_what_the_card_says(client: sdk.StripeClient, stripe: StripeProcess, shop: Obj) -> None:
    codes = []
    for card in ("good", "declined", "authenticate"):
        method = stripe.do("new_card", customer=shop["customer"], card=card)["id"]
        asked: Any = {"amount": 1000, "currency": "eur", "customer": shop["customer"], "payment_method": method}
        try:
            intent = await client.v1.payment_intents.create_async(asked | {"off_session": True, "confirm": True})
            codes.append(intent.status)
        except sdk.CardError as declined:
            codes.append(str(declined.code))
    assert codes == ["succeeded", "card_declined", "authentication_required"]
    (asks,) = [one for one in (await client.v1.payment_intents.list_async()).data if one.status == "requires_action"]
    stripe.do("authenticate", intent=asks.id)
    with pytest.raises(sdk.InvalidRequestError, match="status of succeeded"):
        await client.v1.payment_intents.cancel_async(asks.id)


async def test_the_portal_needs_a_customer_and_gives_an_address(client: sdk.StripeClient, shop: Obj) -> None:
    portal = await client.v1.billing_portal.sessions.create_async({"customer": shop["customer"], "return_url": URL})
    assert (portal.customer, portal.return_url, portal.url[:8]) == (shop["customer"], URL, "https://")


async def test_a_deleted_customer_is_shown_as_deleted(client: sdk.StripeClient, shop: Obj) -> None:
    await client.v1.customers.delete_async(shop["customer"])
    gone: Any = await client.v1.customers.retrieve_async(shop["customer"])
    assert gone.deleted is True
    with pytest.raises(sdk.InvalidRequestError) as refused:
        await session(client, shop)
    assert refused.value.param == "customer"
