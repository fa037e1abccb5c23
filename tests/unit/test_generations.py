"""Events and states of a generation: every row of RULES §2.2."""

from copy import deepcopy
from datetime import timedelta

import pytest

from domain.attempts import FailureClass, Finality, Outcome
from domain.commands import Expire, Release
from domain.errors import LeaseLost, NotFinished
from domain.generations import Generation, GenerationState, Next
from domain.recovery import decide
from tests.unit.generation_states import (
    MINE,
    OPEN,
    OTHER,
    OWNER,
    PARKED,
    START,
    TIMING,
    after,
    asked,
    ended,
    executed,
    failed_with,
    leased,
    not_executed,
    parked,
)

LAPSED = TIMING.lease
DEADLINE = TIMING.longest_queue
HOLD_EXPIRES = TIMING.hold_expiry(START + DEADLINE) - START


def wake_up(generation: Generation, later: timedelta) -> str:
    """What a wake-up does to it, at START + later."""
    now = START + later
    if not generation.is_due(now):
        return "nothing"
    if generation.claim(OTHER, OWNER, now, TIMING):
        return "called"
    return "looked at" if generation.take_over(OTHER, now, TIMING) else "nothing"


# Wake-ups


def test_a_wake_up_claims_what_is_queued() -> None:
    generation = asked()
    assert wake_up(generation, timedelta(seconds=9)) == "called"
    assert (generation.state, generation.lease, generation.lease_until) == (GenerationState.RUNNING, OTHER, after(39))
    [attempt] = generation.attempts
    assert (attempt.number, attempt.outcome, attempt.started_at) == (1, Outcome.INTENDED, after(9))
    assert (attempt.act_until, attempt.owner, generation.started_at) == (after(109), OWNER, after(9))


def test_a_wake_up_leaves_a_living_lease_alone() -> None:
    generation = leased()
    before = deepcopy(generation)
    assert wake_up(generation, LAPSED - timedelta(microseconds=1)) == "nothing"
    assert not generation.take_over(OTHER, after(29), TIMING)
    assert generation == before


def test_a_wake_up_takes_over_a_lapsed_lease_with_a_new_token() -> None:
    generation = leased()
    assert wake_up(generation, LAPSED) == "looked at"
    assert (generation.lease, generation.lease_until) == (OTHER, after(60))
    assert len(generation.attempts) == 1, "a takeover alone buys nothing"


def test_a_wake_up_takes_over_what_is_parked_when_its_time_has_come() -> None:
    assert wake_up(parked(), PARKED - timedelta(microseconds=1)) == "nothing"
    generation = parked()
    assert wake_up(generation, PARKED) == "looked at"
    assert generation.resume_at is None


def test_a_wake_up_does_nothing_to_what_has_ended() -> None:
    for generation in ended():
        before = deepcopy(generation)
        assert wake_up(generation, DEADLINE / 2) == "nothing"
        assert not generation.claim(OTHER, OWNER, after(1), TIMING)
        assert not generation.take_over(OTHER, after(1), TIMING)
        assert generation == before


@pytest.mark.parametrize("late", [DEADLINE, DEADLINE + timedelta(seconds=1)])
def test_nothing_is_claimed_from_the_deadline_on(late: timedelta) -> None:
    assert wake_up(asked(), late) == "nothing"
    assert wake_up(asked(), late - timedelta(seconds=2)) == "called"


def test_nothing_is_claimed_that_could_outlive_its_hold() -> None:
    for spare, said in ((TIMING.act, "called"), (TIMING.act - timedelta(microseconds=1), "nothing")):
        generation = asked()
        generation.hold_expires_at = START + spare
        assert wake_up(generation, timedelta()) == said


def test_nothing_is_claimed_beyond_the_limit_of_attempts() -> None:
    generation = asked()
    for _ in range(TIMING.attempts):
        assert generation.claim(MINE, OWNER, START, TIMING)
        generation.attempts[-1].record(not_executed(Finality.RETRYABLE), START)
        generation.state, generation.lease = GenerationState.QUEUED, None
    assert wake_up(generation, timedelta(seconds=1)) == "nothing"


def test_a_retried_one_keeps_the_time_it_first_started() -> None:
    generation = leased()
    generation.settle(MINE, 1, not_executed(Finality.RETRYABLE), 0, after(1), TIMING)
    assert wake_up(generation, timedelta(seconds=30)) == "called"
    assert (generation.started_at, [attempt.number for attempt in generation.attempts]) == (START, [1, 2])


# Leases


@pytest.mark.parametrize("generation", [asked(), parked(), *ended()], ids=lambda generation: str(generation.state))
def test_without_a_lease_nobody_parks_settles_or_decides(generation: Generation) -> None:
    _refuses_the_owners_steps(generation)


def test_a_lost_lease_parks_settles_and_decides_nothing() -> None:
    generation = leased()
    generation.take_over(OTHER, after(30), TIMING)
    _refuses_the_owners_steps(generation)


def _refuses_the_owners_steps(generation: Generation) -> None:
    before = deepcopy(generation)
    with pytest.raises(LeaseLost):
        generation.park(MINE, after(1))
    with pytest.raises(LeaseLost):
        generation.settle(MINE, 1, executed(2), 2, after(1), TIMING)
    with pytest.raises(LeaseLost):
        decide(generation, MINE, [], after(1), TIMING, owner=OWNER)
    assert generation == before


# Cancel, deadline, hold, delete


@pytest.mark.parametrize("state", ["queued", "parked"])
def test_a_cancel_ends_at_once_what_nobody_works_on(state: str) -> None:
    generation = OPEN[state]()
    assert generation.cancel(after(5)) is Next.ENDED
    assert (generation.state, generation.finished_at, generation.resume_at) == (GenerationState.CANCELLED, after(5), None)
    assert isinstance(generation.hold_command(), Release)


@pytest.mark.parametrize("seconds", [1, 31])
def test_a_cancel_under_a_lease_is_remembered_and_stops_the_next_call(seconds: int) -> None:
    generation = leased()
    assert generation.cancel(after(seconds)) is Next.WAIT
    assert generation.cancel(after(seconds + 1)) is Next.WAIT
    assert (generation.state, generation.lease, generation.cancel_requested_at) == (GenerationState.RUNNING, MINE, after(seconds))
    assert not generation.may_call(after(seconds + 2), TIMING)


def test_a_cancel_of_an_end_answers_the_end() -> None:
    for generation in ended():
        before = deepcopy(generation)
        assert generation.cancel(after(5)) is Next.ENDED
        assert generation == before


def test_the_deadline_ends_only_what_is_queued() -> None:
    late = START + DEADLINE
    generation = asked()
    assert generation.expire(late - timedelta(microseconds=1)) is None
    assert generation.expire(late) is Next.ENDED
    failed_with(generation, FailureClass.TIMEOUT, "deadline")
    assert isinstance(generation.hold_command(), Release)
    for other in (leased(), parked(), *ended()):
        before = deepcopy(other)
        assert other.expire(late) is None
        assert other == before


@pytest.mark.parametrize("state", OPEN)
def test_the_holds_expiry_ends_whatever_nobody_works_on(state: str) -> None:
    generation, late = OPEN[state](), START + HOLD_EXPIRES
    assert generation.expire(late) is Next.ENDED
    failed_with(generation, FailureClass.TIMEOUT, "hold_expired")
    assert isinstance(generation.hold_command(), Expire)


def test_the_holds_expiry_leaves_a_living_lease_alone() -> None:
    generation = leased()
    generation.lease_until = START + HOLD_EXPIRES + timedelta(seconds=1)
    assert generation.expire(START + HOLD_EXPIRES) is None
    assert generation.expire(START + HOLD_EXPIRES + timedelta(seconds=1)) is Next.ENDED


def test_only_an_end_can_be_deleted() -> None:
    for state in OPEN:
        with pytest.raises(NotFinished):
            OPEN[state]().must_be_finished()
        with pytest.raises(NotFinished):
            OPEN[state]().erase()
        with pytest.raises(NotFinished):
            OPEN[state]().hold_command()
    for generation in ended():
        before = deepcopy(generation)
        generation.favourite = True
        generation.erase()
        assert (generation.request, generation.metadata, generation.favourite) == (None, {}, False)
        assert not generation.failure or not generation.failure.message, "a provider may have quoted the prompt"
        generation.request, generation.failure = before.request, before.failure
        for attempt, as_it_was in zip(generation.attempts, before.attempts, strict=True):
            attempt.failure = as_it_was.failure
        assert generation == before, "the bones stay"
