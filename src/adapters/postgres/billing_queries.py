"""Reads of subscriptions and purchases in Postgres."""

from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec

from adapters.postgres.pool import read_all
from adapters.postgres.session import Pool, unavailable
from application.billing_queries import BillingQueries, Standing, TransactionRow
from application.queries import FIRST, Position
from domain.accounts import AccountId
from domain.errors import NotFound
from domain.ledger import WalletId

Row = TypeVar("Row")

_STANDING = """
SELECT json_build_object('plan', a.plan, 'subscriptions', (
    SELECT coalesce(json_agg(s ORDER BY s.id COLLATE "C"), '[]') FROM subscriptions s WHERE s.account_id = a.id))::text
FROM accounts a WHERE a.id = %(account)s
"""

# The provider's ids are too long for a cursor, so a digest tells purchases of one instant apart.
_TRANSACTIONS = """
SELECT json_build_object('id', p.digest, 'kind', p.kind, 'at', p.at, 'state', p.state, 'currency', p.currency, 'paid', p.paid,
    'reversed', p.reversed, 'receipt_url', p.receipt_url, 'credits_granted', coalesce(l.granted, 0),
    'credits_reversed', coalesce(l.reversal, 0))::text
FROM (
    SELECT *, md5(kind || ':' || id)::uuid AS digest FROM purchases WHERE wallet_id = %(wallet)s AND at IS NOT NULL
) p LEFT JOIN LATERAL (
    SELECT sum(granted) AS granted, sum(reversal) AS reversal FROM lots
    WHERE wallet_id = p.wallet_id AND source IN ('subscription', 'pack')
        AND starts_with(source_ref, p.kind || ':' || p.id || ':')
) l ON true
WHERE (p.at, p.digest) < (%(at)s, %(id)s) ORDER BY p.at DESC, p.digest DESC LIMIT %(limit)s
"""


class PostgresBillingQueries(BillingQueries):
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def _rows(self, of: type[Row], statement: str, **parameters: Any) -> list[Row]:
        with unavailable():
            return [msgspec.json.decode(row, type=of) for row in await read_all(self._pool, statement, parameters)]

    async def standing(self, account: AccountId) -> Standing:
        rows = await self._rows(Standing, _STANDING, account=account)
        if not rows:
            raise NotFound("there is no such account", account=str(account))
        return rows[0]

    async def transactions(self, wallet: WalletId, after: Position | None, limit: int) -> Sequence[TransactionRow]:
        at, id = after or FIRST
        return await self._rows(TransactionRow, _TRANSACTIONS, wallet=wallet, at=at, id=id, limit=limit)
