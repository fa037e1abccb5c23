"""All interleavings of up to six events of {paid, spent, two refunds, dispute opened, won, lost, lapse}, heard at once or later.

The lot is what R10 says, the books are whole after every step, and nothing comes from nothing.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, fields, replace
from fractions import Fraction
from math import floor

import pytest

from adapters.memory.tables import Tables
from domain.billing import CustomerId, PurchaseRef
from domain.convergence import ROLL_OVER
from domain.credits import HoldState
from domain.errors import DomainError
from domain.ledger import Lot, WalletId
from tests.billing_stage import Billing, opened
from tests.contract.harnesses import MemoryHarness
from tests.contract.store_contract import a_hold, capture, say, sweep
from tests.payments_truth import PERIOD

pytestmark = pytest.mark.anyio

PRICE, CREDITS, SPENT, BACK, OTHERS = 900, 750, 300, 301, 100
EVENTS = ("paid", "spent", "refund one", "refund two", "opened", "won", "lost", "lapse")
LAPSE = PERIOD + ROLL_OVER


def may(event: str, before: tuple[str, ...]) -> bool:
    if event in before:
        return False
    if event in ("refund one", "refund two", "opened"):
        return "paid" in before
    if event in ("won", "lost"):
        return "opened" in before and not {"won", "lost"} & set(before)
    return True


def steps(length: int, *, later: bool) -> int:
    """How many there are, each beginning of one included."""

    def after(before: tuple[str, ...]) -> int:
        left = length - len(before)
        ways = 2 if later and left > 1 else 1
        return sum(ways * (1 + after((*before, event))) for event in EVENTS if left and may(event, before))

    return after(())


@dataclass(slots=True)
class Told:
    """The oracle: what has happened, and what our books have heard of it."""

    paid: bool = False
    back: int = 0
    withdrawn: int = 0
    spent: bool = False
    granted: bool = False
    reversal: int = 0

    def happens(self, event: str) -> None:
        match event:
            case "paid":
                self.paid = True
            case "refund one" | "refund two":
                self.back += BACK
            case "opened":
                self.withdrawn = PRICE
            case "won":
                self.withdrawn = 0

    def heard(self) -> None:
        """R9 and R10."""
        self.granted = self.paid
        gone = min(PRICE, self.back + self.withdrawn)
        self.reversal = floor(Fraction(CREDITS * gone, PRICE)) if self.paid else 0


@dataclass(slots=True)
class Play:
    harness: MemoryHarness
    billing: Billing
    wallet: WalletId
    payer: CustomerId
    told: Told = field(default_factory=Told)
    ref: PurchaseRef | None = None
    steps: int = 0

    async def happens(self, event: str) -> None:
        truth = self.billing.truth
        self.told.happens(event)
        match event:
            case "paid":
                self.ref = truth.sell(self.payer, ("starter", PRICE), period_end=truth.now + PERIOD)
            case "spent":
                await self._spend()
            case "refund one" | "refund two":
                truth.give_back(self._bought(), BACK)
            case "opened":
                truth.dispute(self._bought(), PRICE)
            case "won" | "lost":
                truth.close_dispute(self._bought(), won=event == "won")
            case "lapse":
                self.harness.clock.now = truth.now + LAPSE
                await say(self.harness.store, self.wallet, sweep())

    def _bought(self) -> PurchaseRef:
        assert self.ref
        return self.ref

    async def _spend(self) -> None:
        hold = a_hold(SPENT)
        before = self._numbers()
        try:
            await say(self.harness.store, self.wallet, hold)
        except DomainError:
            assert before[0] < SPENT, "it was refused although there was enough"
            return
        assert before[0] >= SPENT, "nothing comes from nothing"
        await say(self.harness.store, self.wallet, capture(hold.hold_id, SPENT))
        self.told.spent = True

    async def hear(self) -> None:
        if self.ref:
            await self.billing.converge(self.ref)
            self.told.heard()

    def _numbers(self) -> tuple[int, int, int]:
        row = self.harness.store.tables.wallets[self.wallet]
        return row.available, row.held, row.debt

    def check(self) -> None:
        self.steps += 1
        lots = list(self.harness.store.tables.lots_of(self.wallet))
        bought = [lot for lot in lots if lot.source.is_purchase]
        assert [lot.granted for lot in bought] == [CREDITS] * self.told.granted, "invariant 14"
        assert [lot.reversal for lot in bought] == [self.told.reversal] * self.told.granted, "R10"
        for lot in lots:
            self._equations(lot)
        available, held, debt = self._numbers()
        assert (available, held) == (sum(lot.remaining for lot in lots), 0), "E5"
        assert debt == sum(lot.owed for lot in lots) - sum(lot.repaid for lot in lots) >= 0, "E6"
        assert not (debt and available), "E7"
        assert sum(lot.consumed for lot in lots) == SPENT * self.told.spent
        assert available + SPENT * self.told.spent <= OTHERS + CREDITS * self.told.granted, "nothing comes from nothing"
        holds = self.harness.store.tables.holds.values()
        assert all(hold.state is not HoldState.OPEN for hold in holds)

    def _equations(self, lot: Lot) -> None:
        places = (lot.remaining, lot.held, lot.consumed, lot.expired, lot.reversed, lot.repaid)
        assert lot.granted == sum(places), "E1"
        assert min(places) >= 0
        assert lot.reversed == min(lot.reversal, lot.granted - lot.consumed - lot.held), "E2"
        assert lot.owed == max(0, lot.reversal + lot.consumed - lot.granted), "E3"
        assert not (lot.is_lapsed(self.harness.clock.now) and lot.remaining), "E8"

    @asynccontextmanager
    async def branch(self) -> AsyncIterator[None]:
        """What is done inside never happened: rows are never changed in place."""
        store, truth = self.harness.store, self.billing.truth
        kept = (store.tables, dict(truth.purchases), list(truth.happened), self.told, self.ref, self.harness.clock.now)
        store.tables = Tables(**{table.name: dict(getattr(store.tables, table.name)) for table in fields(Tables)})
        self.told = replace(self.told)
        yield
        store.tables, truth.purchases, truth.happened, self.told, self.ref, self.harness.clock.now = kept


async def explore(play: Play, before: tuple[str, ...], length: int, *, later: bool) -> None:
    """Every continuation, each event heard of at once, or also `later` together with another; the last at once in any case."""
    for event in EVENTS:
        if not may(event, before):
            continue
        is_last = len(before) + 1 == length
        for heard in (True, False) if later and not is_last else (True,):
            async with play.branch():
                await play.happens(event)
                if heard:
                    await play.hear()
                play.check()
                if not is_last:
                    await explore(play, (*before, event), length, later=later)


@pytest.mark.parametrize(("length", "later"), [(6, False), (5, True)])
async def test_all_interleavings(length: int, later: bool) -> None:
    harness = MemoryHarness()
    billing, caller, payer = await opened(harness, OTHERS)
    play = Play(harness, billing, caller.wallet_id, payer)
    await explore(play, (), length, later=later)
    assert play.steps == steps(length, later=later)
