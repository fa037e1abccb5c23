"""How much money goes back: what was paid for credits that remain, so that taking those back leaves nobody in debt."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import count
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.accounts import AccountId
from domain.billing import CustomerId, Purchase, PurchaseKind, PurchaseRef
from domain.buying_errors import NothingToRefund
from domain.commands import Capture, Command, Grant, PlaceHold, Release, Reverse, command_id
from domain.credits import Wallet
from domain.ledger import HoldId, LotId, LotSource, WalletId
from domain.refunds import Refund, RefundId, counting, refundable

NOW = datetime(2027, 1, 15, tzinfo=UTC)
REF = PurchaseRef(PurchaseKind.INVOICE, "in_1")


def purchase(paid: int = 500, **more: object) -> Purchase:
    return replace(Purchase(REF, CustomerId("cus_1"), None, "usd", paid, True, (), NOW), **more)  # type: ignore[arg-type]  # any


@dataclass
class Life:
    """A wallet with the lots of one purchase and one of kindness, and a provider's word for what went back."""

    paid: int
    grants: list[int]
    wallet: Wallet = field(default_factory=lambda: Wallet(WalletId(UUID(int=1))))
    refunded: int = 0
    withdrawn: int = 0
    holds: list[HoldId] = field(default_factory=list)
    numbers: "count[int]" = field(default_factory=lambda: count(1))

    def __post_init__(self) -> None:
        for n, amount in enumerate(self.grants):
            self._say(self._grant(LotId(UUID(int=n)), amount, LotSource.PACK))
        self._say(self._grant(LotId(UUID(int=99)), 50, LotSource.GOODWILL))

    def _grant(self, lot: LotId, amount: int, source: LotSource) -> Grant:
        return Grant(id=command_id("grant", lot), lot_id=lot, amount=amount, source=source, source_ref=str(lot), priority=0)

    def _say(self, command: Command) -> None:
        self.wallet.apply(command, NOW)
        self.wallet.recorded = self.wallet.done = None

    @property
    def told(self) -> Purchase:
        return purchase(self.paid, refunded=self.refunded, withdrawn=self.withdrawn)

    @property
    def lots(self) -> list[LotId]:
        return [LotId(UUID(int=n)) for n in range(len(self.grants))]

    def converge(self) -> None:
        for lot in self.lots:
            reversal = self.wallet.lots[lot].granted * self.told.reversed_money // self.paid
            self._say(Reverse(id=command_id("reverse", next(self.numbers)), lot_id=lot, reversal=reversal))

    def hold(self, part: float) -> None:
        if amount := int(self.wallet.available * part):
            hold = HoldId(UUID(int=next(self.numbers)))
            self.holds.append(hold)
            self._say(PlaceHold(id=command_id("hold", hold), hold_id=hold, amount=amount, expires_at=NOW, open_limit=9_999))

    def resolve(self, *, paid: bool) -> None:
        if self.holds:
            hold = self.holds.pop()
            amount, id = self.wallet.holds[hold].amount, command_id("resolve", hold)
            self._say(Capture(id=id, hold_id=hold, amount=amount) if paid else Release(id=id, hold_id=hold))

    def refund(self, *, into_debt: bool) -> None:
        lots = [self.wallet.lots[lot] for lot in self.lots]
        unspent = sum(lot.remaining + lot.reversal for lot in lots)
        debt, available, remaining = self.wallet.debt, self.wallet.available, sum(lot.remaining for lot in lots)
        try:
            amount = refundable(self.told, sum(self.grants), unspent, into_debt=into_debt)
        except NothingToRefund:
            return
        assert 1 <= amount <= self.paid - self.told.reversed_money
        self.refunded += amount
        self.converge()
        if not into_debt:
            assert self.wallet.debt == debt, "no more is taken back than is unspent"
            assert available - self.wallet.available <= remaining

    def happen(self, event: str, part: float) -> None:
        match event:
            case "hold":
                self.hold(part)
            case "capture" | "release":
                self.resolve(paid=event == "capture")
            case "refund" | "refund into debt":
                self.refund(into_debt=event != "refund")
            case "at the desk":
                self.refunded += int((self.paid - self.told.reversed_money) * part)
                self.converge()
            case "disputed":
                self.withdrawn = self.paid - self.refunded
                self.converge()
            case "won":
                self.withdrawn = 0
                self.converge()


EVENTS = ("hold", "hold", "capture", "release", "refund", "refund", "refund into debt", "at the desk", "disputed", "won")
HISTORIES = st.lists(st.tuples(st.sampled_from(EVENTS), st.floats(0, 1)), max_size=25)


@given(st.integers(1, 10_000), st.lists(st.integers(1, 2_000), min_size=1, max_size=3), HISTORIES)
def test_no_more_is_taken_back_than_is_unspent_and_no_more_paid_back_than_was_paid(
    paid: int, grants: list[int], history: list[tuple[str, float]]
) -> None:
    life = Life(paid, grants)
    for event, part in history:
        life.happen(event, part)
        assert life.told.refunded <= paid


@given(st.integers(1, 10_000), st.integers(1, 2_000), st.floats(0, 1))
def test_what_is_unspent_goes_back_at_once_and_then_nothing(paid: int, granted: int, part: float) -> None:
    life = Life(paid, [granted])
    life.hold(part)
    unspent = life.wallet.lots[life.lots[0]].remaining
    life.refund(into_debt=False)
    assert life.refunded == paid * unspent // granted
    before = life.refunded
    life.refund(into_debt=False)
    assert life.refunded - before <= paid // granted, "a rounded credit at most"


@pytest.mark.parametrize(
    "told",
    [
        purchase(refunded=500),
        purchase(withdrawn=500),
        purchase(refunded=200, withdrawn=300),
        purchase(is_settled=False),
        purchase(paid=0),
    ],
)
@pytest.mark.parametrize("into_debt", [True, False])
def test_nothing_comes_of_nothing(told: Purchase, into_debt: bool) -> None:
    with pytest.raises(NothingToRefund):
        refundable(told, 400, 400, into_debt=into_debt)


def test_what_brought_no_credits_goes_back_as_a_whole_only() -> None:
    with pytest.raises(NothingToRefund):
        refundable(purchase(), 0, 0, into_debt=False)
    assert refundable(purchase(), 0, 0, into_debt=True) == 500


@given(st.integers(0, 500), st.integers(1, 500), st.booleans())
def test_an_open_refund_counts_once_whether_or_not_it_has_been_made(before: int, amount: int, made: bool) -> None:
    refund = Refund(RefundId(UUID(int=1)), REF, amount, before, AccountId(UUID(int=2)), NOW, NOW)
    told = purchase(1000, refunded=before + amount * made)
    assert counting(told, refund).refunded == before + amount
    assert counting(told, None) is told
