"""Who calls, and what staff may do to accounts."""

import hashlib
from dataclasses import dataclass, field
from time import monotonic

from application.credits import Staff
from application.ports import NewId
from application.queries import Queries
from application.store import Store
from domain.accounts import Account, AccountId, ApiKey, AuditRecord, Caller, Mode, Role, check_key
from domain.errors import StaffOnly, Unauthenticated
from domain.ledger import WalletId


def hash_key(secret: str) -> bytes:
    """What is kept of a key. It has 190 random bits, so a plain hash cannot be turned back."""
    return hashlib.sha256(secret.encode()).digest()


@dataclass(frozen=True, slots=True)
class Authenticate:
    """Who bears this key. A mistyped key costs no query; a known one is trusted for a second, in this process."""

    queries: Queries
    trusted: dict[bytes, tuple[float, Caller]] = field(default_factory=dict)
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
        if len(self.trusted) >= self.most:
            self.trusted.clear()
        self.trusted[digest] = (now + self.seconds, caller)
        return caller


@dataclass(frozen=True, slots=True)
class OpenAccount:
    """An account with an empty wallet in each mode. Opening it again changes nothing."""

    store: Store
    new_id: NewId

    async def __call__(self, account: Account) -> None:
        async with self.store.transaction() as tx:
            await tx.accounts.add(account)
            for mode in Mode:
                await tx.wallets.create(WalletId(self.new_id()), account.id, mode)


@dataclass(frozen=True, slots=True)
class AddKey:
    store: Store

    async def __call__(self, key: ApiKey) -> None:
        async with self.store.transaction() as tx:
            await tx.accounts.add_key(key)


@dataclass(frozen=True, slots=True)
class ChangeRole:
    """Staff changes what an account may do."""

    store: Store
    new_id: NewId

    async def __call__(self, staff: Staff, account_id: AccountId, role: Role) -> Account:
        async with self.store.transaction() as tx:
            account = await tx.accounts.find(account_id)
            changed = account.with_role(role)
            await tx.accounts.save(changed)
            record = AuditRecord(
                self.new_id(), await tx.now(), staff.account_id, f"accounts.role.{role}", str(account_id), staff.reason
            )
            tx.accounts.record(record)
        return changed


@dataclass(frozen=True, slots=True)
class AuthorizeStaff:
    """Whoever signs a change by hand must be an account with a staff role; admin where `admin` is asked."""

    store: Store

    async def __call__(self, account_id: AccountId, reason: str, *, admin: bool = False) -> Staff:
        async with self.store.transaction() as tx:
            account = await tx.accounts.find(account_id)
        if not account.role.is_staff or (admin and account.role is not Role.ADMIN):
            raise StaffOnly(f"{account_id} is not {'an admin' if admin else 'staff'}", account=str(account_id))
        return Staff(account_id, reason)
