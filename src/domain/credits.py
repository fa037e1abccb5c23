"""Credits: what a wallet does with what it is told.

Every command takes one path: *look for its id → lapse → the command itself → fit → collect → lapse*. Refusals change nothing. A
repeated command answers its first result and changes nothing. There is no other place where a lot or a wallet changes.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from domain import errors
from domain.commands import AdjustDown, Capture, Close, Command, Expire, Grant, PlaceHold, Recorded, Release, Reverse
from domain.ledger import CommandId, HoldId, LedgerAccount, Lot, LotId, Transfer, WalletId, wallet_moves


class HoldState(StrEnum):
    OPEN = "open"
    CAPTURED = "captured"
    RELEASED = "released"
    EXPIRED = "expired"


@dataclass(slots=True)
class Allocation:
    """What one lot gives to a hold; `consumed` of it was captured."""

    lot_id: LotId
    amount: int
    consumed: int = 0


@dataclass(slots=True)
class Hold:
    """Credits promised to one generation (whose id it bears) until it resolves, once and for good."""

    id: HoldId
    amount: int
    expires_at: datetime
    allocations: list[Allocation]
    captured: int = 0
    state: HoldState = HoldState.OPEN


@dataclass(slots=True)
class Wallet:
    """One account's credits in one mode, loaded for one command under its lock.

    `lots` holds at least every lot with credits remaining or held, a reversal, or a repayment, and what the command names;
    `holds` those it names. `open_holds` counts all open holds, `recorded` is the command's earlier effect,
    `granted` the lot of its fact.
    """

    id: WalletId
    available: int = 0
    held: int = 0
    debt: int = 0
    version: int = 0
    last_at: datetime | None = None
    closed_at: datetime | None = None
    lots: dict[LotId, Lot] = field(default_factory=dict)
    holds: dict[HoldId, Hold] = field(default_factory=dict)
    open_holds: int = 0
    recorded: Recorded | None = None
    done: Recorded | None = None
    """The command applied since it was loaded; None while nothing has changed."""
    granted: LotId | None = None
    transfers: list[Transfer] = field(default_factory=list)
    """Posted since it was loaded."""
    touched: set[LotId] = field(default_factory=set)
    reversals: list[tuple[LotId, int]] = field(default_factory=list)
    """Changes of a lot's reversal since it was loaded: the one number transfers do not rebuild."""

    def apply(self, command: Command, now: datetime) -> Recorded:
        """Do the command at `now` (database clock, read under the lock), or answer what it did before."""
        if self.recorded:
            if self.recorded.fingerprint != command.fingerprint:
                raise errors.CommandConflict(command=str(command.id))
            return self.recorded
        at = max(now, self.last_at) if self.last_at else now
        posting = _Posting(self, command.id, at)
        first = self.version + 1
        posting.lapse()
        subject, amount = posting.run(command)
        posting.fit()
        posting.collect()
        posting.lapse()
        self.last_at = at
        self.done = Recorded(command.id, command.kind, command.fingerprint, subject, amount, first, self.version, at)
        self.recorded = self.done
        return self.done

    def in_draw_order(self) -> list[Lot]:
        return sorted(self.lots.values(), key=lambda lot: lot.draw_order)


class _Posting:
    """One command at work on a wallet. A refusal is raised before the command's first own line; the caller drops the wallet."""

    def __init__(self, wallet: Wallet, command: CommandId, at: datetime) -> None:
        self.wallet, self.command, self.at = wallet, command, at
        self.hold_id: HoldId | None = None
        self.lines = 0

    def post(self, debit: LedgerAccount, credit: LedgerAccount, amount: int, lot: Lot) -> None:
        if amount == 0:
            return
        wallet = self.wallet
        lot.move(debit, credit, amount)
        for name, sign in wallet_moves(debit, credit).items():
            number = getattr(wallet, name) + sign * amount
            if number < 0:
                raise AssertionError(f"wallet {wallet.id}: {name} would be {number}")
            setattr(wallet, name, number)
        self.lines += 1
        wallet.version += 1
        wallet.touched.add(lot.id)
        after = (wallet.available, wallet.held, wallet.debt)
        moved = (debit, credit, amount, lot.id, self.hold_id)
        wallet.transfers.append(Transfer(self.command, self.lines, *moved, wallet.version, self.at, *after))

    def lapse(self) -> None:
        for lot in sorted(self.wallet.lots.values(), key=lambda lot: lot.expiry_order):
            if lot.remaining and lot.is_lapsed(self.at):
                self.post(LedgerAccount.AVAILABLE, LedgerAccount.EXPIRED, lot.remaining, lot)

    def fit(self) -> None:
        """Bring `reversed` and `owed` of each lot to what its reversal asks. The order keeps every number at or above zero."""
        for lot in self.wallet.in_draw_order():
            reversed_due = min(lot.reversal, lot.granted - lot.consumed - lot.held)
            owed_due = max(0, lot.reversal + lot.consumed - lot.granted)
            if (fall := lot.owed - owed_due) > 0:
                self._undo_repayments(until_debt=fall)
                self.post(LedgerAccount.REVERSED, LedgerAccount.DEBT, fall, lot)
            if (rise := reversed_due - lot.reversed) > 0:
                self._take_back(lot, rise)
            elif rise < 0:
                self.post(LedgerAccount.REVERSED, LedgerAccount.AVAILABLE, -rise, lot)
            if (rise := owed_due - lot.owed) > 0:
                self.post(LedgerAccount.DEBT, LedgerAccount.REVERSED, rise, lot)

    def _take_back(self, lot: Lot, amount: int) -> None:
        remaining = min(amount, lot.remaining)
        self.post(LedgerAccount.AVAILABLE, LedgerAccount.REVERSED, remaining, lot)
        expired = min(amount - remaining, lot.expired)
        self.post(LedgerAccount.EXPIRED, LedgerAccount.REVERSED, expired, lot)
        repaid = amount - remaining - expired
        self.post(LedgerAccount.DEBT, LedgerAccount.AVAILABLE, repaid, lot)
        self.post(LedgerAccount.AVAILABLE, LedgerAccount.REVERSED, repaid, lot)

    def _undo_repayments(self, until_debt: int) -> None:
        """Give back what lots paid towards debt: live lots first, the latest expiry first."""
        payers = sorted((lot for lot in self.wallet.lots.values() if lot.repaid), key=lambda lot: lot.expiry_order, reverse=True)
        for lot in sorted(payers, key=lambda lot: lot.is_lapsed(self.at)):
            self.post(LedgerAccount.DEBT, LedgerAccount.AVAILABLE, min(lot.repaid, max(0, until_debt - self.wallet.debt)), lot)

    def collect(self) -> None:
        for lot in self.wallet.in_draw_order():
            self.post(LedgerAccount.AVAILABLE, LedgerAccount.DEBT, min(lot.remaining, self.wallet.debt), lot)

    def run(self, command: Command) -> tuple[UUID | None, int | None]:
        match command:
            case Grant():
                return self._grant(command), command.amount
            case PlaceHold():
                return self._hold(command), command.amount
            case Capture():
                return self._resolve(command.hold_id, HoldState.CAPTURED, command.amount), command.amount
            case Release():
                return self._resolve(command.hold_id, HoldState.RELEASED, 0), None
            case Expire():
                return self._resolve(command.hold_id, HoldState.EXPIRED, 0), None
            case Reverse():
                return self._reverse(self._lot(command.lot_id), command.reversal), command.reversal
            case AdjustDown():
                return self._adjust_down(command), command.amount
            case Close():
                self._close()
        return None, None

    def _grant(self, command: Grant) -> LotId:
        if command.amount < 1:
            raise errors.InvalidAmount("a grant is of at least one credit", field="amount")
        if self.wallet.granted:
            raise errors.AlreadyGranted(lot=str(self.wallet.granted))
        if self.wallet.closed_at:
            raise errors.AccountClosed
        _check_reversal(command.reversal, command.amount)
        lot = Lot(command.lot_id, command.source, command.source_ref, command.priority, command.expires_at)
        self.wallet.lots[lot.id] = lot
        self.post(command.source.issued, LedgerAccount.AVAILABLE, command.amount, lot)
        return self._reverse(lot, command.reversal)

    def _hold(self, command: PlaceHold) -> HoldId:
        wallet = self.wallet
        if command.hold_id in wallet.holds:
            raise errors.HoldExists(hold=str(command.hold_id))
        if command.amount < 1:
            raise errors.InvalidAmount("a hold is of at least one credit", field="amount")
        if wallet.debt:
            raise errors.DebtOutstanding(f"{wallet.debt} credits are owed first", debt=wallet.debt)
        if wallet.available < command.amount:
            needs = f"{command.amount} credits are needed, {wallet.available} are available"
            raise errors.InsufficientCredits(needs, required=command.amount, available=wallet.available)
        if wallet.open_holds >= command.open_limit:
            raise errors.TooManyOpen(f"{command.open_limit} may be unfinished at once", limit=command.open_limit)
        self.hold_id = command.hold_id
        allocations = []
        for lot, amount in self._draw(command.amount):
            self.post(LedgerAccount.AVAILABLE, LedgerAccount.HELD, amount, lot)
            allocations.append(Allocation(lot.id, amount))
        wallet.holds[command.hold_id] = Hold(command.hold_id, command.amount, command.expires_at, allocations)
        wallet.open_holds += 1
        return command.hold_id

    def _draw(self, amount: int) -> Iterator[tuple[Lot, int]]:
        for lot in self.wallet.in_draw_order():
            if part := min(lot.remaining, amount):
                amount -= part
                yield lot, part

    def _resolve(self, hold_id: HoldId, state: HoldState, captured: int) -> HoldId:
        hold = self.wallet.holds.get(hold_id)
        if not hold:
            raise errors.HoldNotFound(hold=str(hold_id))
        if hold.state is not HoldState.OPEN:
            raise errors.HoldResolved(hold=str(hold_id), state=hold.state)
        if state is HoldState.CAPTURED and not 1 <= captured <= hold.amount:
            raise errors.InvalidAmount(f"a capture takes 1 to {hold.amount}", field="amount", limit=hold.amount)
        if state is HoldState.EXPIRED and self.at < hold.expires_at:
            raise errors.HoldNotDue(hold=str(hold_id))
        self.hold_id = hold_id
        hold.state, hold.captured = state, captured
        self.wallet.open_holds -= 1
        for allocation in hold.allocations:
            allocation.consumed = min(captured, allocation.amount)
            captured -= allocation.consumed
            lot = self._lot(allocation.lot_id)
            self.post(LedgerAccount.HELD, LedgerAccount.CONSUMED, allocation.consumed, lot)
            self.post(LedgerAccount.HELD, LedgerAccount.AVAILABLE, allocation.amount - allocation.consumed, lot)
        return hold_id

    def _reverse(self, lot: Lot, reversal: int) -> LotId:
        _check_reversal(reversal, lot.granted)
        if reversal != lot.reversal:
            self.wallet.reversals.append((lot.id, reversal))
            self.wallet.touched.add(lot.id)
        lot.reversal = reversal
        return lot.id

    def _adjust_down(self, command: AdjustDown) -> LotId:
        lot = self._lot(command.lot_id)
        if lot.source.is_purchase:
            raise errors.InvalidAmount("a bought lot changes by refund only", field="lot")
        if not 1 <= command.amount <= lot.remaining:
            raise errors.InvalidAmount(f"1 to {lot.remaining} can be taken", field="amount", limit=lot.remaining)
        return self._reverse(lot, lot.reversal + command.amount)

    def _close(self) -> None:
        if self.wallet.open_holds:
            raise errors.OpenHolds
        self.wallet.closed_at = self.wallet.closed_at or self.at
        for lot in self.wallet.lots.values():
            if not lot.is_lapsed(self.at):
                lot.expires_at = self.at
                self.wallet.touched.add(lot.id)

    def _lot(self, lot_id: LotId) -> Lot:
        if lot_id not in self.wallet.lots:
            raise errors.NoSuchLot(lot=str(lot_id))
        return self.wallet.lots[lot_id]


def _check_reversal(reversal: int, granted: int) -> None:
    if not 0 <= reversal <= granted:
        raise errors.ReversalAboveGrant(f"at most {granted} can be reversed", limit=granted)
