"""The crash suite: kills at every recorded point of worker and API, and kills at any moment under load, all at once."""

import random
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path

from tests.clusters import new_database
from tests.forks import zygote
from tests.kill_matrix import NAMED, SCENARIOS, Run, Scenario
from tests.kill_requests import REQUESTS, REQUESTS_NAMED, Repeated, Request
from tests.kill_stage import Counted, Lane, lane, roomy_postgres, shared_pictures, together
from tests.provider import provider
from tests.soak_promises import A_NAME, A_PAIR, API_KILLED, ENOUGH_MOMENTS, MOMENTS, WORKER_KILLED, promised
from tests.soak_random_kills import ENDING_SECONDS, random_kills
from tests.weed import Weed

LANES, LANES_ON_S3, ASKING = 14, 6, 3
HOUSEKEEPING = "generate"
"""The scenario in which housekeeping dies: it is the same in all."""
MISSES = 3
"""So often in a row a point is not come to, and is left alone then: it depends on the moment."""
Pair = tuple[str, str]


class Schedule:
    """Which point comes next: of those its role knows, the one with fewest deaths so far, in earlier runs too."""

    def __init__(self, role: str, kept: Mapping[str, int], draw: random.Random) -> None:
        self._role, self._draw = role, draw
        self._pairs, self._names, self._misses = Counter[Pair](), Counter[str](), Counter[Pair]()
        self._kept = kept
        self.died = Counter[Pair]()

    def know(self, scenario: str, points: Iterable[str]) -> None:
        for point in dict.fromkeys(points):
            pair = (scenario, point)
            self._pairs[pair] = self._kept.get(self.key(pair), 0)
            self._names[point] += self._pairs[pair]

    def key(self, pair: Pair) -> str:
        return f"{self._role}|{'|'.join(pair)}"

    def next(self) -> Pair:
        known = [pair for pair in self._pairs if self._misses[pair] < MISSES]
        least = min(self._weight(pair) for pair in known)
        pair = self._draw.choice([pair for pair in known if self._weight(pair) == least])
        self._add(pair, 1)
        return pair

    def over(self, pair: Pair, died: bool) -> None:
        if died:
            self.died[pair] += 1
            self._misses[pair] = 0
        else:
            self._misses[pair] += 1
            self._add(pair, -1)

    def _add(self, pair: Pair, times: int) -> None:
        self._pairs[pair] += times
        self._names[pair[1]] += times

    def _weight(self, pair: Pair) -> float:
        return min(self._names[pair[1]] / A_NAME, self._pairs[pair] / A_PAIR)

    def counts(self) -> dict[str, int]:
        """Deaths at every point that can be come to."""
        return {self.key(pair): self.died[pair] for pair in self._pairs if self.died[pair] or self._misses[pair] < MISSES}


async def soak_kills(seed: int, deadline: float, folder: Path, kept: Mapping[str, int], s3: Weed | None = None) -> dict[str, int]:
    """`kept`: how often each point has been died at in earlier runs. `s3`: where objects lie, if not in folders."""
    counts = Counter[str]()
    workers, requests = (Schedule(role, kept, random.Random(f"{seed} {role}")) for role in ("worker", "api"))
    with roomy_postgres(folder / "postgres") as postgres, zygote(folder) as forks, provider(folder / "provider") as openai:
        async with AsyncExitStack() as stack:
            pictures, counted = await stack.enter_async_context(shared_pictures()), Counted(openai)

            async def a_lane(name: str) -> Lane:
                made = lane(forks, new_database(postgres), folder / name, pictures, counted, s3)
                return await stack.enter_async_context(made)

            lanes = [await a_lane(f"lane-{number}") for number in range(LANES_ON_S3 if s3 else LANES)]
            served, idle, crowded = [await a_lane(name) for name in ("served", "idle", "crowded")]
            stop = max(deadline - ENDING_SECONDS, time.monotonic() + 15)
            killing = [_kill_workers(lanes, workers, stop, counts), _kill_requests(served, idle, requests, stop, counts)]
            if kept.get(MOMENTS, 0) < ENOUGH_MOMENTS:  # then all the time is for the points
                killing.append(random_kills(crowded, random.Random(f"{seed} moments"), stop, counts))
            await together(*killing)
            for each in (*lanes, served, idle):
                await each.check_books()
    return {**counts, **workers.counts(), **requests.counts()}


def _worth(scenario: Scenario, points: Iterable[str]) -> list[str]:
    """Housekeeping goes round and round: its first round counts."""
    return [point for point in points if "/" not in point or (scenario.name == HOUSEKEEPING and "#1:" in point)]


async def _kill_workers(lanes: list[Lane], schedule: Schedule, deadline: float, counts: Counter[str]) -> None:
    unrecorded = list(SCENARIOS)

    async def record(on: Lane) -> None:
        while unrecorded:
            scenario = unrecorded.pop()
            schedule.know(scenario.name, _worth(scenario, (await Run(on, scenario)()).passed))

    async def kill(on: Lane) -> None:
        while time.monotonic() < deadline:
            pair = schedule.next()
            done = await Run(on, NAMED[pair[0]], pair[1])()
            schedule.over(pair, done.died)
            counts[f"end|{pair[0]}|{pair[1]}|{done.end}"] += done.died
            counts["worst milliseconds to the end"] = max(counts["worst milliseconds to the end"], round(done.seconds * 1000))

    with promised(WORKER_KILLED):
        await together(*(record(on) for on in lanes))
        await together(*(kill(on) for on in lanes))


async def _kill_requests(served: Lane, idle: Lane, schedule: Schedule, deadline: float, counts: Counter[str]) -> None:
    worker = served.worker(served.folder / "served")
    try:

        async def record(request: Request) -> None:
            schedule.know(request.name, (await Repeated(idle if request.queued else served, request)()).passed)

        await together(*(record(request) for request in REQUESTS))

        async def kill() -> None:
            while time.monotonic() < deadline:
                pair = schedule.next()
                request = REQUESTS_NAMED[pair[0]]
                done = await Repeated(idle if request.queued else served, request, pair[1])()
                schedule.over(pair, died=True)
                counts[f"end|{pair[0]}|{pair[1]}|{done.end}"] += 1

        with promised(API_KILLED):
            await together(*(kill() for _ in range(ASKING)))
    finally:
        worker.kill()
