"""Refunds that staff decided on, in Postgres."""

from dataclasses import asdict
from datetime import datetime

import msgspec
from psycopg.errors import UniqueViolation

from adapters.postgres.session import Session
from application.purchases import Refunds
from domain.billing import PurchaseRef
from domain.buying_errors import RefundOpen
from domain.refunds import Refund, RefundId

refund_document = msgspec.json.Decoder(Refund)

_ADD = """
INSERT INTO refunds (id, kind, purchase, amount, before, staff, at, resume_at, attempts, state)
VALUES (%(id)s, %(kind)s, %(named)s, %(amount)s, %(before)s, %(staff)s, %(at)s, %(resume_at)s, %(attempts)s, %(state)s)
RETURNING 1
"""
_REFUND = """
SELECT (to_jsonb(r) || jsonb_build_object('purchase', jsonb_build_object('kind', kind, 'id', purchase)))::text FROM refunds r
"""
_OPEN = f"{_REFUND} WHERE kind = %(kind)s AND purchase = %(named)s AND state = 'intended'"
_DUE = f"""
{_REFUND} WHERE state = 'intended' AND resume_at <= %(now)s ORDER BY resume_at, id LIMIT 1 FOR UPDATE SKIP LOCKED
"""
_SAVE = """
UPDATE refunds SET resume_at = %(resume_at)s, attempts = %(attempts)s, state = %(state)s, code = %(code)s, ended_at = %(ended_at)s
WHERE id = %(id)s RETURNING 1
"""


class PostgresRefunds(Refunds):
    def __init__(self, session: Session) -> None:
        self._session = session

    async def add(self, refund: Refund) -> None:
        said = asdict(refund) | {"kind": refund.purchase.kind, "named": refund.purchase.id}
        del said["purchase"]
        try:
            await self._session.read(_ADD, **said)
        except UniqueViolation:
            raise RefundOpen(purchase=str(refund.purchase)) from None

    async def open(self, purchase: PurchaseRef) -> Refund | None:
        row = await self._session.read(_OPEN, kind=purchase.kind, named=purchase.id)
        return refund_document.decode(row) if row else None

    async def find(self, refund: RefundId) -> Refund | None:
        row = await self._session.read(f"{_REFUND} WHERE id = %(refund)s", refund=refund)
        return refund_document.decode(row) if row else None

    async def lock_due(self, now: datetime) -> Refund | None:
        row = await self._session.read(_DUE, now=now)
        return refund_document.decode(row) if row else None

    async def save(self, refund: Refund) -> None:
        changed = {name: getattr(refund, name) for name in ("resume_at", "attempts", "state", "code", "ended_at")}
        await self._session.read(_SAVE, id=refund.id, **changed)
