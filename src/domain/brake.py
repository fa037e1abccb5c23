"""The brake on what costs nothing: refusals and refunds are free for the account, but not for us.

A refused generation has spent the provider's patience with all of us, a refund of an uncertain one perhaps a paid call. So an
account that had too many within the hour waits until enough of them are older.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil

from domain.errors import TooManyRefusals

HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class FreeEnd:
    """A generation that ended and cost its account nothing: refused, or (`refund`) cancelled while its answer was lost."""

    at: datetime
    refund: bool


@dataclass(frozen=True, slots=True)
class BrakeRules:
    """Closed after more than `refusals`, or at `refunds`, within the last hour; by account and mode."""

    refusals: int = 10
    refunds: int = 3

    def check(self, ends: Sequence[FreeEnd], now: datetime) -> None:
        """`ends`: at least all of the last hour. Raises TooManyRefusals with the seconds until the account may ask again."""
        closed = (
            (self._reopens([end.at for end in ends if not end.refund], self.refusals + 1, now), self.refusals, "were refused"),
            (self._reopens([end.at for end in ends if end.refund], self.refunds, now), self.refunds, "were refunded"),
        )
        reopens, limit, happened = max(closed, key=lambda one: one[0])
        if reopens > now:
            seconds = ceil((reopens - now).total_seconds())
            raise TooManyRefusals(
                f"too many generations of the last hour {happened}; ask again in {seconds} seconds",
                limit=limit,
                retry_after=seconds,
            )

    def _reopens(self, ends: Sequence[datetime], closing: int, now: datetime) -> datetime:
        """When there will be fewer than `closing` in the hour before: as the last one that is too many leaves it."""
        newest = sorted(ends, reverse=True)
        return newest[closing - 1] + HOUR if 0 < closing <= len(newest) else now
