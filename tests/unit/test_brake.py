"""The brake on what costs the account nothing."""

from datetime import UTC, datetime, timedelta

import pytest

from domain.brake import HOUR, BrakeRules, FreeEnd
from domain.errors import TooManyRefusals

NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)


def ends(count: int, *, refund: bool, first_minutes_ago: float = 50) -> list[FreeEnd]:
    """A minute apart."""
    return [FreeEnd(NOW - timedelta(minutes=first_minutes_ago - number), refund) for number in range(count)]


@pytest.mark.parametrize(("refusals", "refunds"), [(0, 0), (10, 0), (0, 2), (10, 2)])
def test_ten_refusals_and_two_refunds_an_hour_are_borne(refusals: int, refunds: int) -> None:
    BrakeRules().check(ends(refusals, refund=False) + ends(refunds, refund=True), NOW)


@pytest.mark.parametrize(("refund", "count", "limit"), [(False, 11, 10), (True, 3, 3)])
def test_the_eleventh_refusal_or_the_third_refund_closes_until_the_oldest_is_an_hour_old(
    refund: bool, count: int, limit: int
) -> None:
    free = ends(count, refund=refund)
    with pytest.raises(TooManyRefusals) as refused:
        BrakeRules().check(free, NOW)
    assert refused.value.facts == {"limit": limit, "retry_after": 600}
    BrakeRules().check(free, free[0].at + HOUR)
    with pytest.raises(TooManyRefusals) as refused:
        BrakeRules().check(free, free[0].at + HOUR - timedelta(microseconds=1))
    assert refused.value.facts["retry_after"] == 1, "never zero: it would be refused again"


def test_whoever_had_more_than_too_many_waits_until_so_many_have_left_the_hour() -> None:
    with pytest.raises(TooManyRefusals) as refused:
        BrakeRules().check(ends(13, refund=False), NOW)
    assert refused.value.facts["retry_after"] == 600 + 120


def test_of_two_reasons_to_wait_the_longer_is_told() -> None:
    with pytest.raises(TooManyRefusals) as refused:
        BrakeRules().check(ends(11, refund=False) + ends(3, refund=True, first_minutes_ago=20), NOW)
    assert refused.value.facts == {"limit": 3, "retry_after": 2400}


def test_the_order_in_which_they_are_told_does_not_matter() -> None:
    free = ends(11, refund=False)
    for order in (free, free[::-1]):
        with pytest.raises(TooManyRefusals, match="600 seconds"):
            BrakeRules().check(order, NOW)
