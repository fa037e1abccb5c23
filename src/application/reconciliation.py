"""Comparing our books with the payment provider's, both ways, and healing what nobody told us of."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from application.billing import Convergence, ConvergePurchase, ConvergeSubscription, Outcome
from application.hints import TakeHint
from application.payments import PaymentRefused, Payments
from application.store import Store
from domain.billing import HINT_KEPT, Hint, KnownPurchase, Purchase, PurchaseRef
from domain.catalogue import Catalogue
from domain.convergence import Remark, settle

RECENT = timedelta(hours=3)
"""How far back all hints are taken: longer than a webhook and its first repetitions take."""
_BATCH = 1_000


@dataclass(frozen=True, slots=True)
class Unexplained:
    """Something for an operator to look into; `about` is a purchase, or the fact of a lot."""

    about: str
    remark: Remark


@dataclass(slots=True)
class Reconciliation:
    """What a poll found. `hints`: those nobody had told us of; `explained`: purchases whose lots are as they should be;
    `healed`: of them, those that were not so before."""

    hints: int = 0
    explained: int = 0
    healed: list[PurchaseRef] = field(default_factory=list)
    unexplained: list[Unexplained] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class PollPayments:
    """The safety net below the hints: take those that never came, then compare every purchase with its lots and every bought lot
    with its purchase, and look at subscriptions again whose time has come. Hints as old as the provider's own are forgotten: what
    nobody could follow by then shows in the comparison."""

    store: Store
    payments: Payments
    catalogue: Catalogue
    take_hint: TakeHint
    converge_purchase: ConvergePurchase
    converge_subscription: ConvergeSubscription

    async def __call__(self, since: datetime) -> Reconciliation:
        """Purchases that were paid since. Raises PaymentsUnavailable; what it had healed by then stays so."""
        found = Reconciliation()
        async with self.store.transaction() as tx:
            now = await tx.now()
            while await tx.inbox.forget(now - HINT_KEPT, _BATCH) == _BATCH:
                pass
        found.hints += await self._take(self.payments.hints(now - RECENT))
        found.hints += await self._take(self.payments.hints(now - HINT_KEPT, undelivered=True))
        told = set[PurchaseRef]()
        async for purchase in self.payments.paid(since):
            told.add(purchase.ref)
            await self._explain(purchase, found)
        await self._look_back(since, told, found)
        await self._review(now)
        return found

    async def _take(self, hints: AsyncIterator[Hint]) -> int:
        return sum([await self.take_hint(hint) async for hint in hints])

    async def _explain(self, purchase: Purchase, found: Reconciliation) -> None:
        open_questions = await self._open(purchase)
        if open_questions is None:
            try:
                converged = await self.converge_purchase(purchase.ref)
            except PaymentRefused:  # its books are written; the money of an account that has left cannot go back
                converged = Convergence(Outcome.CONVERGED, remarks=(Remark.CLOSED,))
            open_questions = converged.remarks
            if converged.granted or converged.reversals:
                found.healed.append(purchase.ref)
        if open_questions:
            found.unexplained += [Unexplained(str(purchase.ref), remark) for remark in open_questions]
        else:
            found.explained += 1

    async def _open(self, purchase: Purchase) -> Sequence[Remark] | None:
        """What is to be said of it though its lots are as they should be; None if they are not, or it was never read."""
        async with self.store.transaction() as tx:
            known = await tx.purchases.find(purchase.ref)
            if not known or not known.wallet_id or (known.state, known.reversed) != (purchase.state, purchase.reversed_money):
                return None
            lots = await tx.purchases.lots(purchase.ref, known.wallet_id)
        due = settle(purchase, self.catalogue, lots, known.ticket)
        return None if due.grants or due.reversals else due.remarks

    async def _look_back(self, since: datetime, told: set[PurchaseRef], found: Reconciliation) -> None:
        """The other way: lots of whose purchase the provider said nothing."""
        async with self.store.transaction() as tx:
            known = [each for each in await tx.purchases.since(since) if each.ref not in told]
            found.unexplained += [Unexplained(fact, Remark.NO_LINE) for fact in await tx.purchases.stray_lots(_BATCH)]
        for each in known:
            purchase = await self.payments.purchase(each.ref)  # it may have become one since the list began
            if purchase:
                await self._explain(purchase, found)
            elif await self._has_lots(each):
                found.unexplained.append(Unexplained(str(each.ref), Remark.NO_LINE))

    async def _has_lots(self, known: KnownPurchase) -> bool:
        async with self.store.transaction() as tx:
            return bool(known.wallet_id and await tx.purchases.lots(known.ref, known.wallet_id))

    async def _review(self, now: datetime) -> None:
        async with self.store.transaction() as tx:
            due = await tx.subscriptions.due(now, _BATCH)
        for subscription in due:
            await self.converge_subscription(subscription)
