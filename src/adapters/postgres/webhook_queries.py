"""Reads of webhook endpoints and of what they were told, in Postgres."""

from collections.abc import Sequence

import msgspec

from adapters.postgres.pool import read_all
from adapters.postgres.session import Pool, unavailable
from adapters.postgres.webhooks import OF_ACCOUNT, endpoint_document
from application.queries import FIRST, Position
from application.webhooks import DeliveryRow, WebhookQueries
from domain.accounts import AccountId
from domain.errors import NotFound
from domain.webhook_endpoints import WebhookEndpoint, WebhookEndpointId

_row = msgspec.json.Decoder(DeliveryRow)
_IS_MINE = "SELECT 1 FROM webhook_endpoints WHERE id = %(endpoint)s AND account_id = %(account)s"
_DELIVERIES = """
SELECT json_build_object('delivery', row_to_json(d), 'log', coalesce((
    SELECT json_agg(json_build_object('at', t.at, 'milliseconds', t.milliseconds, 'reason', t.reason, 'status', t.status)
        ORDER BY t.number)
    FROM webhook_tries t WHERE t.endpoint_id = d.endpoint_id AND t.delivery_id = d.id), '[]'::json))::text
FROM webhook_deliveries d
WHERE d.endpoint_id = %(endpoint)s AND (d.at, d.id) < (%(at)s, %(id)s) ORDER BY d.at DESC, d.id DESC LIMIT %(limit)s
"""


class PostgresWebhookQueries(WebhookQueries):
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def endpoints(self, account: AccountId) -> Sequence[WebhookEndpoint]:
        with unavailable():
            return [endpoint_document.decode(row) for row in await read_all(self._pool, OF_ACCOUNT, {"account": account})]

    async def deliveries(
        self, account: AccountId, endpoint: WebhookEndpointId, after: Position | None, limit: int
    ) -> Sequence[DeliveryRow]:
        at, id = after or FIRST
        with unavailable():
            if not await read_all(self._pool, _IS_MINE, {"endpoint": endpoint, "account": account}):
                raise NotFound("there is no such webhook endpoint", endpoint=str(endpoint))
            page = {"endpoint": endpoint, "at": at, "id": id, "limit": limit}
            return [_row.decode(row) for row in await read_all(self._pool, _DELIVERIES, page)]
