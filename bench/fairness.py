"""Fairness: one account keeps 2,000 generations waiting, another asks for one.

Every slot of the worker is busy all the time: the painter is told to take `LATENCY` milliseconds and then to fail, so a slot
comes free each LATENCY / SLOTS milliseconds on average, and nobody can start sooner than the next one does.

The newcomer's **wait** is `started_at - created_at` as the database's clock wrote them. His **idle wait** is the same while the
busy account has just enough to keep the slots busy (`SPARE` more than there are slots) instead of 2,000: what he waits for then
is the next free slot and the pick-up, nothing else. Both are measured in turn, with newcomers at random moments, each of an
account that has nothing else open.
"""

import asyncio
import random
import statistics
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from psycopg import AsyncConnection

from application.generations import CancelGeneration, RequestGeneration
from bench.books import audit_whole
from bench.customers import Customer, seed
from bench.figures import Figure, Promise, percentile
from bench.stage import durable_postgres, running
from domain.generations import GenerationId
from domain.requests import Asked, Fault, Sandbox
from entrypoints.settings import Settings
from entrypoints.wiring import Bell, container

SLOTS, LATENCY = 16, 400
SPARE = 8
WAITING = 2_000
ROUNDS, NEWCOMERS = 2, 40
APART = (0.1, 0.3)
FAIR = Promise(2, 2, at_most=True)

_OPEN = "SELECT count(*) FROM generations WHERE account_id = %s AND state IN ('queued', 'running')"
_QUEUED = "SELECT id FROM generations WHERE account_id = %s AND state = 'queued'"
_WAITED = """
SELECT 1000 * extract(epoch FROM started_at - created_at)::float8 FROM generations
WHERE id = ANY(%s) AND started_at IS NOT NULL ORDER BY 1
"""


@dataclass(frozen=True, slots=True)
class Scene:
    ask: RequestGeneration
    cancel: CancelGeneration
    busy: Customer
    newcomers: Sequence[Customer]
    connection: AsyncConnection

    async def asked(self, customer: Customer) -> UUID:
        fails = Sandbox(Fault.FAIL, LATENCY)
        generation, _ = await self.ask(customer.caller, Asked("a red dot", size="16x16", quality="low", sandbox=fails))
        return generation

    async def waits(self, open_at_once: int) -> list[float]:
        """Milliseconds, sorted, of each newcomer, while the busy account has so many open."""
        asked = list[UUID]()
        async with self._kept(open_at_once):
            for customer in self.newcomers:
                await asyncio.sleep(random.uniform(*APART))
                asked.append(await self.asked(customer))
            await asyncio.sleep(2 * LATENCY / 1000)
        rows = await (await self.connection.execute(_WAITED, (asked,))).fetchall()
        if len(rows) != len(asked):
            raise RuntimeError(f"{len(asked)} newcomers, {len(rows)} of them started")
        return [row[0] for row in rows]

    @asynccontextmanager
    async def _kept(self, open_at_once: int) -> AsyncIterator[None]:
        """So many are open inside this block; what still waits at its end is cancelled."""
        enough = asyncio.Event()
        keeping = asyncio.create_task(self._keep(open_at_once, enough))
        try:
            async with asyncio.timeout(120):
                await enough.wait()
            await asyncio.sleep(LATENCY / 1000)
            yield
        finally:
            keeping.cancel()
            with suppress(asyncio.CancelledError):
                await keeping
        account = self.busy.account.id
        while queued := await (await self.connection.execute(_QUEUED, (account,))).fetchall():
            for first in range(0, len(queued), 8):
                await asyncio.gather(*(self.cancel(self.busy.caller, GenerationId(row[0])) for row in queued[first : first + 8]))

    async def _keep(self, open_at_once: int, enough: asyncio.Event) -> None:
        while True:
            row = await (await self.connection.execute(_OPEN, (self.busy.account.id,))).fetchone()
            missing = open_at_once - (row[0] if row else 0)
            for first in range(0, missing, 4):
                await asyncio.gather(*(self.asked(self.busy) for _ in range(min(4, missing - first))))
            if missing <= SPARE:
                enough.set()
            await asyncio.sleep(0.02)


def measure(folder: Path, share: float) -> list[Figure]:
    """`share` of the newcomers and of those that wait, for a quick look."""
    with durable_postgres(folder / "postgres") as postgres:
        newcomers = max(5, round(NEWCOMERS * share))
        customers = asyncio.run(seed(postgres.url, 1 + newcomers))
        slots = {"WORKER_CONCURRENCY": str(SLOTS), "DATABASE_CONNECTIONS": "20"}
        with running("worker", folder / "service", postgres.url, **slots) as worker:
            settings = Settings(database_url=postgres.url, data_dir=folder / "producer", open_generations=10**9)
            figures = asyncio.run(_measure(settings, customers, max(50, round(WAITING * share))))
            worker.stop()
        asyncio.run(audit_whole(postgres.url))
    return figures


async def _measure(settings: Settings, customers: Sequence[Customer], waiting: int) -> list[Figure]:
    idle, crowded = list[list[float]](), list[list[float]]()
    connecting = AsyncConnection.connect(settings.database_url, autocommit=True)
    async with container(settings) as parts, await connecting as connection:
        await parts.get(Bell)
        ask, cancel = await parts.get(RequestGeneration), await parts.get(CancelGeneration)
        scene = Scene(ask, cancel, customers[0], customers[1:], connection)
        for _ in range(ROUNDS):
            idle.append(await scene.waits(SLOTS + SPARE))
            crowded.append(await scene.waits(SLOTS + waiting))
    ratios = [statistics.median(b) / statistics.median(a) for a, b in zip(idle, crowded, strict=True)]
    note = f"{SLOTS} slots of {LATENCY} ms, all busy: one comes free each {LATENCY / SLOTS:.0f} ms"
    return [
        Figure(f"a newcomer's wait behind {waiting:,} of another account ÷ his idle wait", ratios, "", FAIR, note),
        _wait(f"newcomer's wait behind {waiting:,}, p50", crowded),
        _wait("newcomer's idle wait, p50", idle),
    ]


def _wait(name: str, rounds: Sequence[Sequence[float]]) -> Figure:
    p90, most = ([f"{percentile(times, percent):.0f}" for times in rounds] for percent in (90, 100))
    note = f"p90 {', '.join(p90)}; most {', '.join(most)} ms"
    return Figure(name, [statistics.median(times) for times in rounds], "ms", None, note)
