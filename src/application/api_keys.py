"""API keys: who bears one, making them, taking them back."""

import hashlib
from collections.abc import Awaitable, Callable, Set
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic

from application.access import AccessStore
from application.notices import tell
from application.ports import NewId
from application.queries import Queries
from application.store import IdempotencyKey, Remembered, Store, StoreUnavailable
from domain.accounts import AccountId, Caller, KeyId, Mode, Scope
from domain.api_keys import ApiKey, check_key, write_key
from domain.errors import AlreadyCreated, IdempotencyMismatch, NotFound, TooManyKeys, Unauthenticated
from domain.limits import LIMITS
from domain.notices import Facts, NoticeKind

NOTED_SECONDS = 3600.0
"""A key's use is written down, as a day, no more often than that by one process."""


def hash_key(secret: str) -> bytes:
    """What is kept of a key. It has 190 random bits, so a plain hash cannot be turned back."""
    return hashlib.sha256(secret.encode()).digest()


@dataclass(frozen=True, slots=True)
class NoteKeyUse:
    """That a key was in use today."""

    store: AccessStore

    async def __call__(self, key: KeyId) -> None:
        """Nobody's request fails because this cannot be written."""
        with suppress(StoreUnavailable):
            async with self.store.transaction() as tx:
                await tx.keys.note(key, (await tx.now()).date())


@dataclass(frozen=True, slots=True)
class Authenticate:
    """Who bears this key. A mistyped key costs no query; a known one is trusted for a second, in this process."""

    queries: Queries
    note: Callable[[KeyId], Awaitable[None]]
    trusted: dict[bytes, tuple[float, Caller]] = field(default_factory=dict)
    noted: dict[KeyId, float] = field(default_factory=dict)
    seconds: float = 1.0
    most: int = 10_000

    async def __call__(self, secret: str) -> Caller:
        check_key(secret)
        digest, now = hash_key(secret), monotonic()
        known = self.trusted.get(digest)
        if known and now < known[0]:
            return known[1]
        caller = await self.queries.caller(digest)
        if not caller:
            raise Unauthenticated("this API key is unknown or was revoked")
        for full in (self.trusted, self.noted):
            if len(full) >= self.most:
                full.clear()
        self.trusted[digest] = (now + self.seconds, caller)
        if caller.key_id and self.noted.get(caller.key_id, now) <= now:
            self.noted[caller.key_id] = now + NOTED_SECONDS
            await self.note(caller.key_id)
        return caller


@dataclass(frozen=True, slots=True)
class AddKey:
    """A key whose secret somebody else made. Adding it again changes nothing."""

    store: Store

    async def __call__(self, key: ApiKey) -> None:
        async with self.store.transaction() as tx:
            await tx.accounts.add_key(key)


@dataclass(frozen=True, slots=True)
class MakeKey:
    """A signed-in person makes a key, and is told of it by mail. Its secret is told once: asking again with the same idempotency
    key is refused."""

    store: AccessStore
    new_id: NewId
    entropy: Callable[[int], bytes]

    async def __call__(
        self,
        account: AccountId,
        mode: Mode,
        scopes: Set[Scope],
        name: str | None,
        spend_cap: int | None,
        idempotency: tuple[IdempotencyKey, str] | None = None,
    ) -> tuple[ApiKey, str]:
        """The key and its secret. Raises TooManyKeys, AlreadyCreated, IdempotencyMismatch, or AccountFrozen."""
        secret = write_key(mode, self.entropy(24))
        async with self.store.transaction() as tx:
            keys = await tx.keys.of_account(account)
            once, fingerprint = idempotency or (None, "")
            if once and (seen := await tx.remembered(once)):
                raise IdempotencyMismatch if seen.fingerprint != fingerprint else AlreadyCreated(id=str(seen.thing))
            (await tx.accounts.find(account)).may_spend()  # under its lock: no key comes after the freeze
            if len(keys) >= LIMITS["keys"]:
                raise TooManyKeys(limit=LIMITS["keys"])
            made = KeyId(self.new_id())
            key = ApiKey(
                made,
                account,
                mode,
                frozenset(scopes),
                hash_key(secret),
                secret[-4:],
                await tx.now(),
                name=name,
                spend_cap=spend_cap,
            )
            await tx.accounts.add_key(key)
            if once:
                tx.remember(once, Remembered(fingerprint, made))
            said = Facts(mode=mode, hint=key.hint, scopes=tuple(sorted(key.scopes)))
            await tell(tx, self.new_id, account, NoticeKind.KEY_MADE, said)
        return key, secret


@dataclass(frozen=True, slots=True)
class RevokeKey:
    """It opens nothing any more: at once where it was not in use, after a second everywhere."""

    store: AccessStore

    async def __call__(self, account: AccountId, key: KeyId) -> None:
        """Raises NotFound."""
        async with self.store.transaction() as tx:
            if not await tx.keys.revoke(account, key, await tx.now()):
                raise NotFound(key=str(key))
