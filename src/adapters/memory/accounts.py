"""Accounts and what their keys spend, in memory."""

from collections.abc import Mapping
from dataclasses import dataclass

from adapters.memory.locks import RowLocks
from adapters.memory.tables import Tables
from application.store import Accounts, Spendings
from domain.accounts import Account, AccountId, AuditRecord, KeyId, Role
from domain.api_keys import ApiKey, Spending, month_of
from domain.audit_chain import Tip, follow
from domain.errors import NotFound


@dataclass(frozen=True, slots=True)
class MemoryAccounts(Accounts):
    rows: Tables
    locks: RowLocks

    async def add(self, account: Account) -> None:
        self.rows.accounts.setdefault(account.id, account)

    async def find(self, account: AccountId) -> Account:
        if account not in self.rows.accounts:
            raise NotFound("there is no such account", account=str(account))
        return self.rows.accounts[account]

    async def lock(self, account: AccountId) -> Account:
        await self.locks.lock(self.rows, ("account", account))
        return await self.find(account)

    async def lock_with_admins(self, *accounts: AccountId) -> Mapping[AccountId, Account]:
        wanted = {*accounts, *(a.id for a in self.rows.accounts.values() if a.role is Role.ADMIN)}
        for each in sorted(wanted):
            await self.locks.lock(self.rows, ("account", each))
        return {each: await self.find(each) for each in wanted}

    async def save(self, account: Account) -> None:
        self.rows.accounts[account.id] = account

    async def add_key(self, key: ApiKey) -> None:
        self.rows.keys.setdefault(key.secret_hash, key)

    async def record(self, record: AuditRecord) -> None:
        await self.locks.lock(self.rows, "audit chain")
        last = self.rows.audit[max(self.rows.audit)] if self.rows.audit else None
        link = follow(Tip(last.day, last.number, last.hash) if last else None, record)
        self.rows.audit[link.day, link.number] = link


@dataclass(frozen=True, slots=True)
class MemorySpendings(Spendings):
    rows: Tables
    locks: RowLocks

    async def lock(self, key: KeyId) -> Spending | None:
        known = next((each for each in self.rows.keys.values() if each.id == key), None)
        if known is None or known.spend_cap is None:
            return None
        await self.locks.lock(self.rows, ("spending", key))
        month, spent = self.rows.spendings.get(key, (month_of(known.created_at), 0))
        return Spending(key, known.spend_cap, month, spent)

    def save(self, spending: Spending) -> None:
        self.rows.spendings[spending.key_id] = (spending.month, spending.spent)
