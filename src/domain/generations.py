"""A generation: one request for pictures, from the hold on its price to its end.

`queued → running → succeeded | failed | refused | cancelled`. The row is the truth; wake-ups only say "look". Whoever works on
it holds a *lease*; every write of the owner carries the lease, so a worker that lost it changes nothing but its own attempt's
record. The hold resolves only together with the generation, and the four ends are final.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NewType
from uuid import UUID

from domain import moderation
from domain.accounts import AccountId, KeyId, Mode
from domain.attempts import (
    CANCELLED,
    DEADLINE_PASSED,
    EMPTY,
    HOLD_EXPIRED,
    NOT_STORED,
    REFUNDED,
    Attempt,
    CallResult,
    Executed,
    Failure,
    FailureClass,
    Finality,
    Manifest,
    NotExecuted,
    Outcome,
    Timing,
)
from domain.commands import Capture, Command, Expire, Release, command_id
from domain.errors import LeaseLost, NotFinished
from domain.events import Event, EventKind, numbers_of_end
from domain.events import GenerationState as GenerationState
from domain.ledger import HoldId, WalletId
from domain.requests import Kind, PictureRequest

GenerationId = NewType("GenerationId", UUID)
Lease = NewType("Lease", UUID)


class Next(StrEnum):
    """What a decision asks of the one who made it."""

    ENDED = "ended"
    WAIT = "wait"
    CALL = "call"


PAID_CALLS = 2  # that are, or may be, paid per generation; a third never starts


@dataclass(slots=True)
class Generation:
    """`resume_at`: while queued, not before; while parked (running without a lease), look again then. `deadline` governs the
    start of a call, never the saving of its result. `request` is None once deleted; the rest stays as a billing record.
    `last_event`: the number of the last event; `news`: the events since it was loaded, to be written by whoever saves it.
    """

    id: GenerationId
    account_id: AccountId
    wallet_id: WalletId
    key_id: KeyId | None
    mode: Mode
    kind: Kind
    model: str
    request: PictureRequest | None
    n: int
    unit: int
    priority: int
    created_at: datetime
    deadline: datetime
    hold_expires_at: datetime
    parent: GenerationId | None = None
    state: GenerationState = GenerationState.QUEUED
    lease: Lease | None = None
    lease_until: datetime | None = None
    resume_at: datetime | None = None
    cancel_requested_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    trashed_at: datetime | None = None
    failure: Failure | None = None
    delivered: int = 0
    attempts: list[Attempt] = field(default_factory=list)
    metadata: Mapping[str, str] = field(default_factory=dict)
    favourite: bool = False
    last_event: int = 0
    news: list[Event] = field(default_factory=list, compare=False, repr=False)

    @property
    def price(self) -> int:
        return self.unit * self.n

    @property
    def captured(self) -> int:
        return self.unit * self.delivered

    @property
    def uncertain_since(self) -> datetime | None:
        """Since when a call has been out of which nothing is known; its owner may take the refund."""
        calling = bool(self.attempts) and self.attempts[-1].outcome is Outcome.INTENDED
        lost = self.lost() if self.state is GenerationState.RUNNING and not calling else []
        return lost[-1].decided_at if lost else None

    def perhaps_paid(self) -> list[Attempt]:
        return [attempt for attempt in self.attempts if attempt.outcome.perhaps_paid]

    def lost(self) -> list[Attempt]:
        """Those of which nothing is known."""
        return [attempt for attempt in self.attempts if attempt.outcome is Outcome.UNKNOWN]

    def attempt(self, number: int) -> Attempt:
        return self.attempts[number - 1]

    def hold_command(self) -> Command:
        """How the hold resolves, now that the generation has ended: part of the same transaction."""
        hold = HoldId(self.id)
        if self.state is GenerationState.SUCCEEDED:
            return Capture(id=command_id("capture", hold), hold_id=hold, amount=self.captured)
        if self.state.is_open:
            raise NotFinished
        if self.failure == HOLD_EXPIRED:
            return Expire(id=command_id("expire", hold), hold_id=hold)
        return Release(id=command_id("release", hold), hold_id=hold)

    # Taking it

    def may_call(self, now: datetime, timing: Timing) -> bool:
        """Whether a call may start: not after a cancel, the deadline, or two calls that may have been paid."""
        return (
            self.cancel_requested_at is None
            and now < self.deadline
            and now + timing.act <= self.hold_expires_at
            and moderation.tries(self.attempts) < timing.attempts
            and len(self.perhaps_paid()) < PAID_CALLS
        )

    def is_due(self, now: datetime) -> bool:
        """Whether a wake-up has something to do here."""
        until = self.lease_until if self.lease else self.resume_at
        return self.state.is_open and (until is None or now >= until)

    def claim(self, lease: Lease, owner: int, now: datetime, timing: Timing) -> Attempt | None:
        """Take a waiting generation and write down the call about to be made; None if it may not be called now."""
        if self.state is not GenerationState.QUEUED or not self.is_due(now) or not self.may_call(now, timing):
            return None
        self._become(GenerationState.RUNNING, now)
        self.started_at = self.started_at or now
        self._take(lease, now, timing)
        return self.intend(owner, now, timing)

    def take_over(self, lease: Lease, now: datetime, timing: Timing) -> bool:
        """Take a generation whose lease has lapsed, or that was parked until now."""
        if self.state is not GenerationState.RUNNING or not self.is_due(now):
            return False
        self._take(lease, now, timing)
        return True

    def must_hold(self, lease: Lease) -> None:
        if self.state is not GenerationState.RUNNING or self.lease != lease:
            raise LeaseLost

    def _take(self, lease: Lease, now: datetime, timing: Timing) -> None:
        self.lease, self.lease_until, self.resume_at = lease, now + timing.lease, None

    def intend(self, owner: int, now: datetime, timing: Timing) -> Attempt:
        """Write down the call about to be made."""
        attempt = Attempt(len(self.attempts) + 1, started_at=now, act_until=now + timing.act, owner=owner)
        self.attempts.append(attempt)
        return attempt

    # The owner's steps

    def settle(self, lease: Lease, number: int, result: CallResult, stored: int, now: datetime, timing: Timing) -> Next:
        """The call is over and `stored` of its pictures lie at their keys: end, wait for another try, or look again."""
        self.must_hold(lease)
        attempt = self.attempt(number)
        attempt.record(result, now)
        match result:
            case Executed(pictures=()):
                return self.end_without(attempt.failure or EMPTY, now)
            case Executed() if result.failure:
                return self.refuse(attempt, result.failure, now)
            case Executed():
                return self.deliver(attempt, stored, now) if stored else self.end(GenerationState.FAILED, now, NOT_STORED)
            case NotExecuted():
                wait = moderation.pause(self.attempts, result.retry_after_seconds, now, timing)
                if result.finality is Finality.RETRYABLE and any(a.finality is not Finality.RETRYABLE for a in self.attempts):
                    # What an earlier call brought or said may have come meanwhile: look before there is another.
                    return self.park(lease, now if self.cancel_requested_at else min(now + wait, max(now, self.deadline)))
                return self.not_executed(result.finality, result.failure, wait, now, timing)
            case _:
                return self.park(lease, now)

    def put_aside(self, lease: Lease, number: int, result: CallResult, now: datetime, timing: Timing) -> Next:
        """Its pictures lie at their keys, and nobody can say now whether they may be shown."""
        self.must_hold(lease)
        self.attempt(number).record(result, now)
        return self.park(lease, now + timing.back_off)

    def testify(self, number: int, result: CallResult, now: datetime) -> None:
        """The lease was lost: the caller says only how its call ended, and whoever decides shall look again now."""
        attempt = self.attempt(number)
        attempt.record(result, now)
        if self.request is None and attempt.failure:  # erased meanwhile: a provider's words may quote what was
            attempt.failure = attempt.failure.without_words()
        parked = self.state is GenerationState.RUNNING and self.lease is None
        if parked or (self.state is GenerationState.QUEUED and attempt.finality is not Finality.RETRYABLE):
            if not parked:
                self._become(GenerationState.RUNNING, now)
            self.resume_at = now

    def park(self, lease: Lease, until: datetime) -> Next:
        """Give the lease back and look again at `until`."""
        self.must_hold(lease)
        self.lease, self.lease_until, self.resume_at = None, None, until
        return Next.WAIT

    def not_executed(self, finality: Finality, failure: Failure, wait: timedelta, now: datetime, timing: Timing) -> Next:
        """A call was free: it ends the generation, or is tried again after `wait`."""
        if finality is Finality.REFUSED:
            return self.end(GenerationState.REFUSED, now, failure)
        if finality is Finality.FINAL:
            return self.end(GenerationState.FAILED, now, failure)
        if self.cancel_requested_at:
            return self.end(GenerationState.CANCELLED, now, REFUNDED if self.lost() else CANCELLED)
        if moderation.tries(self.attempts) >= timing.attempts or moderation.in_vain(self.attempts, now, timing):
            return self.end(GenerationState.FAILED, now, failure.of_capacity())
        self._become(GenerationState.QUEUED, now)
        self.lease, self.lease_until, self.resume_at = None, None, now + wait
        return Next.WAIT

    def note_loss(self, number: int, manifest: Manifest | None, now: datetime) -> bool:
        """Bytes of a call came after the end: it was executed, at our cost. Whether there was anything to write down."""
        if self.state.is_open or not 1 <= number <= len(self.attempts):
            return False
        attempt = self.attempt(number)
        known = attempt.outcome is Outcome.EXECUTED and (attempt.cost is not None or manifest is None)
        if attempt.booked or known or attempt.outcome is Outcome.NOT_EXECUTED:
            return False
        attempt.outcome, attempt.decided_at = Outcome.EXECUTED, attempt.decided_at or now
        if manifest:
            attempt.cost, attempt.usage, attempt.request_id = manifest.cost, manifest.usage, manifest.request_id
        return True

    # Asked from outside

    def cancel(self, now: datetime) -> Next:
        """Queued or parked: cancelled at once. While a call is out: no other starts, and what this one brings is delivered."""
        if not self.state.is_open:
            return Next.ENDED
        if self.state is GenerationState.QUEUED or self.lease is None:
            return self.end(GenerationState.CANCELLED, now, REFUNDED if self.lost() else CANCELLED)
        self.cancel_requested_at = self.cancel_requested_at or now
        return Next.WAIT

    def expire(self, now: datetime) -> Next | None:
        """The housekeeper's part: past the deadline while queued, or past the hold's expiry, unless someone is at work on it."""
        if not self.state.is_open or (self.lease and self.lease_until and now < self.lease_until):
            return None
        if now >= self.hold_expires_at:
            return self.end(GenerationState.FAILED, now, HOLD_EXPIRED)
        if self.state is GenerationState.QUEUED and now >= self.deadline:
            return self.end(GenerationState.FAILED, now, DEADLINE_PASSED)
        return None

    def must_be_finished(self) -> None:
        if self.state.is_open:
            raise NotFinished("cancel it first", state=self.state)

    def erase(self) -> None:
        """Forget what was asked for; the rest is a billing record."""
        self.must_be_finished()
        self.request, self.metadata, self.favourite = None, {}, False
        self.failure = self.failure and self.failure.without_words()
        for attempt in self.attempts:
            attempt.failure = attempt.failure and attempt.failure.without_words()

    # Ends

    def deliver(self, attempt: Attempt, pictures: int, now: datetime) -> Next:
        """So many pictures of this attempt are the caller's now, and are paid for."""
        attempt.booked = True
        self.delivered = min(pictures, self.n)
        return self.end(GenerationState.SUCCEEDED, now, None)

    def refuse(self, attempt: Attempt, refusal: Failure, now: datetime) -> Next:
        """This attempt's pictures are paid, by us, and nobody's: our own check refuses them."""
        attempt.booked, attempt.failure = True, replace(refusal, request_id=attempt.request_id)
        return self.end_without(attempt.failure, now)

    def end_without(self, failure: Failure, now: datetime) -> Next:
        """Executed, and nothing to deliver."""
        refused = failure.failure_class is FailureClass.MODERATION
        return self.end(GenerationState.REFUSED if refused else GenerationState.FAILED, now, failure)

    def end(self, state: GenerationState, now: datetime, failure: Failure | None) -> Next:
        self.failure, self.finished_at = failure, now
        self.lease = self.lease_until = self.resume_at = None
        self._become(state, now, EventKind.DONE)
        return Next.ENDED

    # What is told of it

    def _become(self, state: GenerationState, now: datetime, kind: EventKind = EventKind.STATE) -> None:
        self.state = state
        self.last_event += numbers_of_end(self.n) if kind is EventKind.DONE else 1
        self.news.append(Event(self.last_event, kind, now, state=state))

    def take_news(self) -> list[Event]:
        news, self.news = self.news, []
        return news
