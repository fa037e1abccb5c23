"""Staff's reads in Postgres. The prompt, the labels and a failure's message are not even selected."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

import msgspec

from adapters.postgres.pool import read_all
from adapters.postgres.session import Pool, unavailable
from application.staff_queries import (
    AccountPage,
    ClosedGate,
    GenerationPage,
    HintFilter,
    HintRow,
    StaffQueries,
    UsageRow,
    WorkRow,
)
from domain.accounts import AccountId
from domain.errors import NotFound
from domain.generations import GenerationId

Page = TypeVar("Page")
Row = TypeVar("Row")

_ACCOUNT = """
SELECT json_build_object('account', row_to_json(a),
    'wallets', (SELECT coalesce(json_agg(json_build_object('id', w.id, 'mode', w.mode, 'available', w.available, 'held', w.held,
        'debt', w.debt, 'open_holds', w.open_holds, 'version', w.version, 'closed_at', w.closed_at) ORDER BY w.mode), '[]')
        FROM wallets w WHERE w.account_id = a.id),
    'keys', (SELECT coalesce(json_agg(json_build_object('id', k.id, 'mode', k.mode, 'scopes', k.scopes, 'hint', k.hint,
        'created_at', k.created_at, 'revoked_at', k.revoked_at) ORDER BY k.created_at, k.id), '[]')
        FROM api_keys k WHERE k.account_id = a.id),
    'generations', (SELECT coalesce(json_object_agg(s.state, s.n), '{}') FROM (
        SELECT state, count(*) AS n FROM generations g WHERE g.account_id = a.id GROUP BY state) s),
    'records', (SELECT coalesce(json_agg(r), '[]') FROM (
        SELECT * FROM audit_records r
        WHERE r.subject = a.id::text OR r.subject IN (
            SELECT w.id::text FROM wallets w WHERE w.account_id = a.id
            UNION ALL SELECT s.id FROM subscriptions s WHERE s.account_id = a.id
            UNION ALL SELECT p.kind || ':' || p.id FROM purchases p JOIN wallets w ON w.id = p.wallet_id AND w.account_id = a.id)
        ORDER BY r.at DESC, r.id DESC LIMIT 20) r),
    'customer', (SELECT c.id FROM customers c WHERE c.account_id = a.id),
    'subscriptions', (SELECT coalesce(json_agg(json_build_object('id', s.id, 'plan', s.plan, 'state', s.state,
        'period_end', s.period_end, 'cancel_at', s.cancel_at, 'entitled_plan', s.entitled_plan) ORDER BY s.id), '[]')
        FROM subscriptions s WHERE s.account_id = a.id),
    'purchases', (SELECT coalesce(json_agg(p), '[]') FROM (
        SELECT p.kind || ':' || p.id AS ref, p.paid, p.reversed, p.currency, p.state, p.at FROM purchases p
        WHERE p.wallet_id IN (SELECT w.id FROM wallets w WHERE w.account_id = a.id)
        ORDER BY p.at DESC, p.kind, p.id LIMIT 50) p))::text
FROM accounts a WHERE a.id = %(account)s
"""

_FAILURE = """
CASE WHEN {0}.failure IS NOT NULL THEN json_build_object('failure_class', {0}.failure->'failure_class',
    'stage', {0}.failure->'stage', 'code', {0}.failure->'code', 'request_id', {0}.failure->'request_id') END
"""

_GENERATION = f"""
SELECT json_build_object(
    'generation', json_build_object('id', g.id, 'account_id', g.account_id, 'wallet_id', g.wallet_id, 'mode', g.mode,
        'kind', g.kind, 'model', g.model, 'state', g.state, 'n', g.n, 'unit', g.unit, 'delivered', g.delivered,
        'created_at', g.created_at, 'deadline', g.deadline, 'started_at', g.started_at, 'finished_at', g.finished_at,
        'cancel_requested_at', g.cancel_requested_at, 'lease_until', g.lease_until, 'resume_at', g.resume_at,
        'trashed_at', g.trashed_at, 'purged', g.request IS NULL, 'parent', g.parent, 'failure', {_FAILURE.format("g")},
        'pictures', (SELECT count(*) FROM assets s WHERE s.generation_id = g.id)),
    'attempts', (SELECT coalesce(json_agg(json_build_object('number', a.number, 'started_at', a.started_at,
        'act_until', a.act_until, 'outcome', a.outcome, 'decided_at', a.decided_at, 'finality', a.finality,
        'failure', {_FAILURE.format("a")}, 'booked', a.booked, 'cost', a.cost, 'request_id', a.request_id)
        ORDER BY a.number), '[]') FROM attempts a WHERE a.generation_id = g.id),
    'hold', (SELECT json_build_object('amount', h.amount, 'captured', h.captured, 'state', h.state, 'expires_at', h.expires_at,
        'allocations', (SELECT coalesce(json_agg(json_build_object('lot_id', a.lot_id, 'source', l.source, 'amount', a.amount,
            'consumed', a.consumed) ORDER BY a.ordinal), '[]')
            FROM hold_allocations a JOIN lots l ON l.id = a.lot_id WHERE a.hold_id = h.id))
        FROM holds h WHERE h.id = g.id),
    'transfers', (SELECT coalesce(json_agg(json_build_object('version', t.version, 'at', t.at, 'kind', c.kind, 'debit', t.debit,
        'credit', t.credit, 'amount', t.amount, 'lot_id', t.lot_id, 'generation_id', t.hold_id,
        'available_after', t.available_after, 'held_after', t.held_after, 'debt_after', t.debt_after)
        ORDER BY t.version), '[]') FROM transfers t JOIN wallet_commands c ON c.id = t.command_id WHERE t.hold_id = g.id))::text
FROM generations g WHERE g.id = %(generation)s
"""

# Ids of version 7 begin with their time: the primary key finds the recent ones, and the row itself tells which of them count.
_USAGE = """
SELECT json_build_object('model', model, 'mode', mode, 'accounts', count(DISTINCT account_id), 'generations', count(*),
    'account_ids', CASE WHEN %(with_accounts)s THEN json_agg(DISTINCT account_id) ELSE '[]'::json END)::text
FROM generations WHERE id >= %(first)s AND created_at >= %(since)s
GROUP BY model, mode ORDER BY model, mode
"""

_HINTS = """
SELECT row_to_json(h)::text FROM payment_hints h
WHERE %(which)s = 'all' OR (handled_at IS NULL AND (%(which)s = 'waiting' OR error IS NOT NULL))
ORDER BY created DESC, id LIMIT %(limit)s
"""

_CLOSED_GATES = """
SELECT json_build_object('model', model, 'reason', reason, 'closed_until', closed_until)::text
FROM model_gates WHERE closed_until > %(now)s ORDER BY model
"""

_WORK = """
SELECT json_build_object(
    'generations_queued', (SELECT count(*) FROM generations WHERE state = 'queued'),
    'generations_running', (SELECT count(*) FROM generations WHERE state = 'running'),
    'generations_uncertain', (SELECT count(*) FROM generations g WHERE g.state = 'running' AND 'unknown' = (
        SELECT a.outcome FROM attempts a WHERE a.generation_id = g.id ORDER BY a.number DESC LIMIT 1)),
    'oldest_queued_seconds', greatest(coalesce(
        (SELECT extract(epoch FROM %(now)s - min(created_at)) FROM generations WHERE state = 'queued'), 0), 0),
    'tokens_waiting', (SELECT count(*) FROM procrastinate_jobs WHERE status = 'todo'),
    'payment_hints_waiting', (SELECT count(*) FROM payment_hints WHERE handled_at IS NULL),
    'oldest_hint_seconds', greatest(coalesce(
        (SELECT extract(epoch FROM %(now)s - min(received_at)) FROM payment_hints WHERE handled_at IS NULL), 0), 0))::text
"""

_ID_SLACK = timedelta(days=1)
"""Between the clock that made an id and the database's."""


class PostgresStaffQueries(StaffQueries):
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def account(self, account: AccountId) -> AccountPage:
        return await self._one(AccountPage, _ACCOUNT, account=account)

    async def generation(self, generation: GenerationId) -> GenerationPage:
        return await self._one(GenerationPage, _GENERATION, generation=generation)

    async def hints(self, which: HintFilter, limit: int) -> Sequence[HintRow]:
        return await self._rows(HintRow, _HINTS, which=which, limit=limit)

    async def admins(self) -> Sequence[AccountId]:
        return await self._values("SELECT id FROM accounts WHERE role = 'admin' ORDER BY created_at, id")

    async def usage(self, days: int, *, with_accounts: bool) -> Sequence[UsageRow]:
        since = await self._now() - timedelta(days=days)
        first = UUID(int=int((since - _ID_SLACK).timestamp() * 1000) << 80)
        return await self._rows(UsageRow, _USAGE, since=since, first=first, with_accounts=with_accounts)

    async def closed_gates(self) -> Sequence[ClosedGate]:
        return await self._rows(ClosedGate, _CLOSED_GATES, now=await self._now())

    async def work(self) -> WorkRow:
        return (await self._rows(WorkRow, _WORK, now=await self._now()))[0]

    async def _now(self) -> datetime:
        clock: datetime = (await self._values("SELECT clock_timestamp()"))[0]
        return clock

    async def _rows(self, of: type[Row], statement: str, **named: Any) -> list[Row]:
        return [msgspec.json.decode(value, type=of) for value in await self._values(statement, **named)]

    async def _one(self, of: type[Page], statement: str, **named: Any) -> Page:
        rows = await self._values(statement, **named)
        if not rows:
            raise NotFound(**{name: str(value) for name, value in named.items()})
        return msgspec.json.decode(rows[0], type=of)

    async def _values(self, statement: str, **parameters: Any) -> list[Any]:
        with unavailable():
            return await read_all(self._pool, statement, parameters)
