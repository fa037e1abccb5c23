"""Connections: one pool for everything a process does with its database."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import psycopg
from psycopg import AsyncConnection
from psycopg.types.numeric import Int8Dumper
from psycopg_pool import AsyncConnectionPool

from adapters.postgres.session import Pool

NONE_ALIVE = "no connection of the pool is alive"
STATEMENT_SECONDS = 5
"""No statement of ours runs longer, and no transaction stands idle longer."""
SETTLED_SECONDS = 30
"""A transaction that read the clock so long ago has ended one way or the other: a past balance older than this never changes."""


@asynccontextmanager
async def open_pool(url: str, *, size: int) -> AsyncIterator[Pool]:
    """At most `size` connections to the database at `url`, each ready for the hot statements."""
    options = " ".join(
        f"-c {name}={value}"
        for name, value in {
            "timezone": "UTC",
            "jit": "off",  # compiled anew at each execution, and for longer than any statement of ours runs
            "statement_timeout": f"{STATEMENT_SECONDS}s",
            "idle_in_transaction_session_timeout": f"{STATEMENT_SECONDS}s",
        }.items()
    )
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


@asynccontextmanager
async def begun(pool: Pool) -> AsyncIterator[AsyncConnection[Any]]:
    """A connection inside a transaction: committed at a clean end, undone by any exception."""
    connection = await _begin(pool)
    try:
        yield connection
        await connection.execute(b"COMMIT")
    except BaseException:
        with suppress(psycopg.Error):
            await connection.execute(b"ROLLBACK")
        raise
    finally:
        await pool.putconn(connection)


async def _begin(pool: Pool) -> AsyncConnection[Any]:
    """Connections that died while idle, as all do when the database restarts, are passed over: nothing has been done on them."""
    for _ in range(pool.max_size):
        connection = await pool.getconn()
        try:
            await connection.execute(b"BEGIN")
        except BaseException as error:
            await pool.putconn(connection)
            if not isinstance(error, psycopg.OperationalError) or not connection.broken:
                raise
        else:
            return connection
    raise psycopg.OperationalError(NONE_ALIVE)


async def read_all(pool: Pool, statement: str, parameters: dict[str, Any]) -> list[Any]:
    """The first column of every row. A read may be asked again, so connections that died while idle are passed over here too."""
    for _ in range(pool.max_size):
        async with pool.connection() as connection:
            try:
                cursor = await connection.execute(statement.encode(), parameters)
                return [row[0] for row in await cursor.fetchall()]
            except psycopg.OperationalError:
                if not connection.broken:
                    raise
    raise psycopg.OperationalError(NONE_ALIVE)
