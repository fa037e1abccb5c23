"""Reads in Postgres: each page is one statement, keyset by time and id, straight into rows."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar

import msgspec

from adapters.postgres import listing, objects, receipts, waiting
from adapters.postgres.generations import GENERATION
from adapters.postgres.pool import SETTLED_SECONDS, read_all
from adapters.postgres.session import Pool, unavailable
from adapters.postgres.words import EVER
from application.ports import StoredObject
from application.queries import (
    FIRST,
    AssetFilter,
    BalanceRow,
    CreditsRow,
    GenerationFilter,
    GenerationPage,
    Position,
    Queries,
    QueueRow,
    TransferFilter,
    TransferRow,
)
from domain.accounts import Account, AccountId, Caller, Mode
from domain.archives import Archive, ArchiveId
from domain.errors import Gone, InvalidInstant, NotFound
from domain.gates import Gate
from domain.generations import Generation, GenerationId
from domain.ledger import WalletId
from domain.media import Asset, AssetId, AssetKind
from domain.objects import ObjectKey
from domain.receipts import Receipt
from domain.waiting import Line, Worked

Row = TypeVar("Row")

_CALLER = """
SELECT json_build_object('account_id', k.account_id, 'key_id', k.id, 'mode', k.mode, 'scopes', k.scopes, 'plan', a.plan,
    'wallet_id', w.id, 'capped', k.spend_cap IS NOT NULL, 'frozen', a.frozen_at IS NOT NULL)::text
FROM api_keys k JOIN accounts a ON a.id = k.account_id JOIN wallets w ON w.account_id = k.account_id AND w.mode = k.mode
WHERE k.secret_hash = %(hash)s AND k.revoked_at IS NULL
"""

_CREDITS = """
SELECT json_build_object('mode', w.mode, 'held', w.held, 'debt', w.debt,
    'available', w.available - coalesce((
        SELECT sum(l.remaining) FROM lots l WHERE l.wallet_id = w.id AND l.expires_at <= %(now)s), 0),
    'lots', (SELECT coalesce(json_agg(json_build_object('id', l.id, 'source', l.source, 'granted', l.granted, 'remaining',
        CASE WHEN l.expires_at <= %(now)s THEN 0 ELSE l.remaining END, 'held', l.held, 'priority', l.priority,
        'expires_at', l.expires_at) ORDER BY l.priority, l.expires_at NULLS LAST, l.id), '[]')
        FROM lots l
        WHERE l.wallet_id = w.id AND (l.held > 0 OR l.remaining > 0 AND (l.expires_at IS NULL OR l.expires_at > %(now)s))))::text
FROM wallets w WHERE w.id = %(wallet)s
"""

# The last line by then, less what remained in lots that had lapsed by then but were swept later.
_BALANCE = """
SELECT json_build_object('held', coalesce(t.held_after, 0), 'debt', coalesce(t.debt_after, 0),
    'provisional', %(provisional)s::boolean,
    'available', coalesce(t.available_after, 0) - coalesce((
        SELECT sum(CASE WHEN m.credit = 'available' THEN m.amount ELSE -m.amount END)
        FROM transfers m JOIN lots l ON l.id = m.lot_id
        WHERE m.wallet_id = w.id AND m.at <= %(at)s AND l.expires_at <= %(at)s AND 'available' IN (m.debit, m.credit)), 0))::text
FROM wallets w LEFT JOIN LATERAL (
    SELECT * FROM transfers t WHERE t.wallet_id = w.id AND t.at <= %(at)s ORDER BY t.version DESC LIMIT 1) t ON true
WHERE w.id = %(wallet)s
"""

_TRANSFERS = """
SELECT json_build_object('version', t.version, 'at', t.at, 'kind', c.kind,
    'debit', t.debit, 'credit', t.credit, 'amount', t.amount, 'lot_id', t.lot_id, 'generation_id', t.hold_id,
    'available_after', t.available_after, 'held_after', t.held_after,
    'debt_after', t.debt_after)::text
FROM transfers t JOIN wallet_commands c ON c.id = t.command_id
WHERE t.wallet_id = %(wallet)s AND t.version < coalesce(%(after_version)s, 9223372036854775807)
    AND (%(generation)s::uuid IS NULL OR t.hold_id = %(generation)s) AND (%(kind)s::text IS NULL OR c.kind = %(kind)s)
    AND (%(after)s::timestamptz IS NULL OR t.at > %(after)s) AND (%(before)s::timestamptz IS NULL OR t.at < %(before)s)
ORDER BY t.version DESC LIMIT %(limit)s
"""

_WITH_ASSETS = f"""
SELECT json_build_object('generation', {GENERATION}, 'assets', (
    SELECT coalesce(json_agg(s ORDER BY s."index"), '[]') FROM assets s WHERE s.generation_id = g.id))::text
FROM generations g
"""

_GENERATION = _WITH_ASSETS + "WHERE g.id = %(generation)s AND g.account_id = %(account)s AND g.mode = %(mode)s"

_GENERATIONS = (
    _WITH_ASSETS
    + """
WHERE g.id = ANY(%(ids)s) AND g.account_id = %(account)s AND g.mode = %(mode)s AND g.request IS NOT NULL
ORDER BY g.created_at DESC, g.id DESC
"""
)

_ASSETS_OF_KIND = """
(SELECT * FROM assets a WHERE a.account_id = %(account)s AND a.mode = %(mode)s AND a.kind = '{kind}'
    AND (a.created_at, a.id) < (%(at)s, %(id)s) AND a.created_at > %(since)s AND a.created_at < %(before)s
ORDER BY a.created_at DESC, a.id DESC LIMIT {limit})
"""
_ASSETS = "SELECT row_to_json(a)::text FROM ({kinds}) a ORDER BY a.created_at DESC, a.id DESC LIMIT {limit}"

_ACCOUNTS = """
SELECT row_to_json(a)::text FROM accounts a
WHERE a.id::text = %(matching)s OR strpos(lower(coalesce(a.email, '')), lower(%(matching)s)) > 0
    OR strpos(lower(coalesce(a.name, '')), lower(%(matching)s)) > 0
ORDER BY a.created_at, a.id LIMIT %(limit)s
"""

_QUEUES = """
SELECT json_build_object('queue', queue_name, 'waiting', count(*) FILTER (WHERE status = 'todo'),
    'running', count(*) FILTER (WHERE status = 'doing'), 'failed', count(*) FILTER (WHERE status IN ('failed', 'aborted')),
    'oldest_seconds', coalesce(
        extract(epoch FROM %(now)s - min(greatest(e.at, j.scheduled_at)) FILTER (WHERE status = 'todo')), 0))::text
FROM procrastinate_jobs j
LEFT JOIN LATERAL (SELECT min(at) AS at FROM procrastinate_events e WHERE e.job_id = j.id AND e.type = 'deferred') e ON true
GROUP BY queue_name ORDER BY queue_name
"""


class _WithAssets(msgspec.Struct):
    generation: Generation
    assets: list[Asset]


class PostgresQueries(Queries):
    """`offset` is added to the database's clock, for tests."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self.offset = timedelta(0)

    async def _values(self, statement: str, **parameters: Any) -> list[Any]:
        with unavailable():
            return await read_all(self._pool, statement, parameters)

    async def _rows(self, of: type[Row], statement: str, **parameters: Any) -> list[Row]:
        return [msgspec.json.decode(value, type=of) for value in await self._values(statement, **parameters)]

    async def _one(self, of: type[Row], statement: str, **parameters: Any) -> Row:
        rows = await self._rows(of, statement, **parameters)
        if not rows:
            raise NotFound
        return rows[0]

    async def now(self) -> datetime:
        """The service's time: the database's clock."""
        clock: datetime = (await self._values("SELECT clock_timestamp()"))[0]
        return clock + self.offset

    async def caller(self, secret_hash: bytes) -> Caller | None:
        rows = await self._rows(Caller, _CALLER, hash=secret_hash)
        return rows[0] if rows else None

    async def wallet(self, account: AccountId, mode: Mode) -> WalletId:
        found = await self._values("SELECT id FROM wallets WHERE account_id = %(a)s AND mode = %(mode)s", a=account, mode=mode)
        if not found:
            raise NotFound(account=str(account))
        return WalletId(found[0])

    async def credits(self, wallet: WalletId) -> CreditsRow:
        return await self._one(CreditsRow, _CREDITS, wallet=wallet, now=await self.now())

    async def balance(self, wallet: WalletId, at: datetime) -> BalanceRow:
        now = await self.now()
        if at > now:
            raise InvalidInstant("the future cannot be read", field="as_of")
        provisional = at > now - timedelta(seconds=SETTLED_SECONDS)
        return await self._one(BalanceRow, _BALANCE, wallet=wallet, at=at, provisional=provisional)

    async def transfers(
        self, wallet: WalletId, matching: TransferFilter, after_version: int | None, limit: int
    ) -> Sequence[TransferRow]:
        wanted = {"generation": matching.generation, "kind": matching.kind, "after": matching.after, "before": matching.before}
        return await self._rows(TransferRow, _TRANSFERS, wallet=wallet, after_version=after_version, limit=limit, **wanted)

    async def generation(self, generation: GenerationId, account: AccountId, mode: Mode) -> tuple[Generation, Sequence[Asset]]:
        found = await self._one(_WithAssets, _GENERATION, generation=generation, account=account, mode=mode)
        if found.generation.request is None:
            raise Gone
        return found.generation, found.assets

    async def receipt(self, generation: GenerationId, account: AccountId, mode: Mode) -> Receipt:
        return await self._one(Receipt, receipts.RECEIPT, generation=generation, account=account, mode=mode)

    async def generations(
        self, account: AccountId, mode: Mode, matching: GenerationFilter, after: Position | None, limit: int
    ) -> GenerationPage:
        with unavailable():
            ids, more = await listing.ids(self._pool, account, mode, matching, after, limit)
        rows = await self._rows(_WithAssets, _GENERATIONS, ids=ids, account=account, mode=mode) if ids else []
        return GenerationPage([(row.generation, row.assets) for row in rows], more)

    async def asset(self, asset: AssetId, account: AccountId, mode: Mode) -> Asset:
        select = "SELECT row_to_json(a)::text FROM assets a WHERE id = %(asset)s AND account_id = %(account)s AND mode = %(mode)s"
        return await self._one(Asset, select, asset=asset, account=account, mode=mode)

    async def assets(
        self, account: AccountId, mode: Mode, matching: AssetFilter, after: Position | None, limit: int
    ) -> Sequence[Asset]:
        at, last = after or FIRST
        since, before = matching.created_after or EVER, matching.created_before or FIRST[0]
        some = [_ASSETS_OF_KIND.format(kind=kind, limit=limit) for kind in AssetKind if matching.kind in (None, kind)]
        select, said = _ASSETS.format(kinds=" UNION ALL ".join(some), limit=limit), {"account": account, "mode": mode}
        return await self._rows(Asset, select, at=at, id=last, since=since, before=before, **said)

    async def archive(self, archive: ArchiveId, account: AccountId, mode: Mode) -> Archive:
        select = """SELECT row_to_json(a)::text FROM archives a WHERE id = %(archive)s AND account_id = %(account)s
            AND mode = %(mode)s AND (expires_at IS NULL OR expires_at > %(now)s)"""
        return await self._one(Archive, select, archive=archive, account=account, mode=mode, now=await self.now())

    async def orphans(self, found: Sequence[StoredObject]) -> Sequence[ObjectKey]:
        ours = [thing for thing in found if thing.key.is_swept]
        with unavailable():
            spoken_of = await objects.spoken_of(self._pool, [thing.key for thing in ours])
        now = await self.now()
        return [thing.key for thing in ours if not thing.stays(now, spoken_of=thing.key in spoken_of)]

    async def accounts(self, matching: str, limit: int) -> Sequence[Account]:
        return await self._rows(Account, _ACCOUNTS, matching=matching, limit=limit)

    async def account(self, account: AccountId) -> Account:
        return await self._one(Account, "SELECT row_to_json(a)::text FROM accounts a WHERE id = %(account)s", account=account)

    async def line(self, limit: int) -> Line:
        return waiting.line(await self._values(waiting.LINE, limit=limit, now=await self.now()), limit)

    async def worked(self, limit: int) -> Sequence[Worked]:
        return waiting.worked(await self._values(waiting.WORKED, limit=limit))

    async def gates(self) -> Sequence[Gate]:
        return await self._rows(Gate, waiting.GATES)

    async def queues(self) -> Sequence[QueueRow]:
        return await self._rows(QueueRow, _QUEUES, now=await self.now())
