"""A second opinion on the books: RULES §1 played with single credits on a table, sharing no code with `domain`.

Each credit of a lot is a word that says where it lies. Nothing is added up and kept: `available`, `held` and `debt` are
counted when asked, `owed` is E3. There is no version, line or transfer here: `ledger_audit` checks those. The model is told
the instant the store decided at, so it also serves a store whose clock runs.

It agrees with the domain on every number of every lot, lapsed ones included, because the law fixes each order (draw, undo,
collect) and only `Reverse` can lower what is owed: so the law's one pass over the lots and the model's loops end alike.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

from domain.commands import AdjustDown, Capture, Close, Command, Expire, Grant, PlaceHold, Release, Reverse

PLACES = ("remaining", "held", "consumed", "expired", "reversed", "repaid")
_FAR = datetime.max.replace(tzinfo=UTC)


@dataclass(slots=True)
class ModelLot:
    id: UUID
    fact: tuple[str, str]
    bought: bool
    priority: int
    expires_at: datetime | None
    credits: list[str]
    reversal: int = 0

    def lapsed(self, now: datetime) -> bool:
        return self.expires_at is not None and self.expires_at <= now

    @property
    def owed(self) -> int:
        return max(0, self.reversal + self.credits.count("consumed") - len(self.credits))

    def move_one(self, came_from: str, goes_to: str) -> bool:
        """Move one credit, if one lies there."""
        if came_from not in self.credits:
            return False
        self.credits[self.credits.index(came_from)] = goes_to
        return True


@dataclass(slots=True)
class ModelHold:
    credits: list[tuple[ModelLot, int]]
    """Which credits it holds, in the order they were drawn."""
    expires_at: datetime
    state: str = "open"
    captured: int = 0

    def shares(self) -> list[tuple[UUID, int, int]]:
        """What each lot gives and loses, in the order of the draw: (lot, amount, consumed)."""
        shares: dict[UUID, tuple[int, int]] = {}
        for number, (lot, _) in enumerate(self.credits):
            amount, consumed = shares.get(lot.id, (0, 0))
            shares[lot.id] = (amount + 1, consumed + (number < self.captured))
        return [(lot, amount, consumed) for lot, (amount, consumed) in shares.items()]


@dataclass(slots=True)
class ModelWallet:
    lots: list[ModelLot] = field(default_factory=list)
    holds: dict[UUID, ModelHold] = field(default_factory=dict)
    closed: bool = False

    def count(self, place: str) -> int:
        return sum(lot.credits.count(place) for lot in self.lots)

    @property
    def debt(self) -> int:
        return sum(lot.owed for lot in self.lots) - self.count("repaid")

    def shown(self, now: datetime) -> int:
        """What a customer may be shown as available (R14)."""
        return sum(lot.credits.count("remaining") for lot in self.lots if not lot.lapsed(now))

    def lot(self, lot_id: UUID) -> ModelLot | None:
        return next((lot for lot in self.lots if lot.id == lot_id), None)

    def in_draw_order(self) -> list[ModelLot]:
        return sorted(self.lots, key=lambda lot: (lot.priority, lot.expires_at or _FAR, lot.expires_at is None, lot.id))

    def refusal(self, command: Command, now: datetime) -> str | None:
        """The name of the error the law gives, looking only: nothing is moved."""
        match command:
            case Grant():
                return self._grant_refusal(command)
            case PlaceHold():
                return self._hold_refusal(command, now)
            case Capture() | Release() | Expire():
                return self._resolve_refusal(command, now)
            case Reverse():
                lot = self.lot(command.lot_id)
                if lot is None:
                    return "NoSuchLot"
                return None if 0 <= command.reversal <= len(lot.credits) else "ReversalAboveGrant"
            case AdjustDown():
                lot = self.lot(command.lot_id)
                if lot is None:
                    return "NoSuchLot"
                takeable = 0 if lot.bought or lot.lapsed(now) else lot.credits.count("remaining")
                return None if 1 <= command.amount <= takeable else "InvalidAmount"
            case Close():
                return "OpenHolds" if any(hold.state == "open" for hold in self.holds.values()) else None
        return None

    def _grant_refusal(self, command: Grant) -> str | None:
        if command.amount < 1:
            return "InvalidAmount"
        if any(lot.fact == (command.source.value, command.source_ref) for lot in self.lots):
            return "AlreadyGranted"
        if self.closed:
            return "AccountClosed"
        return None if 0 <= command.reversal <= command.amount else "ReversalAboveGrant"

    def _hold_refusal(self, command: PlaceHold, now: datetime) -> str | None:
        if command.hold_id in self.holds:
            return "HoldExists"
        if command.amount < 1:
            return "InvalidAmount"
        if self.debt > 0:
            return "DebtOutstanding"
        if self.shown(now) < command.amount:
            return "InsufficientCredits"
        still_open = [hold for hold in self.holds.values() if hold.state == "open"]
        return None if len(still_open) < command.open_limit else "TooManyOpen"

    def _resolve_refusal(self, command: Capture | Release | Expire, now: datetime) -> str | None:
        hold = self.holds.get(command.hold_id)
        if hold is None:
            return "HoldNotFound"
        if hold.state != "open":
            return "HoldResolved"
        if isinstance(command, Capture) and not 1 <= command.amount <= len(hold.credits):
            return "InvalidAmount"
        return "HoldNotDue" if isinstance(command, Expire) and now < hold.expires_at else None

    def obey(self, command: Command, now: datetime) -> None:
        """Do a command that is not refused."""
        self._lapse(now)
        match command:
            case Grant():
                fact, bought = (command.source.value, command.source_ref), command.source.value in ("subscription", "pack")
                places = ["remaining"] * command.amount
                self.lots.append(
                    ModelLot(command.lot_id, fact, bought, command.priority, command.expires_at, places, command.reversal)
                )
            case PlaceHold():
                self._hold(command)
            case Capture():
                self._resolve(self.holds[command.hold_id], "captured", command.amount)
            case Release():
                self._resolve(self.holds[command.hold_id], "released", 0)
            case Expire():
                self._resolve(self.holds[command.hold_id], "expired", 0)
            case Reverse() | AdjustDown():
                lot = self.lot(command.lot_id)
                assert lot is not None
                lot.reversal = command.reversal if isinstance(command, Reverse) else lot.reversal + command.amount
            case Close():
                self.closed = True
                for lot in self.lots:
                    lot.expires_at = min(lot.expires_at or _FAR, now)
        self._settle(now)
        self._lapse(now)

    def _lapse(self, now: datetime) -> None:
        for lot in self.lots:
            while lot.lapsed(now) and lot.move_one("remaining", "expired"):
                pass

    def _hold(self, command: PlaceHold) -> None:
        drawn: list[tuple[ModelLot, int]] = []
        for lot in self.in_draw_order():
            for number, place in enumerate(lot.credits):
                if place == "remaining" and len(drawn) < command.amount:
                    lot.credits[number] = "held"
                    drawn.append((lot, number))
        self.holds[command.hold_id] = ModelHold(drawn, command.expires_at)

    def _resolve(self, hold: ModelHold, state: str, captured: int) -> None:
        hold.state, hold.captured = state, captured
        for ordinal, (lot, number) in enumerate(hold.credits):
            lot.credits[number] = "consumed" if ordinal < captured else "remaining"

    def _settle(self, now: datetime) -> None:
        while self.debt < 0:
            self._undo_one_repayment(now)
        order = self.in_draw_order()
        for lot in order:
            due = min(lot.reversal, len(lot.credits) - lot.credits.count("consumed") - lot.credits.count("held"))
            while lot.credits.count("reversed") > due:
                lot.move_one("reversed", "remaining")
            while lot.credits.count("reversed") < due:
                taken = any(lot.move_one(place, "reversed") for place in ("remaining", "expired", "repaid"))
                assert taken, "E2 asks for more than lies anywhere"
        for lot in order:
            while self.debt > 0 and lot.move_one("remaining", "repaid"):
                pass

    def _undo_one_repayment(self, now: datetime) -> None:
        """Live lots before lapsed ones, the latest expiry first; of equals the highest id, which the law leaves open."""
        payers = [lot for lot in self.lots if "repaid" in lot.credits]
        latest = max(payers, key=lambda lot: (not lot.lapsed(now), lot.expires_at or _FAR, lot.expires_at is None, lot.id))
        latest.move_one("repaid", "remaining")
