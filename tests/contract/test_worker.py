"""The worker process: it stops in order, and a database that goes away does not end it."""

import asyncio
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest

from adapters.postgres.jobs import Jobs
from adapters.postgres.pool import open_pool
from application.generations import RequestGeneration
from application.queries import Queries
from domain.attempts import Outcome
from domain.generations import GenerationState
from domain.requests import Asked, Sandbox
from tests.clusters import migrated_postgres, new_database
from tests.processes import part, until
from tests.world import world

pytestmark = pytest.mark.anyio
STOPPING_SECONDS = 5.0


def state(url: str) -> str:
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT state FROM generations").fetchone()
        return str(row[0]) if row else ""


async def test_a_worker_told_to_stop_finishes_the_call_that_is_out(new_database_url: str, tmp_path: Path) -> None:
    async with world(new_database_url, tmp_path, picture_workers=1) as service:
        caller = await service.caller(credits=100)
        asked = Asked(prompt="a slow boat", size="64x64", sandbox=Sandbox(latency_ms=2_000))
        generation_id, _ = await (await service.parts.get(RequestGeneration))(caller, asked)
        with part("worker", tmp_path, DATABASE_URL=new_database_url) as worker:
            await asyncio.to_thread(until, lambda: state(new_database_url) == "running", "the call to be out")
            assert await asyncio.to_thread(worker.stop) == 0
        done, _ = await (await service.parts.get(Queries)).generation(generation_id, caller.account_id, caller.mode)
        assert done.state is GenerationState.SUCCEEDED
        assert [attempt.outcome for attempt in done.attempts] == [Outcome.EXECUTED]


async def test_an_engine_told_to_stop_at_any_moment_of_its_start_stops(database_url: str) -> None:
    """Whoever waits for a connection may miss that he was cancelled, and an engine that started all the same would never end."""
    async with open_pool(database_url, size=2) as pool:
        over = asyncio.Event()  # told, as the engine is: here too a cancellation may be missed

        async def hold() -> None:
            while not over.is_set():
                async with pool.connection() as connection:
                    await connection.execute("SELECT pg_sleep(0.001)")

        others = [asyncio.create_task(hold()) for _ in range(4)]
        for moment in range(100):
            jobs = Jobs(pool, asyncio.Event().wait, concurrency=4, graceful_seconds=1)
            working = asyncio.create_task(jobs.work())
            await asyncio.sleep(moment * 0.000_3)
            working.cancel()
            done, _ = await asyncio.wait([working], timeout=STOPPING_SECONDS)
            assert done, f"told to stop after {moment * 0.3:.1f} ms, the engine goes on"
        over.set()
        await asyncio.gather(*others)


async def test_a_restarted_database_costs_no_picture_and_no_second_call(tmp_path: Path) -> None:
    with migrated_postgres(tmp_path / "postgres") as postgres:
        url = new_database(postgres)
        async with world(url, tmp_path, picture_workers=1) as service:
            caller = await service.caller(credits=100)
            asked = Asked(prompt="a patient boat", size="64x64", sandbox=Sandbox(latency_ms=10_000))
            ask = await service.parts.get(RequestGeneration)
            await ask(caller, asked)
            with part("worker", tmp_path, DATABASE_URL=url, LEASE_SECONDS="30"):
                await asyncio.to_thread(until, lambda: state(url) == "running", "the call to be out")
                postgres.stop()
                postgres.start()
                quick = Asked(prompt="a quick boat", size="64x64")
                await asyncio.to_thread(until, lambda: answers(url), "the database to be back")
                await ask(caller, quick)
                await asyncio.to_thread(until, lambda: "succeeded" in ends(url), "the worker to work on")
                assert sorted(ends(url)) == ["running", "succeeded"], "it did not wait for the call that is out"
                await asyncio.to_thread(until, lambda: ends(url) == ["succeeded"] * 2, "both ends to be written")
                with psycopg.connect(url) as connection:
                    outcomes = connection.execute("SELECT outcome FROM attempts").fetchall()
                assert outcomes == [("executed",)] * 2


def answers(url: str) -> bool:
    with suppress(psycopg.OperationalError), psycopg.connect(url):
        return True
    return False


def ends(url: str) -> list[str]:
    with psycopg.connect(url) as connection:
        return [row[0] for row in connection.execute("SELECT state FROM generations").fetchall()]
