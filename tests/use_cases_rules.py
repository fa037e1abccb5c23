"""What the rules say of single steps of a generation (RULES §2.2 and §2.3), written out again for the histories of use cases."""

from datetime import datetime, timedelta

from domain.attempts import CallResult, Executed, Failure, FailureClass, Finality, NotExecuted, Outcome, Stage, Unknown
from domain.generations import Generation, GenerationState, Lease
from tests.contract.store_contract import TIMING
from tests.protocol import pictures

ANSWERS = ("all", "all but one", "none", "refused", "final", "busy", "unknown", "unknown, unpaid")
_BUSY = Failure(FailureClass.PROVIDER, Stage.CALL, "busy", "Busy")
_UNSAFE = Failure(FailureClass.MODERATION, Stage.INPUT, "safety", "Refused")
_WAIT = 40
"""Seconds that a busy model asks for."""


def result_of(answer: str, n: int) -> tuple[CallResult, bool]:
    """What the model says, and whether its provider bills it."""
    match answer:
        case "all" | "all but one" | "none":
            return pictures({"all": n, "all but one": max(1, n - 1), "none": 0}[answer]), True
        case "refused":
            return NotExecuted(_UNSAFE, Finality.REFUSED), False
        case "final":
            return NotExecuted(_BUSY, Finality.FINAL), False
        case "busy":
            return NotExecuted(_BUSY, Finality.RETRYABLE, _WAIT), False
    return Unknown("reset"), answer == "unknown"


def check_answered(
    before: Generation, after: Generation, number: int, lease: Lease | None, result: CallResult, now: datetime
) -> None:
    """What a call's own end makes of its generation, by whether its caller still holds the lease."""
    if before.lease != lease:
        said, known = after.attempt(number), before.attempt(number)
        heard = before.state is GenerationState.QUEUED and said.finality is not Finality.RETRYABLE
        stays = (GenerationState.RUNNING if heard else before.state, before.lease)
        assert (after.state, after.lease) == stays, "whoever lost the lease decided"
        if known.outcome in (Outcome.INTENDED, Outcome.UNKNOWN):
            assert said.outcome is {Executed: Outcome.EXECUTED, NotExecuted: Outcome.NOT_EXECUTED}.get(
                type(result), Outcome.UNKNOWN
            )
            assert said.written_by_caller, "whoever lost the lease says how the call ended"
        return
    ends = (after.state, after.delivered, after.failure.code if after.failure else None)
    why = after.failure and after.failure.failure_class
    match result:
        case Executed(pictures=()):
            assert ends == (GenerationState.FAILED, 0, "empty")
        case Executed():
            assert ends == (GenerationState.SUCCEEDED, len(result.pictures), None)
        case NotExecuted(finality=Finality.REFUSED):
            assert ends == (GenerationState.REFUSED, 0, "safety")
        case NotExecuted(finality=Finality.FINAL):
            assert ends == (GenerationState.FAILED, 0, "busy")
        case NotExecuted() if any(said.finality is not Finality.RETRYABLE for said in before.attempts[:-1]):
            resume_at = now if before.cancel_requested_at else min(now + timedelta(seconds=_WAIT), max(now, before.deadline))
            parked = (GenerationState.RUNNING, None, resume_at)
            assert (after.state, after.lease, after.resume_at) == parked, "it is looked at before another call"
        case NotExecuted() if before.cancel_requested_at:
            assert ends == (GenerationState.CANCELLED, 0, "cancelled")
        case NotExecuted() if len(before.attempts) >= TIMING.attempts:
            assert (*ends, why) == (GenerationState.FAILED, 0, "busy", FailureClass.CAPACITY)
        case NotExecuted():
            assert (after.state, after.resume_at) == (GenerationState.QUEUED, now + timedelta(seconds=_WAIT))
        case _:
            assert (after.state, after.lease, after.resume_at) == (GenerationState.RUNNING, None, now), "it is looked at again"


def is_due(generation: Generation, now: datetime) -> bool:
    """Whether a wake-up finds something to do in it."""
    if generation.state is GenerationState.RUNNING:
        comes_back = generation.lease_until or generation.resume_at
        return comes_back is not None and comes_back <= now
    waits = generation.resume_at is not None and generation.resume_at > now
    return generation.state is GenerationState.QUEUED and not waits and now < generation.deadline


def why_overdue(generation: Generation, now: datetime) -> str | None:
    """Why the housekeeper ends it, if he does: never under a live lease."""
    if not generation.state.is_open or (generation.lease_until and now < generation.lease_until):
        return None
    if now >= generation.hold_expires_at:
        return "hold_expired"
    return "deadline" if generation.state is GenerationState.QUEUED and now >= generation.deadline else None


def check_changed(before: Generation, after: Generation, dead: set[int]) -> None:
    """What one step may do to the attempts (RULES §2.1)."""
    for was, attempt in zip(before.attempts, after.attempts, strict=False):
        if was.outcome in (Outcome.EXECUTED, Outcome.NOT_EXECUTED):
            assert attempt.outcome is was.outcome, "a final word was taken back"
        elif attempt.outcome is Outcome.NOT_EXECUTED:
            assert attempt.written_by_caller, "not_executed was guessed"
    if len(after.attempts) > len(before.attempts):
        assert len(after.attempts) == len(before.attempts) + 1, "one wake-up, one call"
        _check_planned(after, dead)


def _check_planned(generation: Generation, dead: set[int]) -> None:
    """A call was planned: nothing had stopped it, nothing could come of those before, and none of them had said enough."""
    *earlier, last = generation.attempts
    assert len(generation.attempts) <= TIMING.attempts, "more calls than are ever made"
    assert generation.cancel_requested_at is None, "a call was planned after a cancel"
    assert last.started_at < generation.deadline, "a call was planned after the deadline"
    assert last.started_at + TIMING.act <= generation.hold_expires_at, "a call was planned that could outlive its hold"
    for attempt in earlier:
        over = attempt.written_by_caller or attempt.owner in dead or last.started_at >= attempt.act_until
        assert over, "a call was planned while an earlier one could still bring something"
        assert attempt.outcome is not Outcome.EXECUTED, "bought again"
        assert attempt.finality not in (Finality.REFUSED, Finality.FINAL), "called in spite of a final answer"
