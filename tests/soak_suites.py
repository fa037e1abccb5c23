"""What each random suite runs: a seed, a time to stop, and a folder of its own, to counts of what was done."""

import asyncio
import random
import time
from collections import Counter
from contextlib import AbstractContextManager
from pathlib import Path
from uuid import uuid4

from tests import ledger_stores, use_cases_stage
from tests.clusters import migrated_postgres, new_database
from tests.kill_matrix import SCENARIOS, run
from tests.soak_api import soak_api
from tests.soak_faults import soak_faults
from tests.soak_ledger import soak_ledger
from tests.soak_timelines import soak_timelines
from tests.soak_uploads import soak_uploads
from tests.soak_use_cases import soak_use_cases


async def ledger(seed: int, deadline: float, _: Path) -> dict[str, int]:
    """Random commands on the domain, every invariant after each."""
    return soak_ledger(seed, deadline)


async def store(seed: int, deadline: float, folder: Path) -> dict[str, int]:
    """The same on Postgres, its clock standing still, then running."""
    counts = Counter[str]()

    def play(url: str, until: float, clock_runs: bool) -> None:
        with ledger_stores.in_postgres(url, clock_runs=clock_runs) as make:
            counts.update(soak_ledger(seed, until, make))

    with migrated_postgres(folder) as postgres:
        still = deadline - (deadline - time.monotonic()) / 4
        await asyncio.to_thread(play, new_database(postgres), still, False)
        await asyncio.to_thread(play, new_database(postgres), deadline, True)
    return counts


async def use_cases(seed: int, deadline: float, folder: Path) -> dict[str, int]:
    """Customer, staff, workers and housekeeper in turn, dying anywhere: in memory, then on Postgres and under its own audit."""
    counts = Counter[str]()

    def play(stages: AbstractContextManager[use_cases_stage.MakeStage], until: float) -> None:
        with stages as make:
            counts.update(soak_use_cases(seed, until, make))

    with migrated_postgres(folder) as postgres:
        half = (deadline + time.monotonic()) / 2
        await asyncio.to_thread(play, use_cases_stage.in_memory(), half)
        await asyncio.to_thread(play, use_cases_stage.in_postgres(new_database(postgres)), deadline)
    return counts


async def timelines(seed: int, deadline: float, _: Path) -> dict[str, int]:
    """Workers, callers and the housekeeper in any order, with crashes, lost answers and outages."""
    return await soak_timelines(seed, deadline)


async def uploads(seed: int, deadline: float, _: Path) -> dict[str, int]:
    """Hostile files through the intake."""
    return await soak_uploads(seed, deadline)


async def crash(seed: int, deadline: float, folder: Path) -> dict[str, int]:
    """kill -9 of the worker at points drawn from recorded runs."""
    draw, counts = random.Random(seed), Counter[str]()
    with migrated_postgres(folder / "postgres") as postgres:
        points = []
        for scenario in SCENARIOS:
            _, passed = await run(scenario, new_database(postgres), folder / uuid4().hex)
            points += [(scenario, point) for point in passed if "/" not in point]
        counts["points known"] = len(points)
        draw.shuffle(points)
        for scenario, point in points:
            if time.monotonic() >= deadline:
                break
            try:
                end, _ = await run(scenario, new_database(postgres), folder / uuid4().hex, point)
            except AssertionError as error:
                raise AssertionError(f"seed {seed}, {scenario.name}, killed at {point}: {error}") from error
            counts["kills"] += 1
            counts["calls"] += end.calls
    return dict(counts)


async def api(seed: int, deadline: float, folder: Path) -> dict[str, int]:
    """The HTTP surface against its own document, and against what is no HTTP."""
    return await soak_api(seed, deadline, folder)


async def faults(seed: int, deadline: float, folder: Path) -> dict[str, int]:
    """Traffic while processes, database and files are hurt."""
    return await soak_faults(seed, deadline, folder)
