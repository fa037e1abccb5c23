"""Who pays, what was bought, subscriptions and hints, in Postgres."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from adapters.postgres import tables
from adapters.postgres.batches import removal
from adapters.postgres.session import Session
from application.purchases import Customers, Inbox, Purchases, Subscriptions
from domain.accounts import AccountId
from domain.billing import (
    CustomerId,
    Hint,
    KnownPurchase,
    KnownSubscription,
    Payer,
    PurchaseRef,
    SubscriptionId,
    WaitingHint,
)
from domain.convergence import BoughtLot
from domain.errors import NotFound
from domain.ledger import WalletId

purchase_document = msgspec.json.Decoder(KnownPurchase)
subscription_document = msgspec.json.Decoder(KnownSubscription)
hint_document = msgspec.json.Decoder(WaitingHint)
lot_document = msgspec.json.Decoder(BoughtLot)
payer_document = msgspec.json.Decoder(Payer)

_ADD_CUSTOMER = """
INSERT INTO customers (id, account_id) SELECT %(customer)s, id FROM accounts WHERE id = %(account)s
ON CONFLICT DO NOTHING RETURNING 1
"""
_PAYER = "SELECT json_build_object('account_id', account_id, 'wallet_id', id)::text FROM wallets WHERE mode = 'live'"
_OF_ACCOUNT = f"{_PAYER} AND account_id = %(account)s"
_OF_CUSTOMER = f"{_PAYER} AND account_id = (SELECT account_id FROM customers WHERE id = %(customer)s)"

_PURCHASE_TICKET = """
INSERT INTO purchases AS p (kind, id, ticket) VALUES (%(kind)s, %(id)s, 1)
ON CONFLICT (kind, id) DO UPDATE SET ticket = p.ticket + 1 RETURNING ticket
"""
_PURCHASE = "SELECT (to_jsonb(p) || jsonb_build_object('ref', jsonb_build_object('kind', kind, 'id', id)))::text FROM purchases p"
_ONE_PURCHASE = f"{_PURCHASE} WHERE kind = %(kind)s AND id = %(id)s"
_BOUGHT = "source IN ('subscription', 'pack')"
_LOTS = f"""
SELECT row_to_json(l)::text FROM (
    SELECT id, source_ref, granted, reversal FROM lots
    WHERE wallet_id = %(wallet)s AND {_BOUGHT} AND starts_with(source_ref, %(named)s) ORDER BY source_ref COLLATE "C") l
"""
_STRAY_LOTS = f"""
SELECT source_ref FROM lots l WHERE {_BOUGHT} AND NOT EXISTS (
    SELECT 1 FROM purchases p
    WHERE p.kind = split_part(l.source_ref, ':', 1) AND p.id = split_part(l.source_ref, ':', 2) AND p.applied_ticket > 0
) ORDER BY source_ref COLLATE "C" LIMIT %(limit)s
"""

_SUBSCRIPTION_TICKET = """
INSERT INTO subscriptions AS s (id, ticket) VALUES (%(id)s, 1)
ON CONFLICT (id) DO UPDATE SET ticket = s.ticket + 1 RETURNING ticket
"""
_SUBSCRIPTION = "SELECT row_to_json(s)::text FROM subscriptions s"
_SUBSCRIPTIONS_DUE = 'SELECT id FROM subscriptions WHERE review_at <= %(now)s ORDER BY review_at, id COLLATE "C" LIMIT %(limit)s'

_ADD_HINT = """
INSERT INTO payment_hints (id, type, created, object_kind, object_id, received_at, resume_at)
VALUES (%(id)s, %(type)s, %(created)s, %(object_kind)s, %(object_id)s, %(at)s, %(at)s) ON CONFLICT DO NOTHING RETURNING 1
"""
_HINT = """
SELECT json_build_object('hint', row_to_json(h), 'resume_at', resume_at, 'attempts', attempts, 'error', error,
    'handled_at', handled_at)::text FROM payment_hints h
"""
_HINT_DUE = "WHERE handled_at IS NULL AND resume_at <= %(now)s ORDER BY resume_at, id LIMIT 1 FOR UPDATE SKIP LOCKED"
_SAVE_HINT = """
UPDATE payment_hints SET resume_at = %(resume_at)s, attempts = %(attempts)s, error = %(error)s, handled_at = %(handled_at)s
WHERE id = %(id)s RETURNING 1
"""
_FORGET_HINTS = removal("payment_hints", "id", "created < %(before)s")


class PostgresCustomers(Customers):
    def __init__(self, session: Session) -> None:
        self._session = session

    async def add(self, customer: CustomerId, account: AccountId) -> Payer:
        await self._session.read(_ADD_CUSTOMER, customer=customer, account=account)
        row = await self._session.read(_OF_ACCOUNT, account=account)
        if not row:
            raise NotFound("there is no such account", account=str(account))
        return payer_document.decode(row)

    async def of_account(self, account: AccountId) -> CustomerId | None:
        customer: CustomerId | None = await self._session.read(
            "SELECT id FROM customers WHERE account_id = %(account)s", account=account
        )
        return customer

    async def payer(self, customer: CustomerId) -> Payer | None:
        row = await self._session.read(_OF_CUSTOMER, customer=customer)
        return payer_document.decode(row) if row else None


class PostgresPurchases(Purchases):
    def __init__(self, session: Session) -> None:
        self._session = session

    async def take_ticket(self, purchase: PurchaseRef) -> int:
        ticket: int = await self._session.read(_PURCHASE_TICKET, kind=purchase.kind, id=purchase.id)
        return ticket

    async def lock(self, purchase: PurchaseRef) -> KnownPurchase:
        row = await self._session.read(f"{_ONE_PURCHASE} FOR UPDATE", kind=purchase.kind, id=purchase.id)
        if not row:
            raise NotFound("there is no such purchase", purchase=str(purchase))
        return purchase_document.decode(row)

    async def find(self, purchase: PurchaseRef) -> KnownPurchase | None:
        row = await self._session.read(_ONE_PURCHASE, kind=purchase.kind, id=purchase.id)
        return purchase_document.decode(row) if row else None

    def save(self, purchase: KnownPurchase) -> None:
        self._session.writes.put(tables.purchases, purchase, kind=purchase.ref.kind, id=purchase.ref.id)

    async def lots(self, purchase: PurchaseRef, wallet: WalletId) -> Sequence[BoughtLot]:
        return [lot_document.decode(row) for row in await self._session.read_all(_LOTS, wallet=wallet, named=f"{purchase}:")]

    async def since(self, at: datetime) -> Sequence[KnownPurchase]:
        rows = await self._session.read_all(f"{_PURCHASE} WHERE at >= %(at)s ORDER BY at, kind, id", at=at)
        return [purchase_document.decode(row) for row in rows]

    async def stray_lots(self, limit: int) -> Sequence[str]:
        return await self._session.read_all(_STRAY_LOTS, limit=limit)


class PostgresSubscriptions(Subscriptions):
    def __init__(self, session: Session) -> None:
        self._session = session

    async def take_ticket(self, subscription: SubscriptionId) -> int:
        ticket: int = await self._session.read(_SUBSCRIPTION_TICKET, id=subscription)
        return ticket

    async def lock(self, subscription: SubscriptionId) -> KnownSubscription:
        row = await self._session.read(f"{_SUBSCRIPTION} WHERE id = %(id)s FOR UPDATE", id=subscription)
        if not row:
            raise NotFound("there is no such subscription", subscription=subscription)
        return subscription_document.decode(row)

    def save(self, subscription: KnownSubscription) -> None:
        self._session.writes.put(tables.subscriptions, subscription)

    async def of_account(self, account: AccountId) -> Sequence[KnownSubscription]:
        mine = f'{_SUBSCRIPTION} WHERE account_id = %(account)s ORDER BY id COLLATE "C"'
        return [subscription_document.decode(row) for row in await self._session.read_all(mine, account=account)]

    async def due(self, now: datetime, limit: int) -> Sequence[SubscriptionId]:
        return await self._session.read_all(_SUBSCRIPTIONS_DUE, now=now, limit=limit)


class PostgresInbox(Inbox):
    def __init__(self, session: Session) -> None:
        self._session = session

    async def add(self, hint: Hint, received_at: datetime) -> bool:
        said = {name: getattr(hint, name) for name in ("id", "type", "created", "object_kind", "object_id")}
        return bool(await self._session.read(_ADD_HINT, at=received_at, **said))

    async def lock_due(self, now: datetime) -> WaitingHint | None:
        row = await self._session.read(f"{_HINT} {_HINT_DUE}", now=now)
        return hint_document.decode(row) if row else None

    async def save(self, waiting: WaitingHint) -> None:
        changed = {name: getattr(waiting, name) for name in ("resume_at", "attempts", "error", "handled_at")}
        await self._session.read_all(_SAVE_HINT, id=waiting.hint.id, **changed)

    async def find(self, hint: str) -> WaitingHint | None:
        row = await self._session.read(f"{_HINT} WHERE id = %(hint)s", hint=hint)
        return hint_document.decode(row) if row else None

    async def forget(self, created_before: datetime, limit: int) -> int:
        return len(await self._session.read_all(_FORGET_HINTS, before=created_before, limit=limit))
