"""Identities, sessions and keys in Postgres."""

from collections.abc import Sequence
from datetime import date, datetime

import msgspec

from adapters.postgres import tables
from adapters.postgres.batches import removal
from adapters.postgres.session import Session as Connected
from application.access import Identities, Keys, Sessions
from domain.accounts import AccountId, KeyId
from domain.api_keys import ApiKey
from domain.identities import Identity, IdentityId
from domain.sessions import Session, SessionId

IDENTITY = "SELECT row_to_json(i)::text FROM identities i"
SESSION = """json_build_object('id', s.id, 'account_id', s.account_id, 'token_hash', encode(s.token_hash, 'base64'),
    'provider', s.provider, 'signed_in_at', s.signed_in_at, 'seen_at', s.seen_at,
    'authenticated_at', s.authenticated_at)"""
identity_document = msgspec.json.Decoder(Identity)
session_document = msgspec.json.Decoder(Session)

KEY = """json_build_object('id', k.id, 'account_id', k.account_id, 'mode', k.mode, 'scopes', k.scopes,
    'secret_hash', encode(k.secret_hash, 'base64'), 'hint', k.hint, 'created_at', k.created_at, 'name', k.name,
    'spend_cap', k.spend_cap, 'used_on', k.used_on)"""
KEPT = "account_id = %(account)s AND revoked_at IS NULL"
key_document = msgspec.json.Decoder(ApiKey)

_LOCK_ACCOUNT = "SELECT 1 FROM accounts WHERE id = %(account)s FOR UPDATE"
# Whoever has no row yet cannot be locked by it.
_LOCK_NAME = "SELECT pg_advisory_xact_lock(hashtextextended(%(provider)s || ' ' || %(subject)s, 7))"
_INSERT = """
INSERT INTO sessions (id, account_id, token_hash, provider, signed_in_at, seen_at, authenticated_at)
VALUES (%(id)s, %(account_id)s, %(token_hash)s, %(provider)s, %(signed_in_at)s, %(seen_at)s, %(authenticated_at)s) RETURNING 1
"""
_END_ALL = """
DELETE FROM sessions WHERE account_id = %(account)s AND id NOT IN (
    SELECT id FROM sessions WHERE account_id = %(account)s ORDER BY signed_in_at DESC, id DESC LIMIT %(but)s
) RETURNING 1
"""
_END_OLDER = removal("sessions", "id", "signed_in_at < %(signed_in_before)s OR seen_at < %(seen_before)s")


class PostgresKeys(Keys):
    def __init__(self, session: Connected) -> None:
        self._session = session

    async def of_account(self, account: AccountId) -> Sequence[ApiKey]:
        await self._session.read(_LOCK_ACCOUNT, account=account)
        rows = await self._session.read_all(
            f"SELECT {KEY}::text FROM api_keys k WHERE {KEPT} ORDER BY created_at, id", account=account
        )
        return [key_document.decode(row) for row in rows]

    async def revoke(self, account: AccountId, key: KeyId, at: datetime) -> bool:
        revoke = f"UPDATE api_keys SET revoked_at = %(at)s WHERE id = %(key)s AND {KEPT} RETURNING 1"
        return bool(await self._session.read(revoke, account=account, key=key, at=at))

    async def revoke_all(self, account: AccountId, at: datetime) -> int:
        revoke = f"UPDATE api_keys SET revoked_at = %(at)s WHERE {KEPT} RETURNING 1"
        return len(await self._session.read_all(revoke, account=account, at=at))

    async def note(self, key: KeyId, on: date) -> None:
        note = "UPDATE api_keys SET used_on = %(on)s WHERE id = %(key)s AND (used_on IS NULL OR used_on < %(on)s) RETURNING 1"
        await self._session.read_all(note, key=key, on=on)


class PostgresIdentities(Identities):
    def __init__(self, session: Connected) -> None:
        self._session = session

    async def claim(self, provider: str, subject: str) -> Identity | None:
        await self._session.read(_LOCK_NAME, provider=provider, subject=subject)
        row = await self._session.read(
            f"{IDENTITY} WHERE provider = %(provider)s AND subject = %(subject)s", provider=provider, subject=subject
        )
        return identity_document.decode(row) if row else None

    def add(self, identity: Identity) -> None:
        self._session.writes.insert(tables.identities, identity)

    async def of_account(self, account: AccountId) -> Sequence[Identity]:
        await self._session.read(_LOCK_ACCOUNT, account=account)
        rows = await self._session.read_all(f"{IDENTITY} WHERE account_id = %(account)s ORDER BY linked_at, id", account=account)
        return [identity_document.decode(row) for row in rows]

    async def remove(self, identity: IdentityId) -> None:
        await self._session.read_all("DELETE FROM identities WHERE id = %(identity)s RETURNING 1", identity=identity)


class PostgresSessions(Sessions):
    def __init__(self, session: Connected) -> None:
        self._session = session

    async def add(self, session: Session) -> None:
        fields = ("id", "account_id", "token_hash", "provider", "signed_in_at", "seen_at", "authenticated_at")
        await self._session.read_all(_INSERT, **{name: getattr(session, name) for name in fields})

    async def note(self, session: SessionId, seen_at: datetime) -> None:
        note = "UPDATE sessions SET seen_at = greatest(seen_at, %(at)s) WHERE id = %(session)s RETURNING 1"
        await self._session.read_all(note, session=session, at=seen_at)

    async def end(self, account: AccountId, session: SessionId) -> bool:
        end = "DELETE FROM sessions WHERE id = %(session)s AND account_id = %(account)s RETURNING 1"
        return bool(await self._session.read(end, session=session, account=account))

    async def end_all(self, account: AccountId, *, but: int = 0) -> int:
        return len(await self._session.read_all(_END_ALL, account=account, but=but))

    async def end_token(self, token_hash: bytes) -> AccountId | None:
        end = "DELETE FROM sessions WHERE token_hash = %(hash)s RETURNING account_id"
        owner: AccountId | None = await self._session.read(end, hash=token_hash)
        return owner

    async def end_older(self, signed_in_before: datetime, seen_before: datetime, limit: int) -> int:
        found = await self._session.read_all(_END_OLDER, signed_in_before=signed_in_before, seen_before=seen_before, limit=limit)
        return len(found)
