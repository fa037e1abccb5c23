"""What was bought at Stripe, and what of its money went back, as it stands now."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import stripe

from adapters.payments.stripe_answers import (
    Charge,
    Dispute,
    Intent,
    Invoice,
    InvoiceLine,
    InvoicePayment,
    Listed,
    Refund,
    Session,
    SessionLine,
)
from adapters.payments.stripe_line import found, pages, told
from adapters.payments.stripe_prices import Prices
from domain.billing import CustomerId, PaidLine, Purchase, PurchaseKind, PurchaseRef, SubscriptionId

INVOICE_WAITS = timedelta(days=62)
"""How long after it was made an invoice may still be paid: Stripe tries for two months at most."""
SESSION_WAITS = timedelta(days=15)
"""The same of a checkout: a day for its customer, two weeks for the bank."""
_BANK_DECIDES = "processing"
_OPEN_DISPUTE = frozenset(("needs_response", "under_review", "appeal_needs_response", "appeal_under_review"))
"""A warning is none yet: no money moves by it."""
_INTENT = "payment_intent.latest_charge"


@dataclass(frozen=True, slots=True)
class Payment:
    """Money that came in for a purchase, by a payment intent or, long ago, a charge alone. `amount` is 0 while a bank decides."""

    intent: str | None
    charge: str | None
    amount: int

    @property
    def params(self) -> dict[str, str]:
        """What finds its refunds and disputes."""
        if self.intent is not None:
            return {"payment_intent": self.intent}
        return {"charge": str(self.charge)}


@dataclass(frozen=True, slots=True)
class Purchases:
    client: stripe.StripeClient
    prices: Prices

    async def purchase(self, ref: PurchaseRef) -> Purchase | None:
        if ref.kind is PurchaseKind.INVOICE:
            invoice = await found(self.client.v1.invoices.retrieve_async(ref.id, {"expand": ["payments"]}), Invoice)
            return await self._of_invoice(invoice) if invoice else None
        session = await found(self.client.v1.checkout.sessions.retrieve_async(ref.id, {"expand": [_INTENT]}), Session)
        return await self._of_session(session) if session else None

    async def paid(self, since: datetime) -> AsyncIterator[Purchase]:
        """Nobody tells when a bank let a checkout's money come: those of the two weeks before `since` are told too."""
        invoices, expand = self.client.v1.invoices.list_async, ["data.payments"]
        asked = {"status": "paid", "created": _from(since - INVOICE_WAITS), "expand": expand}
        async for invoice in pages(invoices, asked, Listed[Invoice]):
            if (invoice.status_transitions.paid_at or invoice.created) < int(since.timestamp()):
                continue
            if purchase := await self._of_invoice(invoice):
                yield purchase
        sessions, expand = self.client.v1.checkout.sessions.list_async, [f"data.{_INTENT}"]
        asked = {"status": "complete", "created": _from(since - SESSION_WAITS), "expand": expand}
        async for session in pages(sessions, asked, Listed[Session]):
            purchase = await self._of_session(session)
            if purchase and purchase.is_settled:
                yield purchase

    async def payments(self, ref: PurchaseRef) -> Sequence[Payment]:
        """The money that came in; empty if there is no such purchase."""
        if ref.kind is PurchaseKind.INVOICE:
            invoice = await found(self.client.v1.invoices.retrieve_async(ref.id, {"expand": ["payments"]}), Invoice)
            return [each for each in await self._payments(invoice) if each.amount] if invoice else []
        session = await found(self.client.v1.checkout.sessions.retrieve_async(ref.id, {"expand": [_INTENT]}), Session)
        return _payments_of(session) if session else []

    async def refunds(self, payment: Payment) -> Sequence[Refund]:
        """Those that stand."""
        refunds = pages(self.client.v1.refunds.list_async, payment.params, Listed[Refund])
        return [refund async for refund in refunds if refund.stands]

    async def _of_invoice(self, invoice: Invoice) -> Purchase | None:
        if invoice.customer is None:
            return None
        payments = await self._payments(invoice)
        is_paid = invoice.status == "paid"
        if not is_paid and not await self._waits(invoice, payments):
            return None
        if invoice.subscription is None and await self._is_receipt(invoice, payments):
            return None
        refunded, withdrawn, disputed = await self._went_back(payments)
        return Purchase(
            PurchaseRef(PurchaseKind.INVOICE, invoice.id),
            CustomerId(invoice.customer),
            SubscriptionId(invoice.subscription) if invoice.subscription else None,
            invoice.currency,
            invoice.amount_paid,
            is_paid,
            tuple([await self._line(line) for line in await self._lines(invoice)]),
            _at(invoice.status_transitions.paid_at or invoice.created),
            refunded,
            withdrawn,
            disputed,
            invoice.hosted_invoice_url,
        )

    async def _of_session(self, session: Session) -> Purchase | None:
        if session.mode != "payment" or session.status != "complete" or session.customer is None:
            return None
        intent = session.payment_intent if isinstance(session.payment_intent, Intent) else None
        is_settled = session.payment_status != "unpaid"
        if not is_settled and (intent is None or intent.status != _BANK_DECIDES):
            return None
        lines = pages(
            lambda page: self.client.v1.checkout.sessions.line_items.list_async(session.id, page), {}, Listed[SessionLine]
        )
        refunded, withdrawn, disputed = await self._went_back(_payments_of(session))
        charge = intent.latest_charge if intent else None
        return Purchase(
            PurchaseRef(PurchaseKind.CHECKOUT, session.id),
            CustomerId(session.customer),
            None,
            session.currency or "",
            sum(payment.amount for payment in _payments_of(session)),
            is_settled,
            tuple([_session_line(line) async for line in lines]),
            _at(session.created),
            refunded,
            withdrawn,
            disputed,
            charge.receipt_url if isinstance(charge, Charge) else None,
        )

    async def _payments(self, invoice: Invoice) -> Sequence[Payment]:
        """Also those that were not, or not yet, paid."""
        listed = invoice.payments or Listed(data=[], has_more=True)
        found = listed.data
        if listed.has_more:
            every = pages(self.client.v1.invoice_payments.list_async, {"invoice": invoice.id}, Listed[InvoicePayment])
            found = [each async for each in every]
        return [
            Payment(each.payment.payment_intent, each.payment.charge, each.amount_paid or 0)
            for each in found
            if each.status != "canceled" and (each.payment.payment_intent or each.payment.charge)
        ]

    async def _lines(self, invoice: Invoice) -> Sequence[InvoiceLine]:
        if not invoice.lines.has_more:
            return invoice.lines.data
        every = pages(lambda page: self.client.v1.invoices.line_items.list_async(invoice.id, page), {}, Listed[InvoiceLine])
        return [line async for line in every]

    async def _line(self, line: InvoiceLine) -> PaidLine:
        price = await self.prices.by_id(line.price) if line.price else None
        return PaidLine(
            line.id,
            price.sold if price else None,
            1 if line.quantity is None else line.quantity,
            line.amount,
            line.amount - sum(less.amount for less in line.discount_amounts or ()),
            _at(line.period.end) if price and price.recurring else None,
        )

    async def _waits(self, invoice: Invoice, payments: Sequence[Payment]) -> bool:
        """Whether a bank still decides on what an invoice asks for."""
        if invoice.status not in ("open", "uncollectible"):
            return False
        for payment in payments:
            if payment.intent:
                intent = await told(self.client.v1.payment_intents.retrieve_async(payment.intent), Intent)
                if intent.status == _BANK_DECIDES:
                    return True
        return False

    async def _is_receipt(self, invoice: Invoice, payments: Sequence[Payment]) -> bool:
        """Whether it only writes down what a checkout sold, which then is the purchase."""
        intents = [payment.params for payment in payments if payment.intent]
        for params in intents or [{"customer": str(invoice.customer), "status": "complete"}]:
            async for session in pages(self.client.v1.checkout.sessions.list_async, params, Listed[Session]):
                if session.invoice == invoice.id:
                    return True
        return False

    async def _went_back(self, payments: Sequence[Payment]) -> tuple[int, int, bool]:
        """Money of refunds that stand, money that disputes hold, and whether a dispute is open."""
        refunded, withdrawn, disputed = 0, 0, False
        for payment in payments:
            refunded += sum(refund.amount for refund in await self.refunds(payment))
            async for dispute in pages(self.client.v1.disputes.list_async, payment.params, Listed[Dispute]):
                withdrawn += _withdrawn(dispute)
                disputed = disputed or dispute.status in _OPEN_DISPUTE
        return refunded, withdrawn, disputed


def _withdrawn(dispute: Dispute) -> int:
    """By what was moved, whatever the dispute's state says: what is won is ours only once it is back."""
    moved = dispute.balance_transactions
    if all(each.currency == dispute.currency for each in moved):
        return max(0, -sum(each.amount for each in moved))
    # our account is kept in another currency, and the rate of the way back is another: all of it or nothing
    return dispute.amount if sum(1 if each.amount < 0 else -1 for each in moved) > 0 else 0


def _payments_of(session: Session) -> Sequence[Payment]:
    intent = session.payment_intent.id if isinstance(session.payment_intent, Intent) else session.payment_intent
    return [Payment(intent, None, session.amount_total or 0)] if intent and session.payment_status == "paid" else []


def _session_line(line: SessionLine) -> PaidLine:
    return PaidLine(
        line.id,
        line.price.sold if line.price else None,
        1 if line.quantity is None else line.quantity,
        line.amount_subtotal,
        line.amount_subtotal - line.amount_discount,
    )


def _from(moment: datetime) -> dict[str, int]:
    return {"gte": max(0, int(moment.timestamp()))}


def _at(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
