"""A worker that is frozen in its call and wakes after others took over: it tells what it knows, and changes nothing else."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from application.generations import CancelGeneration, RequestGeneration
from application.housekeeping import SweepObjects
from application.queries import Queries, TransferFilter
from domain.accounts import Caller
from domain.attempts import Outcome
from domain.generations import Generation, GenerationId, GenerationState
from domain.requests import Asked, Sandbox
from tests.processes import part, until
from tests.world import World, world

pytestmark = pytest.mark.anyio
CREDITS = 100
LATENCY_MS = 1_000


@dataclass
class Frozen:
    """A generation whose call is out, by a worker that was stopped; the other worker runs."""

    service: World
    caller: Caller
    id: GenerationId
    points: Path
    zombie: int

    async def generation(self) -> Generation:
        queries: Queries = await self.service.parts.get(Queries)
        return (await queries.generation(self.id, self.caller.account_id, self.caller.mode))[0]

    async def becomes(self, what: str) -> Generation:
        """The generation once it is so: uncertain, finished, or known to the zombie."""
        async with asyncio.timeout(30):
            while True:
                now = await self.generation()
                said = {
                    "uncertain": now.uncertain_since is not None,
                    "finished": not now.state.is_open,
                    "told": now.attempts[0].written_by_caller,
                }
                if said[what]:
                    return now
                await asyncio.sleep(0.02)

    def wake(self) -> None:
        os.kill(self.zombie, signal.SIGCONT)

    def calls(self) -> list[int]:
        """Who called, in order."""
        return callers(self.points)

    async def statement(self) -> list[str]:
        queries = await self.service.parts.get(Queries)
        return [line.kind for line in await queries.transfers(self.caller.wallet_id, TransferFilter(), None, 10)]

    async def available(self) -> tuple[int, int]:
        credits = await (await self.service.parts.get(Queries)).credits(self.caller.wallet_id)
        return credits.available, credits.held


def callers(points: Path) -> list[int]:
    lines = points.read_text().splitlines() if points.exists() else []
    return [int(line.split()[0]) for line in lines if " ImageModel.make#" in line and line.endswith(":before")]


@asynccontextmanager
async def frozen(database_url: str, folder: Path, act_seconds: float) -> AsyncIterator[Frozen]:
    points = folder / "points"
    said = {"DATABASE_URL": database_url, "CRASH_POINTS": str(points), "LEASE_SECONDS": "1", "ACT_SECONDS": str(act_seconds)}
    async with world(database_url, folder, picture_workers=1, act_seconds=act_seconds, lease_seconds=1) as service:
        caller = await service.caller(credits=CREDITS)
        asked = Asked(prompt="a boat", size="64x64", sandbox=Sandbox(latency_ms=LATENCY_MS))
        with part("worker", folder, **said), part("worker", folder, **said):
            id, _ = await (await service.parts.get(RequestGeneration))(caller, asked)
            (zombie,) = await asyncio.to_thread(until, lambda: callers(points), "the call to be out")
            os.kill(zombie, signal.SIGSTOP)
            yield Frozen(service, caller, id, points, zombie)


async def test_what_a_zombie_brings_is_delivered_once(new_database_url: str, tmp_path: Path) -> None:
    async with frozen(new_database_url, tmp_path, act_seconds=20) as it:
        seen = await it.becomes("uncertain")
        assert seen.state is GenerationState.RUNNING, "nothing is bought again while its bytes may still come"
        it.wake()
        done = await it.becomes("finished")
        assert (done.state, [attempt.outcome for attempt in done.attempts]) == (GenerationState.SUCCEEDED, [Outcome.EXECUTED])
        assert it.calls() == [it.zombie], "one call, paid once"
        assert await it.available() == (CREDITS - done.price, 0)
        assert (await it.statement()).count("capture") == 1


async def test_a_zombie_that_wakes_after_its_time_is_replaced_and_charged_never(new_database_url: str, tmp_path: Path) -> None:
    async with frozen(new_database_url, tmp_path, act_seconds=3.5) as it:
        done = await it.becomes("finished")
        assert (done.state, done.delivered) == (GenerationState.SUCCEEDED, 1)
        it.wake()
        after = await it.becomes("told")
        assert (after.state, after.finished_at, after.captured) == (done.state, done.finished_at, done.captured), "ends are final"
        assert [attempt.booked for attempt in after.attempts] == [False, True]
        assert after.attempts[0].outcome is Outcome.UNKNOWN
        assert len(it.calls()) == 2
        assert len(set(it.calls())) == 2
        assert await it.available() == (CREDITS - done.price, 0)
        assert (await it.statement()).count("capture") == 1


async def test_after_the_refund_was_taken_a_zombies_bytes_are_swept(new_database_url: str, tmp_path: Path) -> None:
    async with frozen(new_database_url, tmp_path, act_seconds=20) as it:
        await it.becomes("uncertain")
        while (await it.generation()).state.is_open:  # it takes effect at once as soon as nobody holds the generation
            await (await it.service.parts.get(CancelGeneration))(it.caller, it.id)
        it.wake()
        done = await it.becomes("told")
        assert (done.state, done.captured) == (GenerationState.CANCELLED, 0)
        assert await it.available() == (CREDITS, 0)
        assert len(list((tmp_path / "objects" / "outputs").rglob("*.object"))) == 2, "a picture and its manifest"
        assert await (await it.service.parts.get(SweepObjects))() == 2
        assert it.calls() == [it.zombie]
