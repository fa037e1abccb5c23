"""Accounts, and what staff may do to them."""

from dataclasses import dataclass

from application.access import AccessStore, AccessTransaction
from application.credits import Staff
from application.ports import NewId
from application.store import Store
from domain.accounts import Account, AccountId, Act, AuditRecord, Mode, Role, change_role
from domain.ledger import WalletId


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
                await self._record(tx, staff, changed)
        return changed

    async def _record(self, tx: AccessTransaction, staff: Staff, changed: Account) -> None:
        action = f"{Act.CHANGE_ROLE}.{changed.role}"
        at, subject = await tx.now(), str(changed.id)
        await tx.accounts.record(AuditRecord(self.new_id(), at, staff.account_id, action, subject, staff.reason))


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
