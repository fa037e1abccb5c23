"""What one claim costs, from the store's own call to its answer, by who waits. Each is undone: the next finds the same.

The rows are copies of one that was accepted, without its books, among `ENDED` that have ended.
"""

import asyncio
import statistics
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter

import psycopg
from psycopg.sql import SQL, Identifier, Literal

from adapters.postgres.tables import generations
from application.generations import RequestGeneration
from application.store import Store
from bench.customers import Customer, seed
from bench.figures import Figure
from bench.stage import durable_postgres
from domain.requests import Asked, Fault, Sandbox
from entrypoints.settings import Settings
from entrypoints.wiring import container

ACCOUNTS = 1_000
ENDED = 100_000
TIMES = 30
CROWDS = ((1, 1), (1, 2_000), (1, 10_000), (1_000, 1))
"""So many accounts, and so many waiting of each."""

_COPY = SQL("""
INSERT INTO generations ({columns}) SELECT {values}
FROM (SELECT * FROM generations ORDER BY id LIMIT 1) g, (SELECT id FROM accounts ORDER BY id LIMIT {accounts}) a,
    generate_series(1, {each}) ORDER BY random()
""")


class _UndoneError(Exception):
    """Rolls a claim back."""


def measure(folder: Path) -> list[Figure]:
    with durable_postgres(folder / "postgres") as postgres:
        customers = asyncio.run(seed(postgres.url, ACCOUNTS))
        return asyncio.run(_measure(Settings(database_url=postgres.url, data_dir=folder / "service"), customers))


async def _measure(settings: Settings, customers: Sequence[Customer]) -> list[Figure]:
    figures = list[Figure]()
    async with container(settings) as parts:
        store, ask = await parts.get(Store), await parts.get(RequestGeneration)
        fails = Sandbox(Fault.FAIL, 0)
        await ask(customers[0].caller, Asked("a red dot", size="16x16", quality="low", sandbox=fails))
        with psycopg.connect(settings.database_url, autocommit=True) as connection:
            _copy(connection, ACCOUNTS, ENDED // ACCOUNTS, state="failed", finished_at="created_at")
            connection.execute("VACUUM ANALYZE generations")
            for accounts, each in CROWDS:
                connection.execute("DELETE FROM generations WHERE state = 'queued'")
                _copy(connection, accounts, each, state="queued", finished_at=None)
                times = [await _claim(store) for _ in range(TIMES)][3:]
                crowd = f"{each:,} of one account" if accounts == 1 else f"{each:,} of each of {accounts:,} accounts"
                figures.append(Figure(f"a claim with {crowd} waiting", [statistics.median(times)], "ms"))
    return figures


def _copy(connection: "psycopg.Connection[tuple[int]]", accounts: int, each: int, state: str, finished_at: str | None) -> None:
    said = {"id": SQL("uuidv7()"), "account_id": SQL("a.id"), "state": Literal(state)}
    said["finished_at"] = Identifier("g", finished_at) if finished_at else SQL("NULL")
    names = [column.name for column in generations.columns]
    columns = SQL(", ").join(map(Identifier, names))
    values = SQL(", ").join(said.get(name, Identifier("g", name)) for name in names)
    connection.execute(_COPY.format(columns=columns, values=values, accounts=Literal(accounts), each=Literal(each)))


async def _claim(store: Store) -> float:
    """Milliseconds."""
    took = 0.0
    try:
        async with store.transaction() as tx:
            now = await tx.now()
            began = perf_counter()
            if not await tx.generations.lock_due(now):
                raise RuntimeError("nothing was claimed")
            took = perf_counter() - began
            raise _UndoneError
    except _UndoneError:
        return took * 1000
