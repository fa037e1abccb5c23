"""One customer's wallet, followed from outside while use cases change it: the law's own account of each command that lies in its
rows, and all that a customer is shown of it.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from application.queries import LotRow, Queries, TransferFilter, TransferRow
from domain.commands import AdjustDown, Capture, Command, Expire, Grant, PlaceHold, Recorded, Release, Reverse
from domain.ledger import HoldId, LotId, WalletId
from tests.ledger_audit import Audit, Snapshot
from tests.ledger_history import compare
from tests.ledger_model import ModelWallet
from tests.wallet_rows import WalletRows

TICK = timedelta(microseconds=1)
_UNSETTLED, _SETTLED = timedelta(seconds=5), timedelta(minutes=1)
"""A past balance is provisional for at least, and at most, so long (R14)."""

Numbers = tuple[int, int, int]


class Replay(Audit):
    """As Audit, for several commands at once."""

    def catch_up(self, books: Snapshot, new: list[Recorded]) -> None:
        for recorded in new:
            lines = books.transfers[self.lines : recorded.last_version]
            self._commanded(lines, recorded)
            for line in lines:
                self._replay(line)
            self.lines += len(lines)
            for lot_id, reversal, at in books.reversals[self.reversals : self.reversals + 1]:
                if (lot_id, at) == (recorded.subject, recorded.at):
                    self.reversal[lot_id] = reversal
                    self.reversals += 1
        assert len(books.reversals) == self.reversals, "a reversal belongs to no command"
        self.read(books, None)


@dataclass(slots=True)
class WalletBook:
    wallet: WalletId
    model: ModelWallet = field(default_factory=ModelWallet)
    replay: Replay = field(default_factory=Replay)
    commands: list[Recorded] = field(default_factory=list)
    looks: list[tuple[datetime, Numbers]] = field(default_factory=list)
    """What was to be shown at instants that are over: the answers may never change."""

    def read(self, rows: WalletRows) -> list[Recorded]:
        """The commands done since the last time, each as the law would have done it."""
        assert rows.commands[: len(self.commands)] == self.commands, "what was recorded of a command has changed"
        new = rows.commands[len(self.commands) :]
        for recorded in new:
            command = _command(recorded, rows.books)
            refusal = self.model.refusal(command, recorded.at)
            assert refusal is None, f"{recorded.kind} was done, the law says {refusal}"
            self.model.obey(command, recorded.at)
        self.commands += new
        self.replay.catch_up(rows.books, new)
        compare(self.model, rows.books, list(self.model.holds))
        return new

    def look(self, now: datetime, then: datetime) -> None:
        """Note what is shown now and at each expiry until `then`: no later line can bear those times."""
        expiries = [lot.expires_at for lot in self.model.lots if lot.expires_at is not None and now < lot.expires_at < then]
        for instant in sorted({now, *expiries, *(expiry - TICK for expiry in expiries)}):
            self.looks.append((instant, self._shown(instant)))

    def _shown(self, instant: datetime) -> Numbers:
        return self.model.shown(instant), self.model.count("held"), self.model.debt

    async def check_shown(self, queries: Queries, rows: WalletRows, now: datetime, looks: list[tuple[datetime, Numbers]]) -> None:
        """The customer is shown what lies in the rows: balance, lots, every line, and each of those looks back."""
        shown = await queries.credits(self.wallet)
        assert (shown.available, shown.held, shown.debt) == self._shown(now)
        assert list(shown.lots) == _lots(rows.books, now)
        lines = await queries.transfers(self.wallet, TransferFilter(), None, len(rows.books.transfers) + 1)
        assert list(lines) == _lines(rows)[::-1], "the statement is not the lines"
        for instant, numbers in looks:
            balance = await queries.balance(self.wallet, instant)
            assert (balance.available, balance.held, balance.debt) == numbers, f"as of {instant} it was {numbers}"
            age = now - instant
            assert balance.provisional or age >= _UNSETTLED, "it is given as final, and a line may still come"
            assert not balance.provisional or age < _SETTLED, "it is given as provisional for too long"

    async def check_picked(self, queries: Queries, rows: WalletRows) -> None:
        """Parts of the statement: by time, command and generation, and page by page."""
        lines = _lines(rows)[::-1]
        for line in lines[:: len(lines) // 3 + 1]:
            at, kind, hold = line.at, line.kind, line.generation_id
            picks = [
                (TransferFilter(after=at), [row for row in lines if row.at > at]),
                (TransferFilter(before=at), [row for row in lines if row.at < at]),
                (TransferFilter(kind=kind), [row for row in lines if row.kind == kind]),
                (TransferFilter(generation=hold), [row for row in lines if hold in (None, row.generation_id)]),
            ]
            for matching, wanted in picks:
                assert list(await queries.transfers(self.wallet, matching, None, len(lines))) == wanted, f"picked by {matching}"
            page = await queries.transfers(self.wallet, TransferFilter(), line.version, 3)
            assert list(page) == [row for row in lines if row.version < line.version][:3], "a page"


def _lots(books: Snapshot, now: datetime) -> list[LotRow]:
    rows = []
    for lot in sorted(books.lots.values(), key=lambda lot: lot.draw_order):
        remaining = 0 if lot.is_lapsed(now) else lot.remaining
        if remaining or lot.held:
            rows.append(LotRow(lot.id, lot.source, lot.granted, remaining, lot.held, lot.priority, lot.expires_at))
    return rows


def _lines(rows: WalletRows) -> list[TransferRow]:
    kinds = {recorded.id: recorded.kind for recorded in rows.commands}
    return [
        TransferRow(
            line.version,
            line.at,
            kinds[line.command_id],
            *(line.debit, line.credit, line.amount, line.lot_id, line.hold_id),
            *(line.available_after, line.held_after, line.debt_after),
        )
        for line in rows.books.transfers
    ]


def _command(recorded: Recorded, books: Snapshot) -> Command:
    """What must have been said, from what is recorded of it and the rows it names."""
    id, subject, amount = recorded.id, recorded.subject, recorded.amount or 0
    assert subject is not None
    lot_id, hold_id = LotId(subject), HoldId(subject)
    match recorded.kind:
        case "grant":
            lot = books.lots[lot_id]
            terms = {"priority": lot.priority, "expires_at": lot.expires_at}
            return Grant(id=id, lot_id=lot_id, amount=amount, source=lot.source, source_ref=lot.source_ref, **terms)  # type: ignore[arg-type]  # fits by construction
        case "hold":
            return PlaceHold(id=id, hold_id=hold_id, amount=amount, expires_at=books.holds[hold_id].expires_at, open_limit=10**9)
        case "capture":
            return Capture(id=id, hold_id=hold_id, amount=amount)
        case "release":
            return Release(id=id, hold_id=hold_id)
        case "expire":
            return Expire(id=id, hold_id=hold_id)
        case "reverse":
            return Reverse(id=id, lot_id=lot_id, reversal=amount)
        case "adjust":
            return AdjustDown(id=id, lot_id=lot_id, amount=amount)
    raise AssertionError(f"no use case says {recorded.kind}")
