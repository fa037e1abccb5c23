"""What OpenAI's headers say of calls to come: whatever stands there, it is sane or nothing."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.image_models.openai.rate_limits import allowance, duration, retry_after
from domain.attempts import Allowance

DURATIONS = {
    "6ms": 0.006,
    "1s": 1,
    "1m12s": 72,
    "2h": 7200,
    "1h0m30.5s": 3630.5,
    "1d": 86_400,
    "12": 12,
    "0.5": 0.5,
    "900d": 86_400,
    "0": 0,
    "0s": 0,
    "0.2ms": 0.001,
    "1e-310": 0.001,
    **dict.fromkeys(("soon", "", None, "-3", "nan", "1e999", "5 apples")),
}


@pytest.mark.parametrize(("written", "seconds"), DURATIONS.items())
def test_durations_are_read_as_they_are_written(written: str | None, seconds: float | None) -> None:
    assert duration(written) == seconds


def limits(requests: str = "", images: str = "") -> dict[str, str]:
    found: dict[str, str] = {}
    for kind, said in (("requests", requests), ("images", images)):
        if said:
            found |= {
                f"x-ratelimit-{name}-{kind}": v for name, v in zip(("limit", "remaining", "reset"), said.split("/"), strict=True)
            }
    return found


@pytest.mark.parametrize(
    ("headers", "told"),
    [
        ({}, None),
        (limits("60/59/1s"), Allowance(60, 59, 1.0)),
        (limits("60/59/1s", "5/2/24s"), Allowance(5, 2, 24.0)),
        (limits("60/1/1s", "5/2/24s"), Allowance(60, 1, 1.0)),
        (limits("60/99/1s"), Allowance(60, 60, 1.0)),
        (limits("60/0/later"), Allowance(60, 0, 0.0)),
        (limits("60/0/1e-310"), Allowance(60, 0, 0.001)),
        (limits("many/few/1s"), None),
        (limits("0/0/1s"), None),
        (limits("1e30/5/1s"), None),
    ],
)
def test_the_tighter_limit_counts(headers: dict[str, str], told: Allowance | None) -> None:
    assert allowance(headers) == told


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after": "9"}, 9.0),
        ({"retry-after": "1e300"}, 600.0),
        ({"retry-after-ms": "1e-310"}, 0.001),
        (limits("9/0/24h"), 600.0),
        ({"retry-after": "whenever"} | limits("9/0/8s"), 8.0),
        (limits("9/0/8s", "5/0/1m"), 60.0),
        (limits("9/1/8s"), None),
    ],
)
def test_the_most_exact_header_says_when_to_come_back(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers) == seconds


def test_a_date_says_when_to_come_back() -> None:
    at = datetime.now(UTC) + timedelta(seconds=90)
    assert retry_after({"retry-after": format_datetime(at, usegmt=True)}) == pytest.approx(90, abs=5)
    assert retry_after({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}) == 0.0


@given(
    st.dictionaries(st.sampled_from([*sorted(limits("1/1/1", "1/1/1")), "retry-after", "retry-after-ms"]), st.text(max_size=12))
)
def test_no_header_breaks_the_reading_of_limits(headers: dict[str, str]) -> None:
    wait, told = retry_after(headers), allowance(headers)
    assert wait is None or wait == 0 or 0.001 <= wait <= 600
    assert told is None or 0 <= told.spare <= told.capacity
    assert told is None or told.full_in_seconds == 0 or 0.001 <= told.full_in_seconds <= 86_400
