"""Accounts, and what staff may do to them."""

from dataclasses import dataclass

from application.access import AccessStore
from application.ports import NewId
from application.store import Store, Transaction
from domain.accounts import Account, AccountId, Act, Mode, Role, Staff, change_role
from domain.ledger import WalletId


async def _record(tx: Transaction, new_id: NewId, staff: Staff, action: str, subject: AccountId) -> None:
    """The last thing a transaction does: from here on others who record wait for its end."""
    await tx.accounts.record(staff.signed(new_id(), await tx.now(), action, subject))


async def _subject(tx: Transaction, staff: Staff, act: Act, account_id: AccountId) -> Account:
    """The account, locked, if whoever signs may do this to it. Raises NotFound, or StaffOnly."""
    account = await tx.accounts.lock(account_id)
    (await tx.accounts.find(staff.account_id)).must_be_allowed(act, on=account)
    return account


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
class ChangeRole:
    """An admin changes what an account may do. Its sessions end with its old role: whoever held one signs in anew."""

    store: AccessStore
    new_id: NewId

    async def __call__(self, staff: Staff, account_id: AccountId, role: Role) -> Account:
        """Who signs must be an admin still when the change is made. The same role again changes nothing. Raises NotFound,
        StaffOnly, or LastAdmin."""
        async with self.store.transaction() as tx:
            found = await tx.accounts.lock_with_admins(account_id, staff.account_id)
            account, admins = found[account_id], [each for each in found.values() if each.role is Role.ADMIN]
            changed = change_role(account, role, found[staff.account_id], len(admins))
            if changed != account:
                await tx.accounts.save(changed)
                await tx.sessions.end_all(account_id)
                await _record(tx, self.new_id, staff, f"{Act.CHANGE_ROLE}.{changed.role}", account_id)
        return changed


@dataclass(frozen=True, slots=True)
class FreezeAccount:
    """Staff keeps an account from spending. Its sessions see it at their next request, its keys within a second; what it asked
    for before is made and settled."""

    store: AccessStore
    new_id: NewId

    async def __call__(self, staff: Staff, account_id: AccountId) -> Account:
        """Again changes nothing. Raises NotFound, or StaffOnly."""
        async with self.store.transaction() as tx:
            account = await _subject(tx, staff, Act.FREEZE, account_id)
            frozen = account.freeze(await tx.now())
            if frozen != account:
                await tx.accounts.save(frozen)
                await _record(tx, self.new_id, staff, Act.FREEZE, account_id)
        return frozen


@dataclass(frozen=True, slots=True)
class UnfreezeAccount:
    """Staff lets a frozen account spend again."""

    store: AccessStore
    new_id: NewId

    async def __call__(self, staff: Staff, account_id: AccountId) -> Account:
        """Again changes nothing. Raises NotFound, or StaffOnly."""
        async with self.store.transaction() as tx:
            account = await _subject(tx, staff, Act.UNFREEZE, account_id)
            if account.frozen_at:
                await tx.accounts.save(account.unfreeze())
                await _record(tx, self.new_id, staff, Act.UNFREEZE, account_id)
        return account.unfreeze()


@dataclass(frozen=True, slots=True)
class EndSessionsOf:
    """Staff signs somebody out everywhere, at once. Whoever can still sign in at their provider may come back."""

    store: AccessStore
    new_id: NewId

    async def __call__(self, staff: Staff, account_id: AccountId) -> int:
        """How many were ended; recorded even if there was none. Raises NotFound, or StaffOnly."""
        async with self.store.transaction() as tx:
            await _subject(tx, staff, Act.END_SESSIONS, account_id)
            ended = await tx.sessions.end_all(account_id)
            await _record(tx, self.new_id, staff, Act.END_SESSIONS, account_id)
        return ended


@dataclass(frozen=True, slots=True)
class RevokeKeysOf:
    """Staff revokes every key of an account, in both modes: they open nothing any more, within a second."""

    store: AccessStore
    new_id: NewId

    async def __call__(self, staff: Staff, account_id: AccountId) -> int:
        """How many were revoked; recorded even if there was none. Raises NotFound, or StaffOnly."""
        async with self.store.transaction() as tx:
            await _subject(tx, staff, Act.REVOKE_KEYS, account_id)
            revoked = await tx.keys.revoke_all(account_id, await tx.now())
            await _record(tx, self.new_id, staff, Act.REVOKE_KEYS, account_id)
        return revoked


@dataclass(frozen=True, slots=True)
class AuthorizeStaff:
    """Whoever signs a change by hand must have the role that it takes."""

    store: Store

    async def __call__(self, account_id: AccountId, reason: str, act: Act) -> Staff:
        """Raises NotFound, or StaffOnly."""
        async with self.store.transaction() as tx:
            account = await tx.accounts.find(account_id)
        account.must_be_allowed(act)
        return Staff(account_id, reason)
