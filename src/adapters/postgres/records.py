"""Assets, accounts and wake-ups in Postgres."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime

import msgspec

from adapters.postgres import tables
from adapters.postgres.audit_chain import tip_under_lock
from adapters.postgres.generations import AT_OPEN_GATE
from adapters.postgres.session import Session
from application.store import Accounts, Assets, Spendings, Wakeups
from domain.accounts import Account, AccountId, AuditRecord, KeyId, Mode
from domain.api_keys import ApiKey, Spending
from domain.audit_chain import follow
from domain.errors import AssetInUse, NotFound
from domain.generations import GenerationId
from domain.media import Asset, AssetId
from domain.objects import ObjectKey

asset_document = msgspec.json.Decoder(Asset)
spending_document = msgspec.json.Decoder(Spending)
account_document = msgspec.json.Decoder(Account)

_PIN = """
SELECT row_to_json(a)::text FROM assets a
WHERE id = ANY(%(assets)s) AND account_id = %(account)s AND mode = %(mode)s ORDER BY id FOR KEY SHARE
"""
_TAKE = (
    "SELECT row_to_json(a)::text FROM assets a WHERE id = %(asset)s AND account_id = %(account)s AND mode = %(mode)s FOR UPDATE"
)
_IN_USE = """
SELECT 1 FROM (
    SELECT request FROM generations WHERE account_id = %(account)s AND state = 'queued'
    UNION ALL
    SELECT request FROM generations WHERE account_id = %(account)s AND state = 'running'
) unfinished WHERE request->'references' ? %(asset)s::text OR request->>'mask' = %(asset)s::text LIMIT 1
"""


_WITH_ADMINS = "(role = 'admin' OR id = ANY(%(ids)s))"


class PostgresAssets(Assets):
    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, asset: Asset) -> None:
        self._session.writes.insert(tables.assets, asset, looks=0, look_due=None, sign_due=None)

    async def pin(self, assets: Sequence[AssetId], account: AccountId, mode: Mode) -> Sequence[Asset]:
        rows = await self._session.read_all(_PIN, assets=list(assets), account=account, mode=mode)
        found = {asset.id: asset for asset in map(asset_document.decode, rows)}
        for asset in assets:
            if asset not in found:
                raise NotFound(asset=str(asset))
        return [found[asset] for asset in assets]

    async def find(self, asset: AssetId) -> Asset:
        row = await self._session.read("SELECT row_to_json(a)::text FROM assets a WHERE id = %(asset)s", asset=asset)
        if not row:
            raise NotFound(asset=str(asset))
        return asset_document.decode(row)

    async def take(self, asset: AssetId, account: AccountId, mode: Mode) -> Asset:
        taken = await self.take_away(asset, account, mode)
        if await self._session.read(_IN_USE, asset=asset, account=account):
            raise AssetInUse(asset=str(asset))
        return taken

    async def take_away(self, asset: AssetId, account: AccountId, mode: Mode) -> Asset:
        row = await self._session.read(_TAKE, asset=asset, account=account, mode=mode)
        if not row:
            raise NotFound(asset=str(asset))
        return asset_document.decode(row)

    async def of_generation(self, generation: GenerationId) -> Sequence[Asset]:
        select = 'SELECT row_to_json(a)::text FROM assets a WHERE generation_id = %(generation)s ORDER BY "index"'
        return [asset_document.decode(row) for row in await self._session.read_all(select, generation=generation)]

    async def remove(self, asset: Asset) -> Sequence[ObjectKey]:
        renditions = await self._session.read_all(
            "DELETE FROM renditions WHERE asset_id = %(asset)s RETURNING id", asset=asset.id
        )
        await self._session.read_all("DELETE FROM assets WHERE id = %(asset)s RETURNING 1", asset=asset.id)
        copies = [ObjectKey.rendition(asset.account_id, asset.id, rendition) for rendition in renditions]
        return [ObjectKey.thumbnail(asset.account_id, asset.id), *copies]

    async def lock(self, asset: AssetId) -> Asset:
        select = "SELECT row_to_json(a)::text FROM assets a WHERE id = %(asset)s FOR NO KEY UPDATE"
        row = await self._session.read(select, asset=asset)
        if not row:
            raise NotFound(asset=str(asset))
        return asset_document.decode(row)

    def save(self, asset: Asset) -> None:
        self._session.writes.update(tables.assets, asset)


class PostgresAccounts(Accounts):
    def __init__(self, session: Session) -> None:
        self._session = session

    async def add(self, account: Account) -> None:
        insert = """INSERT INTO accounts (id, role, plan, created_at, name, email)
            VALUES (%(id)s, %(role)s, %(plan)s, %(created_at)s, %(name)s, %(email)s) ON CONFLICT DO NOTHING RETURNING 1"""
        values = {name: getattr(account, name) for name in ("id", "role", "plan", "created_at", "name", "email")}
        await self._session.read_all(insert, **values)

    async def find(self, account: AccountId) -> Account:
        row = await self._session.read("SELECT row_to_json(a)::text FROM accounts a WHERE id = %(account)s", account=account)
        if not row:
            raise NotFound(account=str(account))
        return account_document.decode(row)

    async def lock(self, account: AccountId) -> Account:
        # No lock of the key: requests, which hold a wallet by then, name the account in new rows, and must not wait here.
        await self._session.read("SELECT 1 FROM accounts WHERE id = %(account)s FOR NO KEY UPDATE", account=account)
        return await self.find(account)

    async def lock_with_admins(self, *accounts: AccountId) -> Mapping[AccountId, Account]:
        await self._session.read_all(f"SELECT 1 FROM accounts a WHERE {_WITH_ADMINS} ORDER BY id FOR UPDATE", ids=list(accounts))
        # A second statement: the first one's rows are as they were before it waited for their locks.
        rows = await self._session.read_all(
            f"SELECT row_to_json(a)::text FROM accounts a WHERE {_WITH_ADMINS}", ids=list(accounts)
        )
        found = {account.id: account for account in map(account_document.decode, rows)}
        for account in accounts:
            if account not in found:
                raise NotFound(account=str(account))
        return found

    async def save(self, account: Account) -> None:
        self._session.writes.update(tables.accounts, account)

    async def add_key(self, key: ApiKey) -> None:
        insert = """INSERT INTO api_keys (id, account_id, mode, scopes, secret_hash, hint, created_at, name, spend_cap)
            VALUES (%(id)s, %(account_id)s, %(mode)s, %(scopes)s, %(secret_hash)s, %(hint)s, %(created_at)s, %(name)s,
                %(spend_cap)s)
            ON CONFLICT (secret_hash) DO NOTHING RETURNING 1"""
        fields = ("id", "account_id", "mode", "secret_hash", "hint", "created_at", "name", "spend_cap")
        values = {name: getattr(key, name) for name in fields} | {"scopes": sorted(key.scopes)}
        await self._session.read_all(insert, **values)

    async def record(self, record: AuditRecord) -> None:
        link = follow(await tip_under_lock(self._session), record)
        self._session.writes.insert(tables.audit_records, record, day=link.day, number=link.number, hash=link.hash)


class PostgresSpendings(Spendings):
    def __init__(self, session: Session) -> None:
        self._session = session

    async def lock(self, key: KeyId) -> Spending | None:
        select = """SELECT json_build_object('key_id', id, 'cap', spend_cap, 'spent', spent,
            'month', coalesce(spent_month, date_trunc('month', created_at AT TIME ZONE 'UTC')::date))::text
            FROM api_keys WHERE id = %(key)s AND spend_cap IS NOT NULL FOR NO KEY UPDATE"""
        row = await self._session.read(select, key=key)
        return spending_document.decode(row) if row else None

    def save(self, spending: Spending) -> None:
        self._session.writes.update(tables.api_keys, _SpentRow(spending.key_id, spending.month, spending.spent))


class _SpentRow(msgspec.Struct, frozen=True):
    id: KeyId
    spent_month: date
    spent: int


_TOP_UP = f"""
SELECT greatest(0, (
    SELECT count(*) FROM generations g
    WHERE state = 'queued' AND (resume_at IS NULL OR resume_at <= %(now)s) AND deadline > %(now)s AND {AT_OPEN_GATE}
) + (
    SELECT count(*) FROM generations
    WHERE state = 'running' AND CASE WHEN lease IS NULL THEN resume_at ELSE lease_until END <= %(now)s
) - (
    SELECT count(*) FROM procrastinate_jobs
    WHERE queue_name = 'generations' AND status = 'todo' AND (scheduled_at IS NULL OR scheduled_at <= %(now)s)
))
"""
_RETIRE = "DELETE FROM procrastinate_jobs WHERE queue_name = 'generations' AND status <> 'todo' AND worker_id IS NULL RETURNING 1"


class PostgresWakeups(Wakeups):
    def __init__(self, session: Session) -> None:
        self._session = session

    def wake(self, at: datetime | None = None) -> None:
        self._session.writes.wake(at)

    async def top_up(self, now: datetime) -> int:
        """Tokens that died with their worker are retired here: they say nothing that a new one would not."""
        await self._session.read_all(_RETIRE)
        missing: int = await self._session.read(_TOP_UP, now=now)
        for _ in range(missing):
            self._session.writes.wake(None)
        return missing
