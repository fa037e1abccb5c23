"""Who may ask now: buckets in this process, filled by slices of one bucket that all processes share.

A request spends what this process holds of its subjects, which asks nobody. A process that holds too little of a subject draws up
to a slice from the shared bucket, at most once a second. So over N processes, in any stretch of time, at most
rate x time + quota + N x slice is let through: what was drawn in it, and what each held when it began.

While the shared buckets are away, or slow, each process goes on alone and grants itself a slice in each window, with one slice to
begin with; nobody is refused because the database is. A database that crashed has forgotten every bucket: each is full again.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from time import monotonic

from application.ports import Drawn, SharedBuckets, Want
from domain.errors import RateLimited
from domain.rate_limits import MICROSECONDS, Bucket, Policy, Rate

BETWEEN_DRAWS = 1.0
"""Seconds."""
BATCH = 100
NameSubject = Callable[[bytes], bytes]
"""Makes a digest under a key of ours, so that what is kept names nobody."""


@dataclass(frozen=True, slots=True)
class Standing:
    """`left`: units that are there, as far as this process knows; `whole_in`: seconds until the quota is whole again."""

    left: int
    whole_in: int


@dataclass(slots=True, eq=False)
class Share:
    """What this process holds of one subject, below zero if the subject owes, and what it last saw in the shared bucket."""

    policy: Policy
    subject: bytes
    rate: Rate
    held: int = 0
    left: int = 0
    drawn_at: float = float("-inf")
    drawing: "asyncio.Future[None] | None" = None
    alone: Bucket | None = None

    def covers(self, cost: int) -> bool:
        return self.held >= self.rate.price(cost)

    def standing(self, now: float) -> Standing:
        left = max(0, min(self.rate.quota, self.held + self._left(now)))
        return Standing(left, self.rate.seconds(self.rate.quota - left))

    def refusal(self, cost: int, now: float) -> RateLimited:
        missing = self.rate.price(cost) - self.held - self._left(now)
        pause = max(1, self.rate.seconds(missing))
        return RateLimited.by(self.policy.value, self.rate.quota, pause)

    def bank(self, drawn: Drawn) -> None:
        self.held, self.left = min(self.rate.slice, self.held + drawn.granted), drawn.left

    def help_itself(self, now: float) -> None:
        """Nobody else can be asked: as much as this process may let through by itself."""
        rate, micros = Rate(self.rate.slice, self.rate.window), int(now * MICROSECONDS)
        bucket = self.alone or Bucket.full(rate, micros)
        granted, self.alone = bucket.draw(rate, max(0, rate.quota - self.held), micros)
        self.held, self.left = self.held + granted, 0

    def _left(self, now: float) -> int:
        """In the shared bucket by now, if nobody else has drawn."""
        passed = now - self.drawn_at
        return self.left + int(passed * self.rate.quota / self.rate.window) if passed < self.rate.window else self.rate.quota


class RateLimits:
    """`patience`: seconds a request waits for a draw; `most`: subjects remembered, the longest unused leave and lose their slice;
    `warn` hears when the shared buckets are first found away."""

    def __init__(
        self,
        shared: SharedBuckets,
        rates: Mapping[Policy, Rate],
        name: NameSubject,
        *,
        clock: Callable[[], float] = monotonic,
        patience: float = 0.1,
        most: int = 100_000,
        warn: Callable[[str], object] = lambda event: None,
    ) -> None:
        self._shared, self._rates, self._name = shared, rates, name
        self._clock, self._patience, self._most, self._warn = clock, patience, most, warn
        self._shares: OrderedDict[bytes, Share] = OrderedDict()
        self._wanted: deque[Share] = deque()
        self._drawer: asyncio.Task[None] | None = None
        self._away_until = float("-inf")
        self._was_away = False

    def __len__(self) -> int:
        """Subjects that are remembered."""
        return len(self._shares)

    def share(self, policy: Policy, who: bytes) -> Share | None:
        """What is held of somebody; None if the policy limits nobody."""
        rate = self._rates.get(policy)
        if rate is None:
            return None
        subject = self._name(policy.encode() + b"\0" + who)
        known = self._shares.get(subject)
        if known is not None:
            self._shares.move_to_end(subject)
            return known
        made = self._shares[subject] = Share(policy, subject, rate)
        self._forget_longest_unused()
        return made

    async def admit(self, cost: int, shares: Sequence[Share]) -> None:
        """Spend `cost` of each, or of none. Raises RateLimited."""
        short = [share for share in shares if not share.covers(cost)]
        if short:
            await self._refill(short, cost)
            for share in shares:
                if not share.covers(cost):
                    raise share.refusal(cost, self._clock())
        for share in shares:
            share.held -= share.rate.price(cost)

    def owe(self, cost: int, shares: Sequence[Share]) -> None:
        """Spend what is only known afterwards. It is let through and paid for by what comes next, one quota at most."""
        for share in shares:
            share.held = max(share.held - cost, -share.rate.quota)

    def standing(self, share: Share) -> Standing:
        return share.standing(self._clock())

    async def _refill(self, short: Sequence[Share], cost: int) -> None:
        for share in short:
            now = self._clock()
            if not share.drawing and now >= self._away_until and now - share.drawn_at >= BETWEEN_DRAWS:
                self._begin(share, now)
        if under_way := [share.drawing for share in short if share.drawing]:
            await asyncio.wait(under_way, timeout=self._patience)
            if not all(each.done() for each in under_way):
                self._is_away()
        for share in short:
            if not share.covers(cost) and self._clock() < self._away_until:
                share.help_itself(self._clock())

    def _begin(self, share: Share, now: float) -> None:
        share.drawing, share.drawn_at = asyncio.get_running_loop().create_future(), now
        self._wanted.append(share)
        if self._drawer is None or self._drawer.done():
            self._drawer = asyncio.create_task(self._draw())

    async def _draw(self) -> None:
        """Everything that is wanted, some at a time and on one connection. It outlives the request that began it: what comes late
        is there for the next."""
        while self._wanted:
            batch = [self._wanted.popleft() for _ in range(min(BATCH, len(self._wanted)))]
            try:
                wants = [Want(share.subject, share.rate, share.rate.slice - share.held) for share in batch]
                for share, drawn in zip(batch, await self._shared.draw(wants), strict=True):
                    share.bank(drawn)
                self._was_away = False
            except Exception:  # whatever it is, nobody is refused because of it
                self._is_away()
            finally:
                for share in batch:
                    if share.drawing and not share.drawing.done():
                        share.drawing.set_result(None)
                    share.drawing = None

    def _is_away(self) -> None:
        """Nobody waits for the shared buckets again until they have had a second."""
        self._away_until = self._clock() + BETWEEN_DRAWS
        if not self._was_away:
            self._was_away = True
            self._warn("rate_limits_alone")

    def _forget_longest_unused(self) -> None:
        """Those for whom something is being drawn have their turn later."""
        while len(self._shares) > self._most:
            oldest = next(iter(self._shares))
            if self._shares[oldest].drawing:
                self._shares.move_to_end(oldest)
                return
            del self._shares[oldest]


@dataclass(frozen=True, slots=True)
class ForgetRates:
    """Remove what tells nothing any more. Any number may run at once."""

    shared: SharedBuckets
    batch: int = 10_000

    async def __call__(self) -> Mapping[str, int]:
        """How many buckets were removed."""
        forgotten = 0
        while True:
            last = await self.shared.forget(self.batch)
            forgotten += last
            if last < self.batch:
                return {"rates_forgotten": forgotten}
