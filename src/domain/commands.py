"""What a wallet can be told. Each command bears an id made from its fact, so that saying it twice is known as the same thing."""

import hashlib
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Self
from uuid import UUID, uuid5

from domain.ledger import CommandId, HoldId, LotId, LotSource

_COMMANDS = UUID("6f1d3c1e-4b6a-5c1f-9d0b-2f6c9a5e7b10")


def command_id(kind: str, fact: object) -> CommandId:
    """The id a command always has for the same fact, so that doing it again is known as the same thing."""
    return CommandId(uuid5(_COMMANDS, f"{kind}:{fact}"))


@dataclass(frozen=True, slots=True)
class About:
    """What a wallet must have loaded before it can be told a command: its id, and what it names."""

    command: CommandId
    hold: HoldId | None = None
    lot: LotId | None = None
    fact: tuple[LotSource, str] | None = None
    every_lot: bool = False


def _text(value: object) -> str:
    """An instant reads the same from whichever zone it came, so that a database's zone makes no other command of it."""
    return str(value.astimezone(UTC) if isinstance(value, datetime) else value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    id: CommandId

    @property
    def about(self) -> About:
        return About(self.id)

    @property
    def kind(self) -> str:
        """The word of the statement: `hold` for a PlaceHold, `adjust` for an AdjustDown, else the class's own name."""
        return {"PlaceHold": "hold", "AdjustDown": "adjust"}.get(type(self).__name__, type(self).__name__.lower())

    @property
    def fingerprint(self) -> str:
        """32 hex digits over everything the command says; `open_limit` is the moment's policy and not part of it."""
        said = [f"{f.name}={_text(getattr(self, f.name))}" for f in fields(self) if f.name != "open_limit"]
        return hashlib.blake2b("|".join([self.kind, *said]).encode(), digest_size=16).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant(Command):
    """A new lot. `source` and `source_ref` name the economic fact; `reversal` is what is already reversed of it."""

    lot_id: LotId
    amount: int
    source: LotSource
    source_ref: str
    priority: int = 100
    expires_at: datetime | None = None
    reversal: int = 0

    @classmethod
    def of(
        cls,
        source: LotSource,
        source_ref: str,
        amount: int,
        *,
        priority: int = 100,
        expires_at: datetime | None = None,
        reversal: int = 0,
    ) -> Self:
        """The one grant of an economic fact: the command and its lot bear ids made of it."""
        fact = f"{source}:{source_ref}"
        return cls(
            id=command_id("grant", fact),
            lot_id=LotId(command_id("lot", fact)),
            amount=amount,
            source=source,
            source_ref=source_ref,
            priority=priority,
            expires_at=expires_at,
            reversal=reversal,
        )

    @property
    def about(self) -> About:
        return About(self.id, fact=(self.source, self.source_ref))


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceHold(Command):
    hold_id: HoldId
    amount: int
    expires_at: datetime
    open_limit: int

    @property
    def about(self) -> About:
        return About(self.id, hold=self.hold_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Capture(Command):
    """Take `amount` (at least one) of a hold for good; the rest goes back to its own lots."""

    hold_id: HoldId
    amount: int

    @property
    def about(self) -> About:
        return About(self.id, hold=self.hold_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Release(Command):
    hold_id: HoldId

    @property
    def about(self) -> About:
        return About(self.id, hold=self.hold_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Expire(Command):
    hold_id: HoldId

    @property
    def about(self) -> About:
        return About(self.id, hold=self.hold_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reverse(Command):
    """Set how many credits of a lot are to be taken back, up or down (a dispute won)."""

    lot_id: LotId
    reversal: int

    @property
    def about(self) -> About:
        return About(self.id, lot=self.lot_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class AdjustDown(Command):
    """Staff takes back at most what remains of one lot that was not bought; a bought lot changes by refund only."""

    lot_id: LotId
    amount: int

    @property
    def about(self) -> About:
        return About(self.id, lot=self.lot_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep(Command):
    """Nothing but the lapse that every command does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Close(Command):
    """The account leaves: what is left lapses now."""

    @property
    def about(self) -> About:
        return About(self.id, every_lot=True)


@dataclass(frozen=True, slots=True)
class Recorded:
    """A command's first and only effect: lines `first_version` to `last_version` (none when first > last), and its result."""

    id: CommandId
    kind: str
    fingerprint: str
    subject: UUID | None
    amount: int | None
    first_version: int
    last_version: int
    at: datetime
