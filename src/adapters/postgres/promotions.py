"""Promotions that were redeemed, in Postgres."""

from dataclasses import asdict

import msgspec

from adapters.postgres.session import Session
from application.access import Redemptions
from domain.accounts import AccountId
from domain.promotions import Redemption

redemption_document = msgspec.json.Decoder(Redemption)

_FIND = "SELECT row_to_json(r)::text FROM redemptions r WHERE promotion = %(promotion)s AND account_id = %(account)s"
# An update, as only that locks a row that is there already.
_COUNT = """
INSERT INTO promotions AS p (code) VALUES (%(promotion)s)
ON CONFLICT (code) DO UPDATE SET redeemed = p.redeemed RETURNING redeemed
"""
_ADD = """
WITH counted AS (UPDATE promotions SET redeemed = redeemed + 1 WHERE code = %(promotion)s)
INSERT INTO redemptions (promotion, account_id, credits, at, expires_at)
VALUES (%(promotion)s, %(account_id)s, %(credits)s, %(at)s, %(expires_at)s) RETURNING 1
"""


class PostgresRedemptions(Redemptions):
    def __init__(self, session: Session) -> None:
        self._session = session

    async def find(self, promotion: str, account: AccountId) -> Redemption | None:
        row = await self._session.read(_FIND, promotion=promotion, account=account)
        return redemption_document.decode(row) if row else None

    async def count(self, promotion: str) -> int:
        redeemed: int = await self._session.read(_COUNT, promotion=promotion)
        return redeemed

    async def add(self, redemption: Redemption) -> None:
        await self._session.read(_ADD, **asdict(redemption))
