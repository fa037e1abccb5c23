"""What is not made and not shown: the verdict on words and pictures, and how long one waits for it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Self

from domain.attempts import Attempt, Failure, FailureClass, Finality, NotExecuted, Outcome, Stage
from domain.timing import Timing

_MOST_CHARACTERS = 40
_SOMETHING = "flagged"


@dataclass(frozen=True, slots=True)
class Verdict:
    """`category`: what is wrong, in a word of small letters and underscores; None if nothing is."""

    category: str | None = None

    @classmethod
    def flagged(cls, category: str) -> Self:
        """`category` as whoever judged writes it: `sexual/minors` is `sexual_minors`."""
        word = re.sub(r"[^a-z0-9]+", "_", category.lower()).strip("_")[:_MOST_CHARACTERS]
        return cls(word or _SOMETHING)

    def refusal(self, stage: Stage) -> Failure:
        """Of what was flagged. Nothing of the words or the picture is repeated."""
        code = self.category or _SOMETHING
        return Failure(FailureClass.MODERATION, stage, code, f"Refused by our safety check at the {stage} stage ({code})")


CLEAN = Verdict()
FORBIDDEN = Verdict("forbidden")
"""A picture that is known and listed. Neither caller nor staff is told that there is a list, or which entry it was."""

NOBODY_JUDGED = NotExecuted(
    Failure(FailureClass.CAPACITY, Stage.INPUT, "moderation_unavailable", "The safety check did not answer; no call was made"),
    Finality.RETRYABLE,
)

NOT_LOOKED_AT = NotExecuted(
    Failure(FailureClass.CAPACITY, Stage.INPUT, "not_looked_at", "The references could not be looked at; no call was made"),
    Finality.RETRYABLE,
)


def only_waited(attempt: Attempt) -> bool:
    """Whether it ended before its call because the moderator did not answer."""
    waits = attempt.failure is not None and attempt.failure.code == NOBODY_JUDGED.failure.code
    return waits and attempt.outcome is Outcome.NOT_EXECUTED


def tries(attempts: Sequence[Attempt]) -> int:
    """How many of them the model was to hear of. Those that only waited for the moderator count apart, by time: else its outage
    would use up what a busy model needs."""
    return sum(not only_waited(attempt) for attempt in attempts)


def pause(attempts: Sequence[Attempt], said: float | None, now: datetime, timing: Timing) -> timedelta:
    """Before the next free attempt. `said`: the seconds that the last one was told to wait."""
    last = attempts[-1]
    if not only_waited(last):
        return timing.wait(tries(attempts), said)
    return max(timedelta(0), (last.decided_at or now) + timing.moderation_pause - now)


def in_vain(attempts: Sequence[Attempt], now: datetime, timing: Timing) -> bool:
    """Whether the moderator has not answered for as long as anybody waits. Once it answers, the time begins anew."""
    in_a_row = list(takewhile(only_waited, reversed(attempts)))
    return bool(in_a_row) and now - in_a_row[-1].started_at >= timing.moderation_patience


def look_again(attempts: Sequence[Attempt], now: datetime, timing: Timing) -> timedelta:
    """Before the next look, after one that could not tell: as long as it has been so already. A short outage is over soon for
    everybody, and a long one is not made longer by the many who ask."""
    since = attempts[-1].decided_at or now
    return min(max(timing.back_off, now - since), timing.moderation_pause)


def refused_by_us(attempt: Attempt) -> Failure | None:
    """What our own check said of the pictures it brought, by its caller's word."""
    failure = attempt.failure
    ours = failure and (failure.failure_class, failure.stage) == (FailureClass.MODERATION, Stage.OUTPUT)
    return failure if ours and attempt.outcome is Outcome.EXECUTED else None
