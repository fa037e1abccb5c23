"""What an account made and paid, day by day and by what."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Self
from uuid import UUID

from domain.errors import InvalidRequest, LimitExceeded
from domain.limits import LIMITS

USUAL_DAYS = 30


@dataclass(frozen=True, slots=True)
class Days:
    """From the first to the last, both whole, in UTC."""

    first: date
    last: date

    @classmethod
    def asked(cls, first: date | None, last: date | None, today: date) -> Self:
        """Without a last one up to today, without a first one thirty. Raises InvalidRequest, LimitExceeded."""
        to = last or max(today, first or today)
        since = first or (to - timedelta(days=USUAL_DAYS - 1) if to - date.min >= timedelta(days=USUAL_DAYS) else date.min)
        if since > to:
            raise InvalidRequest("the first day comes after the last", field="first")
        if (to - since).days >= LIMITS["statistics_days"]:
            raise LimitExceeded("so many days at most", field="first", limit=LIMITS["statistics_days"])
        return cls(since, to)

    def __iter__(self) -> Iterator[date]:
        return (self.first + timedelta(days=turn) for turn in range((self.last - self.first).days + 1))


@dataclass(frozen=True, slots=True)
class Sum:
    """Generations that delivered, their pictures, and the credits they took."""

    generations: int = 0
    pictures: int = 0
    credits: int = 0


@dataclass(frozen=True, slots=True)
class Statistics:
    """`days`: every one of them, also those without any. `keys`: None is what was asked for in person. A generation in two
    collections counts in both; one that has been erased lies in none, and counts everywhere else."""

    asked: Days
    total: Sum
    days: Mapping[date, Sum]
    models: Mapping[str, Sum]
    keys: Mapping[UUID | None, Sum]
    collections: Mapping[UUID, tuple[str, Sum]]
