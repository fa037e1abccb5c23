"""The system of record: one transaction per decision, its writes gathered and sent as one statement.

Every load is one JSON document, decoded straight into the domain's own objects: columns bear the names of their fields.
"""

from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

import msgspec
from psycopg import AsyncConnection

from adapters.postgres import tables
from adapters.postgres.access import PostgresIdentities, PostgresKeys, PostgresSessions
from adapters.postgres.archives import PostgresArchives
from adapters.postgres.billing import PostgresCustomers, PostgresInbox, PostgresPurchases, PostgresSubscriptions
from adapters.postgres.collections import PostgresCollections
from adapters.postgres.events import PostgresEvents
from adapters.postgres.gates import PostgresGates
from adapters.postgres.generations import PostgresGenerations
from adapters.postgres.notices import PostgresWaitingNotices
from adapters.postgres.pool import begun
from adapters.postgres.promotions import PostgresRedemptions
from adapters.postgres.provenance_log import PostgresProvenanceLog
from adapters.postgres.quarantine import PostgresQuarantine
from adapters.postgres.records import PostgresAccounts, PostgresAssets, PostgresSpendings, PostgresWakeups
from adapters.postgres.refunds import PostgresRefunds
from adapters.postgres.registration import PostgresInvitations, PostgresTrials
from adapters.postgres.session import Pool, Session, unavailable
from adapters.postgres.shelf import PostgresShelf
from adapters.postgres.top_up import PostgresTopUps
from adapters.postgres.turns import PostgresTurns
from adapters.postgres.undelivered import PostgresUndelivered
from adapters.postgres.wallets import PostgresWallets
from adapters.postgres.webhooks import PostgresAnnouncements, PostgresWebhookDeliveries, PostgresWebhookEndpoints
from application.access import AccessStore, AccessTransaction
from application.library import LibraryStore, LibraryTransaction
from application.quarantine import QuarantineStore, QuarantineTransaction
from application.store import IdempotencyKey, Remembered, Store
from application.webhooks import WebhookStore, WebhookTransaction
from domain.generations import GenerationId


class PostgresStore(Store, AccessStore, LibraryStore, QuarantineStore, WebhookStore):
    """`ring` is called after a commit that holds a wake-up; `tell` after one that holds news, with the generations they are of.
    `offset` is added to the database's clock, for tests."""

    def __init__(
        self,
        pool: Pool,
        ring: Callable[[], None] = lambda: None,
        tell: Callable[[Collection[GenerationId]], None] = lambda generations: None,
    ) -> None:
        self._pool = pool
        self._ring, self.tell = ring, tell
        self.offset = timedelta(0)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator["PostgresTransaction"]:
        with unavailable():
            async with begun(self._pool) as connection:
                session = self.session(connection)
                yield PostgresTransaction(session)
                await session.flush()
            if session.woke:
                self._ring()
            if session.changed:
                self.tell(session.changed)

    def session(self, connection: AsyncConnection[Any]) -> Session:
        """One transaction's reads and writes; tests put one here whose clock stands still."""
        return Session(connection, self.offset)


class PostgresTransaction(AccessTransaction, LibraryTransaction, QuarantineTransaction, WebhookTransaction):
    def __init__(self, session: Session) -> None:
        self._session = session
        self._wallets = PostgresWallets(session)
        self._generations = PostgresGenerations(session)
        self._gates = PostgresGates(session)
        self._events = PostgresEvents(session)
        self._assets = PostgresAssets(session)
        self._archives = PostgresArchives(session)
        self._provenance = PostgresProvenanceLog(session)
        self._accounts = PostgresAccounts(session)
        self._spendings = PostgresSpendings(session)
        self._wakeups = PostgresWakeups(session)
        self._keys = PostgresKeys(session)
        self._trials = PostgresTrials(session)
        self._redemptions = PostgresRedemptions(session)
        self._invitations = PostgresInvitations(session)
        self._identities = PostgresIdentities(session)
        self._sessions = PostgresSessions(session)
        self._notices = PostgresWaitingNotices(session)
        self._customers = PostgresCustomers(session)
        self._purchases = PostgresPurchases(session)
        self._refunds = PostgresRefunds(session)
        self._subscriptions = PostgresSubscriptions(session)
        self._inbox = PostgresInbox(session)
        self._top_ups = PostgresTopUps(session)
        self._turns = PostgresTurns(session)
        self._undelivered = PostgresUndelivered(session)
        self._quarantine = PostgresQuarantine(session)
        self._collections = PostgresCollections(session)
        self._shelf = PostgresShelf(session)
        self._announcements = PostgresAnnouncements(session)
        self._endpoints = PostgresWebhookEndpoints(session)
        self._deliveries = PostgresWebhookDeliveries(session)

    async def now(self) -> datetime:
        return await self._session.now()

    def remember(self, key: IdempotencyKey, remembered: Remembered) -> None:
        more = {"digest": key.digest, "account_id": key.account_id, "mode": key.mode, "created_at": self._session.last_now}
        self._session.writes.insert(tables.idempotency_keys, remembered, **more)

    async def remembered(self, key: IdempotencyKey) -> Remembered | None:
        select = "SELECT row_to_json(k)::text FROM idempotency_keys k WHERE digest = %(digest)s"
        row = await self._session.read(select, digest=key.digest)
        return msgspec.json.decode(row, type=Remembered) if row else None

    async def forget(self, before: datetime) -> int:
        delete = "DELETE FROM idempotency_keys WHERE created_at < %(before)s RETURNING 1"
        return len(await self._session.read_all(delete, before=before))

    @property
    def wallets(self) -> PostgresWallets:
        return self._wallets

    @property
    def generations(self) -> PostgresGenerations:
        return self._generations

    @property
    def gates(self) -> PostgresGates:
        return self._gates

    @property
    def events(self) -> PostgresEvents:
        return self._events

    @property
    def assets(self) -> PostgresAssets:
        return self._assets

    @property
    def archives(self) -> PostgresArchives:
        return self._archives

    @property
    def provenance(self) -> PostgresProvenanceLog:
        return self._provenance

    @property
    def accounts(self) -> PostgresAccounts:
        return self._accounts

    @property
    def spendings(self) -> PostgresSpendings:
        return self._spendings

    @property
    def keys(self) -> PostgresKeys:
        return self._keys

    @property
    def trials(self) -> PostgresTrials:
        return self._trials

    @property
    def redemptions(self) -> PostgresRedemptions:
        return self._redemptions

    @property
    def invitations(self) -> PostgresInvitations:
        return self._invitations

    @property
    def wakeups(self) -> PostgresWakeups:
        return self._wakeups

    @property
    def identities(self) -> PostgresIdentities:
        return self._identities

    @property
    def sessions(self) -> PostgresSessions:
        return self._sessions

    @property
    def notices(self) -> PostgresWaitingNotices:
        return self._notices

    @property
    def customers(self) -> PostgresCustomers:
        return self._customers

    @property
    def purchases(self) -> PostgresPurchases:
        return self._purchases

    @property
    def refunds(self) -> PostgresRefunds:
        return self._refunds

    @property
    def subscriptions(self) -> PostgresSubscriptions:
        return self._subscriptions

    @property
    def inbox(self) -> PostgresInbox:
        return self._inbox

    @property
    def top_ups(self) -> PostgresTopUps:
        return self._top_ups

    @property
    def turns(self) -> PostgresTurns:
        return self._turns

    @property
    def undelivered(self) -> PostgresUndelivered:
        return self._undelivered

    @property
    def quarantine(self) -> PostgresQuarantine:
        return self._quarantine

    @property
    def collections(self) -> PostgresCollections:
        return self._collections

    @property
    def shelf(self) -> PostgresShelf:
        return self._shelf

    @property
    def announcements(self) -> PostgresAnnouncements:
        return self._announcements

    @property
    def endpoints(self) -> PostgresWebhookEndpoints:
        return self._endpoints

    @property
    def deliveries(self) -> PostgresWebhookDeliveries:
        return self._deliveries
