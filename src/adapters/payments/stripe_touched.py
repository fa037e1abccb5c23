"""What an object at Stripe is about: the purchases and subscriptions to look at when something happens to it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import stripe

from adapters.payments.stripe_answers import Charge, Dispute, Invoice, InvoicePayment, Listed, Named, Refund, Session
from adapters.payments.stripe_line import MISSING, found, pages
from application.payments import PaymentRefused, Touched
from domain.billing import Hint, PurchaseKind, PurchaseRef, SubscriptionId

_NOTHING = Touched()


@dataclass(frozen=True, slots=True)
class Touching:
    client: stripe.StripeClient

    async def by(self, hint: Hint) -> Touched:
        """Nothing for a kind that is about neither, or for what is gone."""
        ways: dict[str, Callable[[str], Awaitable[Touched]]] = {
            "charge": self._charge,
            "checkout.session": self._session,
            "customer": self._customer,
            "dispute": self._dispute,
            "invoice": self._invoice,
            "invoice_payment": self._invoice_payment,
            "payment_intent": self._intent,
            "refund": self._refund,
            "subscription": self._subscription,
        }
        way = ways.get(hint.object_kind)
        try:
            return await way(hint.object_id) if way and hint.object_id else _NOTHING
        except PaymentRefused as refused:
            if refused.code == MISSING:  # a list of what belongs to something that is gone
                return _NOTHING
            raise

    async def _charge(self, id: str) -> Touched:
        charge = await found(self.client.v1.charges.retrieve_async(id), Charge)
        return await self._intent(charge.payment_intent if charge else None)

    async def _dispute(self, id: str) -> Touched:
        dispute = await found(self.client.v1.disputes.retrieve_async(id), Dispute)
        return await self._intent(dispute.payment_intent if dispute else None)

    async def _refund(self, id: str) -> Touched:
        refund = await found(self.client.v1.refunds.retrieve_async(id), Refund)
        return await self._intent(refund.payment_intent if refund else None)

    async def _intent(self, id: str | None) -> Touched:
        """It pays for an invoice, or for a checkout, or for both, where one is the receipt of the other."""
        if id is None:
            return _NOTHING
        purchases, subscriptions = list[PurchaseRef](), list[SubscriptionId]()
        asked = {"payment": {"type": "payment_intent", "payment_intent": id}, "expand": ["data.invoice"]}
        async for payment in pages(self.client.v1.invoice_payments.list_async, asked, Listed[InvoicePayment]):
            if isinstance(payment.invoice, Invoice):
                about = _of_invoice(payment.invoice)
                purchases += about.purchases
                subscriptions += about.subscriptions
        async for session in pages(self.client.v1.checkout.sessions.list_async, {"payment_intent": id}, Listed[Session]):
            purchases += _of_session(session).purchases
        return Touched(purchases, subscriptions)

    async def _invoice(self, id: str) -> Touched:
        invoice = await found(self.client.v1.invoices.retrieve_async(id), Invoice)
        return _of_invoice(invoice) if invoice else _NOTHING

    async def _invoice_payment(self, id: str) -> Touched:
        retrieve = self.client.v1.invoice_payments.retrieve_async
        payment = await found(retrieve(id, {"expand": ["invoice"]}), InvoicePayment)
        return _of_invoice(payment.invoice) if payment and isinstance(payment.invoice, Invoice) else _NOTHING

    async def _session(self, id: str) -> Touched:
        session = await found(self.client.v1.checkout.sessions.retrieve_async(id), Session)
        return _of_session(session) if session else _NOTHING

    async def _subscription(self, id: str) -> Touched:
        return Touched(subscriptions=[SubscriptionId(id)])

    async def _customer(self, id: str) -> Touched:
        every = pages(self.client.v1.subscriptions.list_async, {"customer": id, "status": "all"}, Listed[Named])
        return Touched(subscriptions=[SubscriptionId(each.id) async for each in every])


def _of_invoice(invoice: Invoice) -> Touched:
    named = [SubscriptionId(invoice.subscription)] if invoice.subscription else []
    return Touched([PurchaseRef(PurchaseKind.INVOICE, invoice.id)], named)


def _of_session(session: Session) -> Touched:
    """Of one that began a subscription, the invoice is the purchase."""
    if session.mode == "payment":
        return Touched([PurchaseRef(PurchaseKind.CHECKOUT, session.id)])
    invoices = [PurchaseRef(PurchaseKind.INVOICE, session.invoice)] if session.invoice else []
    return Touched(invoices, [SubscriptionId(session.subscription)] if session.subscription else [])
