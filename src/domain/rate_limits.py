"""How much may be asked in a while: by a key, by an account, from an address.

Requests cost units. A rate gives back its quota over its window, evenly, and no more than the quota ever gathers; so whoever has
rested may ask for a whole quota at once. One table holds the rates and one the costs.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Self

from domain.limits import LIMITS

MICROSECONDS = 1_000_000
LARGEST_QUOTA = 10**9
LONGEST_WINDOW = 3_600
SHARES = 4
"""A process takes this part of a quota at a time."""

READ, WRITE, PICTURE, FAILURE = 1, 5, 5, 20
"""What a request costs: to read, to change something, for each picture that is asked for; and whoever shows a credential that is
none, so that guessing is slow."""


def asking(pictures: int) -> int:
    """What it costs to ask for so many pictures, everything included."""
    return max(WRITE, PICTURE * pictures)


LARGEST = asking(LIMITS["pictures"])


class Policy(StrEnum):
    """Who is held to a rate."""

    KEY = "key"
    ACCOUNT = "account"
    """By all its keys and sessions together."""
    ADDRESS = "address"
    """Whether or not anybody is known there: one IPv4 address, or one IPv6 network of 64 bits."""


@dataclass(frozen=True, slots=True)
class Rate:
    """`quota` units come back over `window` seconds, evenly."""

    quota: int
    window: int = 60

    def __post_init__(self) -> None:
        if not (1 <= self.quota <= LARGEST_QUOTA and 1 <= self.window <= LONGEST_WINDOW):
            raise ValueError(f"a rate is 1 to {LARGEST_QUOTA} units in 1 to {LONGEST_WINDOW} seconds")

    @property
    def slice(self) -> int:
        """The most units a process holds: enough for the dearest request."""
        return min(self.quota, max(LARGEST, -(-self.quota // SHARES)))

    @property
    def unit(self) -> int:
        """Parts of a unit: each microsecond brings `quota` of them back, so that nothing is ever lost to rounding."""
        return self.window * MICROSECONDS

    def price(self, cost: int) -> int:
        """What a request costs here: what exceeds the quota would never be possible."""
        return min(cost, self.quota)

    def seconds(self, units: int) -> int:
        """Until so many units have come back, rounded up."""
        return max(0, -(-units * self.window // self.quota))


RATES: Mapping[Policy, Rate] = MappingProxyType({Policy.KEY: Rate(600), Policy.ACCOUNT: Rate(1_200), Policy.ADDRESS: Rate(3_000)})
"""Unless settings say otherwise."""


@dataclass(frozen=True, slots=True)
class Bucket:
    """What was there of a rate at an instant, in parts of a unit. `at`: microseconds of one clock, always the same."""

    parts: int
    at: int

    @classmethod
    def full(cls, rate: Rate, at: int) -> Self:
        return cls(rate.quota * rate.unit, at)

    def units(self, rate: Rate, now: int) -> int:
        """Whole units that are there now."""
        return self._parts(rate, now) // rate.unit

    def draw(self, rate: Rate, want: int, now: int) -> tuple[int, Self]:
        """As many units as are there, `want` at most, and what is left. A clock that was set back brings nothing."""
        parts = self._parts(rate, now)
        granted = min(want, parts // rate.unit)
        return granted, type(self)(parts - granted * rate.unit, max(self.at, now))

    def _parts(self, rate: Rate, now: int) -> int:
        return min(rate.quota * rate.unit, self.parts + max(0, now - self.at) * rate.quota)
