"""Hints that something happened at the payment provider: taken at once, followed in the background, kept until they are done."""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from application.billing import Convergence, ConvergePurchase, ConvergeSubscription
from application.payments import PaymentRefused, Payments, PaymentsUnavailable
from application.ports import Clock
from application.store import Store, StoreUnavailable
from domain.billing import Hint, WaitingHint


@dataclass(frozen=True, slots=True)
class TakeHint:
    """Write a hint down and wake somebody up who follows it. The same one again changes nothing."""

    store: Store

    async def __call__(self, hint: Hint) -> bool:
        """Whether it is new."""
        async with self.store.transaction() as tx:
            is_new = await tx.inbox.add(hint, await tx.now())
            if is_new:
                tx.wakeups.wake()
        return is_new


@dataclass(frozen=True, slots=True)
class HearWebhook:
    """What came to the webhook, if the provider signed it, is a hint to be followed later."""

    payments: Payments
    take_hint: TakeHint
    clock: Clock

    async def __call__(self, body: bytes, signature: str | None) -> bool:
        """Whether it is new. Raises HintRefused."""
        return await self.take_hint(self.payments.read_hint(body, signature, self.clock()))


@dataclass(frozen=True, slots=True)
class HandleHints:
    """Follow the hints that are due, each at least once: look at what it is about, and converge that. Any number may run at once.

    As a notice's, a hint's next attempt is put off before this one is made, so that nobody else follows the same meanwhile, and a
    hint whose worker died comes again by itself.
    """

    store: Store
    payments: Payments
    converge_purchase: ConvergePurchase
    converge_subscription: ConvergeSubscription
    batch: int = 100

    async def __call__(self) -> Mapping[str, int]:
        """How many were handled and put off, and how often each remark was made. One that fails keeps no other waiting."""
        ends = Counter[str](handled=0, put_off=0)
        for _ in range(self.batch):
            waiting = await self._take()
            if not waiting:
                break
            await self.follow(waiting, ends)
        return ends

    async def _take(self) -> WaitingHint | None:
        async with self.store.transaction() as tx:
            now = await tx.now()
            waiting = await tx.inbox.lock_due(now)
            if waiting:
                waiting.begin(now)
                await tx.inbox.save(waiting)
        return waiting

    async def follow(self, waiting: WaitingHint, ends: Counter[str]) -> None:
        """By whoever has put its next attempt off; `waiting` then says how it went, and `ends` counts it."""
        try:
            touched = await self.payments.touched(waiting.hint)
            done = [await self.converge_purchase(ref) for ref in touched.purchases]
            done += [await self.converge_subscription(id) for id in touched.subscriptions]
        except StoreUnavailable:
            raise  # nothing can be written down, this least of all
        except Exception as error:  # the provider's; or a defect of ours, which is kept by its name as it may quote anything
            waiting.error = _code(error)
            ends["put_off"] += 1
        else:
            waiting.error = None
            ends["handled"] += 1
            ends.update(_remarks(done))
        async with self.store.transaction() as tx:
            waiting.handled_at = None if waiting.error else await tx.now()
            await tx.inbox.save(waiting)


def _code(error: Exception) -> str:
    if isinstance(error, PaymentRefused):
        return error.code
    if isinstance(error, PaymentsUnavailable):
        return "unavailable"
    return re.sub(r"(?<!^)(?=[A-Z])", "_", type(error).__name__).lower()


def _remarks(done: list[Convergence]) -> Counter[str]:
    return Counter(remark.value for each in done for remark in each.remarks)
