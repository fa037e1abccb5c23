"""What must be true of a wallet after every command (RULES §4, 1–8), read from its rows alone.

The audit replays each new transfer by its own copy of the posting table, so its cost does not grow with the history.
It shares no code with `domain`: the table of moves and the equations are written out again from the law.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from domain.commands import Recorded
from domain.credits import Hold
from domain.ledger import HoldId, Lot, LotId, Transfer

_MOVES: dict[tuple[str, str], tuple[str | None, str]] = {
    ("available", "held"): ("remaining", "held"),
    ("held", "consumed"): ("held", "consumed"),
    ("held", "available"): ("held", "remaining"),
    ("available", "expired"): ("remaining", "expired"),
    ("available", "reversed"): ("remaining", "reversed"),
    ("expired", "reversed"): ("expired", "reversed"),
    ("reversed", "available"): ("reversed", "remaining"),
    ("available", "debt"): ("remaining", "repaid"),
    ("debt", "available"): ("repaid", "remaining"),
    ("debt", "reversed"): (None, "owed"),
    ("reversed", "debt"): ("owed", ""),
}
"""RULES §1.4: where the credits of the lot lie before and after. `owed` is no place: it only grows or shrinks."""

NUMBERS = ("granted", "remaining", "held", "consumed", "expired", "reversed", "repaid", "owed")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One wallet as its store has it. A driver may hand out its own collections: whoever reads must not change them."""

    available: int
    held: int
    debt: int
    version: int
    lots: Mapping[LotId, Lot]
    holds: Mapping[HoldId, Hold]
    transfers: Sequence[Transfer]
    reversals: Sequence[tuple[LotId, int, datetime]]
    """(lot, its new reversal, at), oldest first: the one number transfers do not rebuild."""


def as_of(snapshot: Snapshot, instant: datetime) -> int:
    """R14: what was to be shown as available at `instant`, from the lines alone."""
    available, remaining = 0, dict.fromkeys(snapshot.lots, 0)
    for line in snapshot.transfers:
        if line.at > instant:
            break
        available = line.available_after
        if line.credit.value == "available":
            remaining[line.lot_id] += line.amount
        elif line.debit.value == "available":
            remaining[line.lot_id] -= line.amount
    due = (lot for lot in snapshot.lots.values() if lot.expires_at is not None and lot.expires_at <= instant)
    return available - sum(remaining[lot.id] for lot in due)


@dataclass(slots=True)
class Audit:
    """The replay of one wallet so far."""

    lots: dict[UUID, dict[str, int]] = field(default_factory=dict)
    accounts: dict[str, int] = field(default_factory=lambda: {"available": 0, "held": 0, "debt": 0})
    lines: int = 0
    reversals: int = 0
    reversal: dict[UUID, int] = field(default_factory=dict)
    held: dict[UUID, list[tuple[UUID, int]]] = field(default_factory=dict)
    """What each hold drew, by its lines."""
    left: dict[UUID, dict[str, int]] = field(default_factory=dict)
    """Where the credits of each hold are, by its lines."""
    ended: dict[UUID, tuple[str, int]] = field(default_factory=dict)
    last_at: datetime | None = None

    def read(self, snapshot: Snapshot, recorded: Recorded | None) -> None:
        """Check the wallet after a command that took effect (`recorded`) or did not (None)."""
        new = snapshot.transfers[self.lines :]
        if recorded is None:
            assert not new, "a command that did nothing wrote lines"
            assert len(snapshot.reversals) == self.reversals, "a command that did nothing changed a reversal"
        else:
            self._commanded(new, recorded)
        for line in new:
            self._replay(line)
        for lot_id, reversal, at in snapshot.reversals[self.reversals :]:
            assert recorded is not None
            assert at == recorded.at, "a reversal bears another time than its command"
            self.reversal[lot_id] = reversal
        self.lines, self.reversals = len(snapshot.transfers), len(snapshot.reversals)
        self._wallet(snapshot)
        for lot in snapshot.lots.values():
            self._lot(lot)
        self._holds(snapshot)

    def _commanded(self, new: Sequence[Transfer], recorded: Recorded) -> None:
        span = (recorded.first_version, recorded.last_version)
        assert span == (self.lines + 1, self.lines + len(new)), f"recorded versions {span}, wrote {len(new)} after {self.lines}"
        assert self.last_at is None or recorded.at >= self.last_at, "time fell"
        self.last_at = recorded.at
        for number, line in enumerate(new, 1):
            keys = (line.command_id, line.line, line.version, line.at)
            wanted = (recorded.id, number, self.lines + number, recorded.at)
            assert keys == wanted, f"line is keyed {keys}, not {wanted}"

    def _replay(self, line: Transfer) -> None:
        debit, credit, amount = line.debit.value, line.credit.value, line.amount
        assert amount > 0, f"{debit} → {credit} of {amount}"
        accounts = self.accounts
        accounts[debit] = accounts.get(debit, 0) - amount
        accounts[credit] = accounts.get(credit, 0) + amount
        if debit.startswith("issued:"):
            assert credit == "available"
            assert line.lot_id not in self.lots, "a lot was granted twice"
            self.lots[line.lot_id] = numbers = dict.fromkeys(NUMBERS, 0)
            numbers["granted"] = numbers["remaining"] = amount
        else:
            source, target = _MOVES[debit, credit]
            numbers = self.lots[line.lot_id]
            if source:
                numbers[source] -= amount
                assert numbers[source] >= 0, f"{source} of lot {line.lot_id} fell below zero"
            if target:
                numbers[target] += amount
        after = (line.available_after, line.held_after, line.debt_after)
        replayed = (accounts["available"], accounts["held"], -accounts["debt"])
        assert after == replayed, f"line {line.version} says {after}, its lines add up to {replayed}"
        assert min(after) >= 0, f"line {line.version} leaves {after}"
        if "held" in (debit, credit):
            assert line.hold_id is not None, "a line of a hold does not say which"
            left = self.left.setdefault(line.hold_id, {"available": 0, "held": 0, "consumed": 0})
            left[debit] -= amount
            left[credit] += amount
            if credit == "held":
                self.held.setdefault(line.hold_id, []).append((line.lot_id, amount))

    def _wallet(self, snapshot: Snapshot) -> None:
        accounts, lots = self.accounts, snapshot.lots.values()
        assert snapshot.version == self.lines, "versions have a gap"
        stored = (snapshot.available, snapshot.held, snapshot.debt)
        assert stored == (accounts["available"], accounts["held"], -accounts["debt"]), "the wallet is not the sum of its lines"
        assert not sum(accounts.values()), "the accounts do not sum to zero"
        assert snapshot.lots.keys() == self.lots.keys(), "lots and grants differ"
        assert snapshot.available == sum(lot.remaining for lot in lots), "E5 available"
        assert snapshot.held == sum(lot.held for lot in lots), "E5 held"
        assert snapshot.held == sum(hold.amount for hold in snapshot.holds.values() if hold.state == "open"), "E5 open holds"
        assert snapshot.debt == sum(lot.owed for lot in lots) - sum(lot.repaid for lot in lots), "E6"
        assert not (snapshot.debt > 0 and snapshot.available > 0), "E7"

    def _lot(self, lot: Lot) -> None:
        stored = (lot.granted, lot.remaining, lot.held, lot.consumed, lot.expired, lot.reversed, lot.repaid, lot.owed)
        rebuilt = tuple(self.lots[lot.id].values())
        assert stored == rebuilt, f"lot {lot.id} has {stored}, its lines add up to {rebuilt}"
        assert lot.reversal == self.reversal.get(lot.id, 0), "a reversal has no row"
        assert lot.granted == sum(stored[1:7]), "E1"
        assert lot.reversed == min(lot.reversal, lot.granted - lot.consumed - lot.held), "E2"
        assert lot.owed == max(0, lot.reversal + lot.consumed - lot.granted), "E3"
        assert 0 <= lot.reversal - lot.reversed - lot.owed <= lot.held, "E4"
        lapsed = lot.expires_at is not None and self.last_at is not None and self.last_at >= lot.expires_at
        assert not (lapsed and lot.remaining), "E8"

    def _holds(self, snapshot: Snapshot) -> None:
        assert snapshot.holds.keys() == self.held.keys(), "holds and their lines differ"
        for hold in snapshot.holds.values():
            end = (hold.state.value, hold.captured)
            if (was := self.ended.get(hold.id)) is not None:
                assert was == end, f"a resolved hold went from {was} to {end}"
                continue
            shares = [(share.lot_id, share.amount) for share in hold.allocations]
            assert shares == self.held[hold.id], "allocations differ from the lines"
            assert sum(share.amount for share in hold.allocations) == hold.amount
            assert sum(share.consumed for share in hold.allocations) == hold.captured <= hold.amount
            assert all(0 <= share.consumed <= share.amount for share in hold.allocations)
            assert (hold.captured > 0) == (end[0] == "captured")
            left, pinned = self.left[hold.id], hold.amount if end[0] == "open" else 0
            assert (left["held"], left["consumed"]) == (pinned, hold.captured), "a hold differs from its lines"
            if not pinned:
                self.ended[hold.id] = end
