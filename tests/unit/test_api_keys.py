"""What a key may spend: exact in its month, forgotten after."""

from datetime import UTC, date, datetime, timedelta, timezone
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.accounts import KeyId
from domain.api_keys import Spending, month_of
from domain.errors import SpendCapReached

KEY = KeyId(UUID(int=1))
NOVEMBER, DECEMBER = datetime(2026, 11, 30, 23, 59, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC)


def test_a_month_is_one_of_utc() -> None:
    assert month_of(datetime(2026, 12, 1, 0, 30, tzinfo=timezone(timedelta(hours=2)))) == date(2026, 11, 1)


def test_a_new_month_begins_at_nothing() -> None:
    spending = Spending(KEY, 5, month_of(NOVEMBER), 5)
    with pytest.raises(SpendCapReached):
        spending.hold(1, NOVEMBER)
    spending.hold(5, DECEMBER)
    assert (spending.month, spending.spent) == (date(2026, 12, 1), 5)


def test_what_is_released_of_a_month_that_is_over_gives_the_new_one_nothing() -> None:
    spending = Spending(KEY, 5, month_of(NOVEMBER), 0)
    spending.hold(5, NOVEMBER)
    spending.hold(5, DECEMBER)
    spending.release(5, NOVEMBER)
    assert spending.spent == 5


@given(cap=st.integers(0, 50), steps=st.lists(st.tuples(st.booleans(), st.integers(1, 12), st.integers(0, 70)), max_size=60))
def test_no_month_ever_holds_more_than_the_cap(cap: int, steps: list[tuple[bool, int, int]]) -> None:
    """Against a book of what each month's holds amount to now."""
    spending, now = Spending(KEY, cap, date(2026, 1, 1), 0), datetime(2026, 1, 1, tzinfo=UTC)
    held: list[tuple[datetime, int]] = []
    for releases, amount, days in steps:
        now += timedelta(days=days / 4)
        if releases and held:
            at, was = held.pop(amount % len(held))
            spending.release(was, at)
        else:
            in_month = sum(each for at, each in held if month_of(at) == month_of(now))
            if in_month + amount > cap:
                with pytest.raises(SpendCapReached):
                    spending.hold(amount, now)
            else:
                spending.hold(amount, now)
                held.append((now, amount))
        if spending.month == month_of(now):
            assert spending.spent == sum(each for at, each in held if month_of(at) == spending.month) <= cap
