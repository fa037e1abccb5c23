"""What is forgotten in batches is forgotten in batches of that size, whatever way through the rows the planner takes."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import psycopg
import pytest

from adapters.postgres.pool import open_pool
from adapters.postgres.rate_limits import PostgresSharedBuckets
from adapters.postgres.store import PostgresStore
from application.store import Transaction

pytestmark = pytest.mark.anyio
ROWS, BATCH = 5, 2
LATER = datetime(2100, 1, 1, tzinfo=UTC)
NESTED_LOOPS = """
DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET enable_hashjoin = off', current_database());
EXECUTE format('ALTER DATABASE %I SET enable_mergejoin = off', current_database());
EXECUTE format('ALTER DATABASE %I SET enable_material = off', current_database());
EXECUTE format('ALTER DATABASE %I SET enable_hashagg = off', current_database());
EXECUTE format('ALTER DATABASE %I SET enable_sort = off', current_database()); END $$
"""
MADE = f"""
INSERT INTO accounts (id, role, plan, created_at) VALUES (md5('a')::uuid, 'user', 'free', now());
INSERT INTO sessions (id, account_id, token_hash, provider, signed_in_at, seen_at)
SELECT md5(n::text)::uuid, md5('a')::uuid, sha256(n::text::bytea), 'one', now(), now() FROM generate_series(1, {ROWS}) n;
INSERT INTO payment_hints (id, type, created, object_kind, object_id, received_at, resume_at)
SELECT 'evt_' || n, 'invoice.paid', now(), 'invoice', 'in_1', now(), now() FROM generate_series(1, {ROWS}) n;
INSERT INTO trials (digest, kid, granted_at) SELECT sha256(n::text::bytea), 'a', now() FROM generate_series(1, {ROWS}) n;
INSERT INTO invitations (digest, until) SELECT sha256(n::text::bytea), now() FROM generate_series(1, {ROWS}) n;
INSERT INTO rate_buckets (subject, parts, at)
SELECT sha256(n::text::bytea), 0, now() - interval '1 year' FROM generate_series(1, {ROWS}) n;
"""


@pytest.mark.parametrize(
    "forget",
    [
        lambda tx: tx.sessions.end_older(LATER, LATER, BATCH),
        lambda tx: tx.inbox.forget(LATER, BATCH),
        lambda tx: tx.trials.forget(LATER, BATCH),
        lambda tx: tx.invitations.forget(LATER, BATCH),
    ],
    ids=["sessions", "hints", "trials", "invitations"],
)
async def test_a_batch_has_its_size_whatever_the_plan(
    new_database_url: str, forget: Callable[[Transaction], Awaitable[int]]
) -> None:
    _fill(new_database_url)
    async with open_pool(new_database_url, size=2) as pool, PostgresStore(pool).transaction() as tx:
        assert [await forget(tx) for _ in range(4)] == [2, 2, 1, 0]


async def test_a_batch_of_buckets_has_its_size_whatever_the_plan(new_database_url: str) -> None:
    _fill(new_database_url)
    async with open_pool(new_database_url, size=2) as pool:
        assert [await PostgresSharedBuckets(pool).forget(BATCH) for _ in range(4)] == [2, 2, 1, 0]


def _fill(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(MADE.encode())
        connection.execute(NESTED_LOOPS.encode())
