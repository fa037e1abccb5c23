"""Workers frozen while their calls are out, until another has finished for them; then they wake, and may change nothing.

Rounds of many at once: every worker is stopped at a moment of its own, in its call, its puts or its books. What the others made
of its generations is written down before they wake and must be there, row by row, when they have told what they know.
"""

import asyncio
import random
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from domain.accounts import Mode
from tests.clusters import new_database
from tests.forks import Fork, zygote
from tests.kill_stage import Counted, Lane, lane, new_tag, roomy_postgres, shared_pictures, together
from tests.provider import provider
from tests.soak_random_kills import check

LANES, ZOMBIES, EACH = 5, 10, 2
LEASE, ACT = 1.0, 4.0
TIMES = {"LEASE_SECONDS": str(LEASE), "ACT_SECONDS": str(ACT), "PUT_SECONDS": "1", "WORKER_CONCURRENCY": str(EACH)}
CALL_MS = (1_000, 2_500)
LONGEST_SECONDS = 180.0
IDLE_SECONDS = 1.0
"""For what a zombie might still write though somebody else has told."""
ROUND_SECONDS = 12.0
STALE = {
    "generations": "SELECT * FROM generations WHERE id = ANY(%s) ORDER BY id",
    "holds": "SELECT * FROM holds WHERE id = ANY(%s) ORDER BY id",
    "transfers": "SELECT * FROM transfers WHERE hold_id = ANY(%s) ORDER BY wallet_id, version",
    "assets": "SELECT * FROM assets WHERE generation_id = ANY(%s) ORDER BY id",
    "bookings": "SELECT generation_id, number, booked FROM attempts WHERE generation_id = ANY(%s) ORDER BY 1, 2",
}
"""What a zombie may not touch. Of its own attempt it may say how the call ended."""


async def soak_stops(seed: int, deadline: float, folder: Path) -> dict[str, int]:
    counts = Counter[str]()
    with roomy_postgres(folder / "postgres") as postgres, zygote(folder) as forks, provider(folder / "provider") as openai:
        async with AsyncExitStack() as stack:
            pictures, counted = await stack.enter_async_context(shared_pictures()), Counted(openai)
            lanes = [
                await stack.enter_async_context(lane(forks, new_database(postgres), folder / f"{number}", pictures, counted))
                for number in range(LANES)
            ]

            async def play(number: int) -> None:
                draw, asked = random.Random(f"{seed} {number}"), dict[str, Any]()
                while True:
                    asked |= await Round(lanes[number], draw)(counts)
                    if time.monotonic() + ROUND_SECONDS > deadline:
                        break
                await check(lanes[number], asked, Counter())

            await together(*(play(number) for number in range(LANES)))
    return dict(counts)


class Round:
    def __init__(self, on: Lane, draw: random.Random) -> None:
        self._on, self._draw = on, draw
        self._asked: dict[str, Any] = {}
        self._running: list[Fork] = []

    async def __call__(self, counts: Counter[str]) -> dict[str, Any]:
        """The tags asked for."""
        on = self._on
        for _ in range(ZOMBIES * EACH):
            await self._ask()
        zombies = [on.worker(on.folder / "points", **TIMES) for _ in range(ZOMBIES)]
        self._running = list(zombies)
        try:
            await self._until(self._most_calls_are_out, "the calls to be out")
            await together(*(self._freeze(zombie) for zombie in zombies))
            caught = await self._caught()
            await self._until(self._another_finished, "another to finish")
            before = await self._rows()
            for zombie in zombies:
                zombie.signal(signal.SIGCONT)
            await self._until(lambda: self._told(zombies, caught), "the zombies to tell what they know")
            await asyncio.sleep(IDLE_SECONDS)
            after = await self._rows()
        finally:
            for each in self._running:
                each.kill()
        for name in STALE:
            assert after[name] == before[name], f"stale write in {name}:\n{before[name]}\n{after[name]}"
        counts["stops"] += len(set(caught.values()))
        counts["calls taken over"] += len(caught)
        return self._asked

    async def _ask(self) -> None:
        """By a caller of its own: whoever is frozen in the middle of its books holds the locks of one alone."""
        tag, latency = new_tag(), self._draw.randint(*CALL_MS)
        caller = await self._on.service.caller(credits=1_000, mode=Mode.LIVE)
        words = f"a boat [tag: {tag}] [latency: {latency}]"
        self._asked[tag] = await self._on.ask(Mode.LIVE, words, n=self._draw.choice((1, 1, 2)), by=caller)

    async def _most_calls_are_out(self) -> bool:
        assert self._on.provider
        return sum(self._on.provider.calls(tag) > 0 for tag in self._asked) >= len(self._asked) * 0.8

    async def _freeze(self, zombie: Fork) -> None:
        """At a moment of its own: most in the call, some in what follows it."""
        await asyncio.sleep(self._draw.triangular(0, CALL_MS[1] / 1000, 0.2))
        zombie.signal(signal.SIGSTOP)

    async def _caught(self) -> dict[tuple[Any, int], int]:
        """The attempts whose callers are frozen in them, each with its owner."""
        statement = """SELECT generation_id, number, owner FROM attempts JOIN generations g ON g.id = generation_id
            WHERE g.id = ANY(%s) AND finished_at IS NULL AND outcome = 'intended'"""
        rows = await self._on.rows(statement, list(self._asked.values()))
        return {(generation, number): owner for generation, number, owner in rows}

    async def _another_finished(self) -> bool:
        """A worker that finds itself without its proof of life, because the machine stood still, ends; then comes the next."""
        if len(self._running) == ZOMBIES or self._running[-1].has_ended:
            self._running.append(self._on.worker(self._on.folder / "points", **(TIMES | {"WORKER_CONCURRENCY": "32"})))
        return await self._all_ended()

    async def _all_ended(self) -> bool:
        statement = "SELECT count(*) FROM generations WHERE id = ANY(%s) AND finished_at IS NULL"
        return await self._on.rows(statement, list(self._asked.values())) == [(0,)]

    async def _told(self, zombies: list[Fork], caught: dict[tuple[Any, int], int]) -> bool:
        """Every one of them has, or has gone, as one does that lost its proof of life."""
        statement = """SELECT generation_id, number FROM attempts
            WHERE generation_id = ANY(%s) AND NOT written_by_caller AND outcome NOT IN ('executed', 'not_executed')"""
        silent = await self._on.rows(statement, list(self._asked.values()))
        owners = {caught[attempt] for attempt in silent if attempt in caught}
        return len(owners) <= sum(zombie.has_ended for zombie in zombies)

    async def _rows(self) -> dict[str, list[Any]]:
        ids = list(self._asked.values())
        return {name: await self._on.rows(statement, ids) for name, statement in STALE.items()}

    async def _until(self, found: Callable[[], Awaitable[bool]], what: str) -> None:
        until = time.monotonic() + LONGEST_SECONDS
        while not await found():
            assert time.monotonic() < until, f"waited in vain for {what}:\n{self._running[-1].last_words}"
            await asyncio.sleep(0.05)
