"""One life of a purchase, event by event, with an oracle of what its lot must be: RULES R10 and E1 to E8, written out again."""

from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from math import floor

from domain.billing import CustomerId, PurchaseRef
from domain.convergence import ROLL_OVER
from domain.errors import DomainError
from domain.ledger import Lot, WalletId
from tests.billing_stage import Billing, opened
from tests.contract.harnesses import StoreHarness
from tests.contract.store_contract import a_hold, capture, say, sweep
from tests.ledger_audit import Snapshot
from tests.payments_truth import PERIOD

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


@dataclass(slots=True)
class Told:
    """The oracle: what has happened, and what our books have heard of it."""

    paid: bool = False
    back: int = 0
    withdrawn: int = 0
    spent: bool = False
    granted: bool = False
    reversal: int = 0
    lapsed: bool = False

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
            case "lapse":
                self.lapsed = True

    def heard(self) -> None:
        """R9 and R10."""
        self.granted = self.paid
        gone = min(PRICE, self.back + self.withdrawn)
        self.reversal = floor(Fraction(CREDITS * gone, PRICE)) if self.paid else 0


@dataclass(slots=True)
class Play:
    """One wallet with 100 credits of somebody's kindness; `read` reads its books past the ports."""

    harness: StoreHarness
    billing: Billing
    wallet: WalletId
    payer: CustomerId
    read: Callable[[WalletId], Snapshot]
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
                await self.harness.advance(LAPSE.total_seconds())
                await say(self.harness.store, self.wallet, sweep())

    def _bought(self) -> PurchaseRef:
        assert self.ref
        return self.ref

    async def _spend(self) -> None:
        hold = a_hold(SPENT)
        before = self.read(self.wallet).available
        try:
            await say(self.harness.store, self.wallet, hold)
        except DomainError:
            assert before < SPENT, "it was refused although there was enough"
            return
        assert before >= SPENT, "nothing comes from nothing"
        await say(self.harness.store, self.wallet, capture(hold.hold_id, SPENT))
        self.told.spent = True

    async def hear(self) -> None:
        if self.ref:
            await self.billing.converge(self.ref)
            self.told.heard()

    def check(self) -> None:
        self.steps += 1
        books, told = self.read(self.wallet), self.told
        lots = list(books.lots.values())
        bought = [lot for lot in lots if lot.source.is_purchase]
        assert [lot.granted for lot in bought] == [CREDITS] * told.granted, "invariant 14"
        assert [lot.reversal for lot in bought] == [told.reversal] * told.granted, "R10"
        for lot in lots:
            _equations(lot)
        assert (books.available, books.held) == (sum(lot.remaining for lot in lots), 0), "E5"
        assert books.debt == sum(lot.owed for lot in lots) - sum(lot.repaid for lot in lots) >= 0, "E6"
        assert not (books.debt and books.available), "E7"
        assert not (told.lapsed and any(lot.remaining for lot in bought)), "E8"
        assert sum(lot.consumed for lot in lots) == SPENT * told.spent
        assert books.available + SPENT * told.spent <= OTHERS + CREDITS * told.granted, "nothing comes from nothing"


def _equations(lot: Lot) -> None:
    places = (lot.remaining, lot.held, lot.consumed, lot.expired, lot.reversed, lot.repaid)
    assert lot.granted == sum(places), "E1"
    assert min(places) >= 0
    assert lot.reversed == min(lot.reversal, lot.granted - lot.consumed - lot.held), "E2"
    assert lot.owed == max(0, lot.reversal + lot.consumed - lot.granted), "E3"


async def staged(harness: StoreHarness, read: Callable[[WalletId], Snapshot], named: str = "") -> Play:
    billing, caller, payer = await opened(harness, OTHERS, named)
    return Play(harness, billing, caller.wallet_id, payer, read)
