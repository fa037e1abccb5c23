"""Giving money back: written down first, then done at the provider, once, by whoever comes to it."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from application.billing import ConvergePurchase
from application.payments import PaymentRefused, Payments, PaymentsUnavailable
from application.ports import NewId
from application.store import Store, Transaction
from domain.accounts import Act, Staff
from domain.billing import Purchase, PurchaseRef
from domain.buying_errors import RefundOpen
from domain.commands import About, command_id
from domain.errors import NotFound
from domain.ledger import WalletId
from domain.refunds import Refund, RefundId, counting, refundable

_READINGS = 5
"""How often a purchase is read again when another reading was quicker, before it is left to a later try."""


@dataclass(frozen=True, slots=True)
class FinishRefunds:
    """Do at the provider what was decided on and may not have been done: however often it is tried, the money goes back once,
    as the key is the refund's own. Any number may run at once.

    A refund ends in the transaction that writes down what the provider told after it: so no older reading, which knows
    nothing of it, can give the credits back.
    """

    store: Store
    payments: Payments
    converge: ConvergePurchase
    batch: int = 100

    async def __call__(self) -> Mapping[str, int]:
        """Those that are due: how many were done, refused and put off. One that fails keeps no other waiting."""
        ends = Counter[str](refunded=0, refund_refused=0, refund_put_off=0)
        for _ in range(self.batch):
            refund = await self._take()
            if not refund:
                break
            try:
                ended = await self.finish(refund)
            except PaymentsUnavailable:
                ended = None
            ends["refund_put_off" if not ended else "refund_refused" if ended.code else "refunded"] += 1
        return ends

    async def _take(self) -> Refund | None:
        async with self.store.transaction() as tx:
            now = await tx.now()
            refund = await tx.refunds.lock_due(now)
            if refund:
                refund.begin(now)
                await tx.refunds.save(refund)
        return refund

    async def finish(self, refund: Refund) -> Refund | None:
        """The refund as it ended; None if others were always quicker to read the purchase, so that it is to be tried again.
        Raises PaymentsUnavailable."""
        refused = None
        try:
            await self.payments.refund(refund.purchase, refund.amount, key=refund.key)
        except PaymentRefused as error:
            refused = error.code
        for _ in range(_READINGS):
            async with self.store.transaction() as tx:
                ticket = await tx.purchases.take_ticket(refund.purchase)
            purchase = await self.payments.purchase(refund.purchase)
            async with self.store.transaction() as tx:
                known = await tx.purchases.lock(refund.purchase)
                open = await tx.refunds.open(refund.purchase)
                if not open or open.id != refund.id:
                    return await tx.refunds.find(refund.id)
                if purchase and ticket > known.applied_ticket:
                    open.end(await tx.now(), refused)
                    await tx.refunds.save(open)
                    await self.converge.write(tx, purchase, None, ticket)
                    return open
        return None


@dataclass(frozen=True, slots=True)
class RefundPurchase:
    """Staff gives money of a purchase back: what its unspent credits were paid with, or all that is left of it.

    It is recorded before the provider is asked, and counts from then on: the credits go with the record, in one transaction, so
    that nobody spends what is being paid back. If the provider refuses for good, they return.
    """

    store: Store
    payments: Payments
    converge: ConvergePurchase
    finish: FinishRefunds
    new_id: NewId

    async def __call__(self, staff: Staff, ref: PurchaseRef, *, into_debt: bool = False) -> Refund:
        """The refund as it ended, or as it stands (INTENDED) when the provider did not answer: then a worker goes on. Raises
        NotFound for what is no purchase of ours, StaffOnly, NothingToRefund, RefundOpen, or PaymentsUnavailable, with nothing
        decided."""
        refund = await self._intend(staff, ref, into_debt)
        try:
            return await self.finish.finish(refund) or refund
        except PaymentsUnavailable:
            return refund

    async def _intend(self, staff: Staff, ref: PurchaseRef, into_debt: bool) -> Refund:
        await self.converge(ref)  # what was paid has its lots, or there is nothing to compare the money with
        for _ in range(_READINGS):
            async with self.store.transaction() as tx:
                ticket = await tx.purchases.take_ticket(ref)
            purchase = await self.payments.purchase(ref)
            if not purchase:
                raise NotFound("the provider knows no such purchase", purchase=str(ref))
            async with self.store.transaction() as tx:
                (await tx.accounts.find(staff.account_id)).must_be_allowed(Act.REFUND)
                known = await tx.purchases.lock(ref)
                if not known.wallet_id:
                    raise NotFound("that is no purchase of an account of ours", purchase=str(ref))
                if ticket > known.applied_ticket:
                    return await self._record(tx, staff, purchase, known.wallet_id, ticket, into_debt)
        raise RefundOpen("the purchase changes too fast; try again", purchase=str(ref))

    async def _record(
        self, tx: Transaction, staff: Staff, purchase: Purchase, wallet: WalletId, ticket: int, into_debt: bool
    ) -> Refund:
        id, ref = RefundId(self.new_id()), purchase.ref
        lots = await tx.purchases.lots(ref, wallet)
        opened = await tx.wallets.open(wallet, About(command_id("refund", id), every_lot=True))
        remaining = [lot for each in lots if (lot := opened.wallet.lots.get(each.id)) and not lot.is_lapsed(opened.now)]
        unspent = sum(lot.remaining for lot in remaining) + sum(lot.reversal for lot in lots)
        amount = refundable(purchase, sum(lot.granted for lot in lots), unspent, into_debt=into_debt)
        refund = Refund(id, ref, amount, purchase.refunded, staff.account_id, opened.now, opened.now)
        refund.begin(opened.now)
        await tx.refunds.add(refund)
        await self.converge.write(tx, counting(purchase, refund), None, ticket)
        await tx.accounts.record(staff.signed(self.new_id(), opened.now, Act.REFUND, str(ref)))
        return refund
