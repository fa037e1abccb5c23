"""Webhook endpoints, and what is on its way to them, in Postgres."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime

import msgspec

from adapters.postgres import tables
from adapters.postgres.batches import removal
from adapters.postgres.session import Session
from application.announcements import Announcements
from application.webhooks import Busy, Due, WebhookDeliveries, WebhookEndpoints
from domain.accounts import AccountId
from domain.errors import NotFound
from domain.webhook_deliveries import Delivery, Try
from domain.webhook_endpoints import WebhookEndpoint, WebhookEndpointId, WebhookEvent, WebhookEventId, WebhookEventKind

ENDPOINT = """json_build_object('id', e.id, 'account_id', e.account_id, 'mode', e.mode, 'url', e.url, 'events', e.events,
    'secret', translate(encode(e.secret, 'base64'), E'\\n', ''), 'created_at', e.created_at,
    'old_secret', translate(encode(e.old_secret, 'base64'), E'\\n', ''), 'old_until', e.old_until,
    'disabled_at', e.disabled_at, 'disabled_for', e.disabled_for, 'failing_since', e.failing_since)"""
endpoint_document = msgspec.json.Decoder(WebhookEndpoint)
delivery_document = msgspec.json.Decoder(Delivery)
due_document = msgspec.json.Decoder(Due)

OF_ACCOUNT = f"SELECT {ENDPOINT}::text FROM webhook_endpoints e WHERE e.account_id = %(account)s ORDER BY e.created_at, e.id"
_LOCK = f"""
SELECT {ENDPOINT}::text FROM webhook_endpoints e
WHERE e.id = %(endpoint)s AND e.account_id = COALESCE(%(account)s, e.account_id) FOR NO KEY UPDATE
"""
_REMOVE = "DELETE FROM webhook_endpoints WHERE id = %(endpoint)s RETURNING 1"
_FORGET_SECRETS = """
UPDATE webhook_endpoints SET old_secret = NULL, old_until = NULL WHERE id = ANY(ARRAY(
    SELECT id FROM webhook_endpoints WHERE old_until <= %(now)s LIMIT %(limit)s FOR NO KEY UPDATE SKIP LOCKED
)) RETURNING 1
"""
# While a newer version of this program runs beside us, kinds that we do not know are left to it.
_DUE = f"""
SELECT json_build_object('delivery', row_to_json(d), 'endpoint', {ENDPOINT})::text
FROM webhook_deliveries d JOIN webhook_endpoints e ON e.id = d.endpoint_id
WHERE d.resume_at <= %(now)s AND e.disabled_at IS NULL AND d.kind = ANY(%(kinds)s)
    AND (e.failing_since IS NULL OR NOT %(failing)s)
    AND d.endpoint_id <> ALL(%(endpoints)s) AND e.account_id <> ALL(%(accounts)s)
    AND lower(substring(e.url from '^https?://([^/?#]+)')) <> ALL(%(hosts)s)
ORDER BY d.resume_at, d.id LIMIT %(limit)s FOR UPDATE OF d SKIP LOCKED
"""
_PUT_OFF = """
UPDATE webhook_deliveries d SET resume_at = %(until)s FROM unnest(%(endpoints)s::uuid[], %(ids)s::uuid[]) AS t(endpoint_id, id)
WHERE d.endpoint_id = t.endpoint_id AND d.id = t.id RETURNING 1
"""
_LOCK_DELIVERY = """
SELECT row_to_json(d)::text FROM webhook_deliveries d WHERE endpoint_id = %(endpoint)s AND id = %(id)s FOR UPDATE
"""
_NOTE = """
INSERT INTO webhook_tries (endpoint_id, delivery_id, number, at, milliseconds, reason, status)
SELECT %(endpoint)s, %(delivery)s, COALESCE(max(number), 0) + 1, %(at)s, %(milliseconds)s, %(reason)s, %(status)s
FROM webhook_tries WHERE endpoint_id = %(endpoint)s AND delivery_id = %(delivery)s RETURNING 1
"""
_GIVE_UP = """
UPDATE webhook_deliveries SET outcome = 'failed', resume_at = NULL
WHERE endpoint_id = %(endpoint)s AND resume_at IS NOT NULL RETURNING 1
"""
_CLEAR = removal("webhook_deliveries", "ctid", "endpoint_id = %(endpoint)s")
_FORGET = removal("webhook_deliveries", "ctid", "at < %(before)s")


class PostgresAnnouncements(Announcements):
    def __init__(self, session: Session) -> None:
        self._session = session

    def announce(self, event: WebhookEvent) -> None:
        self._session.writes.tell(asdict(event))


class PostgresWebhookEndpoints(WebhookEndpoints):
    def __init__(self, session: Session) -> None:
        self._session = session

    async def of_account(self, account: AccountId) -> Sequence[WebhookEndpoint]:
        return [endpoint_document.decode(row) for row in await self._session.read_all(OF_ACCOUNT, account=account)]

    async def lock(self, endpoint: WebhookEndpointId, account: AccountId | None = None) -> WebhookEndpoint:
        row = await self._session.read(_LOCK, endpoint=endpoint, account=account)
        if not row:
            raise NotFound("there is no such webhook endpoint", endpoint=str(endpoint))
        return endpoint_document.decode(row)

    def save(self, endpoint: WebhookEndpoint) -> None:
        secrets = {"secret": _bytea(endpoint.secret), "old_secret": _bytea(endpoint.old_secret)}
        self._session.writes.put(tables.webhook_endpoints, endpoint, **secrets)

    async def remove(self, endpoint: WebhookEndpointId) -> None:
        await self._session.read_all(_REMOVE, endpoint=endpoint)

    async def forget_secrets(self, now: datetime, limit: int) -> None:
        await self._session.read_all(_FORGET_SECRETS, now=now, limit=limit)


class PostgresWebhookDeliveries(WebhookDeliveries):
    def __init__(self, session: Session) -> None:
        self._session = session

    async def take(self, now: datetime, busy: Busy, limit: int) -> Sequence[Due]:
        said = {"endpoints": list(busy.endpoints), "accounts": list(busy.accounts), "hosts": list(busy.hosts)}
        said |= {"failing": busy.failing}
        rows = await self._session.read_all(_DUE, now=now, kinds=list(WebhookEventKind), limit=limit, **said)
        return [due_document.decode(row) for row in rows]

    async def put_off(self, taken: Sequence[Delivery], until: datetime) -> None:
        said = {"endpoints": [each.endpoint_id for each in taken], "ids": [each.id for each in taken]}
        await self._session.read_all(_PUT_OFF, until=until, **said)

    async def lock(self, endpoint: WebhookEndpointId, delivery: WebhookEventId) -> Delivery:
        row = await self._session.read(_LOCK_DELIVERY, endpoint=endpoint, id=delivery)
        if not row:
            raise NotFound("there is no such delivery", delivery=str(delivery))
        return delivery_document.decode(row)

    def add(self, delivery: Delivery) -> None:
        self._session.writes.insert(tables.webhook_deliveries, delivery)

    def save(self, delivery: Delivery) -> None:
        self._session.writes.update(tables.webhook_deliveries, delivery)

    async def note(self, delivery: Delivery, made: Try) -> None:
        await self._session.read_all(_NOTE, endpoint=delivery.endpoint_id, delivery=delivery.id, **asdict(made))

    async def give_up(self, endpoint: WebhookEndpointId) -> None:
        await self._session.read_all(_GIVE_UP, endpoint=endpoint)

    async def clear(self, endpoint: WebhookEndpointId, limit: int) -> int:
        return len(await self._session.read_all(_CLEAR, endpoint=endpoint, limit=limit))

    async def forget(self, before: datetime, limit: int) -> int:
        return len(await self._session.read_all(_FORGET, before=before, limit=limit))


def _bytea(secret: bytes | None) -> str | None:
    """As a row told in JSON has it."""
    return f"\\x{secret.hex()}" if secret is not None else None
