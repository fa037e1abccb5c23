"""When calls of a model may start: what its provider allows, whether our key is accepted, how many calls end unknown.

Every live call passes the gate of its model. A gate is either open or closed until an instant; all workers share it.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from domain.attempts import Allowance, CallResult, Executed, NotExecuted, Obstacle, Unknown


class ClosedFor(StrEnum):
    """Why calls of a model wait."""

    ALLOWANCE = "allowance"
    """What the provider allows for now is used up."""
    RATE_LIMIT = "rate_limit"
    """The provider said: not before."""
    UNREACHABLE = "unreachable"
    """Nobody answers there."""
    KEY_REFUSED = "key_refused"
    """The provider refuses our key, our organisation or our account's balance: only its operator can mend that."""
    UNKNOWN_OUTCOMES = "unknown_outcomes"
    """The breaker: so many calls end unknown that buying on would mostly buy losses."""


_OBSTACLES = {
    Obstacle.RATE_LIMIT: ClosedFor.RATE_LIMIT,
    Obstacle.UNREACHABLE: ClosedFor.UNREACHABLE,
    Obstacle.KEY_REFUSED: ClosedFor.KEY_REFUSED,
}


@dataclass(frozen=True, slots=True)
class GateRules:
    """The breaker opens when more than `unknowns` calls and more than `unknown_percent` of all ended unknown lately: a call
    counts half after `half_life`."""

    unknowns: int = 3
    unknown_percent: int = 10
    half_life: timedelta = timedelta(minutes=5)
    breaker_pause: timedelta = timedelta(seconds=60)
    refused_pause: timedelta = timedelta(minutes=10)
    """After the provider refused us as a customer."""
    busy_pause: timedelta = timedelta(seconds=5)
    """After a 429 that does not say when to come back, or when nobody answered; twice as long each time it happens again."""
    longest_pause: timedelta = timedelta(minutes=10)
    """Whatever is said or counted: then one call may try."""
    trial: timedelta = timedelta(seconds=2)
    """How long the others stand back behind the first call after a closing. A refusal comes at once, so silence means yes; only
    the breaker waits for the answer itself."""


@dataclass(slots=True)
class Gate:
    """Open, or closed until an instant for a reason. Then one call goes first, on trial, before the others may follow.

    `spare`, filled by `per_second` up to `capacity`: calls the provider still allows, as of `filled_at`. `capacity` is None until
    it has told us. `calls` and `unknowns`, as of `judged_at`, fade. `closings`: how often in a row without a success.
    """

    model: str
    closed_until: datetime | None = None
    reason: ClosedFor | None = None
    on_trial: bool = False
    closings: int = 0
    capacity: int | None = None
    spare: float = 0.0
    per_second: float = 0.0
    filled_at: datetime | None = None
    calls: float = 0.0
    unknowns: float = 0.0
    judged_at: datetime | None = None

    def is_closed(self, now: datetime) -> bool:
        return self.closed_until is not None and now < self.closed_until

    def take(self, now: datetime, rules: GateRules) -> bool:
        """A call is about to start; False if it may not. Whoever takes the last that is allowed closes the gate behind it, and so
        does whoever goes first after a closing."""
        if self.is_closed(now):
            return False
        self._try(now, rules)
        self._fill(now)
        if self.capacity is not None:
            self.spare = max(0.0, self.spare - 1)
            self._close_while_spent(now, rules)
        return True

    def learn(self, result: CallResult, now: datetime, rules: GateRules) -> None:
        """What a call's end says of the calls to come."""
        if allowance := result.allowance:
            self._allow(allowance, now, rules)
        if isinstance(result, NotExecuted) and result.obstacle:
            self._stop(_OBSTACLES[result.obstacle], result.retry_after_seconds, now, rules)
        if isinstance(result, Executed):
            if self.reason is ClosedFor.UNKNOWN_OUTCOMES:
                self._open()
            if self.reason in (None, ClosedFor.ALLOWANCE):  # of another closing it may say nothing: it began before
                self.closings = 0
        if isinstance(result, Executed | Unknown):
            self._judge(isinstance(result, Unknown), now, rules)

    def close(self, until: datetime, reason: ClosedFor) -> None:
        """Until then at least: the longest reason counts."""
        if self.closed_until is None or until > self.closed_until:
            self.closed_until, self.reason, self.on_trial = until, reason, False

    def _open(self) -> None:
        self.closed_until, self.reason, self.on_trial = None, None, False

    def _try(self, now: datetime, rules: GateRules) -> None:
        """The first after a closing: the others wait a moment for what becomes of it."""
        if self.reason in (None, ClosedFor.ALLOWANCE):
            return
        waits_for_answer = self.reason is ClosedFor.UNKNOWN_OUTCOMES
        if self.on_trial and not waits_for_answer:  # nobody refused the one before
            self._open()
            return
        self.on_trial, self.closed_until = True, now + (rules.breaker_pause if waits_for_answer else rules.trial)

    def _stop(self, reason: ClosedFor, seconds: float | None, now: datetime, rules: GateRules) -> None:
        """Calls that were out together are refused together, and count once."""
        if self.on_trial or not self.is_closed(now):
            self.closings += 1
        pause = rules.busy_pause * 2 ** min(self.closings - 1, 10)
        if reason is ClosedFor.KEY_REFUSED:
            pause = rules.refused_pause
        elif seconds:
            pause = timedelta(seconds=seconds)
        self.close(now + min(pause, rules.longest_pause), reason)

    def _judge(self, unknown: bool, now: datetime, rules: GateRules) -> None:
        """One more call that may have been paid has ended, and perhaps nothing is known of it."""
        passed = max(now - self.judged_at, timedelta(0)) if self.judged_at else timedelta(0)
        faded = 0.5 ** (passed / rules.half_life)
        self.calls, self.unknowns, self.judged_at = self.calls * faded + 1, self.unknowns * faded + unknown, now
        if unknown and self.unknowns > rules.unknowns and self.unknowns * 100 > self.calls * rules.unknown_percent:
            self.close(now + rules.breaker_pause, ClosedFor.UNKNOWN_OUTCOMES)

    def _allow(self, allowance: Allowance, now: datetime, rules: GateRules) -> None:
        missing = allowance.capacity - allowance.spare
        if missing > 0 and allowance.full_in_seconds > 0:
            self.per_second = missing / max(allowance.full_in_seconds, 0.001)
        self.per_second = self.per_second or allowance.capacity / 60  # what most providers mean where they do not say
        self.capacity, self.spare, self.filled_at = allowance.capacity, float(allowance.spare), now
        self._close_while_spent(now, rules)

    def _fill(self, now: datetime) -> None:
        if self.capacity is not None and self.filled_at is not None:
            passed = max(0.0, (now - self.filled_at).total_seconds())
            self.spare, self.filled_at = min(float(self.capacity), self.spare + passed * self.per_second), now

    def _close_while_spent(self, now: datetime, rules: GateRules) -> None:
        if self.spare < 1 and self.per_second:
            pause = min((1 - self.spare) / self.per_second, rules.longest_pause.total_seconds())
            self.close(now + timedelta(seconds=pause), ClosedFor.ALLOWANCE)
