"""Promise 23: whatever a superuser does to audit records that a head speaks of is found, on a real database."""

from collections import Counter
from random import Random, randrange
from typing import Any

import pytest
from psycopg import AsyncConnection

from application.audit_chain import VerifyAudit
from domain.audit_chain import Link
from domain.audit_check import Flaw
from tests.audit_room import AuditRoom, TrailWithin, an_audit_room
from tests.chain_tampering import WAYS, tampered

pytestmark = pytest.mark.anyio
__all__ = ["an_audit_room"]

TAMPERINGS = 1_000
UNSIGNED = 2
INSERT = b"""INSERT INTO audit_records (id, at, staff, action, subject, reason, day, number, hash)
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)"""


async def a_signed_week(room: AuditRoom) -> list[Link]:
    """Five days with heads within and at their ends, and two records that nobody has signed yet."""
    for day in range(5):
        if day:
            await room.morning()
        for _ in range(2):
            await room.record(1 + day % 3)
            await room.sign()
            room.passes(room.sign.every)
    await room.sign()
    await room.record(UNSIGNED)
    return await room.links()


async def write(connection: AsyncConnection[Any], links: list[Link]) -> None:
    await connection.execute(b"DELETE FROM audit_records")
    rows = [
        (r.id, r.at, r.staff, r.action, r.subject, r.reason, link.day, link.number, link.hash)
        for link in links
        for r in [link.record]
    ]
    async with connection.cursor() as cursor:
        await cursor.executemany(INSERT, rows)


async def test_a_thousand_random_tamperings_by_a_superuser_are_found_every_one(room: AuditRoom) -> None:
    seed = randrange(2**32)
    print(f"seed {seed}")
    rng, chain = Random(seed), await a_signed_week(room)
    signed, done, found = range(len(chain) - UNSIGNED), Counter[str](), Counter[str]()
    async with room.pool.connection() as connection, connection.transaction(force_rollback=True):
        await connection.execute(b"SET LOCAL session_replication_role = replica")
        await connection.execute(b"ALTER TABLE audit_records DROP CONSTRAINT audit_records_day_uq")
        verify = VerifyAudit(room.store, TrailWithin(connection), room.storage, room.keys)
        assert (await verify()).is_clean
        for number in range(TAMPERINGS):
            way = list(WAYS)[number % len(WAYS)]
            async with connection.transaction(force_rollback=True):
                await write(connection, tampered(rng, way, chain, signed))
                report = await verify()
                flaws = {finding.flaw for finding in report.findings}
                assert flaws - {Flaw.HEAD_MISSING}, f"seed {seed}: tampering {number}, {way}, was not found"
            done[way] += 1
            found.update(flaws)
        assert (await verify()).is_clean, "what was undone leaves no trace"
    print(f"{done.total()} tamperings: {dict(done)}\nfound as: {dict(found)}")
    assert done.total() == TAMPERINGS
    report = await room.verify()
    assert (report.is_clean, report.records, report.unsigned) == (True, len(chain), UNSIGNED)


LAST = "(SELECT max(day) FROM audit_records)"
STATEMENTS = {
    "UPDATE audit_records SET reason = reason || '.' WHERE day < {last} AND number = 1": Flaw.EDITED,
    "UPDATE audit_records SET staff = gen_random_uuid()": Flaw.EDITED,
    "UPDATE audit_records SET hash = upper(hash)": Flaw.EDITED,
    "UPDATE audit_records SET at = at + interval '1 microsecond' WHERE day < {last}": Flaw.EDITED,
    "DELETE FROM audit_records WHERE number = 1": Flaw.MISSING,
    "DELETE FROM audit_records WHERE day = (SELECT min(day) FROM audit_records)": Flaw.DAY_REMOVED,
    "DELETE FROM audit_records WHERE day < {last}": Flaw.DAY_REMOVED,
    "DELETE FROM audit_records WHERE (day, number) >= ({last}, 2)": Flaw.TRUNCATED,
    "DELETE FROM audit_records": Flaw.DAY_REMOVED,
    "TRUNCATE audit_records": Flaw.DAY_REMOVED,
    "UPDATE audit_records SET day = day + 100": Flaw.DAY_REMOVED,
    "UPDATE audit_records SET number = -number": Flaw.DOUBLED,
    """UPDATE audit_records SET number = 3 - number WHERE number < 3 AND day IN
        (SELECT day FROM audit_records GROUP BY day HAVING count(*) > 2)""": Flaw.REORDERED,
    "UPDATE audit_records SET at = 'infinity' WHERE number = 1": Flaw.UNREADABLE,
    "UPDATE audit_records SET day = '0044-03-15 BC' WHERE number = 1": Flaw.UNREADABLE,
    "ALTER TABLE audit_records ALTER reason DROP NOT NULL; UPDATE audit_records SET reason = NULL": Flaw.UNREADABLE,
}


async def test_what_was_done_has_a_name(room: AuditRoom) -> None:
    await a_signed_week(room)
    async with room.pool.connection() as connection, connection.transaction(force_rollback=True):
        await connection.execute(b"SET LOCAL session_replication_role = replica")
        await connection.execute(b"ALTER TABLE audit_records DROP CONSTRAINT audit_records_day_uq")
        for statement, flaw in STATEMENTS.items():
            async with connection.transaction(force_rollback=True):
                for part in statement.format(last=LAST).split(";"):
                    assert (await connection.execute(part.encode())).rowcount != 0, statement
                found = {each for each, _ in await room.flaws(TrailWithin(connection))}
            assert flaw in found, statement
            assert await room.flaws(TrailWithin(connection)) == [], "what was undone leaves no trace"
