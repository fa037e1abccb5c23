"""Accounts, and what staff may do to them."""

from dataclasses import dataclass

from application.credits import Staff
from application.ports import NewId
from application.store import Store
from domain.accounts import Account, AccountId, AuditRecord, Mode, Role
from domain.errors import StaffOnly
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
