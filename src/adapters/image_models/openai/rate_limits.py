"""What the provider's headers say of calls to come: how many it allows, and when to come back."""

import math
import re
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

from domain.attempts import Allowance

_KINDS = ("requests", "images")
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0}
_SHORTEST_SECONDS, _LONGEST_SECONDS = 0.001, 86_400.0
"""They write no less than a millisecond, and limits by the day are the longest there are: whatever lies beyond is an error."""
_LONGEST_WAIT_SECONDS = 600.0
"""Whoever says "in a month" may be wrong: after this one call asks again, and learns it again."""
_MOST_CALLS = 1_000_000_000


def allowance(headers: Mapping[str, str]) -> Allowance | None:
    """The tighter of the limits on requests and on images; None if the headers tell nothing one can count with."""
    found = [said for kind in _KINDS if (said := _of(headers, kind))]
    return min(found, key=lambda said: (said.spare, -said.full_in_seconds), default=None)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds until it is worth asking again, from the most exact header there is; None if nothing is said."""
    seconds = _said(headers)
    return None if seconds is None else min(seconds, _LONGEST_WAIT_SECONDS)


def duration(written: str | None) -> float | None:
    """Seconds: `6ms`, `1s`, `1m12s`, `2h`, or a plain number of seconds."""
    if written is None:
        return None
    if (plain := _number(written)) is not None:
        return _sane(plain)
    compact = written.replace(" ", "")
    parts = _PART.findall(compact)
    if not parts or "".join(map("".join, parts)) != compact:
        return None
    return _sane(sum(float(number) * _UNITS[unit] for number, unit in parts))


def _said(headers: Mapping[str, str]) -> float | None:
    milliseconds, written = _number(headers.get("retry-after-ms")), headers.get("retry-after")
    if milliseconds is not None:
        return _sane(milliseconds / 1000)
    if written is not None and (seconds := _seconds_or_date(written)) is not None:
        return _sane(seconds)
    spent = [
        reset
        for kind in _KINDS
        if _number(headers.get(f"x-ratelimit-remaining-{kind}")) == 0
        and (reset := duration(headers.get(f"x-ratelimit-reset-{kind}"))) is not None
    ]
    return max(spent, default=None)


def _of(headers: Mapping[str, str], kind: str) -> Allowance | None:
    limit, remaining = (_number(headers.get(f"x-ratelimit-{name}-{kind}")) for name in ("limit", "remaining"))
    if limit is None or remaining is None or not 1 <= limit <= _MOST_CALLS:
        return None
    capacity = int(limit)
    return Allowance(capacity, min(capacity, int(remaining)), duration(headers.get(f"x-ratelimit-reset-{kind}")) or 0.0)


def _number(written: str | None) -> float | None:
    """Not negative, and finite."""
    try:
        value = float(written) if written else math.nan
    except ValueError:
        return None
    return value if math.isfinite(value) and value >= 0 else None


def _seconds_or_date(written: str) -> float | None:
    if (seconds := _number(written)) is not None:
        return seconds
    try:
        return parsedate_to_datetime(written).timestamp() - time.time()
    except (ValueError, OverflowError):
        return None


def _sane(seconds: float) -> float:
    """0 is at once; whatever takes time takes at least a millisecond, so that one can divide by it."""
    return min(max(seconds, _SHORTEST_SECONDS), _LONGEST_SECONDS) if seconds > 0 else 0.0
