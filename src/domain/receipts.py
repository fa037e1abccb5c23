"""A receipt: what one generation cost, from its price to the last credit, in numbers and in words.

The numbers are the books' own lines for its hold; the words say of each what it meant for whoever paid. What a call cost us is no
part of it, and no prompt.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

from domain.accounts import Mode
from domain.attempts import REFUNDED, Attempt, Finality, Outcome
from domain.catalogue import Catalogue
from domain.credits import Hold
from domain.errors import DomainError
from domain.generations import Generation, GenerationState
from domain.ledger import LedgerAccount, LotId, LotSource
from domain.prices import quote

_A, _H, _D = LedgerAccount.AVAILABLE, LedgerAccount.HELD, LedgerAccount.DEBT
_C, _E, _R = LedgerAccount.CONSUMED, LedgerAccount.EXPIRED, LedgerAccount.REVERSED


@dataclass(frozen=True, slots=True)
class Origin:
    """Where credits came from: a lot of the wallet. None: it never lapses."""

    id: LotId
    source: LotSource
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the statement that this generation's hold brought about. `kind` is the command's."""

    version: int
    at: datetime
    kind: str
    debit: LedgerAccount
    credit: LedgerAccount
    amount: int
    lot_id: LotId
    available_after: int
    held_after: int
    debt_after: int


@dataclass(frozen=True, slots=True)
class Receipt:
    """`lines`: the oldest first; `lots`: all that they name. While the generation is open, it says how things stand."""

    generation: Generation
    hold: Hold
    lots: tuple[Origin, ...]
    lines: tuple[Line, ...]

    @property
    def placed_at(self) -> datetime:
        return self.lines[0].at

    @property
    def captured(self) -> int:
        return self._moved(_H, _C)

    @property
    def released(self) -> int:
        return self._moved(_H, _A)

    @property
    def held(self) -> int:
        """What still is: all of it while the generation is open, nothing after."""
        return self._moved(_A, _H) - self.captured - self.released

    def origin(self, lot: LotId) -> Origin:
        return next(origin for origin in self.lots if origin.id == lot)

    def charged(self, attempt: Attempt) -> int:
        """What its owner paid for this call."""
        return self.captured if attempt.booked else 0

    def _moved(self, debit: LedgerAccount, credit: LedgerAccount) -> int:
        return sum(line.amount for line in self.lines if (line.debit, line.credit) == (debit, credit))

    # In words

    def summary(self) -> str:
        said = self._outcome()
        return f"{said} These are test credits: they cost no money." if self.generation.mode is Mode.TEST else said

    def _outcome(self) -> str:
        made, n = self.generation.delivered, self.generation.n
        match self.generation.state:
            case GenerationState.SUCCEEDED if made == n:
                brought = "The picture was delivered" if n == 1 else f"All {n} pictures were delivered"
                return f"{brought}: {credits(self.captured)}."
            case GenerationState.SUCCEEDED:
                were = "was" if made == 1 else "were"
                return f"{made} of {n} pictures {were} delivered: {self.captured} of {credits(self.hold.amount)}."
            case GenerationState.REFUSED:
                return "The request or its pictures were refused. You were not charged."
            case GenerationState.FAILED:
                return "No picture could be made. You were not charged."
            case GenerationState.CANCELLED:
                refunded = self.generation.failure == REFUNDED
                return f"{'You took the refund' if refunded else 'It was cancelled'}. You were not charged."
            case _:
                unsure = "Nothing is known of the last call. " if self.generation.uncertain_since else ""
                return f"{unsure}You were not charged so far: {credits(self.held)} {_are(self.held)} set aside until it ends."

    def says_of_price(self) -> str:
        n, unit, whole = self.generation.n, self.generation.unit, self.generation.price
        if n == 1:
            return f"One picture: {credits(whole)}, if it is delivered."
        return f"{n} pictures at {credits(unit)} each: {credits(whole)}, if all are delivered."

    def says_of_hold(self) -> str:
        sources = _listed([f"{part.amount} from {_SOURCES[self.origin(part.lot_id).source]}" for part in self.hold.allocations])
        return f"{credits(self.hold.amount)} {_were(self.hold.amount)} set aside when you asked: {sources}."

    def says_of(self, attempt: Attempt) -> str:
        """What became of a call, and who bears it."""
        is_open = self.generation.state.is_open
        before = [a for a in self.generation.attempts[: attempt.number - 1] if a.outcome.perhaps_paid]
        call = "A second call" if before and attempt.outcome.perhaps_paid else "The call"
        match attempt.outcome:
            case Outcome.NOT_EXECUTED:
                by_rules = attempt.finality is Finality.REFUSED
                return f"The call was {'refused' if by_rules else 'not carried out'}, and nothing was made. You were not charged."
            case Outcome.EXECUTED if attempt.booked and self.captured:
                paid = f"{call} made what was delivered: {credits(self.captured)}."
                return f"{paid} The one before it was at our cost." if before else paid
            case Outcome.EXECUTED if attempt.booked:
                return f"{call} made pictures that our own check refused. It was at our cost: you were not charged."
            case Outcome.INTENDED if is_open:
                return f"{call} is under way. You were not charged for it so far."
            case _ if is_open:
                return f"{call} is over, and what came of it is being looked for. You were not charged for it so far."
            case Outcome.EXECUTED:
                return f"{call} brought you nothing. It was at our cost: you were not charged for it."
            case _:
                return f"{call} was left without an answer. If it was made, it was at our cost: you were not charged for it."

    def says_of_settlement(self) -> str:
        if self.held:
            return f"{credits(self.held)} {_are(self.held)} still set aside."
        return f"Of {credits(self.hold.amount)}, {self.captured} {_were(self.captured)} charged and {self.released} given back."

    def says_of_line(self, line: Line) -> str:
        origin = self.origin(line.lot_id)
        said = LINES[line.debit, line.credit].format(credits(line.amount), _were(line.amount), _SOURCES[origin.source])
        return said[0].upper() + said[1:]


LINES: Mapping[tuple[LedgerAccount, LedgerAccount], str] = MappingProxyType(
    {
        (_A, _H): "{0} {1} set aside from {2}.",
        (_H, _C): "{0} from {2} {1} charged for what was delivered.",
        (_H, _A): "{0} {1} given back to {2}.",
        (_A, _E): "{0} from {2} had run out by the time they could be given back.",
        (_A, _R): "{0} from {2} went back with the money that was paid for them.",
        (_E, _R): "{0} from {2} that had run out went back with the money that was paid for them.",
        (_R, _A): "{0} came back to {2}, since the money that was paid for them stayed after all.",
        (_D, _R): "{0} from {2} {1} used, and the money for them went back: they are owed.",
        (_R, _D): "{0} from {2} are owed no longer.",
        (_A, _D): "{0} from {2} {1} used for what was owed.",
        (_D, _A): "{0} used for what was owed came back to {2}.",
    }
)
"""Every move that a hold can bring about, in words: how many credits, whether it is one, and where they are from."""
_SOURCES: Mapping[LotSource, str] = MappingProxyType(
    {
        LotSource.TRIAL: "your trial credits",
        LotSource.SUBSCRIPTION: "the credits of your plan",
        LotSource.PACK: "the credits of a pack",
        LotSource.PROMOTION: "the credits of a promotion",
        LotSource.STAFF: "credits given by our staff",
        LotSource.GOODWILL: "credits given as goodwill",
    }
)


def breakdown(generation: Generation, catalogue: Catalogue) -> Mapping[str, int] | None:
    """What the price was for, part by part. None if nobody can tell any more: the request was erased, or prices changed."""
    model, request = catalogue.models.get(generation.model), generation.request
    if model is None or request is None:
        return None
    try:
        today = quote(request, model)
    except (DomainError, StopIteration):  # the model cannot do by now what it was asked for then
        return None
    return dict(today.breakdown) if today.unit == generation.unit else None


def credits(amount: int) -> str:
    return f"{amount} credit" if amount == 1 else f"{amount} credits"


def _are(amount: int) -> str:
    return "is" if amount == 1 else "are"


def _were(amount: int) -> str:
    return "was" if amount == 1 else "were"


def _listed(parts: list[str]) -> str:
    return " and ".join([", ".join(parts[:-1]), parts[-1]]) if len(parts) > 1 else parts[0]
