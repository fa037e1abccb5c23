"""The lease on a generation, kept alive while somebody works on it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from application.store import Store, StoreUnavailable
from domain.attempts import Attempt, Timing
from domain.generations import Generation, Lease


@dataclass(frozen=True, slots=True)
class Held:
    """A generation this worker holds. `until`: on the event loop's clock, when no call or put may start any more."""

    generation: Generation
    lease: Lease
    attempt: Attempt | None
    until: float


@dataclass(frozen=True, slots=True)
class Renewing:
    """`pause`: seconds before another try, while the database is away."""

    store: Store
    timing: Timing
    pause: float

    @asynccontextmanager
    async def __call__(self, held: Held) -> AsyncIterator[None]:
        """Keep the lease alive meanwhile. Losing it stops the renewals, never the call."""
        renewing = asyncio.create_task(self._renew(held))
        try:
            yield
        finally:
            renewing.cancel()
            await asyncio.wait([renewing])  # unlike awaiting the task itself, a cancel of ours is not mistaken for its own

    async def _renew(self, held: Held) -> None:
        until = held.until + self.timing.settle_margin.total_seconds()
        third = pause = self.timing.lease.total_seconds() / 3
        while asyncio.get_running_loop().time() < until:
            await asyncio.sleep(pause)
            pause = third
            try:
                async with self.store.transaction() as tx:
                    lasts = await tx.now() + self.timing.lease
                    if not await tx.generations.renew(held.generation.id, held.lease, lasts):
                        return
            except StoreUnavailable:
                pause = min(third, self.pause)
