"""What the owner of a lease does once its call is over, and what one may do who has lost it: RULES §2.3."""

from copy import deepcopy
from dataclasses import replace
from datetime import timedelta

import pytest

from domain.attempts import CallResult, Failure, FailureClass, Finality, Outcome, Stage, Timing, Unknown
from domain.commands import Capture, Release
from domain.generations import GenerationState, Next
from tests.unit.generation_states import (
    MINE,
    OPEN,
    OTHER,
    OWNER,
    START,
    TIMING,
    after,
    asked,
    delivered,
    ended,
    executed,
    failed_with,
    leased,
    not_executed,
    parked,
)


@pytest.mark.parametrize(("made", "stored", "delivers"), [(2, 2, 2), (2, 1, 1), (1, 1, 1), (3, 3, 2)])
def test_what_was_stored_is_delivered_and_captured(made: int, stored: int, delivers: int) -> None:
    generation = leased()
    assert generation.settle(MINE, 1, executed(made), stored, after(9), TIMING) is Next.ENDED
    assert (generation.state, generation.delivered, generation.captured) == (GenerationState.SUCCEEDED, delivers, 3 * delivers)
    [attempt] = generation.attempts
    assert (attempt.outcome, attempt.booked, attempt.cost, attempt.request_id) == (Outcome.EXECUTED, True, 40_000, "req_1")
    command = generation.hold_command()
    assert isinstance(command, Capture)
    assert (str(command.hold_id), command.amount) == (str(generation.id), 3 * delivers)


def test_pictures_of_which_none_could_be_stored_fail() -> None:
    generation = leased()
    assert generation.settle(MINE, 1, executed(2), 0, after(9), TIMING) is Next.ENDED
    failed_with(generation, FailureClass.STORAGE, "not_stored")
    assert (generation.attempts[0].outcome, generation.attempts[0].booked) == (Outcome.EXECUTED, False)
    assert isinstance(generation.hold_command(), Release)


def test_an_answer_without_a_picture_fails() -> None:
    generation = leased()
    assert generation.settle(MINE, 1, executed(0), 0, after(9), TIMING) is Next.ENDED
    failed_with(generation, FailureClass.PROVIDER, "empty")
    assert generation.attempts[0].outcome is Outcome.EXECUTED


@pytest.mark.parametrize(
    ("finality", "state"), [(Finality.REFUSED, GenerationState.REFUSED), (Finality.FINAL, GenerationState.FAILED)]
)
def test_a_refusal_ends_it_for_good(finality: Finality, state: GenerationState) -> None:
    generation = leased()
    generation.cancel(after(1))
    assert generation.settle(MINE, 1, not_executed(finality), 0, after(9), TIMING) is Next.ENDED
    assert generation.state is state
    assert generation.failure == generation.attempts[0].failure
    assert generation.attempts[0].outcome is Outcome.NOT_EXECUTED
    assert isinstance(generation.hold_command(), Release)


@pytest.mark.parametrize(("wait", "seconds"), [(None, 5), (0, 0), (60, 60)])
def test_a_busy_model_puts_it_back_into_the_queue(wait: float | None, seconds: int) -> None:
    generation = leased()
    assert generation.settle(MINE, 1, not_executed(Finality.RETRYABLE, wait), 0, after(9), TIMING) is Next.WAIT
    assert (generation.state, generation.lease, generation.lease_until) == (GenerationState.QUEUED, None, None)
    assert generation.resume_at == after(9 + seconds)
    assert not generation.is_due(after(8 + seconds))
    assert generation.is_due(after(9 + seconds))


def test_a_busy_model_ends_what_was_cancelled_and_what_was_tried_too_often() -> None:
    cancelled, tired, waits, now = leased(), leased(), list[float](), after(9)
    tired.deadline = after(3_600)
    tired.hold_expires_at = TIMING.hold_expiry(tired.deadline)
    cancelled.cancel(after(1))
    cancelled.settle(MINE, 1, not_executed(Finality.RETRYABLE), 0, after(9), TIMING)
    assert cancelled.state is GenerationState.CANCELLED
    for attempt in range(1, TIMING.attempts + 1):
        assert tired.state is GenerationState.RUNNING
        tired.settle(MINE, attempt, not_executed(Finality.RETRYABLE, 1), 0, now, TIMING)
        if tired.resume_at:
            waits.append((tired.resume_at - now).total_seconds())
            now = tired.resume_at
            assert tired.claim(MINE, OWNER, now, TIMING)
    assert waits == [1, 5, 15]
    assert tired.state is GenerationState.FAILED
    last = tired.attempts[-1].failure
    assert last
    assert last.failure_class is FailureClass.PROVIDER
    assert tired.failure == replace(last, failure_class=FailureClass.CAPACITY), "and the last word is the model's own"


def test_half_an_hour_of_an_outage_is_outlived() -> None:
    waits = [Timing().wait(attempts, 1).total_seconds() for attempts in range(1, Timing().attempts)]
    assert waits == [1, 5, 15, 35, 75, 155, 315, 635, 635]
    assert Timing().wait(1, None) == Timing().back_off
    assert Timing().wait(9, 3_000) == timedelta(seconds=3_000)


def test_a_lost_line_parks_it_for_a_look_right_now() -> None:
    generation = leased()
    assert generation.settle(MINE, 1, Unknown("reset", "req_2"), 0, after(9), TIMING) is Next.WAIT
    assert (generation.state, generation.lease, generation.resume_at) == (GenerationState.RUNNING, None, after(9))
    assert generation.uncertain_since == after(9)
    assert generation.attempts[0].is_past(after(9)), "its own call is over"


@pytest.mark.parametrize("result", [executed(2), executed(0), not_executed(Finality.REFUSED), Unknown("reset")])
def test_who_lost_the_lease_writes_only_its_attempt_and_wakes_what_is_parked(result: CallResult) -> None:
    taken, resting = leased(), parked()
    taken.take_over(OTHER, after(30), TIMING)
    for generation in (taken, resting, *ended()):
        before = deepcopy(generation)
        generation.testify(1, result, after(40)) if generation.attempts else None
        if before.state is GenerationState.RUNNING and before.lease is None:
            assert generation.resume_at == after(40)
            generation.resume_at = before.resume_at
        before.attempts = generation.attempts
        assert generation == before, "more was written than the attempt"
    for generation in (taken, resting):
        assert generation.attempts[0].written_by_caller


def test_ends_stay_as_they_are_whatever_is_testified() -> None:
    generation = delivered()
    before = deepcopy(generation)
    generation.testify(1, Unknown("reset"), after(40))
    assert generation == before


def test_it_is_uncertain_only_while_an_unknown_call_is_the_last_word() -> None:
    assert all(OPEN[state]().uncertain_since is None for state in OPEN)
    assert all(generation.uncertain_since is None for generation in ended())


def test_a_cancel_says_so() -> None:
    generation = asked()
    generation.cancel(START)
    assert generation.failure == Failure(FailureClass.CANCELLED, Stage.CALL, "cancelled", "Cancelled by the caller")
