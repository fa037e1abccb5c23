"""Which days are counted."""

from datetime import date, timedelta

import pytest

from domain.errors import InvalidRequest, LimitExceeded
from domain.limits import LIMITS
from domain.statistics import Days

TODAY = date(2026, 11, 23)


def test_thirty_days_are_counted_unless_others_are_named() -> None:
    assert list(Days.asked(None, None, TODAY))[::29] == [date(2026, 10, 25), TODAY]
    assert list(Days.asked(TODAY, None, TODAY)) == [TODAY]
    assert next(iter(Days.asked(None, date(2026, 1, 30), TODAY))) == date(2026, 1, 1)
    assert list(Days.asked(date(2027, 1, 1), None, TODAY)) == [date(2027, 1, 1)], "nothing has been made there yet"
    assert list(Days.asked(None, date.min, TODAY)) == [date.min]
    assert len(list(Days.asked(None, date.max, TODAY))) == 30


def test_a_year_is_counted_at_most() -> None:
    longest = timedelta(days=LIMITS["statistics_days"] - 1)
    assert len(list(Days.asked(TODAY - longest, TODAY, TODAY))) == LIMITS["statistics_days"] == 366
    for first in (TODAY - longest - timedelta(days=1), date.min):
        with pytest.raises(LimitExceeded):
            Days.asked(first, TODAY, TODAY)
    with pytest.raises(InvalidRequest):
        Days.asked(TODAY, TODAY - timedelta(days=1), TODAY)
