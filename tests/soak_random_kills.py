"""Workers killed at any moment while much is under way, then the accounts: rows, money, objects, the provider's record."""

import asyncio
import hashlib
import random
import signal
import time
from collections import Counter
from dataclasses import dataclass, field

from application.generations import CancelGeneration
from application.ports import ObjectStorage
from domain.accounts import Mode
from domain.generations import GenerationId
from domain.objects import ObjectKey
from tests.forks import Fork
from tests.kill_stage import Lane, new_tag, together
from tests.soak_promises import ANY_MOMENT, MOMENTS, promised

WORKERS, OPEN = 5, 24
ENDING_SECONDS = 30.0
LONGEST_SECONDS = 90.0
WORDS = ("",) * 7 + (
    "[fault: reset] [times: 1]",
    "[fault: reset]",
    "[fault: rate-limit-bare] [times: 1] [retry-after: 1]",
    "[fault: moderation-input]",
    "[fault: http-500] [times: 1]",
    "[fault: empty]",
)


@dataclass
class Load:
    """So many generations open at a time, of every kind; `asked`: their tags."""

    on: Lane
    draw: random.Random
    asked: dict[str, GenerationId] = field(default_factory=dict)

    async def until(self, deadline: float) -> None:
        while time.monotonic() < deadline:
            ((open_now,),) = await self.on.rows("SELECT count(*) FROM generations WHERE finished_at IS NULL")
            for _ in range(OPEN - open_now):
                await self._ask()
            await asyncio.sleep(0.1)

    async def _ask(self) -> None:
        draw, tag = self.draw, new_tag()
        words = f"[tag: {tag}] [latency: {draw.randrange(800)}] {draw.choice(WORDS)}"
        id = await self.on.ask(Mode.LIVE, f"a boat {words}", n=draw.choice((1, 1, 2)), edit=draw.random() < 0.1)
        self.asked[tag] = id
        if draw.random() < 0.05:
            await (await self.on.service.parts.get(CancelGeneration))(self.on.callers[Mode.LIVE], id)


async def random_kills(on: Lane, draw: random.Random, deadline: float, counts: Counter[str]) -> None:
    with promised(ANY_MOMENT):
        await _kill_under_load(on, draw, deadline, counts)


async def _kill_under_load(on: Lane, draw: random.Random, deadline: float, counts: Counter[str]) -> None:
    load, workers = Load(on, draw), [_worker(on) for _ in range(WORKERS)]

    async def kill() -> None:
        while time.monotonic() < deadline:
            await asyncio.sleep(draw.uniform(0.1, 0.8))
            number = draw.randrange(WORKERS)
            counts[MOMENTS] += not workers[number].has_ended
            workers[number].signal(signal.SIGKILL)
            workers[number] = _worker(on)

    try:
        await together(load.until(deadline), kill())
        until = time.monotonic() + LONGEST_SECONDS
        while left := await on.rows("SELECT id, state, lease_until, resume_at FROM generations WHERE finished_at IS NULL"):
            assert time.monotonic() < until, f"{len(left)} generations do not end: {left[:3]}"
            await asyncio.sleep(0.2)
    finally:
        for worker in workers:
            worker.kill()
    await check(on, load.asked, counts)


def _worker(on: Lane) -> Fork:
    return on.worker(on.folder / "points")


async def check(on: Lane, asked: dict[str, GenerationId], counts: Counter[str]) -> None:
    """Every generation by the provider's record and by its own rows."""
    assert on.provider
    attempts = dict(await on.rows("SELECT generation_id, count(*) FROM attempts GROUP BY 1"))
    perhaps = on.provider.perhaps_paid()
    for tag, id in asked.items():
        assert perhaps[tag] <= 2, f"{id}: the provider may have been paid for {perhaps[tag]} calls"
        assert on.provider.calls(tag) <= attempts.get(id, 0), f"{id}: a call that was not written down"
    ends = await on.rows("SELECT state, count(*) FROM generations WHERE id = ANY(%s) GROUP BY 1", list(asked.values()))
    counts.update({f"generations {state}": count for state, count in ends})
    counts["generations"] += len(asked)
    counts["second calls"] += sum(count == 2 for count in perhaps.values())
    await check_pictures(on)
    await on.check_books()


async def check_pictures(on: Lane) -> None:
    """What was delivered lies there, as its row says."""
    storage = await on.service.parts.get(ObjectStorage)
    rows = 'SELECT account_id, generation_id, attempt, "index", sha256 FROM assets WHERE generation_id IS NOT NULL'
    for account, generation, attempt, index, digest in await on.rows(rows):
        key = ObjectKey.picture(account, generation, attempt, index)
        assert hashlib.sha256(await storage.get(key)).hexdigest() == digest, f"{key} is not what its row says"
