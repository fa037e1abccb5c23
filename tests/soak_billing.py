"""The timelines of the pretended Stripe, heard in any order, twice, late, under other ids or never, by workers that die.

Each life is one timeline. It must end in the ledger that was reckoned by hand (tests/timeline_ledgers.py), and to the last number
in that of whoever heard each event once, in order, at once.
"""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from itertools import pairwise
from typing import Any

from adapters.payments.stripe_payments import StripePayments
from application.hints import HearWebhook
from domain.accounts import Caller
from domain.ledger import LedgerAccount
from tests.billing_stage import Billing
from tests.contract.harnesses import Clock, MemoryHarness
from tests.contract.store_contract import customer, say, sweep
from tests.payments_truth import at_once
from tests.soak_hints import KEPT
from tests.stripe_process import KEY, stripe_process
from tests.stripe_timelines import TIMELINES
from tests.timeline_ledgers import CATALOGUE, LEDGERS
from tests.timeline_truth import BEGINNING, SECRET, Recording, TimelineTruth, record
from tests.wallet_rows import from_memory

FAULTS = ("shuffled", "twice", "late", "lost", "renamed", "together", "slow", "death", "unpolled")
POLLED = timedelta(minutes=10)
"""Longer pauses have a poll in them."""
REST, ENOUGH_POLLS = timedelta(days=1), 6
UNSEEN = {
    "upgrade declined": {"unpolled"},
    "upgrade and back in one period": {"unpolled", "slow", "late", "lost", "shuffled", "death"},
}
"""That a period was paid, and is served to its end, knows only who looked in it: in these a later change of the subscription
hides it, and with these faults it may be that nobody looked before."""


@dataclass(frozen=True, slots=True)
class Ledger:
    """`lots`: all numbers of each; `accounts`: what the lines come to at each ledger account."""

    plan: str
    lots: tuple[tuple[Any, ...], ...]
    accounts: tuple[tuple[str, int], ...]

    @property
    def lots_in_short(self) -> tuple[tuple[int, int], ...]:
        named = [dict(zip(KEPT, lot[1:], strict=True)) for lot in self.lots]
        return tuple(sorted((int(lot["granted"]), int(lot["reversal"])) for lot in named))


@dataclass(slots=True)
class Life:
    """`heard`: deliveries. `faults`: none for whoever hears all at once and in order."""

    recording: Recording
    dice: random.Random
    faults: frozenset[str]
    heard: int = 0
    waiting: list[tuple[Mapping[str, Any], dict[str, object]]] = field(default_factory=list)
    """Events on their way, and what of them is changed."""
    harness: MemoryHarness = field(init=False)
    truth: TimelineTruth = field(init=False)
    billing: Billing = field(init=False)
    caller: Caller = field(init=False)

    def __post_init__(self) -> None:
        self.harness = MemoryHarness(Clock(self.recording.moments[0].now))

    async def play(self) -> Ledger:
        self.caller = await customer(self.harness.store)
        self.truth = TimelineTruth.of(self.recording, self.caller.account_id)
        self.billing = Billing(self.harness.store, self.truth, CATALOGUE)
        if "slow" in self.faults:
            self.truth.slowly = self._slowly
        moments = self.recording.moments
        self._become(0)
        await self._hear()
        for number, (before, after) in enumerate(pairwise(moments), 1):
            if after.now - before.now > POLLED and "unpolled" not in self.faults:
                await self._heal(before.now + POLLED)
            if self.truth.at < number:
                self._become(number)
            self.harness.clock.now = max(self.harness.clock.now, after.now)
            await self._hear()
        self.truth.slowly = at_once
        await self._hear(everything=True)
        end = moments[-1].now
        self.harness.clock.now = max(self.harness.clock.now, end)
        await self._heal(end + REST)
        plan = await self.billing.plan(self.caller)
        await say(self.harness.store, self.caller.wallet_id, sweep())
        return self._ledger(plan)

    def _become(self, moment: int) -> None:
        for event in self.truth.become(moment):
            if "lost" in self.faults and self.dice.random() < 0.4:
                self.truth.lost.add(event["id"])
                continue
            again = self.dice.randint(1, 3) if "twice" in self.faults else 1
            self.waiting += [(event, {})] * again
            if "renamed" in self.faults and self.dice.random() < 0.5:
                self.waiting.append((event, {"id": f"{event['id']}again"}))
        if "shuffled" in self.faults:
            self.dice.shuffle(self.waiting)

    async def _slowly(self) -> None:
        """While somebody reads, others do, and the provider goes on, as far as it does without a pause."""
        for _ in range(self.dice.randint(0, 3)):
            await asyncio.sleep(0)
        moments, next = self.recording.moments, self.truth.at + 1
        if self.dice.random() < 0.3 and next < len(moments) and moments[next].now == moments[next - 1].now:
            self._become(next)

    async def _hear(self, *, everything: bool = False) -> None:
        keep = self.dice.randint(0, len(self.waiting)) if "late" in self.faults and not everything else 0
        now, self.waiting = self.waiting[keep:], self.waiting[:keep]
        for event, changed in now:
            self.heard += 1
            body = self.truth.body(event, self._now(), **changed)
            if await self._or_die(partial(self._deliver, *body)):
                self.truth.lost.add(event["id"])  # nobody answered it
        await self._or_die(lambda billing: billing.handle())

    async def _deliver(self, body: bytes, signature: str, billing: Billing) -> None:
        await HearWebhook(billing.truth, billing.take, self._now)(body, signature)

    def _now(self) -> datetime:
        return self.harness.clock.now

    async def _or_die(self, work: Callable[[Billing], Awaitable[object]]) -> bool:
        """Whether whoever did it died."""
        if "death" not in self.faults or self.dice.random() < 0.7:
            await asyncio.gather(*(work(self.billing) for _ in range(3 if "together" in self.faults else 1)))
            return False
        return await self.billing.until_death(work, self.dice.randint(0, 12))

    async def _heal(self, until: datetime) -> None:
        """Polls, as often as hints need that were put off; then nothing is left to be healed."""
        start, polls = self._now(), ENOUGH_POLLS if "death" in self.faults else 2
        for number in range(1, polls + 1):
            self.harness.clock.now = start + (until - start) * number / polls
            found = await self.billing.poll(BEGINNING)
            while (await self.billing.handle())["handled"]:
                pass
        self.truth.lost.clear()
        assert not found.healed, "it took more than a poll"

    def _ledger(self, plan: str) -> Ledger:
        books = from_memory(self.harness.store)(self.caller.wallet_id).books
        accounts = Counter[str](dict.fromkeys(LedgerAccount, 0))
        for line in books.transfers:
            accounts[line.debit] -= line.amount
            accounts[line.credit] += line.amount
        lots = sorted((lot.source_ref, *(getattr(lot, name) for name in KEPT)) for lot in books.lots.values())
        assert (books.held, books.debt) == (0, 0)
        return Ledger(plan, tuple(lots), tuple(sorted(accounts.items())))


@dataclass(slots=True)
class Recordings:
    """Of one pretended Stripe; `calm`: the ledger of whoever heard everything once and in order."""

    record: Callable[[str], Recording]
    kept: dict[str, Recording] = field(default_factory=dict)
    calm: dict[str, Ledger] = field(default_factory=dict)

    async def play(self, seed: int, number: int) -> int:
        """The `number`-th life of a seed, always the same; how often something was delivered. AssertionError, with the seed."""
        dice, name = random.Random(f"{seed}:{number}"), sorted(TIMELINES)[number % len(TIMELINES)]
        faults = frozenset(fault for fault in FAULTS if dice.random() < 0.4)
        try:
            recording = self.kept[name] = self.kept.get(name) or self.record(name)
            if name not in self.calm:
                self.calm[name] = await Life(recording, dice, frozenset()).play()
                _check_by_hand(name, self.calm[name])
            life = Life(recording, dice, faults)
            self._compare(name, faults, await life.play())
        except Exception as error:
            raise AssertionError(f"seed {seed}, life {number}, {name} ({', '.join(sorted(faults))}): {error!r}") from error
        return life.heard

    def _compare(self, name: str, faults: frozenset[str], mine: Ledger) -> None:
        calm = self.calm[name]
        assert (mine.lots, mine.accounts) == (calm.lots, calm.accounts), f"heard once it is\n{calm}\nand not\n{mine}"
        unseen = UNSEEN.get(name, set()) & faults
        assert mine.plan == calm.plan or unseen, f"on {mine.plan} and not on {calm.plan}"


def _check_by_hand(name: str, ledger: Ledger) -> None:
    by_hand = LEDGERS[name]
    assert (ledger.plan, ledger.lots_in_short) == (by_hand.plan, by_hand.lots), f"{ledger} and not {by_hand}"


async def soak_billing(seed: int, deadline: float) -> dict[str, int]:
    """Play lives until `time.monotonic()` reaches `deadline`; what was done."""
    lives = heard = 0
    with stripe_process("B") as stripe:
        async with StripePayments.opened(KEY, [SECRET], base_url=stripe.url) as payments:
            recordings = Recordings(partial(record, stripe, payments))
            while time.monotonic() < deadline:
                heard += await recordings.play(seed, lives)
                lives += 1
    return {"permutations": lives, "deliveries": heard}
