"""What must come of a generation whose worker is gone for good, told from what it left behind and from nothing else.

The rules of recovery once more, in the words of the specification and without its code: rows, objects and calls at the moment of
the death on one side, the one possible end on the other. What fits no row of the table has no stated end, and fails.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from domain.attempts import Finality, Outcome
from domain.generations import GenerationState

State = GenerationState
PERHAPS_PAID = (Outcome.INTENDED, Outcome.UNKNOWN, Outcome.EXECUTED)


class Answer(Enum):
    """What the provider does with a call."""

    PICTURES = "pictures"
    REFUSAL = "refusal"
    LIMIT = "limit"
    """429: nothing was made, ask again later."""
    SILENCE = "silence"
    """The work is done, and the line breaks."""
    NOT_ASKED = "not asked"
    """Our own check refuses the request: there is no call."""
    BAD_PICTURES = "bad pictures"
    """Our own check refuses what comes."""


@dataclass(frozen=True, slots=True)
class Left:
    """`attempts`: outcome and finality of each. `pictures`: how many lie at the keys of each attempt that has any."""

    state: State
    n: int
    attempts: Sequence[tuple[Outcome, Finality | None]]
    pictures: Mapping[int, int]
    manifests: frozenset[int]
    cancelled: bool
    delivered: int

    @property
    def paid(self) -> int:
        return sum(outcome in PERHAPS_PAID for outcome, _ in self.attempts)


@dataclass(frozen=True, slots=True)
class End:
    """`calls`: that reached the provider, over all. `paid`: attempts that were, or may have been, paid."""

    state: State
    delivered: int
    calls: int
    paid: int

    def __str__(self) -> str:
        return f"{self.state}, {self.delivered} delivered, {self.calls} calls, {self.paid} perhaps paid"


class UnstatedEnd(AssertionError):
    """Nobody has said what must come of this."""


def end_of(left: Left, calls: int, answers: Sequence[Answer]) -> End:
    """`calls` had reached the provider by then; `answers`: to the first, the second, …; the last goes for all that follow."""
    if left.manifests - left.pictures.keys() or (left.state is State.RUNNING and not left.attempts):
        raise UnstatedEnd(f"no end is stated for {left}")
    if not left.state.is_open:
        return End(left.state, left.delivered, calls, left.paid)
    whole = [number for number, lie in sorted(left.pictures.items()) if number in left.manifests or lie == left.n]
    if left.pictures and Answer.BAD_PICTURES in answers:
        return End(State.REFUSED, 0, calls, left.paid)
    if whole:
        return End(State.SUCCEEDED, left.pictures[whole[0]], calls, left.paid)
    if left.pictures:
        return End(State.SUCCEEDED, max(left.pictures.values()), calls, left.paid)
    finalities = [finality for _, finality in left.attempts]
    if Finality.REFUSED in finalities:
        return End(State.REFUSED, 0, calls, left.paid)
    if Finality.FINAL in finalities:
        return End(State.FAILED, 0, calls, left.paid)
    outcomes = [outcome for outcome, _ in left.attempts]
    if Outcome.EXECUTED in outcomes:
        return End(State.FAILED, 0, calls, left.paid)
    if left.cancelled:
        return End(State.CANCELLED, 0, calls, left.paid)
    if left.paid >= 2:
        return End(State.FAILED, 0, calls, left.paid)
    if left.state is State.QUEUED and left.paid:
        raise UnstatedEnd(f"no end is stated for {left}")
    return _called_again(left.n, left.paid, calls, answers)


def _called_again(n: int, paid: int, calls: int, answers: Sequence[Answer]) -> End:
    while True:
        answer = answers[min(calls, len(answers) - 1)]
        if answer is Answer.NOT_ASKED:
            return End(State.REFUSED, 0, calls, paid)
        calls += 1
        match answer:
            case Answer.PICTURES:
                return End(State.SUCCEEDED, n, calls, paid + 1)
            case Answer.BAD_PICTURES:
                return End(State.REFUSED, 0, calls, paid + 1)
            case Answer.REFUSAL:
                return End(State.REFUSED, 0, calls, paid)
            case Answer.SILENCE:
                paid += 1
                if paid >= 2:
                    return End(State.FAILED, 0, calls, paid)
            case Answer.LIMIT:
                pass
