"""What shared buckets promise, in memory and in Postgres; there, with a pool for each process."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg import AsyncConnection

from adapters.keyring import Keyring
from adapters.postgres.pool import open_pool
from adapters.postgres.rate_limits import PostgresSharedBuckets
from adapters.postgres.session import Pool
from application.ports import Drawn, SharedBuckets, Want
from application.rate_limits import RateLimits
from application.store import StoreUnavailable
from domain.errors import RateLimited
from domain.rate_limits import LONGEST_WINDOW, Policy, Rate
from tests.shared_buckets import InMemory, Process

pytestmark = pytest.mark.anyio
RATE = Rate(400, 3_600)
"""One unit in nine seconds."""
SLICE = RATE.slice


class StillBuckets(PostgresSharedBuckets):
    """Its clock stands still until it is moved, but for the one that says what is idle."""

    def __init__(self, pool: Pool) -> None:
        super().__init__(pool)
        self.now = datetime(2100, 1, 1, tzinfo=UTC)
        self.offset = self.now - datetime.now(UTC)

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
        self.offset += timedelta(seconds=seconds)

    async def _lock(self, connection: AsyncConnection[Any], wants: Sequence[Want]) -> dict[bytes, Any]:
        rows = await super()._lock(connection, wants)
        return {subject: replace(row, clock=self.now - self.offset) for subject, row in rows.items()}


@dataclass
class Buckets:
    shared: SharedBuckets
    advance: Callable[[float], None]


@pytest.fixture(params=["memory", "postgres"])
async def buckets(request: pytest.FixtureRequest) -> AsyncIterator[Buckets]:
    if request.param == "memory":
        memory = InMemory()

        def advance(seconds: float) -> None:
            memory.now += seconds

        yield Buckets(memory, advance)
        return
    async with open_pool(request.getfixturevalue("database_url"), size=8) as pool:
        postgres = StillBuckets(pool)
        yield Buckets(postgres, postgres.advance)


def want(subject: bytes, units: int, rate: Rate = RATE) -> Want:
    return Want(subject, rate, units)


async def test_a_new_subject_has_a_full_bucket_and_what_is_drawn_is_gone(buckets: Buckets) -> None:
    draw = buckets.shared.draw
    assert await draw([want(b"a", 100), want(b"b", 500)]) == [Drawn(100, 300), Drawn(400, 0)]
    assert await draw([want(b"b", 1), want(b"a", 350)]) == [Drawn(0, 0), Drawn(300, 0)]


async def test_it_comes_back_with_time_and_never_more_than_the_quota(buckets: Buckets) -> None:
    await buckets.shared.draw([want(b"a", 400)])
    buckets.advance(RATE.window / 4 + 1)
    assert await buckets.shared.draw([want(b"a", 1_000)]) == [Drawn(100, 0)]
    buckets.advance(10 * RATE.window)
    assert await buckets.shared.draw([want(b"a", 1_000)]) == [Drawn(400, 0)]


async def test_a_clock_that_is_set_back_brings_nothing_and_breaks_nothing(buckets: Buckets) -> None:
    await buckets.shared.draw([want(b"a", 400)])
    buckets.advance(-1_000)
    assert await buckets.shared.draw([want(b"a", 1)]) == [Drawn(0, 0)]
    buckets.advance(1_000 + RATE.window / 400 + 1)
    assert await buckets.shared.draw([want(b"a", 5)]) == [Drawn(1, 0)]


async def test_the_largest_rate_can_be_kept(buckets: Buckets) -> None:
    large = Rate(10**9, 3_600)
    assert await buckets.shared.draw([want(b"a", 1, large)]) == [Drawn(1, 10**9 - 1)]


async def test_of_many_at_once_nobody_draws_what_another_has(buckets: Buckets) -> None:
    both = [want(b"a", 30), want(b"b", 30)]
    drawn = await asyncio.gather(*(buckets.shared.draw(both if odd % 2 else both[::-1]) for odd in range(20)))
    for at in range(2):
        assert [pair[at].granted for pair in drawn].count(0) <= 7
    assert sum(each.granted for pair in drawn for each in pair) == 800


async def test_only_what_was_left_alone_for_long_is_forgotten(buckets: Buckets) -> None:
    for subject in (b"a", b"b", b"c"):
        await buckets.shared.draw([want(subject, 400)])
    buckets.advance(LONGEST_WINDOW - 60)
    await buckets.shared.draw([want(b"c", 400)])
    assert await buckets.shared.forget(10) == 0
    buckets.advance(120)
    assert await buckets.shared.forget(1) == 1
    assert await buckets.shared.forget(10) == 1
    assert (await buckets.shared.draw([want(b"c", 400)]))[0].granted < 400, "it was in use"


# In Postgres


async def test_processes_over_one_postgres_let_through_no_more_than_stated(database_url: str) -> None:
    """Four of them, each with its own clock, asked as fast as they answer for ten of their seconds."""
    async with AsyncExitStack() as stack:
        pools = [await stack.enter_async_context(open_pool(database_url, size=2)) for _ in range(4)]
        houses = [Process(PostgresSharedBuckets(pool), {Policy.KEY: RATE}, now=number * 1e5) for number, pool in enumerate(pools)]

        async def admitted(here: Process) -> int:
            passed = 0
            for _ in range(40):
                for _ in range(20):
                    share = here.limits.share(Policy.KEY, b"me")
                    assert share
                    try:
                        await here.limits.admit(1, [share])
                        passed += 1
                    except RateLimited:
                        pass
                here.now += 0.25
            return passed

        before = await _clock(pools[0])
        total = sum(await asyncio.gather(*(admitted(here) for here in houses)))
        seconds = await _clock(pools[0]) - before
        assert RATE.quota <= total <= RATE.quota + RATE.quota * seconds / RATE.window, "none held anything before it began"
        for here in houses:
            share = here.limits.share(Policy.KEY, b"me")
            assert share
            assert 0 <= share.held <= SLICE
            assert not here.warned


async def test_what_processes_held_before_is_the_only_overshoot(database_url: str) -> None:
    async with AsyncExitStack() as stack:
        shared = [PostgresSharedBuckets(await stack.enter_async_context(open_pool(database_url, size=2))) for _ in range(3)]
        houses = [Process(each, {Policy.KEY: RATE}) for each in shared]
        shares = [share for here in houses if (share := here.limits.share(Policy.KEY, b"me"))]
        for here, share in zip(houses, shares, strict=True):
            await here.limits.admit(1, [share])
        for each in shared:
            each.offset = timedelta(seconds=2 * RATE.window)
        passed = 0
        for _ in range(6):
            for here, share in zip(houses, shares, strict=True):
                here.now += 1
                while share.held or (await _tries(here, share, passed)) > passed:
                    share.held, passed = max(0, share.held - 1), passed + 1
        assert RATE.quota < passed <= RATE.quota + len(houses) * SLICE


async def test_a_database_that_is_away_is_said_to_be(database_url: str) -> None:
    async with open_pool(database_url, size=1) as pool:
        shared = PostgresSharedBuckets(pool)
    with pytest.raises(StoreUnavailable):
        await shared.draw([want(b"a", 1)])


async def test_the_table_is_unlogged_and_holds_no_address(database_url: str, pool: Pool) -> None:
    keys = Keyring.parse(Keyring.generate()).purpose("rate limits")
    limits = RateLimits(PostgresSharedBuckets(pool), {Policy.ADDRESS: RATE}, lambda who: keys.sign(who)[1], patience=60)
    share = limits.share(Policy.ADDRESS, bytes([203, 0, 113, 7]))
    assert share
    await limits.admit(1, [share])
    with psycopg.connect(database_url) as connection:
        assert connection.execute("SELECT relpersistence FROM pg_class WHERE relname = 'rate_buckets'").fetchone() == ("u",)
        [(subject, row)] = connection.execute("SELECT subject, b::text FROM rate_buckets b").fetchall()
    assert len(subject) == 32
    assert "cb007107" not in row


async def _tries(here: Process, share: object, passed: int) -> int:
    try:
        await here.limits.admit(1, [share])  # type: ignore[list-item]  # a share, as it came
    except RateLimited:
        return passed
    return passed + 1


async def _clock(pool: Pool) -> float:
    async with pool.connection() as connection:
        row = await (await connection.execute("SELECT extract(epoch FROM clock_timestamp())")).fetchone()
    assert row
    return float(row[0])
