"""Random lives of purchases and subscriptions, told by hints that come twice, late, in any order, or never, to workers that die.

Then all is quiet: a poll heals what was lost, and the books must be those of whoever was told everything once and in order. Each
life has its own mixture of faults, so that every mixture is tried, none at all included.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial

from domain.accounts import Caller
from domain.billing import CustomerId, Hint, PurchaseRef, SubscriptionId, SubscriptionState
from domain.convergence import Remark
from tests.billing_stage import Billing, opened
from tests.contract.harnesses import Clock, MemoryHarness, StoreHarness
from tests.contract.store_contract import NOTHING, customer, now
from tests.payments_truth import at_once
from tests.soak_timelines import MakeHarness, in_memory

FAULTS = ("twice", "late", "lost", "renamed", "death", "away", "together", "slow")
PRODUCTS = (("starter", 900), ("pro", 2900), ("small", 500), ("consulting", 700), ("pro", 1450), ("starter", -450))
ENOUGH_POLLS = 3
START_OF_TIME = datetime(2000, 1, 1, tzinfo=UTC)
KEPT = ("source", "priority", "expires_at", "granted", "remaining", "expired", "reversed", "owed", "reversal")


async def soak_hints(seed: int, deadline: float, harness_factory: MakeHarness = in_memory) -> dict[str, int]:
    """Play lives until `time.monotonic()` reaches `deadline`; what was done. AssertionError with the seed on a violation."""
    lives = hints = 0
    while time.monotonic() < deadline:
        hints += await play(seed, lives, harness_factory)
        lives += 1
    return {"lives": lives, "hints": hints}


async def play(seed: int, number: int, harness_factory: MakeHarness = in_memory) -> int:
    """The `number`-th life of a seed, always the same; how many hints were heard."""
    dice = random.Random(f"{seed}:{number}")
    async with harness_factory() as harness:
        billing, caller, payer = await opened(harness, 100, f"{number}_")
        life = Life(dice, harness, billing, caller, payer)
        try:
            await life.play()
        except Exception as error:
            faults = ", ".join(sorted(life.faults))
            raise AssertionError(f"seed {seed}, life {number} ({faults}): {error}") from error
    return life.heard


@dataclass(slots=True)
class Life:
    dice: random.Random
    harness: StoreHarness
    billing: Billing
    caller: Caller
    payer: CustomerId
    faults: frozenset[str] = frozenset()
    heard: int = 0
    told: int = 0
    """How many hints the provider has tried to deliver."""
    waiting: list[Hint] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.faults = frozenset(fault for fault in FAULTS if self.dice.random() < 0.4)

    async def play(self) -> None:
        if "slow" in self.faults:
            self.billing.truth.slowly = self._slowly
        for _ in range(self.dice.randint(3, 14)):
            self._happen()
            self._deliver()
            if self.dice.random() < 0.6:
                await self._hear()
        await self._calm_down()
        await self._compare()

    # What happens at the provider

    def _happen(self) -> None:
        truth = self.billing.truth
        truth.now += timedelta(minutes=self.dice.randint(1, 90))
        acts: list[Callable[[], object]] = [self._buy, self._subscribe]
        if truth.purchases:
            acts += [self._refund, self._dispute, self._close_dispute] * 2
        if truth.subscriptions:
            acts += [self._change_subscription]
        self.dice.choice(acts)()

    def _buy(self) -> None:
        lines = [self.dice.choice(PRODUCTS) for _ in range(self.dice.randint(1, 3))]
        paid = max(0, sum(gross for _, gross in lines) - self.dice.choice((0, 0, 0, 300)))
        whose = self.dice.choice((*[self.payer] * 9, CustomerId("cus_of_another_shop")))
        self.billing.truth.sell(whose, *lines, paid=paid)

    def _any(self) -> PurchaseRef:
        return self.dice.choice(list(self.billing.truth.purchases))

    def _refund(self) -> None:
        ref = self._any()
        left = self.billing.truth.purchases[ref].paid - self.billing.truth.purchases[ref].refunded
        self.billing.truth.give_back(ref, self.dice.randint(0, left))

    def _dispute(self) -> None:
        ref = self._any()
        self.billing.truth.dispute(ref, self.dice.choice((0, self.billing.truth.purchases[ref].paid)))

    def _close_dispute(self) -> None:
        self.billing.truth.close_dispute(self._any(), won=self.dice.random() < 0.5)

    def _subscribe(self) -> None:
        self.billing.truth.subscribe(self.payer, self.dice.choice(("starter", "pro", "studio")))

    def _change_subscription(self) -> None:
        states = (SubscriptionState.ACTIVE, SubscriptionState.UNPAID, SubscriptionState.CANCELED)
        id: SubscriptionId = self.dice.choice(list(self.billing.truth.subscriptions))
        self.billing.truth.change_subscription(id, state=self.dice.choice(states))

    async def _slowly(self) -> None:
        """While somebody reads, others do, and the truth moves on."""
        for _ in range(self.dice.randint(0, 3)):
            await asyncio.sleep(0)
        if self.dice.random() < 0.2:
            self._happen()

    # What we hear of it

    def _deliver(self) -> None:
        for hint in self.billing.truth.happened[self.told :]:
            if "lost" in self.faults and self.dice.random() < 0.3:
                self.billing.truth.lost.add(hint.id)
                continue
            again = self.dice.randint(1, 3) if "twice" in self.faults else 1
            self.waiting += [hint] * again
            if "renamed" in self.faults:
                self.waiting.append(Hint(f"{hint.id}_again", hint.type, hint.created, hint.object_kind, hint.object_id))
        self.told = len(self.billing.truth.happened)
        if "late" in self.faults:
            self.dice.shuffle(self.waiting)

    async def _hear(self) -> None:
        keep = self.dice.randint(0, len(self.waiting)) if "late" in self.faults else 0
        now, self.waiting = self.waiting[keep:], self.waiting[:keep]
        self.billing.truth.down = "away" in self.faults and self.dice.random() < 0.3
        for hint in now:
            self.heard += 1
            if await self._or_die(partial(take, hint)):
                self.billing.truth.lost.add(hint.id)  # nobody answered it
        await self._or_die(handle)
        self.billing.truth.down = False
        if self.dice.random() < 0.5:
            await self.harness.advance(61)

    async def _or_die(self, work: Callable[[Billing], Awaitable[object]]) -> bool:
        """Whether whoever did it died."""
        if "death" not in self.faults or self.dice.random() < 0.6:
            await asyncio.gather(*(work(self.billing) for _ in range(3 if "together" in self.faults else 1)))
            return False
        return await self.billing.until_death(work, self.dice.randint(0, 12))

    # The end

    async def _calm_down(self) -> None:
        """The faults stop, but for the hints that were lost: nobody but the poll tells of those."""
        self.billing.truth.slowly = at_once
        self._deliver()
        for hint in self.waiting:
            await self.billing.take(hint)
        for _ in range(ENOUGH_POLLS):
            await self.harness.advance(6 * 3600)
            found = await self.billing.poll(START_OF_TIME)
            while (await self.billing.handle())["handled"]:
                pass
        strangers = sum(each.remark is Remark.STRANGER for each in found.unexplained)
        assert not found.healed, "it took more than a poll"
        assert {each.remark for each in found.unexplained} <= {Remark.STRANGER, Remark.UNSOLD}
        assert strangers == sum(each.customer != self.payer for each in self.billing.truth.purchases.values())

    async def _compare(self) -> None:
        """With a store that is told everything once, in order, now that all is over."""
        other = MemoryHarness(Clock(await now(self.billing.store)))
        calm = Billing(other.store, self.billing.truth)
        caller = await customer(other.store, 100)
        self.billing.truth.owners[self.payer] = caller.account_id
        for ref in self.billing.truth.purchases:
            await calm.converge(ref)
        for subscription in self.billing.truth.subscriptions:
            await calm.converge_subscription(subscription)
        mine, theirs = await books(self.billing, self.caller), await books(calm, caller)
        assert mine == theirs, f"told once it is\n{theirs}\nand not\n{mine}"


async def take(hint: Hint, billing: Billing) -> None:
    await billing.take(hint)


async def handle(billing: Billing) -> None:
    await billing.handle()


async def books(billing: Billing, caller: Caller) -> tuple[str, list[tuple[object, ...]]]:
    """The account's plan, and all numbers of its bought lots."""
    async with billing.store.transaction() as tx:
        opened = await tx.wallets.open(caller.wallet_id, NOTHING)
    lots = sorted((lot for lot in opened.wallet.lots.values() if lot.source.is_purchase), key=lambda lot: lot.source_ref)
    return await billing.plan(caller), [(lot.source_ref, *(getattr(lot, name) for name in KEPT)) for lot in lots]
