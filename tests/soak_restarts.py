"""Postgres restarted under load, fast and immediate: no fact is lost or doubled, and everybody is soon back at work."""

import asyncio
import logging
import os
import random
import signal
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import psycopg

from tests import plain_http
from tests.fault_stage import Deployment, deployment
from tests.service import customer
from tests.soak_faults import CREDITS, POOR, Traffic, check_ends, everything_ended, ready
from tests.soak_promises import BACK, RESTARTED, Broken, promised
from tests.world import world

BACK_SECONDS = 10.0
BETWEEN = (1.0, 3.0)
ENDING_SECONDS = 12.0
LONGEST_SECONDS = 60.0
_LAST_OPEN_CALL = "SELECT max(decided_at) FROM attempts WHERE started_at < %(up)s AND decided_at > %(up)s AND written_by_caller"
_BACK = "SELECT min(started_at) FROM attempts WHERE started_at > %(up)s GROUP BY owner ORDER BY 1"


async def soak_restarts(seed: int, deadline: float, folder: Path) -> dict[str, int]:
    draw, counts = random.Random(seed), Counter[str]()
    logging.getLogger("psycopg.pool").setLevel(logging.ERROR)  # that connections are lost is the point
    async with (
        deployment(folder) as running,
        world(running.url, folder, picture_workers=1) as service,
        plain_http.AsyncClient(timeout=15) as client,
    ):
        rich = [await customer(service, CREDITS) for _ in range(4)]
        traffic = Traffic(running, client, draw, rich, await customer(service, POOR))
        try:
            await ready(running)
            await traffic.bring_references()
            until = max(deadline - ENDING_SECONDS, time.monotonic() + 15)
            asking = asyncio.create_task(traffic.until(until + LONGEST_SECONDS))
            await _restart(running, random.Random(f"{seed} restarts"), until, asking, counts)
            asking.cancel()
            await asyncio.wait_for(traffic.answered(), LONGEST_SECONDS)
            await everything_ended(running)
            for kept in running.kept:
                kept.part.kill()
            ends = await check_ends(running, service, traffic)
        except (AssertionError, TimeoutError, ExceptionGroup) as error:
            words = "\n".join(f"{kept.kind}: {kept.last_words}" for kept in running.kept)
            promise = error.promise if isinstance(error, Broken) else RESTARTED
            raise Broken(promise, f"{words}\nseed {seed}: {error!r}") from error
    return {**counts, **traffic.counts, **ends}


async def _restart(
    on: Deployment, draw: random.Random, deadline: float, asking: asyncio.Task[None], counts: Counter[str]
) -> None:
    while time.monotonic() < deadline:
        await asyncio.sleep(draw.uniform(*BETWEEN))
        kind = draw.choice(("fast restarts", "immediate restarts"))
        async with on.disturbed():
            if kind == "immediate restarts":
                os.kill(int((on.postgres.data / "postmaster.pid").read_text().split()[0]), signal.SIGQUIT)
            on.postgres.stop()
            await asyncio.sleep(draw.uniform(0, 2))
            on.postgres.start()
        with promised(BACK):
            late = await _back(on, datetime.now(UTC))
        counts[kind] += 1
        counts["workers back"] += 1
        counts["worst milliseconds until back"] = max(counts["worst milliseconds until back"], round(late * 1000))
        with promised(BACK):
            assert late <= BACK_SECONDS, f"after one of the {kind} the workers were back after {late:.1f} s"
        assert not asking.done(), repr(asking.exception())


async def _back(on: Deployment, up: datetime) -> float:
    """Seconds from the end of the last call that was out, or from the database's return, until as many workers as there are have
    begun a new one."""
    workers, until = len(on.of("worker")), time.monotonic() + LONGEST_SECONDS
    async with await psycopg.AsyncConnection.connect(on.url, autocommit=True) as connection:
        while True:
            begun = await (await connection.execute(_BACK, {"up": up})).fetchall()
            if len(begun) >= workers:
                last = await (await connection.execute(_LAST_OPEN_CALL, {"up": up})).fetchone()
                since = max(up, last[0]) if last and last[0] else up
                return max(0.0, float((begun[workers - 1][0] - since).total_seconds()))
            assert time.monotonic() < until, f"{len(begun)} of {workers} workers are back"
            await asyncio.sleep(0.05)
