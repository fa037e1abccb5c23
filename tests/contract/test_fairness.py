"""One account's long queue holds nobody up: a newcomer is the very next to be claimed."""

import asyncio
from collections.abc import Iterator
from datetime import timedelta

import psycopg
import pytest
from procrastinate.sql import queries

from adapters.postgres.pool import open_pool
from adapters.postgres.store import PostgresStore
from adapters.postgres.writes import QUEUE, TASK
from application.store import Store
from domain.accounts import AccountId, Caller
from domain.generations import Generation, Lease
from tests.contract.harnesses import MemoryHarness, StoreHarness, each_store
from tests.contract.store_contract import TIMING, a_generation, customer, new_id, now

pytestmark = pytest.mark.anyio
__all__ = ["each_store"]

SLOTS = 8


def crowd(harness: StoreHarness) -> int:
    """As many as are promised, where that is no matter of minutes."""
    return 60 if isinstance(harness, MemoryHarness) else 2_000


async def wait(store: Store, caller: Caller, count: int = 1, priority: int = 10) -> list[Generation]:
    """So many generations of this account that wait, without their holds: a claim asks for none."""
    async with store.transaction() as tx:
        at = await tx.now()
        waiting = [a_generation(caller, at, priority=priority) for _ in range(count)]
        for generation in waiting:
            tx.generations.add(generation)
    return waiting


async def claim(store: Store) -> Generation:
    """Whoever is next starts to run."""
    async with store.transaction() as tx:
        at, lease = await tx.now(), Lease(new_id())
        found = await tx.generations.lock_due(at)
        assert found
        assert found.claim(lease, 1, at, TIMING)
        tx.generations.save(found)
    return found


async def claims(store: Store, count: int) -> list[AccountId]:
    return [(await claim(store)).account_id for _ in range(count)]


async def test_a_newcomer_is_the_very_next(harness: StoreHarness) -> None:
    store = harness.store
    many, newcomer = await customer(store), await customer(store)
    await wait(store, many, crowd(harness))
    assert await claims(store, SLOTS) == [many.account_id] * SLOTS
    (asked,) = await wait(store, newcomer)
    assert (await claim(store)).id == asked.id
    assert (await claim(store)).account_id == many.account_id


async def test_newcomers_are_served_in_the_order_they_came_and_before_any_second_one(harness: StoreHarness) -> None:
    store = harness.store
    many, newcomers = await customer(store), [await customer(store) for _ in range(4)]
    await wait(store, many, crowd(harness))
    await claims(store, SLOTS)
    for newcomer in newcomers:
        await wait(store, newcomer, 2)
    each_once = [newcomer.account_id for newcomer in newcomers]
    assert await claims(store, 8) == each_once * 2


async def test_where_nothing_runs_yet_the_long_queue_has_one_turn_before_the_newcomer(harness: StoreHarness) -> None:
    store = harness.store
    many, newcomer = await customer(store), await customer(store)
    await wait(store, many, crowd(harness))
    await wait(store, newcomer, 2)
    assert await claims(store, 4) == [many.account_id, newcomer.account_id] * 2


async def test_a_newcomer_of_a_lesser_plan_waits_for_those_of_a_better_one(harness: StoreHarness) -> None:
    store = harness.store
    paying, free = await customer(store), await customer(store)
    await wait(store, paying, crowd(harness), priority=10)
    await wait(store, free, priority=20)
    assert await claims(store, SLOTS) == [paying.account_id] * SLOTS


async def test_many_workers_at_once_take_the_newcomer_once_and_the_others_what_follows(harness: StoreHarness) -> None:
    store = harness.store
    many, newcomer = await customer(store), await customer(store)
    await wait(store, many, crowd(harness))
    await claims(store, SLOTS)
    (asked,) = await wait(store, newcomer)
    async with store.transaction() as first, store.transaction() as second:
        found = await first.generations.lock_due(await first.now())
        other = await second.generations.lock_due(await second.now())
        assert found
        assert other
        assert found.id == asked.id
        assert other.account_id == many.account_id


async def test_those_whose_time_is_over_stand_in_nobodys_way(harness: StoreHarness) -> None:
    store = harness.store
    many, newcomer = await customer(store), await customer(store)
    await wait(store, many, crowd(harness))
    await harness.advance(TIMING.longest_queue.total_seconds())
    (asked,) = await wait(store, newcomer)
    async with store.transaction() as tx:
        found = await tx.generations.lock_due(await now(store) + timedelta(seconds=1))
        assert found
        assert found.id == asked.id


async def test_a_claim_by_a_plan_made_when_nobody_waited_is_in_time(database_url: str) -> None:
    """Each claim takes milliseconds; by a plan that works the turns out anew for each row that waits it takes seconds."""
    async with open_pool(database_url, size=1) as pool:
        store = PostgresStore(pool)
        many, newcomer = await customer(store), await customer(store)
        await wait(store, many)
        with psycopg.connect(database_url, autocommit=True) as connection:
            connection.execute("VACUUM ANALYZE generations")
        for _ in range(12):  # after ten the connection keeps its plan
            async with store.transaction() as tx:
                assert await tx.generations.lock_due(await tx.now())
        await wait(store, many, 5_000)
        await wait(store, newcomer)
        async with asyncio.timeout(4):
            assert await claims(store, SLOTS) == [many.account_id, newcomer.account_id, *[many.account_id] * (SLOTS - 2)]


# The engine's tokens


@pytest.fixture
def tokens(database_url: str) -> "Iterator[psycopg.Connection[tuple[int]]]":
    """A connection whose plans were made when the job table was empty, and 2,000 tokens that have come since."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE procrastinate_jobs")
        for _ in range(7):  # after five the connection keeps its plan
            _enqueue(connection, 1)
            _work(connection)
        _enqueue(connection, 2_000)
        yield connection


def test_a_fetch_reads_no_more_for_the_tokens_that_wait(tokens: "psycopg.Connection[tuple[int]]") -> None:
    before = _rows_read(tokens)
    for _ in range(20):
        _work(tokens)
    assert _rows_read(tokens) - before < 20 * 50


def test_the_engine_fetches_by_the_function_whose_plans_are_bound(database_url: str) -> None:
    """An upgrade of the engine can bring another."""
    with psycopg.connect(database_url) as connection:
        bound = connection.execute("SELECT proname FROM pg_proc WHERE proconfig @> '{enable_sort=off}'").fetchall()
    assert [name for (name,) in bound if name in queries["fetch_job"]]


def _enqueue(connection: "psycopg.Connection[tuple[int]]", count: int) -> None:
    token = f"ROW('{QUEUE}', '{TASK}', 0, NULL, NULL, '{{}}', NULL)::procrastinate_job_to_defer_v1"
    connection.execute(f"SELECT procrastinate_defer_jobs_v1(array_fill({token}, ARRAY[{count}]))".encode())


def _work(connection: "psycopg.Connection[tuple[int]]") -> None:
    """Fetch a job and finish it, as a worker does."""
    row = connection.execute("SELECT id FROM procrastinate_fetch_job_v2(%s, NULL)", ([QUEUE],)).fetchone()
    assert row
    connection.execute("SELECT procrastinate_finish_job_v1(%s, 'succeeded', true)", row)


def _rows_read(connection: "psycopg.Connection[tuple[int]]") -> int:
    """By scans of the engine's tables and their indexes, on this connection since it was opened."""
    connection.execute("SELECT pg_stat_force_next_flush()")
    row = connection.execute(
        "SELECT (SELECT sum(seq_tup_read) FROM pg_stat_user_tables WHERE relname LIKE 'procrastinate%')"
        " + (SELECT sum(idx_tup_read) FROM pg_stat_user_indexes WHERE relname LIKE 'procrastinate%')"
    ).fetchone()
    assert row
    return int(row[0])
