"""Top-ups in Postgres."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from adapters.postgres import tables
from adapters.postgres.session import Session
from application.purchases import TopUps, Watched
from domain.accounts import AccountId
from domain.top_up import NOTIFY_BELOW, TopUp, TopUpAttempt

top_up_document = msgspec.json.Decoder(TopUp)
attempt_document = msgspec.json.Decoder(TopUpAttempt)
watched_document = msgspec.json.Decoder(Watched)

_ATTEMPT = "SELECT row_to_json(a)::text FROM top_up_attempts a WHERE account_id = %(account)s"
_ATTEMPTS = f"{_ATTEMPT} AND (outcome IS NULL OR ended_at >= %(since)s) ORDER BY at, id"
_LAPSED = """
COALESCE((SELECT sum(l.remaining) FROM lots l
    WHERE l.wallet_id = w.id AND l.remaining > 0 AND l.expires_at <= %(now)s), 0)::bigint
"""
_AVAILABLE = f"""
SELECT w.available - {_LAPSED} FROM wallets w WHERE w.account_id = %(account)s AND w.mode = 'live' AND w.closed_at IS NULL
"""
_HAS_BOUGHT = """
SELECT EXISTS (SELECT 1 FROM wallets w JOIN purchases p ON p.wallet_id = w.id
    WHERE w.account_id = %(account)s AND w.mode = 'live' AND p.paid > 0)
"""
_WENT_BACK = """
SELECT EXISTS (SELECT 1 FROM wallets w JOIN lots l ON l.wallet_id = w.id JOIN lot_reversals r ON r.lot_id = l.id
    WHERE w.account_id = %(account)s AND w.mode = 'live' AND l.source IN ('subscription', 'pack') AND l.reversal > 0
        AND r.at >= COALESCE(%(since)s, '-infinity'::timestamptz))
"""
# Only the customers of the page are looked up, whatever the planner believes of their number.
WATCH = f"""
WITH page AS MATERIALIZED (
    SELECT account_id FROM customers WHERE account_id > %(after)s ORDER BY account_id LIMIT %(limit)s
), watched AS MATERIALIZED (
    SELECT p.account_id, w.closed_at IS NULL AS is_living, w.available - {_LAPSED} AS available,
        COALESCE(t.enabled, false) AS enabled, COALESCE(t.below, 0) AS below, t.resume_at,
        COALESCE(t.notify_below, %(notify_below)s) AS notify_below, COALESCE(t.is_low, true) AS is_low
    FROM page p
    CROSS JOIN LATERAL (SELECT * FROM wallets w WHERE w.account_id = p.account_id AND w.mode = 'live' LIMIT 1) w
    LEFT JOIN LATERAL (SELECT * FROM top_ups t WHERE t.account_id = p.account_id LIMIT 1) t ON true
)
SELECT json_build_object(
    'last', (SELECT account_id FROM page ORDER BY account_id DESC LIMIT 1),
    'concerned', COALESCE((SELECT json_agg(account_id ORDER BY account_id) FROM watched c WHERE
        is_living AND (available < notify_below) <> is_low
        OR (resume_at IS NULL AND is_living OR resume_at <= %(now)s) AND (
            is_living AND enabled AND available < below
            OR resume_at IS NOT NULL AND EXISTS (
                SELECT 1 FROM top_up_attempts a WHERE a.account_id = c.account_id AND a.outcome IS NULL
            )
        )), '[]'::json)
)::text
"""


class PostgresTopUps(TopUps):
    def __init__(self, session: Session) -> None:
        self._session = session

    async def of_account(self, account: AccountId) -> TopUp:
        row = await self._session.read(
            "SELECT row_to_json(t)::text FROM top_ups t WHERE account_id = %(account)s", account=account
        )
        return top_up_document.decode(row) if row else TopUp(account)

    def save(self, top_up: TopUp) -> None:
        self._session.writes.put(tables.top_ups, top_up)

    def save_attempt(self, attempt: TopUpAttempt) -> None:
        self._session.writes.put(tables.top_up_attempts, attempt)

    async def attempts(self, account: AccountId, since: datetime) -> Sequence[TopUpAttempt]:
        rows = await self._session.read_all(_ATTEMPTS, account=account, since=since)
        return [attempt_document.decode(row) for row in rows]

    async def last(self, account: AccountId) -> TopUpAttempt | None:
        row = await self._session.read(f"{_ATTEMPT} ORDER BY at DESC, id DESC LIMIT 1", account=account)
        return attempt_document.decode(row) if row else None

    async def available(self, account: AccountId, now: datetime) -> int | None:
        available: int | None = await self._session.read(_AVAILABLE, account=account, now=now)
        return available

    async def has_bought(self, account: AccountId) -> bool:
        return bool(await self._session.read(_HAS_BOUGHT, account=account))

    async def went_back(self, account: AccountId, since: datetime | None) -> bool:
        return bool(await self._session.read(_WENT_BACK, account=account, since=since))

    async def watch(self, after: AccountId | None, now: datetime, limit: int) -> Watched:
        said = {"after": after or "00000000-0000-0000-0000-000000000000", "now": now, "limit": limit}
        return watched_document.decode(await self._session.read(WATCH, notify_below=NOTIFY_BELOW, **said))
