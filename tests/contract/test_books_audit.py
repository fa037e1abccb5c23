"""The audit of the books: clean after any traffic, and each row that was changed by hand is found and named.

What the database itself would refuse (a second booked attempt, a credit that is nowhere) is tried without its constraints.
"""

import asyncio
import random
import re
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from psycopg import AsyncConnection

from adapters.postgres import tables
from adapters.postgres.audit import EXAMINED, audit, examine
from adapters.postgres.embedded import EmbeddedPostgres
from adapters.postgres.pool import open_pool
from adapters.postgres.store import PostgresStore
from application.queries import AuditReport
from tests.clusters import new_database
from tests.contract.store_contract import customer, queued
from tests.contract.traffic import Traffic
from tests.operator import Operator
from tests.tampering import ROWS, TAMPERED

pytestmark = pytest.mark.anyio

SEED = 7
LEDGER = ("wallets", "wallet_commands", "transfers", "lots", "lot_reversals", "holds", "hold_allocations")
GUARDS = """
SELECT format('ALTER TABLE %s DROP CONSTRAINT IF EXISTS %I CASCADE', conrelid::regclass, conname)
FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND contype IN ('c', 'u', 'f', 'p')
UNION ALL SELECT 'DROP INDEX attempts_booked'
"""


@pytest.fixture(scope="module")
async def busy(postgres: EmbeddedPostgres) -> str:
    """A database full of random traffic, without any constraint left, so that it can be tampered with."""
    url = new_database(postgres)
    async with open_pool(url, size=4) as pool:
        traffic = Traffic(PostgresStore(pool), random.Random(SEED))
        await traffic.run(accounts=4, steps=600)
        assert min(traffic.done.get(act.__name__, 0) for act in (traffic.settle, traffic.reverse, traffic.expire)) > 5
        report = await audit(pool)
        assert report.findings == []
        assert report.is_clean
        assert all(report.examined.values())
        assert report.examined.keys() == set(EXAMINED)
    async with await AsyncConnection.connect(url, autocommit=True) as connection:
        for (statement,) in await (await connection.execute(GUARDS)).fetchall():
            await connection.execute(statement.encode())
    return url


@pytest.fixture
async def books(busy: str) -> AsyncIterator[AsyncConnection[Any]]:
    """Inside a transaction that is undone, and in which no trigger keeps the books from being changed."""
    async with await AsyncConnection.connect(busy) as connection:
        await connection.execute("SET LOCAL session_replication_role = replica")
        yield connection
        await connection.rollback()


async def tampered(books: AsyncConnection[Any], statement: str) -> str:
    """The key of the one row it changed."""
    cursor = await books.execute(statement.encode())
    (row,) = await cursor.fetchall()
    return "/".join(map(str, row))


def names(report: AuditReport, key: str) -> bool:
    said = " ".join(f"{finding.key} {finding.says}" for finding in report.findings)
    return re.search(rf"(?<![0-9a-f-]){re.escape(key)}(?![0-9a-f-])", said) is not None


@pytest.mark.parametrize("what", list(TAMPERED))
async def test_a_row_changed_by_hand_is_named(books: AsyncConnection[Any], what: str) -> None:
    key = await tampered(books, TAMPERED[what].format(**ROWS))
    report = await examine(books)
    assert not report.is_clean
    assert names(report, key), report.findings


async def test_a_line_taken_away_leaves_a_gap_that_is_named(books: AsyncConnection[Any]) -> None:
    deleted = "DELETE FROM transfers WHERE (wallet_id, version) = ({line}) RETURNING wallet_id, version"
    wallet, version = (await tampered(books, deleted.format(**ROWS))).split("/")
    assert names(await examine(books), f"{wallet}/{int(version) + 1}")


async def test_two_lines_in_each_others_place_are_both_named(books: AsyncConnection[Any]) -> None:
    swapped = """UPDATE transfers t SET version = l.version + CASE t.version WHEN l.version THEN 1 ELSE 0 END
        FROM ({line}) l WHERE t.wallet_id = l.wallet_id AND t.version IN (l.version, l.version + 1)
        RETURNING t.wallet_id, t.version"""
    rows = await (await books.execute(swapped.format(**ROWS).encode())).fetchall()
    report = await examine(books)
    assert len(rows) == 2
    assert all(names(report, f"{wallet}/{version}") for wallet, version in rows)


async def test_even_a_forger_who_mends_every_sum_is_found(books: AsyncConnection[Any]) -> None:
    """Five credits more in a grant, in all that was written after it, in the lot and in the wallet: every equation holds."""
    grant = """SELECT c.id, c.wallet_id, c.subject, c.first_version FROM wallet_commands c
        JOIN wallets w ON w.id = c.wallet_id JOIN lots l ON l.id = c.subject
        WHERE c.kind = 'grant' AND w.available > 0 AND l.remaining > 0 AND l.reversal = 0 AND l.repaid = 0
            AND NOT EXISTS (
                SELECT FROM transfers t WHERE t.wallet_id = w.id AND t.version >= c.first_version AND t.debt_after > 0)
        LIMIT 1"""
    (row,) = await (await books.execute(grant)).fetchall()
    command, wallet, lot, version = row
    for statement in (
        f"UPDATE wallet_commands SET amount = amount + 5 WHERE id = '{command}'",
        f"UPDATE lots SET granted = granted + 5, remaining = remaining + 5 WHERE id = '{lot}'",
        f"UPDATE transfers SET amount = amount + 5 WHERE lot_id = '{lot}' AND debit LIKE 'issued:%'",
        f"UPDATE transfers SET available_after = available_after + 5 WHERE wallet_id = '{wallet}' AND version >= {version}",
        f"UPDATE wallets SET available = available + 5 WHERE id = '{wallet}'",
    ):
        await books.execute(statement.encode())
    (finding,) = (await examine(books)).findings
    assert (finding.table, finding.key) == ("lots", str(lot))
    assert f"not what command {command} said" in finding.says


@pytest.mark.parametrize("name", LEDGER)
async def test_no_column_of_the_books_can_be_changed_unseen(books: AsyncConnection[Any], name: str) -> None:
    table = tables.metadata.tables[name]
    key = "lot_id" if name == "lot_reversals" else " || '/' || ".join(column.name for column in table.primary_key)
    # Nothing else bears witness of a command without a line; closing a wallet moves the expiries that were sealed.
    is_open = "t.wallet_id NOT IN (SELECT id FROM wallets WHERE closed_at IS NOT NULL)"
    witnessed = {
        "wallets": "t.version > 0",
        "wallet_commands": f"t.first_version <= t.last_version AND {is_open}",
        "lots": is_open,
    }.get(name, "true")
    for column in table.columns:
        field = f'"{column.name}"'
        changed = {int: f"{field} + 1", str: f"{field} || 'x'", datetime: f"{field} + interval '1 second'"}.get(
            column.type.python_type, "gen_random_uuid()"
        )
        some = f"SELECT ctid FROM {name} t WHERE {field} IS NOT NULL AND {witnessed} ORDER BY random() LIMIT 1"
        async with books.transaction(force_rollback=True):
            was = await (await books.execute(f"SELECT {key}, ctid::text FROM {name} t WHERE ctid = ({some})".encode())).fetchone()
            if was is None:
                assert column.nullable, f"{name}.{column.name}"
                continue
            await books.execute(f"UPDATE {name} SET {field} = {changed} WHERE ctid = '{was[1]}'".encode())
            report = await examine(books)
            assert report.findings, f"{name}.{column.name} of {was[0]}"
            if not column.primary_key and not column.foreign_keys:
                assert names(report, str(was[0])), f"{name}.{column.name} of {was[0]}: {report.findings}"


async def test_what_repeats_is_told_a_hundred_times_and_no_more(books: AsyncConnection[Any]) -> None:
    await books.execute("UPDATE transfers SET line = line + 1")
    report = await examine(books)
    assert report.cut
    assert len([finding for finding in report.findings if finding.table == "transfers"]) == 100


# While others write, and from the command line


async def test_traffic_that_goes_on_is_no_finding(database_url: str) -> None:
    async with open_pool(database_url, size=8) as pool:
        traffic = [Traffic(PostgresStore(pool), random.Random(seed)) for seed in range(3)]
        running = asyncio.gather(*(each.run(accounts=2, steps=150) for each in traffic))
        looks = 0
        while not running.done():
            assert (await audit(pool)).findings == []
            looks += 1
        await running
        assert looks > 2
        assert (await audit(pool)).is_clean


async def test_an_audit_that_saw_nothing_has_failed(database_url: str, tmp_path: Path) -> None:
    answer = await Operator(database_url, tmp_path)("credits", "audit", "--json")
    assert (answer.code, answer.json["rows"], answer.json["clean"]) == (1, 0, False)


async def test_the_command_counts_rows_and_fails_on_a_finding(database_url: str, tmp_path: Path) -> None:
    operator = Operator(database_url, tmp_path)
    async with open_pool(database_url, size=4) as pool:
        store = PostgresStore(pool)
        caller = await customer(store, 30)
        generation = await queued(store, caller)
        clean = await operator("credits", "audit", "--json")
        assert (clean.code, clean.json["clean"], clean.json["findings"]) == (0, True, [])
        assert clean.json["examined"] == {"accounts": 1, "wallets": 2, "wallet_commands": 2, "transfers": 2, "lots": 1} | {
            "lot_reversals": 0, "holds": 1, "hold_allocations": 1, "generations": 1, "attempts": 0, "assets": 0
        }  # fmt: skip
        assert clean.json["rows"] == 11
        async with pool.connection() as connection:
            await connection.execute("UPDATE generations SET unit = unit + 1")
    for answer in (await operator("credits", "audit", "--json"), await operator("credits", "audit")):
        assert answer.code == 1
        assert str(generation.id) in answer.out
    assert "the books do NOT agree" in answer.out
