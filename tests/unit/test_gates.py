"""When calls of a model may start: the provider's allowance, its refusals, and the breaker."""

from datetime import UTC, datetime, timedelta
from math import isfinite

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.attempts import (
    Allowance,
    CallResult,
    Executed,
    Failure,
    FailureClass,
    Finality,
    NotExecuted,
    Obstacle,
    Stage,
    Unknown,
    Usage,
)
from domain.gates import ClosedFor, Gate, GateRules

NOW = datetime(2030, 1, 1, tzinfo=UTC)
RULES = GateRules()
PICTURE = Executed((), "req", Usage(), 1)


def after(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def refused(obstacle: Obstacle | None, seconds: float | None = None) -> NotExecuted:
    failure = Failure(FailureClass.PROVIDER, Stage.CALL, "busy", "Busy")
    return NotExecuted(failure, Finality.RETRYABLE, seconds, obstacle)


def told(*results: CallResult, every: float = 1.0) -> Gate:
    """A gate that learned of these ends, one after the other."""
    gate = Gate("a-model")
    for place, result in enumerate(results):
        gate.learn(result, after(place * every), RULES)
    return gate


def test_a_gate_of_which_nothing_is_known_lets_every_call_pass() -> None:
    gate = Gate("a-model")
    assert all(gate.take(NOW, RULES) for _ in range(1_000))


def test_a_rate_limit_closes_it_for_as_long_as_the_provider_says() -> None:
    gate = told(refused(Obstacle.RATE_LIMIT, 40))
    assert gate.reason is ClosedFor.RATE_LIMIT
    assert (gate.take(after(39.9), RULES), gate.take(after(40), RULES)) == (False, True)


@pytest.mark.parametrize("obstacle", [Obstacle.RATE_LIMIT, Obstacle.UNREACHABLE])
def test_without_a_time_it_closes_a_moment_and_longer_each_time_it_happens_again(obstacle: Obstacle) -> None:
    gate, now = Gate("a-model"), NOW
    for times in (1, 2, 4, 8):
        gate.learn(refused(obstacle), now, RULES)
        assert gate.closed_until == now + times * RULES.busy_pause
        now = gate.closed_until
        assert gate.take(now, RULES)
    now += RULES.trial
    assert gate.take(now, RULES), "nobody refused the one before"
    gate.learn(PICTURE, now, RULES)
    gate.learn(refused(obstacle), now + RULES.longest_pause, RULES)
    assert gate.closed_until == now + RULES.longest_pause + RULES.busy_pause, "a success in between, and it begins anew"


@pytest.mark.parametrize("obstacle", list(Obstacle))
def test_a_call_that_began_before_a_closing_opens_nothing_and_shortens_no_pause(obstacle: Obstacle) -> None:
    gate, now = Gate("a-model"), NOW
    for times in (1, 2, 4):
        gate.learn(refused(obstacle), now, RULES)
        gate.learn(PICTURE, now + timedelta(seconds=1), RULES)
        pause = RULES.refused_pause if obstacle is Obstacle.KEY_REFUSED else times * RULES.busy_pause
        assert gate.closed_until == now + pause
        now = gate.closed_until
        assert gate.take(now, RULES)


def test_calls_that_were_out_together_and_are_refused_together_count_once() -> None:
    gate = Gate("a-model")
    for _ in range(32):
        gate.learn(refused(Obstacle.RATE_LIMIT), NOW, RULES)
    assert gate.closed_until == NOW + RULES.busy_pause


def test_no_pause_is_longer_than_the_longest_whatever_is_said() -> None:
    assert told(refused(Obstacle.RATE_LIMIT, 1e9)).closed_until == NOW + RULES.longest_pause
    gate, now = Gate("a-model"), NOW
    for _ in range(100):
        gate.learn(refused(Obstacle.UNREACHABLE), now, RULES)
        assert gate.closed_until
        assert gate.closed_until <= now + RULES.longest_pause
        now = gate.closed_until


@pytest.mark.parametrize("obstacle", list(Obstacle))
def test_after_a_closing_one_call_goes_first_and_the_others_follow_if_nobody_refuses_it(obstacle: Obstacle) -> None:
    gate = told(refused(obstacle, 40))
    assert gate.closed_until
    opens = gate.closed_until
    assert [gate.take(opens, RULES) for _ in range(5)] == [True, False, False, False, False]
    assert all(gate.take(opens + RULES.trial, RULES) for _ in range(5))
    gate = told(refused(obstacle, 40))
    assert gate.take(opens, RULES)
    gate.learn(refused(obstacle, 40), opens + RULES.trial / 2, RULES)
    assert not gate.take(opens + RULES.trial, RULES), "it was refused"


def test_a_key_that_is_tried_again_is_tried_by_one_call() -> None:
    gate = told(refused(Obstacle.KEY_REFUSED))
    gate.closed_until = None  # as a worker that starts leaves it
    assert [gate.take(NOW, RULES) for _ in range(3)] == [True, False, False]


def test_a_refused_key_closes_it_for_so_long_that_one_generation_cannot_use_up_its_attempts_in_an_hour() -> None:
    gate = told(refused(Obstacle.KEY_REFUSED))
    assert (gate.reason, gate.closed_until) == (ClosedFor.KEY_REFUSED, NOW + RULES.refused_pause)
    assert timedelta(hours=1) / RULES.refused_pause < 10, "attempts"


@pytest.mark.parametrize("result", [PICTURE, refused(None), refused(None, 40)])
def test_other_ends_close_nothing(result: CallResult) -> None:
    assert told(*[result] * 50).closed_until is None


def test_the_longest_reason_counts() -> None:
    gate = told(refused(Obstacle.KEY_REFUSED), refused(Obstacle.RATE_LIMIT, 3))
    assert (gate.reason, gate.closed_until) == (ClosedFor.KEY_REFUSED, NOW + RULES.refused_pause)


# The allowance


def test_no_header_closes_it_for_longer_than_the_longest_pause() -> None:
    gate = Gate("a-model")
    gate.learn(Executed((), "req", Usage(), 1, allowance=Allowance(1, 0, 86_400.0)), NOW, RULES)
    assert (gate.reason, gate.closed_until) == (ClosedFor.ALLOWANCE, NOW + RULES.longest_pause)


def test_whoever_takes_the_last_call_allowed_closes_the_gate_until_the_next_is_due() -> None:
    gate = Gate("a-model")
    gate.learn(Executed((), "req", Usage(), 1, allowance=Allowance(60, 2, 58.0)), NOW, RULES)
    assert (gate.take(NOW, RULES), gate.closed_until) == (True, None)
    assert (gate.take(NOW, RULES), gate.reason) == (True, ClosedFor.ALLOWANCE)
    assert (gate.take(after(0.99), RULES), gate.take(after(1), RULES)) == (False, True), "58 more in 58 seconds: one a second"


def test_an_allowance_that_is_used_up_closes_the_gate_at_once() -> None:
    gate = told(Executed((), "req", Usage(), 1, allowance=Allowance(10, 0, 20.0)))
    assert gate.closed_until == after(2)


@given(
    capacity=st.integers(1, 50),
    full_in=st.floats(0.5, 120),
    steps=st.lists(st.floats(0, 30), min_size=1, max_size=200),
)
def test_no_more_calls_pass_than_the_provider_allows(capacity: int, full_in: float, steps: list[float]) -> None:
    gate, now, passed = Gate("a-model"), NOW, 0
    gate.learn(Executed((), "req", Usage(), 1, allowance=Allowance(capacity, 0, full_in)), NOW, RULES)
    for seconds in steps:
        now += timedelta(seconds=seconds)
        while gate.take(now, RULES):
            passed += 1
            assert passed <= capacity + (now - NOW).total_seconds() * capacity / full_in + 1e-3, "more than the bucket ever held"


# The breaker


def test_calls_that_end_unknown_close_it_and_it_opens_again() -> None:
    assert not told(*[Unknown("reset")] * 3).is_closed(after(3))
    gate = told(*[Unknown("reset")] * 4)
    opens = after(3) + RULES.breaker_pause
    assert (gate.reason, gate.closed_until) == (ClosedFor.UNKNOWN_OUTCOMES, opens)
    assert [gate.take(opens, RULES) for _ in range(3)] == [True, False, False]
    gate.learn(PICTURE, opens + timedelta(seconds=9), RULES)
    assert all(gate.take(opens + timedelta(seconds=9), RULES) for _ in range(3)), "the answer opens it"


def test_while_the_breaker_waits_for_an_answer_one_call_a_minute_tries() -> None:
    gate = told(*[Unknown("reset")] * 4)
    opens = after(3) + RULES.breaker_pause
    assert gate.take(opens, RULES)
    assert not gate.take(opens + RULES.breaker_pause * 0.9, RULES)
    assert [gate.take(opens + RULES.breaker_pause, RULES) for _ in range(2)] == [True, False]


def test_a_clock_that_went_back_and_headers_that_make_no_sense_do_no_harm() -> None:
    gate = Gate("a-model")
    gate.learn(Unknown("reset"), after(10_000_000), RULES)
    gate.learn(Unknown("reset"), NOW, RULES)
    assert (gate.unknowns, gate.judged_at) == (2, NOW)
    gate.learn(Executed((), "req", Usage(), 1, allowance=Allowance(60, 0, 5e-324)), NOW, RULES)
    assert isfinite(gate.per_second)
    assert gate.take(after(1), RULES)


def test_a_few_unknown_among_many_are_no_reason() -> None:
    assert told(*[PICTURE] * 60, *[Unknown("reset")] * 5, every=0.1).closed_until is None


def test_unknown_ends_fade() -> None:
    gate = Gate("a-model")
    for place in range(100):
        gate.learn(Unknown("reset"), NOW + place * RULES.half_life, RULES)
    assert gate.closed_until is None
    assert gate.unknowns <= 2


def test_what_was_never_paid_is_not_counted() -> None:
    gate = told(refused(Obstacle.RATE_LIMIT, 1), refused(None))
    assert (gate.calls, gate.unknowns) == (0, 0)
