"""A worker process that is told to stop, twice, or whose database is gone for good: nothing is lost, nothing is called twice."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from adapters.postgres.jobs import Jobs
from adapters.postgres.session import Pool
from application.generations import RequestGeneration
from application.media import AdmitUpload
from domain.accounts import Caller
from domain.generations import GenerationId
from domain.media import AssetId, AssetKind
from domain.requests import Asked, Sandbox
from tests.clusters import migrated_postgres, new_database
from tests.forks import Fork
from tests.kill_stage import a_png
from tests.processes import part, until
from tests.world import World, world

pytestmark = pytest.mark.anyio


@dataclass
class Stage:
    """A service whose workers are processes; `folder` holds what they share."""

    url: str
    folder: Path
    service: World
    caller: Caller

    async def ask(self, *, latency_ms: int = 0, images: Sequence[AssetId] = ()) -> GenerationId:
        asked = Asked(prompt="a boat", size="64x64", images=tuple(images), sandbox=Sandbox(latency_ms=latency_ms))
        return (await (await self.service.parts.get(RequestGeneration))(self.caller, asked))[0]

    async def upload(self) -> AssetId:
        admit = await self.service.parts.get(AdmitUpload)
        return (await admit(self.caller, a_png(), AssetKind.REFERENCE))[0].id

    def state(self, generation: GenerationId) -> str:
        return str(self._rows("SELECT state FROM generations WHERE id = %s", generation)[0][0])

    def attempts(self, generation: GenerationId) -> list[tuple[str, str | None]]:
        """Outcome and reason of each."""
        said = "SELECT outcome, failure->>'code' FROM attempts WHERE generation_id = %s ORDER BY number"
        return [(outcome, code) for outcome, code in self._rows(said, generation)]

    def waits(self, generation: GenerationId) -> float:
        """For how many seconds after it was given back nobody may take it."""
        said = """SELECT extract(epoch FROM g.resume_at - a.decided_at)
            FROM generations g JOIN attempts a ON a.generation_id = g.id WHERE g.id = %s"""
        return float(self._rows(said, generation)[0][0])

    def calls(self, points: Path) -> list[int]:
        """Which process made each call."""
        lines = points.read_text().splitlines() if points.exists() else []
        return [int(line.split()[0]) for line in lines if " ImageModel.make#" in line and line.endswith(":before")]

    def _rows(self, statement: str, *parameters: object) -> list[Any]:
        with psycopg.connect(self.url) as connection:
            return connection.execute(statement.encode(), parameters).fetchall()


@asynccontextmanager
async def stage(url: str, folder: Path) -> AsyncIterator[Stage]:
    async with world(url, folder, picture_workers=1) as service:
        yield Stage(url, folder, service, await service.caller(credits=100))


async def soon(found: Any, what: str) -> Any:
    return await asyncio.to_thread(until, found, what)


def tell(worker: Fork, number: signal.Signals) -> None:
    worker.signal(number)


async def test_told_twice_a_worker_hands_back_what_has_not_called_and_ends_what_has(
    new_database_url: str, tmp_path: Path
) -> None:
    """One call is out, one generation hangs in the load of its reference: another worker has it at once, and calls once."""
    async with stage(new_database_url, tmp_path) as it:
        picture = await it.upload()
        (stored,) = (tmp_path / "objects").rglob("*.object")
        whole = stored.rename(tmp_path / "whole")
        os.mkfifo(stored)  # who reads it waits for a writer, who never comes
        points, said = tmp_path / "points", {"DATABASE_URL": new_database_url, "CRASH_POINTS": str(tmp_path / "points")}
        with part("worker", tmp_path, **said, BACK_OFF_SECONDS="60") as first:
            out = await it.ask(latency_ms=8_000)
            stuck = await it.ask(images=[picture])
            await soon(lambda: it.calls(points) and it.attempts(stuck), "a call to be out and a load to hang")
            tell(first, signal.SIGTERM)
            await soon(lambda: '"stopping"' in first.log.read_text(), "the first word to be heard")
            assert (it.state(out), it.state(stuck)) == ("running", "running"), "told once, nothing is given up"
            tell(first, signal.SIGINT)
            await soon(lambda: it.state(stuck) == "queued", "it to be handed back")
            assert (it.attempts(stuck), it.waits(stuck)) == ([("not_executed", "handed_back")], 0)
            assert not first.has_ended, "its call is still out"
            whole.rename(stored)
            with part("worker", tmp_path, **said) as second:
                await soon(lambda: it.state(stuck) == "succeeded", "the other worker to serve it")
                assert await asyncio.to_thread(first.wait, 30) == 0
                assert it.calls(points) == [first.pid, second.pid], "each was called once"
            assert (it.state(out), it.attempts(out)) == ("succeeded", [("executed", None)])
        assert it.attempts(stuck) == [("not_executed", "handed_back"), ("executed", None)]


async def test_a_worker_told_to_stop_takes_nothing_new(new_database_url: str, tmp_path: Path) -> None:
    async with stage(new_database_url, tmp_path) as it:
        with part("worker", tmp_path, DATABASE_URL=new_database_url) as worker:
            out = await it.ask(latency_ms=3_000)
            await soon(lambda: it.state(out) == "running", "the call to be out")
            tell(worker, signal.SIGTERM)
            await soon(lambda: '"stopping"' in worker.log.read_text(), "the word to be heard")
            late = await it.ask()
            assert await asyncio.to_thread(worker.wait, 30) == 0
        assert (it.state(out), it.state(late), it.attempts(late)) == ("succeeded", "queued", [])


async def test_a_worker_whose_database_stays_away_ends_with_an_error_and_its_picture_is_kept(tmp_path: Path) -> None:
    """It has two thirds of its leases to come back; what its call brought by then lies at its key, and is delivered later."""
    with migrated_postgres(tmp_path / "postgres") as postgres:
        url = new_database(postgres)
        async with stage(url, tmp_path) as it:
            out = await it.ask(latency_ms=1_500)
            points, said = tmp_path / "points", {"DATABASE_URL": url, "CRASH_POINTS": str(tmp_path / "points")}
            with part("worker", tmp_path, **said, LEASE_SECONDS="9") as worker:
                await soon(lambda: it.calls(points), "the call to be out")
                postgres.stop()
                assert await asyncio.to_thread(worker.wait, 30) == 1
                assert "proof_of_life_lost" in worker.log.read_text()
            kept = list((tmp_path / "objects" / "outputs").rglob("*.object"))
            assert len(kept) == 2, "the picture and its manifest"
            postgres.start()
            with part("worker", tmp_path, **said):
                await soon(lambda: it.state(out) == "succeeded", "another worker to deliver it")
            assert it.attempts(out) == [("executed", None)]
            assert len(it.calls(points)) == 1


async def test_a_worker_that_finds_no_database_says_so_in_one_line_and_ends_with_an_error(tmp_path: Path) -> None:
    with part("worker", tmp_path, DATABASE_URL="postgresql://gpt:geheim@127.0.0.1:1/x") as worker:
        assert await asyncio.to_thread(worker.wait, 30) == 1
    (line,) = worker.log.read_text().splitlines()
    assert '"database_away"' in line
    assert "geheim" not in line


async def test_every_task_of_the_engine_is_tried_again(pool: Pool) -> None:
    """Without a retry strategy a job that a shutdown catches ends as aborted, for ever."""

    async def nothing() -> None: ...

    retries = Jobs(pool, nothing, concurrency=1, graceful_seconds=1).retries
    assert len(retries) >= 2, "ours and the engine's own"
    assert all(retries.values()), retries
