"""The audit of the books: every row of them at one instant, by SQL of its own, while others go on writing."""

from typing import Any

from psycopg import AsyncConnection

from adapters.postgres.audit.check import MOST_OF_ONE
from adapters.postgres.audit.holds import ALLOCATIONS, ASSETS, ATTEMPTS, GENERATIONS, HOLDS
from adapters.postgres.audit.lines import ACCOUNTS, COMMANDS, LINES, WALLETS
from adapters.postgres.audit.lots import LIVES, LOTS, REVERSALS, SILENT
from adapters.postgres.audit.seals import SEALED, broken
from adapters.postgres.pool import begun
from adapters.postgres.session import Pool, unavailable
from application.queries import AuditReport, BooksAudit, Finding

CHECKS = (ACCOUNTS, WALLETS, LINES, COMMANDS, LOTS, LIVES, REVERSALS, SILENT, HOLDS, ALLOCATIONS, GENERATIONS, ATTEMPTS, ASSETS)
EXAMINED = (
    *("accounts", "wallets", "wallet_commands", "transfers", "lots", "lot_reversals", "holds", "hold_allocations"),
    *("generations", "attempts", "assets"),
)

# Read only: an audit that could write would itself have to be audited. Repeatable read: one instant for all of its passes.
_AT_ONE_INSTANT = b"SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"
_AT_LEISURE = b"SET LOCAL statement_timeout = '30min'; SET LOCAL work_mem = '64MB'; SET LOCAL jit = off"


class PostgresBooksAudit(BooksAudit):
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def __call__(self) -> AuditReport:
        return await audit(self._pool)


async def audit(pool: Pool) -> AuditReport:
    """A million lines of half a million generations take about half a minute."""
    with unavailable():
        async with begun(pool) as connection:
            await connection.execute(_AT_ONE_INSTANT)
            await connection.execute(_AT_LEISURE)
            return await examine(connection)


async def examine(connection: AsyncConnection[Any]) -> AuditReport:
    """The books as the connection's open transaction sees them."""
    examined = await _count(connection)
    found, cut = await _seals(connection)
    for check in CHECKS:
        rows = await (await connection.execute(check.statement)).fetchall()
        found += [Finding(*row) for row in rows[:MOST_OF_ONE]]
        cut |= len(rows) > MOST_OF_ONE
    return AuditReport(examined, found, cut)


async def _count(connection: AsyncConnection[Any]) -> dict[str, int]:
    counts = ", ".join(f"(SELECT count(*) FROM {table})" for table in EXAMINED)
    row = await (await connection.execute(f"SELECT {counts}".encode())).fetchone()
    return dict(zip(EXAMINED, row or (), strict=True))


async def _seals(connection: AsyncConnection[Any]) -> tuple[list[Finding], bool]:
    found: list[Finding] = []
    async with connection.cursor("sealed") as cursor:
        cursor.itersize = 5_000
        await cursor.execute(SEALED.encode())
        async for row in cursor:
            if wrong := broken(*row):
                found.append(Finding(*wrong))
                if len(found) > MOST_OF_ONE:
                    return found[:MOST_OF_ONE], True
    return found, False
