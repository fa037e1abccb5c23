"""What a customer has paid and got back, read from a Stripe by the SDK alone: the plainest reading, in no hurry.

Tests compare it with what a timeline says by hand; the rule for the money that went back is R10.
"""

from typing import Any

from stripe import StripeClient

from tests.stripe_stage import Purchase


async def purchases(client: StripeClient, customer: str) -> list[Purchase]:
    """Sorted. Invoices that are paid, and sessions of single prices that are complete, have no invoice, and wait for no bank."""
    keys = {price.id: str(price.lookup_key) async for price in _all(client.v1.prices, {})}
    found = list[Purchase]()
    async for invoice in _all(client.v1.invoices, {"customer": customer, "status": "paid", "expand": ["data.payments"]}):
        lines = tuple((keys[line.pricing.price_details.price], _net(line)) for line in invoice.lines.data)
        assert not invoice.lines.has_more
        intents = [each.payment.payment_intent for each in invoice.payments.data if each.status == "paid"]
        found.append(Purchase(lines, invoice.amount_paid, await _reversed(client, intents, invoice.amount_paid)))
    async for session in _all(client.v1.checkout.sessions, {"customer": customer, "status": "complete"}):
        if session.mode == "payment" and session.invoice is None and session.payment_status != "unpaid":
            items = await client.v1.checkout.sessions.line_items.list_async(session.id)
            lines = tuple((keys[item.price.id], item.amount_subtotal - item.amount_discount) for item in items.data if item.price)
            intents = [session.payment_intent] if session.payment_intent else []
            paid = session.amount_total if session.payment_status == "paid" else 0
            found.append(Purchase(lines, paid, await _reversed(client, intents, paid)))
    return sorted(found, key=_order)


def in_order(purchases: tuple[Purchase, ...]) -> list[Purchase]:
    return sorted(purchases, key=_order)


def _order(one: Purchase) -> tuple[object, ...]:
    return one.lines, one.paid, one.reversed


def _net(line: Any) -> int:
    return int(line.amount - sum(part.amount for part in line.discount_amounts))


async def _reversed(client: StripeClient, intents: list[Any], paid: int) -> int:
    back = 0
    for intent in intents:
        async for refund in _all(client.v1.refunds, {"payment_intent": intent}):
            back += 0 if refund.status in ("failed", "canceled") else refund.amount
        async for dispute in _all(client.v1.disputes, {"payment_intent": intent}):
            back -= sum(moved.amount for moved in dispute.balance_transactions)
    return int(min(paid, back))


async def _all(service: Any, params: dict[str, Any]) -> Any:
    page = await service.list_async(params | {"limit": 100})
    async for one in page.auto_paging_iter():
        yield one
