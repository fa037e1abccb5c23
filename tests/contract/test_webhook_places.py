"""Places of a sender: whoever hangs, fails or is late has few of them, and keeps nobody else waiting."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from application.webhook_deliveries import AT_ONCE, FAILING_SHARE, MOST_ENDPOINT, Answer
from domain.webhook_deliveries import SCHEDULE, Reason
from tests.contract.postgres_harness import PostgresHarness, on_postgres
from tests.webhook_stage import ARRIVED, Hooks

pytestmark = pytest.mark.anyio
SLOW, QUICK = "https://slow.example/", "https://quick.example/"


@pytest.fixture
async def harness(database_url: str) -> AsyncIterator[PostgresHarness]:
    async with on_postgres(database_url) as ready:
        yield ready


@pytest.fixture
def hooks(harness: PostgresHarness) -> Hooks:
    return Hooks(harness)


async def test_who_hangs_has_its_places_and_delays_nobody(hooks: Hooks) -> None:
    slow, quick = await hooks.caller(), await hooks.caller()
    await hooks.hook(slow, SLOW)
    await hooks.hook(quick, QUICK)
    for _ in range(3 * MOST_ENDPOINT):
        await hooks.finish(slow)
    hooks.post.hangs = lambda url: url == SLOW
    work = asyncio.ensure_future(hooks.send())
    try:
        for number in range(1, 4):
            await hooks.finish(quick)
            async with asyncio.timeout(20):
                while sum(sent.url == QUICK for sent in hooks.post.sent) < number:
                    await asyncio.sleep(0.005)
        assert hooks.post.most[SLOW] == MOST_ENDPOINT
        assert hooks.post.out == [SLOW] * MOST_ENDPOINT
    finally:
        work.cancel()
        await asyncio.wait([work])


async def test_however_many_have_failed_before_the_others_have_places_left(hooks: Hooks) -> None:
    """Sixteen accounts whose endpoints hang could take every place of a worker, each with less than its own."""
    hang = [f"https://{number}.slow.example/" for number in range(16)]
    for url in hang:
        caller = await hooks.caller()
        await hooks.hook(caller, url)
        for _ in range(MOST_ENDPOINT):
            await hooks.finish(caller)
    hooks.post.act = lambda _: Answer(Reason.TIMEOUT)
    await hooks.sent()
    quick = await hooks.caller()
    await hooks.hook(quick, QUICK)
    await hooks.later(SCHEDULE[1])
    hooks.post.act, hooks.post.hangs = lambda _: ARRIVED, lambda url: url in hang
    work = asyncio.ensure_future(hooks.send())
    try:
        async with asyncio.timeout(20):
            while len(hooks.post.out) < AT_ONCE * FAILING_SHARE:
                await asyncio.sleep(0.005)
            await hooks.finish(quick)
            while not any(sent.url == QUICK for sent in hooks.post.sent):
                await asyncio.sleep(0.005)
        assert len(hooks.post.out) == AT_ONCE * FAILING_SHARE
        hooks.post.gate.set()
        assert (await work)["webhooks_delivered"] == 16 * MOST_ENDPOINT + 1, "those that failed are not forgotten"
    finally:
        work.cancel()
        await asyncio.wait([work])


async def test_who_has_never_failed_and_answers_late_gives_its_place_to_another(hooks: Hooks) -> None:
    late, quick = await hooks.caller(), await hooks.caller()
    await hooks.hook(late, SLOW)
    await hooks.hook(quick, QUICK)
    for _ in range(2):
        await hooks.finish(late)
    hooks.post.hangs = lambda url: url == SLOW
    work = asyncio.ensure_future(replace(hooks.send, at_once=2, slow=0.01)())
    try:
        async with asyncio.timeout(20):
            while len(hooks.post.out) < 2:
                await asyncio.sleep(0.005)
            await hooks.finish(quick)
            while not any(sent.url == QUICK for sent in hooks.post.sent):
                await asyncio.sleep(0.005)
        assert hooks.post.out == [SLOW] * 2
        hooks.post.gate.set()
        assert (await work)["webhooks_delivered"] == 3
    finally:
        work.cancel()
        await asyncio.wait([work])
