"""What a wake-up leads to: a generation first, else hints, by so many at once that a slow payment provider never keeps pictures
waiting, and none is left behind by tokens that found no place."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from entrypoints.draining import Drain
from entrypoints.worker import Wake
from tests.protocol import until

pytestmark = pytest.mark.anyio
PLACES = 3


@dataclass
class Work:
    """Generations and hints that are due; a hint takes until the provider answers."""

    generations: int = 0
    hints: int = 0
    drain: Drain = field(default_factory=Drain)
    answers: asyncio.Event = field(default_factory=asyncio.Event)
    under_way: int = 0
    most: int = 0
    done: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.wake = Wake(self.perform, self.follow, self.drain, asyncio.Semaphore(PLACES))

    async def perform(self) -> bool:
        if not self.generations:
            return False
        self.generations -= 1
        self.done["generations"] += 1
        return True

    async def follow(self) -> Mapping[str, int]:
        if not self.hints:
            return {"handled": 0, "put_off": 0}
        self.hints -= 1
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        await self.answers.wait()
        self.under_way -= 1
        self.done["hints"] += 1
        return {"handled": 0, "put_off": 1}


async def test_a_generation_comes_before_a_hint() -> None:
    work = Work(generations=1, hints=1)
    await work.wake()
    assert work.done == {"generations": 1}


async def test_tokens_without_a_place_go_and_their_hints_are_followed_all_the_same() -> None:
    work = Work(hints=20)
    tokens = [asyncio.create_task(work.wake()) for _ in range(20)]
    await until(lambda: sum(token.done() for token in tokens) == 20 - PLACES)
    assert work.under_way == PLACES
    work.answers.set()
    await asyncio.gather(*tokens)
    assert (work.most, work.done) == (PLACES, {"hints": 20})


async def test_while_the_provider_hangs_generations_are_performed() -> None:
    work = Work(hints=20)
    following = [asyncio.create_task(work.wake()) for _ in range(20)]
    await until(lambda: work.under_way == PLACES)
    work.generations = 5
    for _ in range(5):
        await work.wake()
    assert work.done == {"generations": 5}
    work.answers.set()
    await asyncio.gather(*following)


async def test_a_worker_that_stops_begins_no_other_hint() -> None:
    work = Work(hints=20)
    token = asyncio.create_task(work.wake())
    await until(lambda: work.under_way == 1)
    work.drain.tell()
    work.answers.set()
    await token
    assert work.done == {"hints": 1}
