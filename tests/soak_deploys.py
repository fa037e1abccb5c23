"""Rolling restarts: a new worker starts, the old is told to stop while its calls are out; none is aborted, none is made twice."""

import asyncio
import random
import signal
import time
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from domain.accounts import Mode
from tests.clusters import new_database
from tests.forks import Fork, zygote
from tests.kill_stage import Counted, Lane, lane, new_tag, roomy_postgres, shared_pictures
from tests.provider import provider
from tests.soak_random_kills import check

OPEN = 16
CALL_MS = (1_000, 4_000)
BETWEEN = (0.3, 1.5)
ENDING_SECONDS = 12.0
LONGEST_SECONDS = 60.0
TIMES = {"WORKER_CONCURRENCY": "32", "LEASE_SECONDS": "6"}


async def soak_deploys(seed: int, deadline: float, folder: Path) -> dict[str, int]:
    counts, draw = Counter[str](), random.Random(seed)
    with roomy_postgres(folder / "postgres") as postgres, zygote(folder) as forks, provider(folder / "provider") as openai:
        async with AsyncExitStack() as stack:
            pictures, counted = await stack.enter_async_context(shared_pictures()), Counted(openai)
            on = await stack.enter_async_context(lane(forks, new_database(postgres), folder / "lane", pictures, counted))
            asked = await _deploy(on, draw, max(deadline - ENDING_SECONDS, time.monotonic() + 10), counts)
            await _check(on, asked)
            assert not [call for call in openai.calls() if call.client_gone], "a call was aborted"
            counts["calls"] += len(openai.calls())
    return dict(counts)


async def _deploy(on: Lane, draw: random.Random, deadline: float, counts: Counter[str]) -> dict[str, Any]:
    asked: dict[str, Any] = {}
    current, leaving = _worker(on), list[Fork]()

    async def ask() -> None:
        while time.monotonic() < deadline:
            for _ in range(OPEN - await _open(on)):
                tag, latency = new_tag(), draw.randint(*CALL_MS)
                asked[tag] = await on.ask(Mode.LIVE, f"a boat [tag: {tag}] [latency: {latency}]")
            await asyncio.sleep(0.1)

    async def leave(old: Fork) -> None:
        old.signal(signal.SIGTERM)
        try:
            code = await asyncio.wait_for(old.ended(), LONGEST_SECONDS)
        except TimeoutError:
            raise AssertionError(f"a worker told to stop is still there\n{old.last_words}") from None
        assert code == 0, f"a worker told to stop ended with {code}\n{old.last_words}"

    asking = asyncio.create_task(ask())
    goodbyes = list[asyncio.Task[None]]()
    try:
        while time.monotonic() < deadline:
            await asyncio.sleep(draw.uniform(*BETWEEN))
            old, current = current, _worker(on)
            leaving.append(old)
            counts["calls out at a deploy"] += await _running(on)
            goodbyes.append(asyncio.create_task(leave(old)))
            counts["deploys"] += 1
        await asyncio.gather(asking, *goodbyes)
        until = time.monotonic() + LONGEST_SECONDS
        while await _open(on):
            assert time.monotonic() < until, "generations do not end"
            await asyncio.sleep(0.1)
        await leave(current)
    finally:
        for task in (asking, *goodbyes):
            task.cancel()
        for worker in (*leaving, current):
            worker.kill()
    return asked


def _worker(on: Lane) -> Fork:
    return on.worker(on.folder / "points", **TIMES)


async def _open(on: Lane) -> int:
    return (await on.rows("SELECT count(*) FROM generations WHERE finished_at IS NULL"))[0][0]  # type: ignore[no-any-return]  # a count


async def _running(on: Lane) -> int:
    return (await on.rows("SELECT count(*) FROM generations WHERE state = 'running'"))[0][0]  # type: ignore[no-any-return]  # a count


async def _check(on: Lane, asked: dict[str, Any]) -> None:
    """Each asked for once, called once, delivered."""
    assert on.provider
    repeated = {tag: on.provider.calls(tag) for tag in asked if on.provider.calls(tag) != 1}
    assert not repeated, f"not called exactly once: {repeated}"
    ends = await on.rows("SELECT state, count(*) FROM generations GROUP BY 1")
    assert ends == [("succeeded", len(asked))], ends
    outcomes = await on.rows("SELECT outcome, count(*) FROM attempts GROUP BY 1")
    assert outcomes == [("executed", len(asked))], outcomes
    jobs = await on.rows("SELECT status, count(*) FROM procrastinate_jobs WHERE status IN ('aborted', 'failed') GROUP BY 1")
    assert not jobs, jobs
    await check(on, asked, Counter())
