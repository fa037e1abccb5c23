"""A wallet told in short words, for tests that read as stories: `books.grant("A", 10)`, `books.hold("h", 6)`, `books.lot("A")`.

Names become ids in the order of the alphabet, so that lots A and B with the same terms are drawn A first. Every step is audited.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID

import pytest

from domain.commands import AdjustDown, Capture, Close, Command, Expire, Grant, PlaceHold, Recorded, Release, Reverse, Sweep
from domain.credits import Hold
from domain.errors import DomainError
from domain.ledger import CommandId, HoldId, Lot, LotId, LotSource
from tests.ledger_audit import NUMBERS, Audit, Snapshot, as_of
from tests.ledger_driver import DomainDriver

MICROSECOND = timedelta(microseconds=1)


def _named(space: int, name: str) -> UUID:
    return UUID(int=space << 120 | int.from_bytes(name.encode().ljust(14, b"\0")))


class Refused(Exception):
    """A step that was to take effect did not."""


class Books:
    def __init__(self) -> None:
        self.driver = DomainDriver()
        self.audit = Audit()
        self.commands = 0
        self.recorded: dict[CommandId, Recorded] = {}

    # What is said. Each answers what was recorded, and fails when it is refused.

    def grant(
        self,
        lot: str,
        amount: int = 10,
        *,
        expires_at: datetime | None = None,
        priority: int = 100,
        source: LotSource = LotSource.PACK,
        fact: str = "",
        reversal: int = 0,
    ) -> Recorded:
        terms = {"priority": priority, "expires_at": expires_at, "reversal": reversal, "source": source}
        return self.say(
            Grant(id=self.new_id(), lot_id=LotId(_named(1, lot)), amount=amount, source_ref=fact or lot, **terms)  # type: ignore[arg-type]  # fits by construction
        )

    def hold(self, hold: str, amount: int, *, expires_at: datetime | None = None, limit: int = 9) -> Recorded:
        due = expires_at or self.now + timedelta(hours=1)
        hold_id = HoldId(_named(2, hold))
        return self.say(PlaceHold(id=self.new_id(), hold_id=hold_id, amount=amount, expires_at=due, open_limit=limit))

    def capture(self, hold: str, amount: int) -> Recorded:
        return self.say(Capture(id=self.new_id(), hold_id=HoldId(_named(2, hold)), amount=amount))

    def release(self, hold: str) -> Recorded:
        return self.say(Release(id=self.new_id(), hold_id=HoldId(_named(2, hold))))

    def expire(self, hold: str) -> Recorded:
        return self.say(Expire(id=self.new_id(), hold_id=HoldId(_named(2, hold))))

    def reverse(self, lot: str, reversal: int) -> Recorded:
        return self.say(Reverse(id=self.new_id(), lot_id=LotId(_named(1, lot)), reversal=reversal))

    def adjust_down(self, lot: str, amount: int) -> Recorded:
        return self.say(AdjustDown(id=self.new_id(), lot_id=LotId(_named(1, lot)), amount=amount))

    def sweep(self) -> Recorded:
        return self.say(Sweep(id=self.new_id()))

    def close(self) -> Recorded:
        return self.say(Close(id=self.new_id()))

    def pays(self, amount: int) -> None:
        """A picture for `amount` credits, from the hold to the capture."""
        name = f"pays{self.commands}"
        self.hold(name, amount)
        self.capture(name, amount)

    def say(self, command: Command) -> Recorded:
        """Say a command whole; saying one again must change nothing."""
        answer = self.driver.apply(0, command)
        effect = answer if isinstance(answer, Recorded) and command.id not in self.recorded else None
        self.audit.read(self.state, effect)
        if effect is not None:
            self.recorded[effect.id] = effect
        if isinstance(answer, type):
            raise Refused(answer)
        return answer

    def refuses(self, error: type[DomainError], step: Callable[..., Recorded], *arguments: object, **terms: object) -> None:
        """The step is refused with just this error, and the refusal leaves no trace."""
        before = repr(self.state)
        with pytest.raises(Refused) as refused:
            step(*arguments, **terms)
        assert refused.value.args == (error,)
        assert repr(self.state) == before

    # The time

    @property
    def now(self) -> datetime:
        return self.driver.now()

    def until(self, instant: datetime) -> None:
        self.driver.advance((instant - self.now).total_seconds())

    def later(self, **length: float) -> datetime:
        return self.now + timedelta(**length)

    # What is read

    @property
    def state(self) -> Snapshot:
        return self.driver.state(0)

    @property
    def wallet(self) -> tuple[int, int, int]:
        """(available, held, debt)"""
        state = self.state
        return state.available, state.held, state.debt

    def lot(self, lot: str) -> dict[str, int]:
        """Where the lot's credits are, zeros left out, and what is owed of it."""
        kept = self.kept(lot)
        return {name: number for name in NUMBERS[1:] if (number := getattr(kept, name))}

    def kept(self, lot: str) -> Lot:
        return self.state.lots[LotId(_named(1, lot))]

    def held(self, hold: str) -> Hold:
        return self.state.holds[HoldId(_named(2, hold))]

    def lines(self, recorded: Recorded) -> list[str]:
        """What a command wrote, as "from → to amount"."""
        written = self.state.transfers[recorded.first_version - 1 : recorded.last_version]
        return [f"{line.debit.value} → {line.credit.value} {line.amount}" for line in written]

    def shown(self) -> int:
        return self.as_of(self.now)

    def as_of(self, instant: datetime) -> int:
        return as_of(self.state, instant)

    def new_id(self) -> CommandId:
        self.commands += 1
        return CommandId(UUID(int=self.commands))
