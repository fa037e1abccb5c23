"""One history of commands to a store, each step checked against the model, the audit and what was answered before.

Steps take plain numbers: they find what they name by counting back from the newest, and amounts are tenths of what there is. So a
history stays meaningful when steps are left out of it: this is what shrinking needs.
"""

from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta
from uuid import UUID

from domain.commands import AdjustDown, Capture, Close, Command, Expire, Grant, PlaceHold, Recorded, Release, Reverse, Sweep
from domain.ledger import CommandId, HoldId, LotId, LotSource
from tests.ledger_audit import Audit, Snapshot, as_of
from tests.ledger_driver import Answer, Driver
from tests.ledger_model import PLACES, ModelWallet

SOURCES = tuple(LotSource)
_TICK = timedelta(microseconds=1)


@dataclass(slots=True)
class Book:
    """What is expected of one wallet."""

    model: ModelWallet = field(default_factory=ModelWallet)
    audit: Audit = field(default_factory=Audit)
    lots: list[UUID] = field(default_factory=list)
    holds: list[UUID] = field(default_factory=list)
    looks: list[tuple[datetime, int]] = field(default_factory=list)
    """What was to be shown as available, at instants that are over: the answers may never change."""


class History:
    def __init__(self, driver: Driver, wallets: int = 2) -> None:
        self.driver = driver
        self.books = [Book() for _ in range(wallets)]
        self.said: list[tuple[int, Command]] = []
        self.answers: dict[CommandId, tuple[Command, Recorded]] = {}
        self.count = 0
        self.unsound = False
        """A check failed, so later ones say nothing."""
        self._serial = 0

    # Steps

    def grant(
        self, wallet: int, amount: int, priority: int, lifetime: float | None, source: int, reversal: int, shuffle: int
    ) -> None:
        expires_at = None if lifetime is None else self.driver.now() + timedelta(seconds=lifetime)
        lot = LotId(self._uuid(shuffle))
        terms = {"priority": priority, "expires_at": expires_at, "reversal": reversal}
        fact = {"source": SOURCES[source], "source_ref": f"{self.driver.salt}:{wallet}:{self._serial}"}
        self._say(wallet, Grant(id=self._command(), lot_id=lot, amount=amount, **fact, **terms))  # type: ignore[arg-type]  # fits by construction

    def grant_again(self, wallet: int, which: int) -> None:
        """Another command for a fact that may have been granted already."""
        grants = [command for number, command in self.said if number == wallet and isinstance(command, Grant)]
        if grants:
            self._say(wallet, replace(grants[-1 - which % len(grants)], id=self._command(), lot_id=LotId(self._uuid())))

    def hold(self, wallet: int, tenths: int, lifetime: float, limit: int) -> None:
        expires_at = self.driver.now() + timedelta(seconds=lifetime)
        amount = part(tenths, self.books[wallet].model.shown(self.driver.now()))
        self._hold(wallet, HoldId(self._uuid()), amount, expires_at, limit)

    def hold_again(self, wallet: int, which: int) -> None:
        self._hold(wallet, self._hold_id(wallet, which), 1, self.driver.now(), 9)

    def _hold(self, wallet: int, hold_id: HoldId, amount: int, expires_at: datetime, limit: int) -> None:
        terms = {"amount": amount, "expires_at": expires_at, "open_limit": limit}
        self._say(wallet, PlaceHold(id=self._command(), hold_id=hold_id, **terms))  # type: ignore[arg-type]  # fits by construction

    def capture(self, wallet: int, which: int, tenths: int) -> None:
        hold_id = self._hold_id(wallet, which)
        hold = self.books[wallet].model.holds.get(hold_id)
        self._say(wallet, Capture(id=self._command(), hold_id=hold_id, amount=part(tenths, len(hold.credits) if hold else 1)))

    def release(self, wallet: int, which: int) -> None:
        self._say(wallet, Release(id=self._command(), hold_id=self._hold_id(wallet, which)))

    def expire(self, wallet: int, which: int) -> None:
        self._say(wallet, Expire(id=self._command(), hold_id=self._hold_id(wallet, which)))

    def reverse(self, wallet: int, which: int, tenths: int) -> None:
        lot_id = self._lot_id(wallet, which)
        lot = self.books[wallet].model.lot(lot_id)
        self._say(wallet, Reverse(id=self._command(), lot_id=lot_id, reversal=part(tenths, len(lot.credits) if lot else 1)))

    def adjust_down(self, wallet: int, which: int, tenths: int) -> None:
        lot_id = self._lot_id(wallet, which)
        lot = self.books[wallet].model.lot(lot_id)
        amount = part(tenths, lot.credits.count("remaining") if lot else 1)
        self._say(wallet, AdjustDown(id=self._command(), lot_id=lot_id, amount=amount))

    def sweep(self, wallet: int) -> None:
        self._say(wallet, Sweep(id=self._command()))

    def close(self, wallet: int) -> None:
        self._say(wallet, Close(id=self._command()))

    def repeat(self, which: int, change: int) -> None:
        """Say something again: as it was (0), under another policy (1), or under the same id but differently (2, 3)."""
        if not self.said:
            return
        wallet, command = self.said[-1 - which % len(self.said)]
        if change == 1 and isinstance(command, PlaceHold):
            command = replace(command, open_limit=command.open_limit + 1)
        elif change == 2 and isinstance(command, Grant | PlaceHold | Capture | AdjustDown):
            command = replace(command, amount=command.amount + 1)
        elif change >= 2:
            command = Sweep(id=command.id) if isinstance(command, Close) else Close(id=command.id)
            if command.id not in self.answers:  # it would be carried out, and closing is kept rare
                return
        self._say(wallet, command)

    def advance(self, seconds: float) -> None:
        before = self.driver.now()
        self._look(before, before + timedelta(seconds=seconds))
        self.driver.advance(seconds)

    def advance_to(self, which: int, ticks: int) -> None:
        """To the next-but-`which` instant at which a lot or hold is due, give or take microseconds."""
        now = self.driver.now()
        dues = [lot.expires_at for book in self.books for lot in book.model.lots]
        dues += [hold.expires_at for book in self.books for hold in book.model.holds.values() if hold.state == "open"]
        ahead = sorted({due for due in dues if due is not None and due > now})
        if ahead:
            self.advance((ahead[which % len(ahead)] + ticks * _TICK - now).total_seconds())

    @property
    def open_holds(self) -> bool:
        return any(hold.state == "open" for book in self.books for hold in book.model.holds.values())

    def finish(self) -> None:
        """Read every wallet whole once more, and ask again for every earlier balance."""
        for number, book in enumerate(self.books):
            snapshot = self.driver.state(number)
            book.audit.read(snapshot, None)
            compare(book.model, snapshot, list(book.model.holds))
            for instant, shown in book.looks:
                assert as_of(snapshot, instant) == shown, f"wallet {number} as of {instant} was {shown} and is another"

    # What a step is made of

    def _uuid(self, shuffle: int = 0) -> UUID:
        self._serial += 1
        return UUID(int=self.driver.salt << 64 | shuffle << 32 | self._serial)

    def _command(self) -> CommandId:
        return CommandId(self._uuid())

    def _lot_id(self, wallet: int, which: int) -> LotId:
        known = self.books[wallet].lots
        return LotId(known[-1 - which % len(known)] if known else self._uuid())

    def _hold_id(self, wallet: int, which: int) -> HoldId:
        """Open holds first, then those that were resolved."""
        book = self.books[wallet]
        known = sorted(book.holds, key=lambda hold: book.model.holds[hold].state == "open")
        return HoldId(known[-1 - which % len(known)] if known else self._uuid())

    def _look(self, now: datetime, then: datetime) -> None:
        """Note what is shown now and at each expiry until `then`: no later line can bear those times."""
        for book in self.books:
            if then <= now:
                book.looks = [look for look in book.looks if look[0] < then]
            elif book.audit.last_at is None or book.audit.last_at <= now:
                instants = {now}
                for lot in book.model.lots:
                    if lot.expires_at is not None and now < lot.expires_at < then:
                        instants |= {lot.expires_at - _TICK, lot.expires_at}
                book.looks += [(instant, book.model.shown(instant)) for instant in instants]

    def _say(self, wallet: int, command: Command) -> None:
        book = self.books[wallet]
        self.count += 1
        self.unsound = True
        start = self._decided(book)
        answer = self.driver.apply(wallet, command)
        recorded = None
        if command.id in self.answers:
            self._check_repeated(command, answer)
        elif isinstance(answer, Recorded):
            assert start <= answer.at <= self._decided(book), "decided at a time that was not"
            self._obey(book, command, answer)
            recorded = self.answers[command.id][1]
        else:
            expected = {book.model.refusal(command, now) for now in (start, self._decided(book))}
            assert answer.__name__ in expected, f"{answer.__name__}, the law says {expected}"
        if not (self.said and self.said[-1] == (wallet, command)):
            self.said.append((wallet, command))
        snapshot = self.driver.state(wallet)
        book.audit.read(snapshot, recorded)
        hold_id = getattr(command, "hold_id", None)
        compare(book.model, snapshot, [hold_id] if hold_id in book.model.holds else [])
        if book.looks:
            instant, shown = book.looks[self.count * 7 % len(book.looks)]
            assert as_of(snapshot, instant) == shown, f"as of {instant} was {shown} and is another"
        self.unsound = False

    def _decided(self, book: Book) -> datetime:
        """When a command that began now is decided: wallets know no time before their last line."""
        return max(self.driver.now(), book.audit.last_at or self.driver.now())

    def _obey(self, book: Book, command: Command, recorded: Recorded) -> None:
        refusal = book.model.refusal(command, recorded.at)
        assert refusal is None, f"done, the law says {refusal}"
        book.model.obey(command, recorded.at)
        self.answers[command.id] = (command, recorded)
        kind = (recorded.id, recorded.kind, recorded.fingerprint)
        assert kind == (command.id, command.kind, command.fingerprint)
        subject = getattr(command, "lot_id", getattr(command, "hold_id", None))
        amount = getattr(command, "amount", getattr(command, "reversal", None))
        assert (recorded.subject, recorded.amount) == (subject, amount), "recorded another result"
        if isinstance(command, Grant):
            book.lots.append(command.lot_id)
        elif isinstance(command, PlaceHold):
            book.holds.append(command.hold_id)

    def _check_repeated(self, command: Command, answer: Answer) -> None:
        first, recorded = self.answers[command.id]
        same = type(first) is type(command) and all(
            getattr(first, said.name) == getattr(command, said.name) for said in fields(first) if said.name != "open_limit"
        )
        if same:
            assert answer == recorded, "said again, answered differently"
        else:
            assert getattr(answer, "__name__", "") == "CommandConflict", f"one id for two commands: {answer}"


def part(tenths: int, whole: int) -> int:
    """Some of the whole, rounded up: nothing for 0, one too many above 10, and -1 below 0."""
    if tenths < 0 or tenths > 10:
        return -1 if tenths < 0 else whole + 1
    return -(-max(1, whole) * tenths // 10)


def compare(model: ModelWallet, snapshot: Snapshot, holds: list[UUID]) -> None:
    """The store and the model agree on every number of every lot, and on the holds named."""
    assert (snapshot.available, snapshot.held, snapshot.debt) == (model.count("remaining"), model.count("held"), model.debt)
    assert len(snapshot.lots) == len(model.lots)
    for expected in model.lots:
        lot = snapshot.lots[LotId(expected.id)]
        places = (lot.remaining, lot.held, lot.consumed, lot.expired, lot.reversed, lot.repaid)
        counted = tuple(map(expected.credits.count, PLACES))
        assert places == counted, f"lot {lot.id} has {places}, the model {counted} of {PLACES}"
        terms = (lot.granted, lot.owed, lot.reversal, lot.priority, lot.expires_at, lot.source.value, lot.source_ref)
        agreed = (len(expected.credits), expected.owed, expected.reversal, expected.priority, expected.expires_at, *expected.fact)
        assert terms == agreed, f"lot {lot.id} is {terms}, the model says {agreed}"
    for hold_id in holds:
        hold, kept = snapshot.holds[HoldId(hold_id)], model.holds[hold_id]
        shares = [(share.lot_id, share.amount, share.consumed) for share in hold.allocations]
        stored = (hold.state.value, hold.amount, hold.captured, hold.expires_at, shares)
        agreed_hold = (kept.state, len(kept.credits), kept.captured, kept.expires_at, kept.shares())
        assert stored == agreed_hold, f"hold {hold_id} is {stored}, the model says {agreed_hold}"
