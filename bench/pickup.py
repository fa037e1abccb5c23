"""Pick-up: from the commit of a request to the commit of its lease, by the real worker, as Postgres itself dates the two.

The producer asks as the API does, through the store and with the bell. The worker's commit is read while the attempt it wrote is
still `intended`, which is as long as the painter takes: the row is written anew when the call ends. The painter is told to wait
and then to fail, as painting a hundred pictures a second would measure the painter.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from uuid import UUID

import psycopg
from psycopg import AsyncConnection

from application.generations import RequestGeneration
from bench.books import audit_whole
from bench.customers import Customer, seed
from bench.figures import Figure, Promise, percentile
from bench.gauges import Memory
from bench.requests import REST_SECONDS, memory_figures
from bench.stage import durable_postgres, running
from domain.requests import Asked, Fault, Sandbox
from entrypoints.settings import Settings
from entrypoints.wiring import Bell, container

CUSTOMERS = 500
CONCURRENCY = 32
PAINTER_MILLISECONDS = 150
ROUNDS = 3
IDLE_SAMPLES, IDLE_PER_SECOND = 70, 12
BUSY_SAMPLES, BUSY_PER_SECOND = 700, 100
P99 = Promise(50, 50, at_most=True)

_LEASED = "SELECT generation_id, pg_xact_commit_timestamp(xmin) FROM attempts WHERE outcome = 'intended' AND number = 1"
_COMMITTED = "SELECT subject, pg_xact_commit_timestamp(xmin) FROM wallet_commands WHERE kind = 'hold'"
_OPEN = "SELECT count(*) FROM generations WHERE state IN ('queued', 'running')"


@dataclass(slots=True)
class Producer:
    """Asks in the name of each customer in turn."""

    ask: RequestGeneration
    customers: Sequence[Customer]
    database_url: str
    asked: list[UUID] = field(default_factory=list)

    async def one(self) -> None:
        caller = self.customers[len(self.asked) % len(self.customers)].caller
        fails = Sandbox(Fault.FAIL, PAINTER_MILLISECONDS)
        generation_id, _ = await self.ask(caller, Asked("a red dot", size="16x16", quality="low", sandbox=fails))
        self.asked.append(generation_id)

    async def many(self, pauses: Iterator[float]) -> list[float]:
        """One request after each pause, none waiting for another; the milliseconds each waited for its lease."""
        before = len(self.asked)
        async with _watching(self.database_url) as leased:
            loop = asyncio.get_running_loop()
            due, requests = loop.time(), list[asyncio.Task[None]]()
            for pause in pauses:
                due += pause
                await asyncio.sleep(due - loop.time())
                requests.append(asyncio.create_task(self.one()))
            await asyncio.gather(*requests)
            await self._all_ended()
        asked = self.asked[before:]
        async with await AsyncConnection.connect(self.database_url) as connection:
            committed: dict[UUID, datetime] = dict(await (await connection.execute(_COMMITTED)).fetchall())
        if unseen := [each for each in asked if each not in leased]:
            raise RuntimeError(f"{len(unseen)} of {len(asked)} leases were not seen: was the painter too quick?")
        return sorted((leased[each] - committed[each]).total_seconds() * 1000 for each in asked)

    async def _all_ended(self) -> None:
        async with asyncio.timeout(60), await AsyncConnection.connect(self.database_url, autocommit=True) as connection:
            while (row := await (await connection.execute(_OPEN)).fetchone()) and row[0]:
                await asyncio.sleep(0.1)


@asynccontextmanager
async def _watching(url: str) -> AsyncIterator[dict[UUID, datetime]]:
    """When each attempt was committed, gathered every 20 ms on a connection of its own while the block lasts."""
    leased: dict[UUID, datetime] = {}

    async def watch(connection: "AsyncConnection[tuple[UUID, datetime]]") -> None:
        while True:
            for generation, at in await (await connection.execute(_LEASED)).fetchall():
                leased.setdefault(generation, at)
            await asyncio.sleep(0.02)

    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        watching = asyncio.create_task(watch(connection))
        try:
            yield leased
        finally:
            watching.cancel()
            with suppress(asyncio.CancelledError):
                await watching


def measure(folder: Path, share: float) -> list[Figure]:
    """`share` of the samples, for a quick look."""
    with durable_postgres(folder / "postgres", track_commit_timestamp="on") as postgres:
        customers = asyncio.run(seed(postgres.url, CUSTOMERS))
        concurrency = {"WORKER_CONCURRENCY": str(CONCURRENCY)}
        with running("worker", folder / "service", postgres.url, **concurrency) as worker:
            settings = Settings(database_url=postgres.url, data_dir=folder / "producer")
            figures = asyncio.run(_measure(settings, customers, worker.process.pid, share))
            worker.stop()
        asyncio.run(audit_whole(postgres.url))
    return figures


async def _measure(settings: Settings, customers: Sequence[Customer], worker: int, share: float) -> list[Figure]:
    idle_samples, busy_samples = (max(5, round(samples * share)) for samples in (IDLE_SAMPLES, BUSY_SAMPLES))
    async with container(settings) as parts:
        await parts.get(Bell)
        producer = Producer(await parts.get(RequestGeneration), customers, settings.database_url)
        await producer.many(0.05 for _ in range(20))  # the first ones wait until the worker is up
        await asyncio.sleep(REST_SECONDS)
        memory = Memory.of(worker)
        jitter = random.Random(12)
        idle, busy = list[list[float]](), list[list[float]]()
        for _ in range(ROUNDS):
            idle.append(await producer.many(jitter.uniform(0.5, 1.5) / IDLE_PER_SECOND for _ in range(idle_samples)))
            busy.append(await producer.many(1 / BUSY_PER_SECOND for _ in range(busy_samples)))
    return [
        _p99(f"pick-up p99, idle ({idle_samples} requests)", idle),
        _p99(f"pick-up p99 at {BUSY_PER_SECOND}/s ({busy_samples} requests)", busy),
        *memory_figures("worker", memory),
    ]


def _p99(name: str, rounds: Sequence[Sequence[float]]) -> Figure:
    p50, p90, most = ([f"{percentile(times, percent):.0f}" for times in rounds] for percent in (50, 90, 100))
    note = f"p50 {', '.join(p50)}; p90 {', '.join(p90)}; most {', '.join(most)} ms"
    return Figure(name, [percentile(times, 99) for times in rounds], "ms", P99, note)
