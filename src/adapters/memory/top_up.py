"""Top-ups, and notices about them, in memory."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from adapters.memory.locks import RowLocks
from adapters.memory.tables import Tables
from application.purchases import TopUps, Watched
from application.store import NewNotices
from domain.accounts import AccountId, Mode
from domain.notices import Notice
from domain.top_up import TopUp, TopUpAttempt


@dataclass(frozen=True, slots=True)
class MemoryTopUps(TopUps):
    rows: Tables
    locks: RowLocks

    async def of_account(self, account: AccountId) -> TopUp:
        return self.rows.top_ups.get(account) or TopUp(account)

    def save(self, top_up: TopUp) -> None:
        self._must_be_locked(top_up.account_id)
        self.rows.top_ups[top_up.account_id] = top_up

    def save_attempt(self, attempt: TopUpAttempt) -> None:
        self._must_be_locked(attempt.account_id)
        self.rows.top_up_attempts[attempt.id] = attempt
        if len([each for each in self._of(attempt.account_id) if each.outcome is None]) > 1:
            raise AssertionError("an account has one open attempt at most")

    async def attempts(self, account: AccountId, since: datetime) -> Sequence[TopUpAttempt]:
        return [each for each in self._of(account) if each.ended_at is None or each.ended_at >= since]

    async def last(self, account: AccountId) -> TopUpAttempt | None:
        return next(reversed(self._of(account)), None)

    async def available(self, account: AccountId, now: datetime) -> int | None:
        wallet = self.rows.wallet_ids[account, Mode.LIVE]
        row = self.rows.wallets[wallet]
        lapsed = (lot.remaining for lot in self.rows.lots_of(wallet) if lot.expires_at and lot.expires_at <= now)
        return None if row.closed_at else row.available - sum(lapsed)

    async def has_bought(self, account: AccountId) -> bool:
        wallet = self.rows.wallet_ids[account, Mode.LIVE]
        return any(each.wallet_id == wallet and each.paid for each in self.rows.purchases.values())

    async def went_back(self, account: AccountId, since: datetime | None) -> bool:
        wallet = self.rows.wallet_ids[account, Mode.LIVE]
        changed = {
            each.lot_id for (of, _), each in self.rows.reversals.items() if of == wallet and (since is None or each.at >= since)
        }
        return any(lot.id in changed and lot.reversal and lot.source.is_purchase for lot in self.rows.lots_of(wallet))

    async def watch(self, after: AccountId | None, now: datetime, limit: int) -> Watched:
        customers = sorted(account for account in self.rows.customers.values() if after is None or account > after)
        page = customers[:limit]
        return Watched([each for each in page if await self._is_concerned(each, now)], page[-1] if page else None)

    async def _is_concerned(self, account: AccountId, now: datetime) -> bool:
        top_up, available = await self.of_account(account), await self.available(account, now)
        is_open = any(each.outcome is None for each in self._of(account))
        if available is None:
            return is_open and (top_up.resume_at is None or top_up.resume_at <= now)
        return top_up.concerns(available, now, is_open=is_open)

    def _of(self, account: AccountId) -> list[TopUpAttempt]:
        mine = [each for each in self.rows.top_up_attempts.values() if each.account_id == account]
        return sorted(mine, key=lambda each: (each.at, each.id))

    def _must_be_locked(self, account: AccountId) -> None:
        if not self.locks.try_lock(self.rows, ("account", account)):
            raise AssertionError("top-ups are written by whoever locked the account")


@dataclass(frozen=True, slots=True)
class MemoryNotices(NewNotices):
    rows: Tables

    def add(self, notice: Notice) -> None:
        self.rows.notices[notice.id] = notice
