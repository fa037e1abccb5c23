"""What to do with a call that nobody watched to its end: look at what lies there first, and never buy a third time."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from domain import moderation
from domain.attempts import ANSWER_LOST, NOT_STORED, REFUNDED, Attempt, Finality, Found, Outcome, Timing
from domain.generations import Generation, GenerationState, Lease, Next


def decide(
    generation: Generation,
    lease: Lease,
    look: Sequence[Found],
    now: datetime,
    timing: Timing,
    *,
    owner: int,
    gate_closed: bool = False,
) -> Next:
    """`look` covers all attempts; it began before this transaction, after the takeover by `lease`.

    Bytes that lie there are delivered, unless our own check refuses them. Without bytes, nothing is bought again while anything
    may still come, nor after the caller took the refund, the deadline, two calls that may have been paid, or while too many calls
    end unknown.
    """
    generation.must_hold(lease)
    for found in look:
        if found.only_echoes:
            generation.attempt(found.attempt).returned_echoes(found, now)
    attempts = {found.attempt: generation.attempt(found.attempt) for found in look}
    waiting = [attempts[f.attempt] for f in look if not f.was_past and attempts[f.attempt].outcome.perhaps_paid]
    best = candidate(generation, look)
    if best and waiting and not _is_whole(generation, best):
        return generation.park(lease, _look_again(waiting, now, timing))
    if best:
        return _deliver(generation, best, now)
    return _without_pictures(generation, lease, waiting, now, timing, owner, gate_closed)


def candidate(generation: Generation, look: Sequence[Found]) -> Found | None:
    """What is delivered by this look, if anything is: the lowest attempt whose pictures are all there, else the one with most.
    Whoever decides has it checked before."""
    whole = [found for found in look if _is_whole(generation, found)]
    if whole:
        return min(whole, key=lambda found: found.attempt)
    best = max(look, key=lambda found: (len(found.pictures), -found.attempt), default=None)
    return best if best and best.pictures else None


def _is_whole(generation: Generation, found: Found) -> bool:
    return found.is_whole or len(found.pictures) >= generation.n


def _without_pictures(
    generation: Generation, lease: Lease, waiting: list[Attempt], now: datetime, timing: Timing, owner: int, gate_closed: bool
) -> Next:
    for attempt in generation.attempts:
        if attempt.failure and attempt.finality in (Finality.REFUSED, Finality.FINAL):
            return generation.not_executed(attempt.finality, attempt.failure, timedelta(0), now, timing)
    last = generation.attempts[-1]
    if waiting:
        _nothing_is_known(last, now)
        return generation.park(lease, _look_again(waiting, now, timing))
    for attempt in generation.attempts:
        if attempt.outcome is Outcome.EXECUTED:
            return generation.end_without(attempt.failure or NOT_STORED, now)
    if last.failure and last.finality is Finality.RETRYABLE:
        wait = moderation.pause(generation.attempts, None, now, timing)
        return generation.not_executed(Finality.RETRYABLE, last.failure, wait, now, timing)
    _nothing_is_known(last, now)
    if generation.cancel_requested_at:
        return generation.end(GenerationState.CANCELLED, now, REFUNDED)
    if not generation.may_call(now, timing):
        return generation.end(GenerationState.FAILED, now, replace(ANSWER_LOST, request_id=last.request_id))
    if gate_closed:
        return generation.park(lease, now + timing.back_off)
    generation.intend(owner, now, timing)
    return Next.CALL


def _nothing_is_known(attempt: Attempt, now: datetime) -> None:
    if attempt.outcome is Outcome.INTENDED:
        attempt.outcome, attempt.decided_at = Outcome.UNKNOWN, now


def _deliver(generation: Generation, found: Found, now: datetime) -> Next:
    attempt = generation.attempt(found.attempt)
    if found.manifest:
        manifest = found.manifest
        attempt.cost, attempt.usage, attempt.request_id = manifest.cost, manifest.usage, manifest.request_id
    attempt.outcome, attempt.decided_at = Outcome.EXECUTED, now
    if refusal := found.refusal or moderation.refused_by_us(attempt):
        return generation.refuse(attempt, refusal, now)
    return generation.deliver(attempt, len(found.pictures), now)


def _look_again(attempts: Sequence[Attempt], now: datetime, timing: Timing) -> datetime:
    """When another look may begin: at once if all have become past since the last look began; else when they are past by the
    clock, or a lease's length from now, as a caller who still lived may have died meanwhile."""
    past = max(now if attempt.is_past(now) else attempt.act_until for attempt in attempts)
    return min(past, now + timing.lease)
