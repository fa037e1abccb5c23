"""The one account that nobody staff can have opened."""

from dataclasses import dataclass

from application.ports import NewId
from application.staff_queries import StaffQueries
from application.store import Store
from domain.accounts import Account, AccountId, Mode, Role, Staff
from domain.errors import StaffOnly
from domain.ledger import WalletId


@dataclass(frozen=True, slots=True)
class OpenFirstAdmin:
    """An admin account where there is none; from then on admins make admins. It signs the record of its own making."""

    store: Store
    queries: StaffQueries
    new_id: NewId

    async def __call__(self, email: str, plan: str) -> AccountId:
        if admins := await self.queries.admins():
            raise StaffOnly("there is an admin already; `accounts role` makes others", admin=str(admins[0]))
        account_id = AccountId(self.new_id())
        async with self.store.transaction() as tx:
            now = await tx.now()
            await tx.accounts.add(Account(account_id, Role.ADMIN, plan, now, email=email))
            for mode in Mode:
                await tx.wallets.create(WalletId(self.new_id()), account_id, mode)
            itself = Staff(account_id, "db upgrade")
            await tx.accounts.record(itself.signed(self.new_id(), now, "accounts.first_admin", account_id))
        return account_id
