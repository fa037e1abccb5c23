"""Top-ups: a pack bought with the card on file when credits run low, and who is told that they do.

Money is in minor units of the catalogue's one currency, before tax. Months are those of the calendar, UTC.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import NewType, Self
from uuid import UUID

from domain.accounts import AccountId
from domain.api_keys import month_of

TopUpId = NewType("TopUpId", UUID)

MOST_BELOW = 1_000_000
"""Credits that anybody may be topped up, or told, below."""
MOST_CAP = 100_000_000
NOTIFY_BELOW = 20
"""Of accounts that never said otherwise."""
KEY_HOLDS = timedelta(hours=23)
"""For so long an attempt is repeated with its key, an hour less than the provider remembers it. An older one is looked up."""
AGAIN = timedelta(minutes=5)
"""From one try of an attempt to the next: more than a try can take, so that no two go on at a time."""
LOOK_AGAIN = timedelta(hours=1)
"""For who wants a top-up that may not be."""
MONEY_WENT_BACK = "money_went_back"
"""Why top-ups are off, where no payment was declined: what was given back must not be bought again unasked."""


class TopUpOutcome(StrEnum):
    PAID = "paid"
    DECLINED = "declined"
    GIVEN_UP = "given_up"  # nobody knew whether it was paid, or the provider refused; it was not, and never will be


@dataclass(frozen=True, slots=True)
class TopUpAttempt:
    """One purchase of a pack while nobody is present; its id is the key of the payment. Open until it has an `outcome`. `code`:
    why it was declined, or refused and so given up, in the provider's words."""

    id: TopUpId
    account_id: AccountId
    pack: str
    price: int
    at: datetime
    outcome: TopUpOutcome | None = None
    ended_at: datetime | None = None
    code: str | None = None

    def ended(self, outcome: TopUpOutcome, at: datetime, code: str | None = None) -> Self:
        return replace(self, outcome=outcome, ended_at=at, code=code)


def spent(attempts: Iterable[TopUpAttempt], now: datetime) -> int:
    """What the month of `now` bears. An attempt that is open may be paid at any time, so that it counts in every month that it
    touches."""
    month = month_of(now)
    borne = (each for each in attempts if each.outcome in (None, TopUpOutcome.PAID))
    return sum(each.price for each in borne if month_of(each.at) <= month <= month_of(each.ended_at or now))


def month_begins(now: datetime) -> datetime:
    return datetime.combine(month_of(now), datetime.min.time(), UTC)


@dataclass(frozen=True, slots=True)
class TopUp:
    """What an account said of top-ups: buy `pack` when fewer than `below` credits are available, for `monthly_cap` at most in a
    month; write when fewer than `notify_below` are (0: never).

    `is_low`: that was written, and it has not been otherwise since; or it never was, and nobody fell. `declined`: why top-ups are
    off, if nobody switched them off. `resume_at`: not looked at before, neither for an attempt that is open nor for a new one.
    `said_at`: when it said so.
    """

    account_id: AccountId
    enabled: bool = False
    pack: str | None = None
    below: int = 0
    monthly_cap: int = 0
    notify_below: int = NOTIFY_BELOW
    is_low: bool = True
    declined: str | None = None
    resume_at: datetime | None = None
    said_at: datetime | None = None

    def concerns(self, available: int, now: datetime, *, is_open: bool) -> bool:
        """Whether it is to be looked at now; `is_open`: an attempt is, whose next try is at `resume_at`."""
        is_time = self.resume_at is None or self.resume_at <= now
        return self._turned(available) or (is_time and (is_open or self.is_wanted(available)))

    def is_wanted(self, available: int) -> bool:
        return self.enabled and available < self.below

    def may_buy(self, price: int, others: Sequence[TopUpAttempt], now: datetime) -> bool:
        """`others`: all that may count in this month, but for the attempt that is asked about. An open one forbids it."""
        is_open = any(each.outcome is None for each in others)
        return self.enabled and not is_open and spent(others, now) + price <= self.monthly_cap

    def may_repeat(self, attempt: TopUpAttempt, others: Sequence[TopUpAttempt], now: datetime) -> bool:
        """Whether an open attempt is said again; otherwise it is looked up, and given up if nothing was paid."""
        return now < attempt.at + KEY_HOLDS and self.may_buy(attempt.price, others, now)

    def watched(self, available: int) -> tuple[Self, bool]:
        """As it is now, and whether its owner is to be told that credits run low: once for each fall."""
        turned = self._turned(available)
        return replace(self, is_low=not self.is_low) if turned else self, turned and not self.is_low

    def _turned(self, available: int) -> bool:
        return (available < self.notify_below) != self.is_low

    def tried(self, now: datetime) -> Self:
        return replace(self, resume_at=now + AGAIN)

    def put_off(self, now: datetime) -> Self:
        """A top-up is wanted and may not be. A new month may allow it."""
        next_month = month_begins(month_begins(now) + timedelta(days=32))
        return replace(self, resume_at=min(now + LOOK_AGAIN, next_month))

    def stopped(self) -> Self:
        """Money of something bought went back after this was said: credits are low because of that."""
        return replace(self, enabled=False, declined=MONEY_WENT_BACK)

    def after(self, attempt: TopUpAttempt) -> Self:
        """What follows from the attempt's end: who was declined once is not asked again until they say so."""
        if attempt.outcome is TopUpOutcome.DECLINED:
            return replace(self, enabled=False, declined=attempt.code, resume_at=None)
        if attempt.code and attempt.ended_at:
            return self.put_off(attempt.ended_at)
        return replace(self, resume_at=None)
