"""A room to audit in: a real database with a chain in it, heads in a storage of their own, and all who look at both."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

import pytest
from psycopg import AsyncConnection

from adapters.keyring import Keyring, PurposeKeys
from adapters.postgres.audit_chain import PostgresAuditTrail, links_of
from adapters.postgres.pool import open_pool
from adapters.postgres.session import Pool
from adapters.postgres.store import PostgresStore
from application.audit_chain import AuditTrail, ChainReport, SignHeads, UnreadableRecord, VerifyAudit
from domain.accounts import AccountId, AuditRecord
from domain.audit_chain import Head, Link, Tip
from domain.audit_check import Flaw
from domain.objects import ObjectKey
from tests.contract.store_contract import new_id
from tests.scripted_storage import ScriptedStorage

EVERY = timedelta(hours=1)


def new_keys() -> PurposeKeys:
    return Keyring.parse(Keyring.generate()).purpose("audit")


@dataclass
class AuditRoom:
    pool: Pool
    store: PostgresStore
    storage: ScriptedStorage = field(default_factory=ScriptedStorage)
    keys: PurposeKeys = field(default_factory=new_keys)

    @property
    def trail(self) -> PostgresAuditTrail:
        return PostgresAuditTrail(self.pool)

    @property
    def sign(self) -> SignHeads:
        return SignHeads(self.store, self.trail, self.storage, self.keys, EVERY)

    def passes(self, span: timedelta) -> None:
        self.store.offset += span

    async def record(self, how_many: int = 1, reason: str = "ticket 4711") -> None:
        """Each in a transaction of its own."""
        for _ in range(how_many):
            async with self.store.transaction() as tx:
                staff = AccountId(new_id())
                await tx.accounts.record(AuditRecord(new_id(), await tx.now(), staff, "credits.grant", str(new_id()), reason))

    async def morning(self) -> None:
        """An hour after the next midnight."""
        async with self.store.transaction() as tx:
            now = await tx.now()
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
        self.passes(midnight - now + timedelta(hours=1))

    async def heads(self) -> list[Head]:
        return [Head.read(await self.storage.get(each.key)) async for each in self.storage.list(ObjectKey.audit_heads())]

    async def links(self) -> list[Link]:
        return [link async for link in self.trail.links() if isinstance(link, Link)]

    async def verify(self, trail: AuditTrail | None = None) -> ChainReport:
        return await VerifyAudit(self.store, trail or self.trail, self.storage, self.keys)()

    async def flaws(self, trail: AuditTrail | None = None) -> list[tuple[Flaw, int | None]]:
        return [(finding.flaw, finding.number) for finding in (await self.verify(trail)).findings]

    async def execute(self, statement: str) -> None:
        """By somebody who may do anything: no trigger stands in the way."""
        async with self.pool.connection() as connection, connection.transaction():
            await connection.execute("SET LOCAL session_replication_role = replica")
            await connection.execute(statement.encode())


@dataclass(frozen=True, slots=True)
class TrailWithin(AuditTrail):
    """The chain as one open transaction sees it."""

    connection: AsyncConnection[Any]

    async def tip(self) -> Tip | None:
        raise NotImplementedError

    async def tips(self, since: date | None) -> Sequence[Tip]:
        raise NotImplementedError

    async def newest(self, limit: int, day: date | None = None) -> Sequence[Link]:
        raise NotImplementedError

    async def links(self) -> AsyncIterator[Link | UnreadableRecord]:
        async for link in links_of(self.connection):
            yield link


@pytest.fixture(name="room")
async def an_audit_room(database_url: str) -> AsyncIterator[AuditRoom]:
    async with open_pool(database_url, size=10) as pool:
        room = AuditRoom(pool, PostgresStore(pool))
        await room.morning()  # no midnight comes but those that a test brings about
        yield room
