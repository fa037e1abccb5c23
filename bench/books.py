"""Whether what was measured was also right: the same rows both ways, and books that agree."""

import time
from collections import Counter
from dataclasses import dataclass

import psycopg

from adapters.postgres.audit import audit
from adapters.postgres.pool import open_pool
from tests.processes import until

_CHANGES = "SELECT relname, n_tup_ins, n_tup_upd, n_tup_del FROM pg_stat_user_tables"

_WRONG = {
    "wallets that disagree with their lots": """
        SELECT count(*) FROM wallets w LEFT JOIN LATERAL (
            SELECT coalesce(sum(remaining), 0) AS remaining, coalesce(sum(held), 0) AS held
            FROM lots WHERE wallet_id = w.id) l ON true
        WHERE w.available <> l.remaining OR w.held <> l.held""",
    "wallets that disagree with their open holds": """
        SELECT count(*) FROM wallets w LEFT JOIN LATERAL (
            SELECT coalesce(sum(amount), 0) AS amount, count(*) AS n
            FROM holds WHERE wallet_id = w.id AND state = 'open') h ON true
        WHERE w.held <> h.amount OR w.open_holds <> h.n""",
    "wallets with a gap in their versions": """
        SELECT count(*) FROM wallets w LEFT JOIN LATERAL (
            SELECT count(*) AS n, coalesce(max(version), 0) AS last FROM transfers WHERE wallet_id = w.id) t ON true
        WHERE w.version <> t.n OR w.version <> t.last""",
    "last lines that disagree with their wallet": """
        SELECT count(*) FROM wallets w JOIN transfers t ON t.wallet_id = w.id AND t.version = w.version
        WHERE (w.available, w.held, w.debt) <> (t.available_after, t.held_after, t.debt_after)""",
}
_KEPT = ("generations", "holds", "procrastinate_jobs", "idempotency_keys")


class BooksWrong(Exception):
    """What was measured cannot be believed."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Inserted, updated and deleted per request, by table; tables that stay as they are left out."""

    by_table: dict[str, tuple[float, float, float]]

    def __str__(self) -> str:
        words = ("inserted", "updated", "deleted")
        said = dict[str, list[str]]()
        for table, numbers in sorted(self.by_table.items()):
            for word, number in zip(words, numbers, strict=True):
                if number:
                    said.setdefault(f"{number:g} {word}", []).append(table)
        return "; ".join(f"{what} in {', '.join(tables)}" for what, tables in said.items())

    def without(self, *tables: str) -> "Rows":
        return Rows({table: numbers for table, numbers in self.by_table.items() if table not in tables})


def forget_rows(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SELECT pg_stat_reset()")


def rows_per_request(url: str, requests: int) -> Rows:
    """As Postgres itself counts them, since `forget_rows`. A busy connection tells its numbers late: ten seconds at most."""

    def counted() -> dict[str, tuple[int, int, int]] | None:
        with psycopg.connect(url, autocommit=True) as connection:
            rows = {table: (new, changed, gone) for table, new, changed, gone in connection.execute(_CHANGES)}
        return rows if rows["generations"][0] >= requests else None

    rows = until(counted, "Postgres to count the rows", 20)
    return Rows({table: (n[0] / requests, n[1] / requests, n[2] / requests) for table, n in rows.items() if any(n)})


def check(url: str, requests: int) -> None:
    """Raises BooksWrong."""
    with psycopg.connect(url) as connection:
        wrong = {name: number for name, statement in _WRONG.items() if (number := _one(connection, statement))}
        wrong |= {table: number for table in _KEPT if (number := _one(connection, f"SELECT count(*) FROM {table}")) != requests}
    if wrong:
        raise BooksWrong(f"after {requests} requests: {wrong}")


async def audit_whole(url: str) -> tuple[int, float]:
    """The service's own audit of everything: lines examined, and seconds. Raises BooksWrong."""
    began = time.monotonic()
    async with open_pool(url, size=1) as pool:
        report = await audit(pool)
    if report.findings:
        raise BooksWrong(f"the audit found: {Counter(finding.table for finding in report.findings)}, {report.findings[0]}")
    return report.examined["transfers"], time.monotonic() - began


def _one(connection: "psycopg.Connection[tuple[int]]", statement: str) -> int:
    row = connection.execute(statement.encode()).fetchone()
    assert row
    return row[0]
