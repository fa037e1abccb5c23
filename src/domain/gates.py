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
    KEY_REFUSED = "key_refused"
    """The provider refuses our key, our organisation or our account's balance: only its operator can mend that."""
    UNKNOWN_OUTCOMES = "unknown_outcomes"
    """The breaker: so many calls end unknown that buying on would mostly buy losses."""


@dataclass(frozen=True, slots=True)
class GateRules:
    """The breaker opens when more than `unknowns` calls and more than `unknown_percent` of all ended unknown lately: a call
    counts half after `half_life`."""

    unknowns: int = 3
    unknown_percent: int = 10
    half_life: timedelta = timedelta(minutes=5)
    breaker_pause: timedelta = timedelta(seconds=60)
    refused_pause: timedelta = timedelta(minutes=10)
    """After the provider refused us as a customer. At six an hour they never use up the attempts of one generation."""
    rate_limit_pause: timedelta = timedelta(seconds=5)
    """After a 429 that does not say when to come back."""


@dataclass(slots=True)
class Gate:
    """`spare`, filled by `per_second` up to `capacity`: calls the provider still allows, as of `filled_at`. `capacity` is None
    until it has told us. `calls` and `unknowns`, as of `judged_at`, fade."""

    model: str
    closed_until: datetime | None = None
    reason: ClosedFor | None = None
    capacity: int | None = None
    spare: float = 0.0
    per_second: float = 0.0
    filled_at: datetime | None = None
    calls: float = 0.0
    unknowns: float = 0.0
    judged_at: datetime | None = None

    def is_closed(self, now: datetime) -> bool:
        return self.closed_until is not None and now < self.closed_until

    def take(self, now: datetime) -> bool:
        """A call is about to start; False if it may not. Whoever takes the last that is allowed closes the gate behind it."""
        if self.is_closed(now):
            return False
        self._fill(now)
        if self.capacity is not None:
            self.spare = max(0.0, self.spare - 1)
            self._close_while_spent(now)
        return True

    def learn(self, result: CallResult, now: datetime, rules: GateRules) -> None:
        """What a call's end says of the calls to come."""
        if allowance := result.allowance:
            self._allow(allowance, now)
        if isinstance(result, NotExecuted) and result.obstacle is Obstacle.RATE_LIMIT:
            pause = timedelta(seconds=result.retry_after_seconds) if result.retry_after_seconds else rules.rate_limit_pause
            self.close(now + pause, ClosedFor.RATE_LIMIT)
        if isinstance(result, NotExecuted) and result.obstacle is Obstacle.KEY_REFUSED:
            self.close(now + rules.refused_pause, ClosedFor.KEY_REFUSED)
        if isinstance(result, Executed | Unknown):
            self.judge(isinstance(result, Unknown), now, rules)

    def judge(self, unknown: bool, now: datetime, rules: GateRules) -> None:
        """One more call that may have been paid has ended, and perhaps nothing is known of it."""
        faded = 0.5 ** ((now - self.judged_at) / rules.half_life) if self.judged_at else 1.0
        self.calls, self.unknowns, self.judged_at = self.calls * faded + 1, self.unknowns * faded + unknown, now
        if unknown and self.unknowns > rules.unknowns and self.unknowns * 100 > self.calls * rules.unknown_percent:
            self.close(now + rules.breaker_pause, ClosedFor.UNKNOWN_OUTCOMES)

    def close(self, until: datetime, reason: ClosedFor) -> None:
        """Until then at least: the longest reason counts."""
        if self.closed_until is None or until > self.closed_until:
            self.closed_until, self.reason = until, reason

    def _allow(self, allowance: Allowance, now: datetime) -> None:
        missing = allowance.capacity - allowance.spare
        if missing > 0 and allowance.full_in_seconds > 0:
            self.per_second = missing / allowance.full_in_seconds
        self.per_second = self.per_second or allowance.capacity / 60  # what most providers mean where they do not say
        self.capacity, self.spare, self.filled_at = allowance.capacity, float(allowance.spare), now
        self._close_while_spent(now)

    def _fill(self, now: datetime) -> None:
        if self.capacity is not None and self.filled_at is not None:
            passed = max(0.0, (now - self.filled_at).total_seconds())
            self.spare, self.filled_at = min(float(self.capacity), self.spare + passed * self.per_second), now

    def _close_while_spent(self, now: datetime) -> None:
        if self.spare < 1 and self.per_second:
            self.close(now + timedelta(seconds=(1 - self.spare) / self.per_second), ClosedFor.ALLOWANCE)
