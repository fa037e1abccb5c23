"""kill -9 at every point where the worker touches the outside: what must come of it is exact.

A recorded run of a scenario lists the points; each is then run in a database of its own, with a worker that kills itself there
and a second one that finds what the first left.
"""

import asyncio
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psycopg
from PIL import Image

from application.generations import RequestGeneration
from application.media import AdmitUpload
from application.queries import Queries
from domain.accounts import Caller
from domain.attempts import Outcome
from domain.generations import Generation, GenerationId, GenerationState
from domain.media import AssetId, AssetKind
from domain.requests import Asked, Sandbox
from tests.processes import part, until
from tests.world import World, world

CREDITS = 500


@dataclass(frozen=True, slots=True)
class Scenario:
    name: str
    n: int = 1
    edit: bool = False
    latency_ms: int = 0


SCENARIOS = (Scenario("generate"), Scenario("two pictures", n=2), Scenario("edit", edit=True))


@dataclass(frozen=True, slots=True)
class End:
    """What came of one run: the calls that were made, and the books."""

    point: str
    state: GenerationState
    calls: int
    outcomes: tuple[Outcome, ...]
    delivered: int
    available: int
    held: int
    unit: int

    @property
    def row(self) -> str:
        outcomes = "+".join(self.outcomes)
        return f"{self.point:<44} {self.state:<10} calls {self.calls}  {outcomes:<22} available {self.available} held {self.held}"


async def ask(service: World, scenario: Scenario) -> tuple[Caller, GenerationId]:
    caller = await service.caller(credits=CREDITS)
    images: tuple[AssetId, ...] = ()
    if scenario.edit:
        admitted, _ = await (await service.parts.get(AdmitUpload))(caller, a_png(), AssetKind.REFERENCE)
        images = (admitted.id,)
    sandbox = Sandbox(latency_ms=scenario.latency_ms)
    asked = Asked(prompt="a green boat", size="64x64", n=scenario.n, images=images, sandbox=sandbox)
    generation_id, _ = await (await service.parts.get(RequestGeneration))(caller, asked)
    return caller, generation_id


def points_of(record: Path) -> dict[int, list[str]]:
    """The points each process passed, the first process first."""
    passed: dict[int, list[str]] = {}
    for line in record.read_text().splitlines():
        pid, point = line.split(" ", 1)
        passed.setdefault(int(pid), []).append(point)
    return passed


def calls_made(passed: dict[int, list[str]]) -> int:
    """Calls that went out: each that was begun, but for one at whose very beginning the process died."""
    begun = [point for points in passed.values() for point in points if point.startswith("ImageModel.make#")]
    died_at_begin = [
        points for points in passed.values() if points[-1].startswith("ImageModel.make#") and points[-1].endswith(":before")
    ]
    return sum(point.endswith(":before") for point in begun) - len(died_at_begin)


async def run(scenario: Scenario, database_url: str, folder: Path, crash_at: str = "") -> tuple[End, list[str]]:
    """One scenario with one death (none if `crash_at` is empty): how it ended, and the points the first worker passed."""
    record = folder / "points"
    async with world(database_url, folder, picture_workers=1) as service:
        caller, generation_id = await ask(service, scenario)
        queries = await service.parts.get(Queries)

        def is_open() -> bool:
            with psycopg.connect(database_url) as connection:
                row = connection.execute("SELECT finished_at FROM generations WHERE id = %s", (generation_id,)).fetchone()
                return row is not None and row[0] is None

        environment = {"DATABASE_URL": database_url, "CRASH_POINTS": str(record)}
        with part("worker", folder, CRASH_AT=crash_at, **environment) as first:
            await asyncio.to_thread(until, lambda: first.has_ended or not is_open(), f"the worker at {crash_at or 'work'}")
        if await asyncio.to_thread(is_open):
            with part("worker", folder, **environment):
                await asyncio.to_thread(until, lambda: not is_open(), f"the end after {crash_at}")
        generation, _ = await queries.generation(generation_id, caller.account_id, caller.mode)
        credits = await queries.credits(caller.wallet_id)
        passed = points_of(record)
        end = End(
            crash_at or "(none)",
            generation.state,
            calls_made(passed),
            tuple(attempt.outcome for attempt in generation.attempts),
            generation.delivered,
            credits.available,
            credits.held,
            generation.unit,
        )
        firsts = next(iter(passed.values()))
        check(end, generation, firsts)
        return end, firsts


def check(end: End, generation: Generation, passed: Sequence[str]) -> None:
    """The exact ends. Killed before the intent was committed, or once a picture lay there: one call, never another. Between: at
    most two, the second at our cost."""
    where = end.row
    put = [p for p in passed if p.startswith("ObjectStorage.put#") and p.endswith(":after")]
    assert end.state is GenerationState.SUCCEEDED, where
    # Pictures are put at once: one may lie there though the worker died before it heard so.
    assert max(1, min(len(put), generation.n)) <= end.delivered <= generation.n, where
    assert (end.available, end.held) == (CREDITS - end.unit * end.delivered, 0), where
    assert sum(attempt.booked for attempt in generation.attempts) == 1, where
    intended = "Store.commit#1:after" in passed
    assert end.calls == 1 if put or not intended else 1 <= end.calls <= 2, where


def a_png() -> bytes:
    content = io.BytesIO()
    Image.new("RGB", (64, 64), "red").save(content, "PNG")
    return content.getvalue()
