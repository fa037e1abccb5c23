"""Pick-up: from the commit of a request to the commit of its lease, by the real worker, as Postgres itself dates the two.

The producer asks as the API does, through the store and with the bell. The row that a lease leaves is written anew when the call
ends, so a trigger of this measurement's own notes each first attempt in a row that stays. The painter is told to wait and then
to fail, as painting a hundred pictures a second would measure the painter.

The same is measured, in turn and in the same Postgres, of a service whose job table has a past: see bench/rot.py.
"""

import asyncio
import random
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from time import monotonic
from uuid import UUID

import psycopg
from psycopg import AsyncConnection

from application.generations import RequestGeneration
from bench.books import audit_whole
from bench.customers import Customer, seed
from bench.figures import Figure, Promise, percentile
from bench.gauges import Memory
from bench.requests import REST_SECONDS, memory_figures
from bench.rot import Past, age
from bench.stage import Part, durable_postgres, running
from domain.requests import Asked, Fault, Sandbox
from entrypoints.settings import Settings
from entrypoints.wiring import Bell, container

CUSTOMERS = 500
CONCURRENCY = 32
PAINTER_MILLISECONDS = 150
ROUNDS, SLICES = 3, 4
ENOUGH_SECONDS = 80
"""No further round begins later: on a machine that cannot keep up each takes long, and says the same."""
IDLE_SAMPLES, IDLE_PER_SECOND = 100, 12
BUSY_SAMPLES, BUSY_PER_SECOND = 700, 100
P99 = Promise(50, 50, at_most=True)
AGED = Promise(1.5, 1.5, at_most=True)

_NOTED = """
CREATE TABLE bench_leases (generation_id uuid NOT NULL);
CREATE FUNCTION note_lease() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO bench_leases VALUES (NEW.generation_id);
    RETURN NULL;
END $$;
CREATE TRIGGER note_lease AFTER INSERT ON attempts FOR EACH ROW WHEN (NEW.number = 1) EXECUTE FUNCTION note_lease();
"""
_WAITED = """
SELECT 1000 * extract(epoch FROM pg_xact_commit_timestamp(l.xmin) - pg_xact_commit_timestamp(c.xmin))::float8
FROM bench_leases l JOIN wallet_commands c ON c.subject = l.generation_id AND c.kind = 'hold'
WHERE l.generation_id = ANY(%(asked)s) ORDER BY 1
"""
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
        before, loop = len(self.asked), asyncio.get_running_loop()
        due, requests = loop.time(), list[asyncio.Task[None]]()
        for pause in pauses:
            due += pause
            await asyncio.sleep(due - loop.time())
            requests.append(asyncio.create_task(self.one()))
        await asyncio.gather(*requests)
        await self._all_ended()
        asked = self.asked[before:]
        async with await AsyncConnection.connect(self.database_url) as connection:
            waited = [row[0] for row in await (await connection.execute(_WAITED, {"asked": asked})).fetchall()]
        if len(waited) != len(asked):
            raise RuntimeError(f"{len(asked)} requests, {len(waited)} leases")
        return waited

    async def _all_ended(self) -> None:
        async with asyncio.timeout(60), await AsyncConnection.connect(self.database_url, autocommit=True) as connection:
            while (row := await (await connection.execute(_OPEN)).fetchone()) and row[0]:
                await asyncio.sleep(0.1)


@dataclass(slots=True)
class Place:
    """A service of its own: database, worker, producer; `past` has its job table's."""

    producer: Producer
    past: Past | None = None
    idle: list[list[float]] = field(default_factory=list)
    busy: list[list[float]] = field(default_factory=list)


def measure(folder: Path, share: float, jobs: int) -> list[Figure]:
    """`share` of the samples, for a quick look; `jobs` are the past of the aged table."""
    with durable_postgres(folder / "postgres", track_commit_timestamp="on") as postgres, ExitStack() as stack:
        postgres.create_database("aged", template="gpt_image")
        urls = (postgres.url, postgres.url_for("aged"))
        past = age(urls[1], jobs)
        print(f"The aged job table: {past}.")
        stays, workers = list[tuple[Settings, Sequence[Customer], Past | None]](), list[Part]()
        for name, url in zip(("empty", "aged"), urls, strict=True):
            customers = asyncio.run(seed(url, CUSTOMERS))
            with psycopg.connect(url) as connection:
                connection.execute(_NOTED)
            concurrency = {"WORKER_CONCURRENCY": str(CONCURRENCY)}
            workers.append(stack.enter_context(running("worker", folder / name, url, **concurrency)))
            stays.append(
                (Settings(database_url=url, data_dir=folder / f"{name}-producer"), customers, past if workers[1:] else None)
            )
        figures = asyncio.run(_measure(stays, workers[0].process.pid, share))
        for worker in workers:
            worker.stop()
        for url in urls:
            asyncio.run(audit_whole(url))
    return figures


async def _measure(stays: Sequence[tuple[Settings, Sequence[Customer], Past | None]], worker: int, share: float) -> list[Figure]:
    """Both services are there all the time and are asked in turn, a few seconds each, so that a busy machine is so to both."""
    idle_samples, busy_samples = (max(4 * SLICES, round(samples * share)) for samples in (IDLE_SAMPLES, BUSY_SAMPLES))
    async with AsyncExitStack() as stack:
        places = list[Place]()
        for settings, customers, past in stays:
            parts = await stack.enter_async_context(container(settings))
            await parts.get(Bell)
            producer = Producer(await parts.get(RequestGeneration), customers, settings.database_url)
            await producer.many(0.05 for _ in range(20))  # the first ones wait until the worker is up
            places.append(Place(producer, past))
        await asyncio.sleep(REST_SECONDS)
        memory = Memory.of(worker)
        jitter = random.Random(12)
        empty, aged = places
        began = monotonic()
        while len(empty.busy) < ROUNDS and monotonic() < began + ENOUGH_SECONDS:
            for place in places:
                place.idle.append([])
                place.busy.append([])
            for _ in range(SLICES):
                for place in places:
                    pauses = (jitter.uniform(0.5, 1.5) / IDLE_PER_SECOND for _ in range(idle_samples // SLICES))
                    place.idle[-1] += await place.producer.many(pauses)
            for _ in range(SLICES):
                for place in places:
                    pauses = (1 / BUSY_PER_SECOND for _ in range(busy_samples // SLICES))
                    place.busy[-1] += await place.producer.many(pauses)
                places.reverse()
        for times in chain(*(place.idle + place.busy for place in places)):
            times.sort()
    jobs = f"{aged.past.jobs:,}" if aged.past else ""
    return [
        _p99(f"pick-up p99, idle ({idle_samples} requests)", empty.idle, P99),
        _p99(f"pick-up p99 at {BUSY_PER_SECOND}/s ({busy_samples} requests)", empty.busy, P99),
        _aged(f"pick-up p99 after {jobs} jobs ÷ that of an empty table, idle", empty.idle, aged.idle),
        _aged(f"pick-up p99 after {jobs} jobs ÷ that of an empty table, at {BUSY_PER_SECOND}/s", empty.busy, aged.busy),
        _p99(f"pick-up p99 after {jobs} jobs, idle", aged.idle),
        _p99(f"pick-up p99 after {jobs} jobs, at {BUSY_PER_SECOND}/s", aged.busy),
        *memory_figures("worker", memory),
    ]


def _aged(name: str, empty: Sequence[Sequence[float]], aged: Sequence[Sequence[float]]) -> Figure:
    """Over all rounds together: the p99 of one round is its worst few samples."""
    p99 = [percentile(sorted(chain(*rounds)), 99) for rounds in (empty, aged)]
    each = ", ".join(f"{percentile(b, 99) / percentile(a, 99):.2f}" for a, b in zip(empty, aged, strict=True))
    note = f"{p99[1]:.1f} ms against {p99[0]:.1f} ms, all rounds together; of each round {each}"
    return Figure(name, [p99[1] / p99[0]], "", AGED, note)


def _p99(name: str, rounds: Sequence[Sequence[float]], promise: Promise | None = None) -> Figure:
    p50, p90, most = ([f"{percentile(times, percent):.0f}" for times in rounds] for percent in (50, 90, 100))
    note = f"p50 {', '.join(p50)}; p90 {', '.join(p90)}; most {', '.join(most)} ms"
    return Figure(name, [percentile(times, 99) for times in rounds], "ms", promise, note)
