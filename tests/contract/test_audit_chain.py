"""The audit chain on a real database: written with what it records, without a gap, and never written over."""

import asyncio
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from alembic import command

from adapters.postgres import migrations
from adapters.postgres.embedded import EmbeddedPostgres
from adapters.postgres.pool import open_pool
from adapters.postgres.store import PostgresStore
from application.access import AccessStore, AccessTransaction
from application.accounts import ChangeRole
from application.credits import GrantCredits
from domain.accounts import AccountId, AuditRecord, Caller, Role, Staff
from tests.audit_room import AuditRoom, an_audit_room
from tests.contract.store_contract import customer, new_id, now
from tests.contract.test_store import Interrupted, interrupted

pytestmark = pytest.mark.anyio
__all__ = ["an_audit_room"]


async def staffed(room: AuditRoom, role: Role = Role.ADMIN) -> Staff:
    person = await customer(room.store)
    async with room.store.transaction() as tx:
        await tx.accounts.save((await tx.accounts.find(person.account_id)).with_role(role))
    return Staff(person.account_id, "ticket 4711")


async def test_many_changes_at_once_leave_one_chain_without_a_gap(room: AuditRoom) -> None:
    staff, people = await staffed(room), [await customer(room.store) for _ in range(8)]
    changes = [
        *(GrantCredits(room.store, new_id)(staff, person.wallet_id, 5) for person in people for _ in range(3)),
        *(ChangeRole(room.store, new_id)(staff, person.account_id, Role.SUPPORT) for person in people),
    ]
    await asyncio.gather(*changes)
    links = await room.links()
    assert len(links) == len(changes)
    assert [link.number for link in links] == list(range(1, len(links) + 1))
    assert (await room.verify()).is_clean


async def test_many_at_once_around_midnight_leave_one_chain_too(room: AuditRoom) -> None:
    """Those who read the clock before midnight and come after it belong to the new day."""
    clocks = [PostgresStore(room.pool) for _ in range(2)]
    clocks[1].offset = timedelta(days=1)
    rooms = [AuditRoom(room.pool, store) for store in clocks]
    await asyncio.gather(*(rooms[number % 2].record() for number in range(20)))
    links = await room.links()
    assert len(links) == 20
    assert len({link.day for link in links}) <= 2
    assert {link.record.at.date() for link in links if link.day != links[0].day} <= {link.day for link in links}
    assert (await room.verify()).is_clean


async def test_several_records_of_one_transaction_follow_each_other(room: AuditRoom) -> None:
    async with room.store.transaction() as tx:
        for _ in range(3):
            await tx.accounts.record(AuditRecord(new_id(), await tx.now(), AccountId(new_id()), "a", "b", "c"))
    assert [link.number for link in await room.links()] == [1, 2, 3]
    assert (await room.verify()).is_clean


class Dying(AccessStore):
    """Every transaction dies when all has been done in it, as a process that is killed before its commit."""

    def __init__(self, store: PostgresStore) -> None:
        self._store = store

    def transaction(self) -> "DyingBlock":
        return DyingBlock(self._store)


class DyingBlock:
    def __init__(self, store: PostgresStore) -> None:
        self._block = store.transaction()

    async def __aenter__(self) -> AccessTransaction:
        self._tx = await self._block.__aenter__()
        return self._tx

    async def __aexit__(self, *_: object) -> None:
        await self._tx.now()
        dead = Interrupted()
        await self._block.__aexit__(Interrupted, dead, None)
        raise dead


async def change_both(store: AccessStore, staff: Staff, person: Caller) -> None:
    """A change of a role and one of credits; both must be there, or neither and no record."""
    for change in (
        ChangeRole(store, new_id)(staff, person.account_id, Role.SUPPORT),
        GrantCredits(store, new_id)(staff, person.wallet_id, 5),
    ):
        try:
            await change
        except Interrupted:
            continue


async def test_a_change_that_dies_before_its_end_leaves_no_record_and_a_record_is_never_without_its_change(
    room: AuditRoom,
) -> None:
    staff, person = await staffed(room), await customer(room.store)
    await change_both(Dying(room.store), staff, person)
    assert await room.links() == []
    async with room.store.transaction() as tx:
        assert (await tx.accounts.find(person.account_id)).role is Role.USER
    await change_both(room.store, staff, person)
    assert [(link.number, link.record.action) for link in await room.links()] == [
        (1, "accounts.role.support"),
        (2, "credits.grant"),
    ]


async def test_a_rollback_leaves_no_gap(room: AuditRoom) -> None:
    await room.record(2)
    at = await now(room.store)
    await interrupted(
        room.store, lambda tx: tx.accounts.record(AuditRecord(new_id(), at, AccountId(new_id()), "never", "was", "it"))
    )
    await room.record()
    assert [link.number for link in await room.links()] == [1, 2, 3]
    assert (await room.verify()).is_clean


@pytest.mark.parametrize(
    "change", ["UPDATE audit_records SET hash = hash", "DELETE FROM audit_records WHERE number = 1", "TRUNCATE audit_records"]
)
async def test_a_record_is_never_changed_or_deleted(room: AuditRoom, change: str) -> None:
    await room.record()
    async with room.pool.connection() as connection:
        with pytest.raises(psycopg.errors.RestrictViolation):
            await connection.execute(change.encode())


async def test_two_records_in_one_place_are_refused_by_the_database(room: AuditRoom) -> None:
    await room.record()
    async with room.pool.connection() as connection:
        with pytest.raises(psycopg.errors.UniqueViolation):
            await connection.execute(
                b"INSERT INTO audit_records SELECT gen_random_uuid(), at, staff, action, subject, reason, day, number, hash "
                b"FROM audit_records"
            )


async def test_records_from_before_there_was_a_chain_become_its_beginning(postgres: EmbeddedPostgres, tmp_path: Path) -> None:
    name = f"older_{new_id().hex}"
    postgres.create_database(name)
    url = postgres.url_for(name)
    command.upgrade(migrations._config(url), "0006")
    with psycopg.connect(url) as connection:
        connection.execute(
            b"INSERT INTO audit_records SELECT gen_random_uuid(), '2029-12-30T12:00:00Z'::timestamptz + n * interval '7 hours', "
            b"gen_random_uuid(), 'credits.grant', 'x', 'y' FROM generate_series(1, 9) n"
        )
    migrations.upgrade(url)
    async with open_pool(url, size=2) as pool:
        room = AuditRoom(pool, PostgresStore(pool))
        await room.sign()
        await room.record()
        report = await room.verify()
        assert (report.is_clean, report.records, report.unsigned) == (True, 10, 1)
        with pytest.raises(psycopg.errors.RestrictViolation):
            async with pool.connection() as connection_:
                await connection_.execute(b"DELETE FROM audit_records")
