"""A small deployment that is hurt on purpose: two API processes and two workers that are always started again, and a Postgres."""

import asyncio
import ctypes
import os
import random
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from adapters.postgres import migrations
from adapters.postgres.embedded import EmbeddedPostgres
from tests.forks import SHORT, Fork
from tests.processes import forks
from tests.service import free_port

KILLED_NOT_CRASHED = {"fsync": "off", "full_page_writes": "off", "max_connections": "120"}
"""Processes die, the machine does not: what was written is there. But a commit that was answered must have been written."""
TIMES = {"ACT_SECONDS": "8", "LEASE_SECONDS": "2", "SETTLE_MARGIN_SECONDS": "4"}
FREELY = {"OPEN_GENERATIONS": "100000", "REFUSALS_PER_HOUR": "100000", "REFUNDS_PER_HOUR": "100000"}
"""Few customers ask for all of it, and take every refund that an outage offers."""
ACT, LEASE = float(TIMES["ACT_SECONDS"]), float(TIMES["LEASE_SECONDS"])
READY_SECONDS = 60.0
EVERYBODY_OUT = """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()"""


Fault = Callable[[], Coroutine[Any, Any, None]]


class Kept:
    """A part that is started again whenever it ends, whatever its exit code."""

    def __init__(self, kind: str, number: int, folder: Path, environment: dict[str, str]) -> None:
        self.kind, self.port = kind, free_port()
        self._log, self._folder = folder / f"{kind}-{number}.log", folder
        self._environment = SHORT | TIMES | FREELY | {"DATA_DIR": str(folder), "PORT": str(self.port)} | environment
        self.part = self._start()

    def _start(self) -> Fork:
        return forks().start(self.kind, self._folder, self._environment, log=self._log)

    def keep(self) -> None:
        if self.part.has_ended:
            self.part = self._start()

    def signal(self, number: signal.Signals) -> None:
        if not self.part.has_ended:
            os.kill(self.part.pid, number)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def last_words(self) -> str:
        return "\n".join(self._log.read_text().splitlines()[-15:])


@dataclass
class Deployment:
    """`disturbed_until`: when the last fault ended that can make a healthy process answer 503 (monotonic)."""

    postgres: EmbeddedPostgres
    url: str
    folder: Path
    kept: list[Kept]
    disturbed_until: float = field(default_factory=time.monotonic)
    disturbances: int = 0

    def of(self, kind: str) -> list[Kept]:
        return [kept for kept in self.kept if kept.kind == kind]

    @property
    def calm_seconds(self) -> float:
        return 0.0 if self.disturbances else time.monotonic() - self.disturbed_until

    @asynccontextmanager
    async def disturbed(self) -> AsyncIterator[None]:
        self.disturbances += 1
        try:
            yield
        finally:
            self.disturbances -= 1
            self.disturbed_until = time.monotonic()

    async def keep(self) -> None:
        while True:
            for kept in self.kept:
                kept.keep()
            await asyncio.sleep(0.1)


@asynccontextmanager
async def deployment(folder: Path) -> AsyncIterator[Deployment]:
    with EmbeddedPostgres(folder / "postgres", settings=KILLED_NOT_CRASHED) as postgres:
        migrations.upgrade(postgres.url)
        environment = {"DATABASE_URL": postgres.url, "CRASH_POINTS": str(folder / "points")}
        running = Deployment(postgres, postgres.url, folder, [])
        try:
            for kind in ("api", "worker"):
                running.kept += [Kept(kind, number, folder, environment) for number in range(2)]
            keeping = asyncio.create_task(running.keep())
            yield running
            keeping.cancel()
        finally:
            for kept in running.kept:
                kept.part.kill()


class Faults:
    """Two rows of faults at once, drawn from a seed, while others use the deployment: one of the processes, one of what they
    need."""

    def __init__(self, on: Deployment, seed: int) -> None:
        self._on, self._draw, self._seed = on, random.Random(seed), seed
        self.counts = Counter[str]()

    async def until(self, deadline: float) -> None:
        ours = {self.worker_killed: 6, self.api_killed: 4, self.worker_told_to_stop: 2, self.worker_frozen: 4}
        theirs = {
            self.database_restarted: 2,
            self.database_stopped_at_once: 2,
            self.database_killed: 2,
            self.connection_killed: 1,
            self.connections_ended: 3,
            self.storage_away: 3,
        }
        await asyncio.gather(self._row(ours, deadline), self._row(theirs, deadline))

    async def _row(self, kinds: dict[Fault, int], deadline: float) -> None:
        """Each kind once, in any order, then whatever is drawn."""
        draw = random.Random(f"{self._seed} {len(kinds)}")
        first = draw.sample(list(kinds), len(kinds))
        while time.monotonic() < deadline:
            fault = first.pop() if first else draw.choices(list(kinds), list(kinds.values()))[0]
            await fault()
            self.counts[fault.__name__.replace("_", " ")] += 1
            await asyncio.sleep(draw.uniform(0.2, 2.5))

    async def worker_killed(self) -> None:
        self._draw.choice(self._on.of("worker")).signal(signal.SIGKILL)

    async def api_killed(self) -> None:
        self._draw.choice(self._on.of("api")).signal(signal.SIGKILL)

    async def worker_told_to_stop(self) -> None:
        self._draw.choice(self._on.of("worker")).signal(signal.SIGTERM)

    async def worker_frozen(self) -> None:
        """Longer than its lease, and now and then longer than its call may last. It may hold locks meanwhile."""
        victim = self._draw.choice(self._on.of("worker"))
        async with self._on.disturbed():
            victim.signal(signal.SIGSTOP)
            await asyncio.sleep(self._draw.choice((LEASE * 1.5, LEASE * 1.5, LEASE * 2, ACT + 1)))
            victim.signal(signal.SIGCONT)

    async def database_restarted(self) -> None:
        await self._down(lambda: None)

    async def database_stopped_at_once(self) -> None:
        await self._down(lambda: os.kill(self._postmaster, signal.SIGQUIT))

    async def database_killed(self) -> None:
        await self._down(lambda: os.kill(self._postmaster, signal.SIGKILL))

    async def _down(self, hurt: Callable[[], None]) -> None:
        async with self._on.disturbed():
            hurt()
            await asyncio.sleep(self._draw.uniform(0, 0.5))
            self._on.postgres.stop()
            await asyncio.sleep(self._draw.uniform(0, 3))
            self._on.postgres.start()

    async def connection_killed(self) -> None:
        """kill -9 of one backend: Postgres throws out all others and recovers by itself."""
        async with self._on.disturbed():
            with psycopg.connect(self._on.url) as connection:
                backend = connection.info.backend_pid
                os.kill(backend, signal.SIGKILL)
            await self._answers()

    async def connections_ended(self) -> None:
        async with self._on.disturbed():
            for _ in range(self._draw.randint(1, 5)):
                with suppress(psycopg.Error), psycopg.connect(self._on.url, autocommit=True) as connection:
                    connection.execute(EVERYBODY_OUT)
                await asyncio.sleep(self._draw.uniform(0, 0.3))

    async def storage_away(self) -> None:
        """The folder is gone, and nothing can be made in its place."""
        root, instead = self._on.folder / "objects", self._on.folder / "objects-away"
        instead.touch()
        async with self._on.disturbed():
            exchange(root, instead)
            try:
                await asyncio.sleep(self._draw.uniform(0.2, 2.5))
            finally:
                exchange(root, instead)

    @property
    def _postmaster(self) -> int:
        return int((self._on.postgres.data / "postmaster.pid").read_text().split()[0])

    async def _answers(self) -> None:
        until = time.monotonic() + READY_SECONDS
        while True:
            with suppress(psycopg.Error), psycopg.connect(self._on.url):
                return
            assert time.monotonic() < until, "the database does not come back"
            await asyncio.sleep(0.05)


def exchange(one: Path, other: Path) -> None:
    """Both names at one instant, so that nobody finds neither."""
    here, swap = -100, 2
    if ctypes.CDLL(None, use_errno=True).renameat2(here, bytes(one), here, bytes(other), swap):
        raise OSError(ctypes.get_errno(), "renameat2")
