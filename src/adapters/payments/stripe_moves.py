"""Money that Stripe moves at our word, while nobody is present: top-ups and refunds.

Stripe forgets a key after a day. What is made here bears its key as a mark, and is looked for before it is made.
"""

from dataclasses import dataclass
from typing import Any

import stripe

from adapters.payments.stripe_answers import MARK, Customer, Invoice, Listed, Named, Price
from adapters.payments.stripe_line import MOST_IN_PAGE, mark, once, told
from adapters.payments.stripe_prices import Prices
from adapters.payments.stripe_purchases import Purchases
from application.payments import PRICED_HIGHER, PaymentDeclined, PaymentRefused
from domain.billing import CustomerId, PurchaseKind, PurchaseRef


@dataclass(frozen=True, slots=True)
class Moves:
    client: stripe.StripeClient
    prices: Prices
    purchases: Purchases
    automatic_tax: bool

    async def top_up(self, customer: CustomerId, pack: str, key: str, most: int | None) -> PurchaseRef:
        """An invoice of one line, paid with the card on file; where there is none, the code is `no_payment_method`."""
        price, invoices = await self.prices.offered(pack), self.client.v1.invoices
        if most is not None and (price.unit_amount is None or price.unit_amount > most):
            raise PaymentRefused(PRICED_HIGHER, f"{pack} is dearer at Stripe than it was to be")
        card = await self._card(customer)
        invoice = await self._marked(customer, key) or await self._draft(customer, key)
        try:
            if invoice.status == "draft":
                invoice = await self._finalized(customer, invoice, price, key)
            if invoice.status != "paid":
                await told(
                    invoices.pay_async(invoice.id, {"off_session": True, "payment_method": card}, once(key, "pay", card)), Named
                )
        except (PaymentDeclined, PaymentRefused):
            await self._forget(invoice.id, key)
            raise
        return PurchaseRef(PurchaseKind.INVOICE, invoice.id)

    async def topped_up(self, customer: CustomerId, key: str) -> PurchaseRef | None:
        """A draft is nothing owed, and is never finalized but by its key."""
        invoice = await self._marked(customer, key)
        if invoice is None:
            return None
        ref = PurchaseRef(PurchaseKind.INVOICE, invoice.id)
        if await self.purchases.purchase(ref) is None:
            await self._forget(invoice.id, key)
        return ref if await self.purchases.purchase(ref) else None

    async def _card(self, customer: CustomerId) -> str:
        known = await told(self.client.v1.customers.retrieve_async(customer), Customer)
        if known.invoice_settings and known.invoice_settings.default_payment_method:
            return known.invoice_settings.default_payment_method
        # a checkout leaves the card with its subscription, and not as the customer's own
        listed = await told(self.client.v1.customers.payment_methods.list_async(customer, {"limit": 1}), Listed[Named])
        if not listed.data:
            raise PaymentDeclined("no_payment_method")
        return listed.data[0].id

    async def _marked(self, customer: CustomerId, key: str) -> Invoice | None:
        asked = self.client.v1.invoices.list_async({"customer": customer, "limit": MOST_IN_PAGE})
        newest = (await told(asked, Listed[Invoice])).data
        return next((each for each in newest if each.tag(MARK) == mark(key, "top up")), None)

    async def _draft(self, customer: CustomerId, key: str) -> Invoice:
        params: stripe.params.InvoiceCreateParams = {
            "customer": customer,
            "auto_advance": False,
            "pending_invoice_items_behavior": "exclude",
            "metadata": {MARK: mark(key, "top up")},
        }
        if self.automatic_tax:
            params["automatic_tax"] = {"enabled": True}
        return await told(self.client.v1.invoices.create_async(params, once(key, "invoice")), Invoice)

    async def _finalized(self, customer: CustomerId, invoice: Invoice, price: Price, key: str) -> Invoice:
        """What the customer's credit balance covers is paid by that."""
        if not invoice.lines.data:
            item: stripe.params.InvoiceItemCreateParams = {
                "customer": customer,
                "invoice": invoice.id,
                "pricing": {"price": price.id},
            }
            await told(self.client.v1.invoice_items.create_async(item, once(key, "line")), Named)
        return await told(self.client.v1.invoices.finalize_invoice_async(invoice.id, {}, once(key, "finalize")), Invoice)

    async def _forget(self, id: str, key: str) -> None:
        """Nothing is owed for what could not be paid."""
        invoice = await told(self.client.v1.invoices.retrieve_async(id), Invoice)
        if invoice.status == "open":
            await told(self.client.v1.invoices.void_invoice_async(id, {}, once(key, "void")), Named)

    async def refund(self, ref: PurchaseRef, amount: int, key: str) -> None:
        """From each payment what it has left. Raises PaymentRefused, with nothing done, if that is not enough."""
        made_of, left = mark(key, "refund"), amount
        rest = list[tuple[dict[str, str], int]]()
        for payment in await self.purchases.payments(ref):
            refunds = await self.purchases.refunds(payment)
            left -= sum(refund.amount for refund in refunds if refund.tag(MARK) == made_of)
            rest.append((payment.params, payment.amount - sum(refund.amount for refund in refunds)))
        if left > sum(each for _, each in rest):
            raise PaymentRefused("amount_too_large", "there is not so much left of what was paid")
        for params, each in rest:
            part = min(left, each)
            if part > 0:
                asked: Any = {"amount": part, "metadata": {MARK: made_of}, **params}
                await told(self.client.v1.refunds.create_async(asked, once(key, "refund", *params.values(), part)), Named)
                left -= part
