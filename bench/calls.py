"""Paid calls in flight: one worker, the real SDK, and a provider that answers all calls at once with large pictures.

Memory is the shipped worker's: its resident pages while the answers arrive, are decoded and put away, at most, less those before,
by the JSON of all answers (they are all in flight at once). The event loop is timed in a second worker: see bench/watched.py.
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg

from application.generations import RequestGeneration
from bench.books import BooksWrong, audit_whole
from bench.figures import Figure, Promise
from bench.gauges import Memory, resident
from bench.stage import durable_postgres
from domain.accounts import Caller, Mode
from domain.requests import Asked
from entrypoints.wiring import Bell
from tests.processes import until
from tests.provider import Call, Provider, provider
from tests.world import World, world

CALLS = 32
PICTURE_BYTES = 4_000_000
LATENCY = 3_000
"""Milliseconds: time for every call to be out before the first is answered."""
KEY = "sk-bench"

_ENDED = "SELECT state, count(*) FROM generations WHERE id = ANY(%s) AND finished_at IS NOT NULL GROUP BY state"
_SAID = {"WORKER_CONCURRENCY": str(CALLS + 8), "DATABASE_CONNECTIONS": "20", "OPENAI_API_KEY": KEY}


@dataclass(frozen=True, slots=True)
class Burst:
    """`most`: calls that the provider had in hand at once. `json`: bytes of all answers. Memory in megabytes."""

    n: int
    most: int
    json: float
    before: float
    peak: float

    @property
    def growth(self) -> float:
        return (self.peak - self.before) * 1024 * 1024 / self.json


@dataclass(frozen=True, slots=True)
class Scene:
    """A running worker, and who asks."""

    worker: "subprocess.Popen[bytes]"
    openai: Provider
    ask: RequestGeneration
    caller: Caller
    database_url: str

    async def burst(self, n: int, picture_bytes: int, latency: int, tag: str) -> Burst:
        before = Memory.of(self.worker.pid).own
        with _highest(self.worker.pid) as peak:
            words = f"a lighthouse [tag: {tag}] [latency: {latency}] [bytes: {picture_bytes}]"
            asked = Asked(words, model="gpt-image-2", n=n, size="1024x1024", quality="low")
            generations = [(await self.ask(self.caller, asked))[0] for _ in range(CALLS)]
            await asyncio.to_thread(self._wait, generations)
        calls = self.openai.calls(tag)
        if len(calls) != CALLS:
            raise BooksWrong(f"{CALLS} generations took {len(calls)} calls")
        return Burst(n, _at_once(calls), CALLS * n * picture_bytes * 4 / 3, before, peak[0])

    def _wait(self, generations: Sequence[UUID]) -> None:
        with psycopg.connect(self.database_url, autocommit=True) as connection:

            def ended() -> dict[str, int]:
                states: dict[str, int] = dict(connection.execute(_ENDED, (generations,)).fetchall())
                return states if sum(states.values()) == len(generations) else {}

            states = until(ended, "the generations to end", 120)
        if set(states) != {"succeeded"}:
            raise BooksWrong(f"not every generation succeeded: {states}")


def measure(folder: Path) -> list[Figure]:
    with durable_postgres(folder / "postgres") as postgres, provider(folder / "openai") as openai:
        bursts, report = asyncio.run(_measure(folder, postgres.url, openai))
        asyncio.run(audit_whole(postgres.url))
    longest = [seconds * 1000 for seconds, _ in report["longest"]]
    said = ", ".join(f"{seconds * 1000:.1f} ({whose})" for seconds, whose in report["longest"])
    print(f"Of the event loop: {report['callbacks']:,} callbacks, {report['seconds'] * 1000:.0f} ms; the longest, in ms: {said}.")
    most, growth = Promise(CALLS, CALLS), Promise(2, 2, at_most=True)
    parts = "; ".join(
        f"{name} {on * 1000:.0f} ms on it, {off * 1000:.0f} ms beside it" for name, (on, off) in report["parts"].items()
    )
    return [
        Figure("calls in flight in one worker", [burst.most for burst in bursts], "", most, "as the provider saw them"),
        *(
            Figure(
                f"memory growth ÷ JSON in flight, {CALLS} calls of n={burst.n}",
                [burst.growth],
                "",
                growth,
                f"{burst.before:.0f} MB before, {burst.peak:.0f} MB at most, {burst.json / 1e6:.0f} million bytes of JSON",
            )
            for burst in bursts
        ),
        Figure("longest callback of the event loop (CPU)", longest[:1], "ms", Promise(20, 20, at_most=True), parts),
        Figure("event loop's CPU per picture", [report["seconds"] * 1000 / report["pictures"]], "ms"),
    ]


async def _measure(folder: Path, database_url: str, openai: Provider) -> tuple[list[Burst], dict[str, Any]]:
    settings = {"open_generations": 10**6}
    async with world(database_url, folder / "producer", **settings) as service:
        await service.parts.get(Bell)
        bursts = []
        for n in (1, 4):
            with _worker(folder, database_url, openai, ["-m", "entrypoints.command", "worker"]) as process:
                scene = await _scene(service, process, openai, database_url, f"shipped-{n}")
                bursts.append(await scene.burst(n, PICTURE_BYTES, LATENCY, f"large-{n}"))
        report = folder / "watched.json"
        with _worker(folder, database_url, openai, ["-m", "bench.watched", "worker", str(report)]) as process:
            scene = await _scene(service, process, openai, database_url, "watched")
            process.send_signal(signal.SIGUSR1)
            for n in (1, 4):
                await scene.burst(n, PICTURE_BYTES, LATENCY, f"watched-{n}")
            process.send_signal(signal.SIGUSR2)
            await asyncio.to_thread(until, report.exists, "the report")
        return bursts, json.loads(report.read_text()) | {"pictures": CALLS * 5}


async def _scene(service: World, process: "subprocess.Popen[bytes]", openai: Provider, database_url: str, name: str) -> Scene:
    """With a worker that has made its first calls: imports, threads and connections are no part of what is measured."""
    caller = await service.caller(credits=1_000_000, mode=Mode.LIVE)
    scene = Scene(process, openai, await service.parts.get(RequestGeneration), caller, database_url)
    await scene.burst(1, 0, 500, f"{name}-warm")
    await asyncio.sleep(1)
    return scene


@contextmanager
def _worker(folder: Path, database_url: str, openai: Provider, arguments: Sequence[str]) -> Iterator["subprocess.Popen[bytes]"]:
    home = folder / "service"
    home.mkdir(exist_ok=True)
    said = {"DATABASE_URL": database_url, "DATA_DIR": str(home), "OPENAI_BASE_URL": openai.url, **_SAID}
    inherited = {key: value for key, value in os.environ.items() if key in ("PATH", "HOME", "LANG", "TMPDIR")}
    with (home / "worker.log").open("ab") as log:
        process = subprocess.Popen([sys.executable, *arguments], env=inherited | said, stdout=log, stderr=log)
    try:
        yield process
        process.terminate()
        process.wait(60)
    except Exception:
        print((home / "worker.log").read_text()[-3000:])
        raise
    finally:
        process.kill()
        process.wait(30)


@contextmanager
def _highest(pid: int) -> Iterator[list[float]]:
    """The most megabytes resident while the block lasts, in the list's one place."""
    seen, over = [0.0], threading.Event()

    def look() -> None:
        while not over.wait(0.005):
            seen[0] = max(seen[0], resident(pid))

    looking = threading.Thread(target=look)
    looking.start()
    try:
        yield seen
    finally:
        over.set()
        looking.join()


def _at_once(calls: Sequence[Call]) -> int:
    """The most calls that had arrived and not ended at any moment."""
    moments = sorted([(call.time, 1) for call in calls] + [(call.ended or time.time(), -1) for call in calls])
    open_now = most = 0
    for _, change in moments:
        open_now += change
        most = max(most, open_now)
    return most
