"""How much may be asked in a while: the bucket, to the microsecond, against one that is counted in fractions."""

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.errors import RateLimited
from domain.limits import LIMITS
from domain.rate_limits import FAILURE, LARGEST, MICROSECONDS, RATES, READ, WRITE, Bucket, Policy, Rate, asking

RATE = st.builds(Rate, st.integers(1, 5_000), st.integers(1, 3_600))
STEPS = st.lists(st.tuples(st.integers(-2_000_000, 90_000_000), st.integers(0, 200)), min_size=1, max_size=60)
"""Microseconds that pass (a clock may be set back), and units that are wanted then."""


@settings(max_examples=300, deadline=None, print_blob=True)
@given(RATE, STEPS)
def test_no_window_lets_more_through_than_what_comes_back_in_it_and_one_quota(rate: Rate, steps: list[tuple[int, int]]) -> None:
    now, bucket, granted = 0, Bucket.full(rate, 0), list[tuple[int, int]]()
    for passed, want in steps:
        now = max(now + passed, 0)
        got, bucket = bucket.draw(rate, want, now)
        assert 0 <= got <= want
        granted.append((bucket.at, got))
    for first in range(len(granted)):
        for last in range(first, len(granted)):
            micros = granted[last][0] - granted[first][0]
            assert (
                sum(got for _, got in granted[first : last + 1])
                <= Fraction(micros * rate.quota, rate.window * MICROSECONDS) + rate.quota
            )


@settings(max_examples=300, deadline=None, print_blob=True)
@given(RATE, STEPS)
def test_what_is_there_is_never_refused(rate: Rate, steps: list[tuple[int, int]]) -> None:
    now, latest, bucket, there = 0, 0, Bucket.full(rate, 0), Fraction(rate.quota)
    for passed, want in steps:
        now = max(now + passed, 0)
        came = Fraction(max(0, now - latest) * rate.quota, rate.window * MICROSECONDS)
        latest, there = max(now, latest), min(Fraction(rate.quota), there + came)
        assert bucket.units(rate, now) == there // 1
        got, bucket = bucket.draw(rate, want, now)
        assert got == min(want, there // 1)
        there -= got


def test_a_bucket_is_full_again_after_its_window_and_not_a_microsecond_sooner() -> None:
    rate = Rate(7, 60)
    got, bucket = Bucket.full(rate, 0).draw(rate, 100, 0)
    assert (got, bucket.units(rate, 0)) == (7, 0)
    assert bucket.units(rate, 60 * MICROSECONDS - 1) == 6
    assert bucket.units(rate, 60 * MICROSECONDS) == bucket.units(rate, 10**15) == 7


def test_a_bucket_of_an_earlier_larger_rate_holds_no_more_than_the_new_one_allows() -> None:
    assert Bucket.full(Rate(1_000), 0).units(Rate(10), 0) == 10


def test_seconds_until_units_have_come_back_are_rounded_up_and_never_too_few() -> None:
    assert [Rate(600).seconds(units) for units in (-5, 0, 1, 10, 11, 600)] == [0, 0, 1, 1, 2, 60]


@pytest.mark.parametrize(("quota", "window"), [(0, 60), (-1, 60), (10**9 + 1, 60), (10, 0), (10, 3601)])
def test_a_rate_that_makes_no_sense_cannot_be(quota: int, window: int) -> None:
    with pytest.raises(ValueError):
        Rate(quota, window)


def test_pictures_cost_by_their_number_and_failed_authentication_costs_more_than_anything_that_is_not_a_picture() -> None:
    assert READ < WRITE < FAILURE
    assert [asking(n) for n in (1, 2, 10)] == [5, 10, 50]
    assert asking(LIMITS["pictures"]) == LARGEST


@given(RATE)
def test_a_slice_is_a_quarter_unless_the_dearest_request_needs_more_and_no_request_is_beyond_a_rate(rate: Rate) -> None:
    assert rate.price(LARGEST) <= rate.slice <= rate.quota
    assert rate.slice in (rate.quota, LARGEST, -(-rate.quota // 4))


def test_the_table_names_every_policy_and_an_address_may_fail_far_less_often_than_it_may_ask() -> None:
    assert set(RATES) == set(Policy)
    assert RATES[Policy.KEY].quota <= RATES[Policy.ACCOUNT].quota <= RATES[Policy.ADDRESS].quota
    assert RATES[Policy.ADDRESS].quota // FAILURE <= 150


def test_a_refusal_says_which_policy_its_quota_and_when_to_ask_again() -> None:
    error = RateLimited.by("key", 600, 7)
    assert error.problem() == "rate-limited"
    assert error.facts == {"policy": "key", "limit": 600, "retry_after": 7}
    assert "7 seconds" in error.detail
