"""When calls of a model may start: the provider's allowance, its refusals, and the breaker."""

from datetime import UTC, datetime, timedelta

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
    assert all(gate.take(NOW) for _ in range(1_000))


def test_a_rate_limit_closes_it_for_as_long_as_the_provider_says() -> None:
    gate = told(refused(Obstacle.RATE_LIMIT, 40))
    assert (gate.reason, gate.is_closed(after(39.9)), gate.is_closed(after(40))) == (ClosedFor.RATE_LIMIT, True, False)
    assert (gate.take(after(39.9)), gate.take(after(40))) == (False, True)


def test_a_rate_limit_without_a_time_closes_it_a_moment() -> None:
    assert told(refused(Obstacle.RATE_LIMIT)).closed_until == NOW + RULES.rate_limit_pause


def test_a_refused_key_closes_it_for_so_long_that_one_generation_cannot_use_up_its_attempts_in_an_hour() -> None:
    gate = told(refused(Obstacle.KEY_REFUSED))
    assert (gate.reason, gate.closed_until) == (ClosedFor.KEY_REFUSED, NOW + RULES.refused_pause)
    assert timedelta(hours=1) / RULES.refused_pause < 10


@pytest.mark.parametrize("result", [PICTURE, refused(None), refused(None, 40)])
def test_other_ends_close_nothing(result: CallResult) -> None:
    assert told(*[result] * 50).closed_until is None


def test_the_longest_reason_counts() -> None:
    gate = told(refused(Obstacle.KEY_REFUSED), refused(Obstacle.RATE_LIMIT, 3))
    assert (gate.reason, gate.closed_until) == (ClosedFor.KEY_REFUSED, NOW + RULES.refused_pause)


# The allowance


def test_whoever_takes_the_last_call_allowed_closes_the_gate_until_the_next_is_due() -> None:
    gate = Gate("a-model")
    gate.learn(Executed((), "req", Usage(), 1, allowance=Allowance(60, 2, 58.0)), NOW, RULES)
    assert (gate.take(NOW), gate.closed_until) == (True, None)
    assert (gate.take(NOW), gate.reason) == (True, ClosedFor.ALLOWANCE)
    assert (gate.take(after(0.99)), gate.take(after(1))) == (False, True), "58 more in 58 seconds: one a second"


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
        while gate.take(now):
            passed += 1
            assert passed <= capacity + (now - NOW).total_seconds() * capacity / full_in + 1e-3, "more than the bucket ever held"


# The breaker


def test_calls_that_end_unknown_close_it_and_it_opens_again() -> None:
    assert not told(*[Unknown("reset")] * 3).is_closed(after(3))
    gate = told(*[Unknown("reset")] * 4)
    assert (gate.reason, gate.closed_until) == (ClosedFor.UNKNOWN_OUTCOMES, after(3) + RULES.breaker_pause)
    assert gate.take(after(3) + RULES.breaker_pause)


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
