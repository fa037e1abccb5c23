"""Shared buckets in memory: what Postgres promises, with a clock the test moves, and an outage it can make."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from application.ports import Drawn, SharedBuckets, Want
from application.rate_limits import RateLimits
from application.store import StoreUnavailable
from domain.rate_limits import LONGEST_WINDOW, MICROSECONDS, Bucket, Policy, Rate


@dataclass
class InMemory(SharedBuckets):
    """`asked`: what each draw wanted. While `held_up` is not set, draws wait. `turns`: how often a draw lets others go first."""

    now: float = 0.0
    away: bool = False
    asked: list[Sequence[Want]] = field(default_factory=list)
    buckets: dict[bytes, Bucket] = field(default_factory=dict)
    held_up: asyncio.Event | None = None
    turns: Callable[[], int] = lambda: 0

    @property
    def micros(self) -> int:
        return round(self.now * MICROSECONDS)

    async def draw(self, wants: Sequence[Want]) -> Sequence[Drawn]:
        self.asked.append(wants)
        if self.held_up:
            await self.held_up.wait()
        await self._turn()
        if self.away:
            raise StoreUnavailable
        drawn = list[Drawn]()
        for want in wants:
            bucket = self.buckets.get(want.subject) or Bucket.full(want.rate, self.micros)
            granted, left = bucket.draw(want.rate, want.units, self.micros)
            self.buckets[want.subject] = left
            drawn.append(Drawn(granted, left.units(want.rate, self.micros)))
        await self._turn()
        return drawn

    async def forget(self, limit: int) -> int:
        idle = self.micros - LONGEST_WINDOW * MICROSECONDS
        gone = [subject for subject, bucket in self.buckets.items() if bucket.at < idle][:limit]
        for subject in gone:
            del self.buckets[subject]
        return len(gone)

    async def _turn(self) -> None:
        for _ in range(self.turns()):
            await asyncio.sleep(0)


@dataclass
class Process:
    """One process's limits and its clock, which need not agree with anybody's."""

    shared: SharedBuckets
    rates: dict[Policy, Rate]
    now: float = 1_000.0
    patience: float = 60.0
    most: int = 100_000
    warned: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.limits = RateLimits(
            self.shared,
            self.rates,
            lambda who: b"digest of " + who,
            clock=lambda: self.now,
            patience=self.patience,
            most=self.most,
            warn=self.warned.append,
        )
