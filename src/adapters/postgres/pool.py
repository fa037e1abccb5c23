"""Connections: one pool for everything a process does with its database."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from psycopg import AsyncConnection
from psycopg.types.numeric import Int8Dumper
from psycopg_pool import AsyncConnectionPool

from adapters.postgres.session import Pool

STATEMENT_SECONDS = 5
"""No statement of ours runs longer; a past balance older than this is settled for good."""


@asynccontextmanager
async def open_pool(url: str, *, size: int) -> AsyncIterator[Pool]:
    """At most `size` connections to the database at `url`, each ready for the hot statements."""
    options = f"-c timezone=UTC -c statement_timeout={STATEMENT_SECONDS}s -c idle_in_transaction_session_timeout=30s"
    pool: Pool = AsyncConnectionPool(
        url,
        min_size=min(2, size),
        max_size=size,
        open=False,
        timeout=10,
        kwargs={"options": options},
        configure=_configure,
    )
    await pool.open(wait=True, timeout=30)
    try:
        yield pool
    finally:
        await pool.close()


async def _configure(connection: AsyncConnection[Any]) -> None:
    await connection.set_autocommit(True)
    # Without this an integer's size picks its type, and one statement is prepared once per mix of sizes.
    connection.adapters.register_dumper(int, Int8Dumper)
    connection.prepare_threshold = 2
