"""What staff does to billing by hand: each change is recorded before the provider is asked for it."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from application.billing import ConvergeSubscription
from application.hints import HandleHints
from application.payments import Payments
from application.ports import NewId
from application.store import Store
from domain.accounts import AccountId, Act, Staff
from domain.billing import ENDED, Subscription, SubscriptionId, WaitingHint
from domain.catalogue import Catalogue
from domain.errors import NotFound


@dataclass(frozen=True, slots=True)
class SyncCatalogue:
    """Staff makes what is for sale at the provider that of the catalogue."""

    store: Store
    payments: Payments
    catalogue: Catalogue
    new_id: NewId

    async def __call__(self, staff: Staff) -> Sequence[str]:
        """What was done, a line each; none if all was so. Raises PaymentsUnavailable, or PaymentRefused."""
        async with self.store.transaction() as tx:
            await tx.accounts.record(staff.signed(self.new_id(), await tx.now(), Act.SYNC))
        return await self.payments.offer(self.catalogue)


@dataclass(frozen=True, slots=True)
class ReplayHints:
    """Staff has hints followed again, whether or not they were handled. What comes is the truth, so nothing can come twice."""

    store: Store
    handle: HandleHints
    new_id: NewId

    async def __call__(self, staff: Staff, hints: Sequence[str]) -> Sequence[WaitingHint]:
        """How each stands after it was followed. Raises NotFound for one that is not kept, and then none is followed."""
        replayed = []
        async with self.store.transaction() as tx:
            now = await tx.now()
            for id in dict.fromkeys(hints):
                waiting = await tx.inbox.find(id)
                if not waiting:
                    raise NotFound("no such event is kept", event=id)
                waiting.handled_at = None
                waiting.begin(now)
                await tx.inbox.save(waiting)
                replayed.append(waiting)
            for waiting in replayed:
                await tx.accounts.record(staff.signed(self.new_id(), now, Act.REPLAY, waiting.hint.id))
        for waiting in replayed:
            await self.handle.follow(waiting, Counter())
        return replayed


@dataclass(frozen=True, slots=True)
class CancelByHand:
    """Staff cancels a subscription, or all that an account has: at the end of the period, or at once and without money back."""

    store: Store
    payments: Payments
    converge: ConvergeSubscription
    new_id: NewId

    async def __call__(self, staff: Staff, whose: AccountId | SubscriptionId, *, at_once: bool = False) -> Sequence[Subscription]:
        """As they are now. Raises NotFound, PaymentsUnavailable, or PaymentRefused."""
        record = self.new_id()
        async with self.store.transaction() as tx:
            if isinstance(whose, str):
                known = await tx.subscriptions.lock(whose)
                found = [known] if known.account_id else []
            else:
                await tx.accounts.lock(whose)
                found = [each for each in await tx.subscriptions.of_account(whose) if each.state not in ENDED]
            if not found:
                raise NotFound("there is no subscription that could be cancelled")
            now = await tx.now()
            for each in found:
                await tx.accounts.record(staff.signed(self.new_id(), now, Act.CANCEL, each.id))
        cancelled = [await self.payments.cancel(each.id, at_once=at_once, key=f"staff:{record}:{each.id}") for each in found]
        for each in found:
            await self.converge(each.id)
        return cancelled
