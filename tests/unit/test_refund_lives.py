"""Random lives of a purchase that staff refunds: spent, held, disputed, refunded elsewhere too, by processes that die anywhere.

Whenever all is quiet, the books are those of the provider's word alone (R10), and no money went back twice.
"""

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from application.payments import PaymentsUnavailable
from application.refunds import FinishRefunds, RefundPurchase
from domain.accounts import Caller, Role, Staff
from domain.billing import PurchaseRef
from domain.errors import DomainError
from domain.ledger import HoldId, Lot
from tests.billing_stage import Billing, opened
from tests.contract.harnesses import MemoryHarness
from tests.contract.store_contract import NOTHING, a_hold, capture, customer, new_id, release, said, say

pytestmark = pytest.mark.anyio
SEED, LIVES, STEPS = 20_270_115, 60, 16
PRICE, CREDITS = 500, 400


@dataclass
class Life:
    dice: random.Random
    harness: MemoryHarness
    billing: Billing
    caller: Caller
    staff: Staff
    ref: PurchaseRef
    holds: list[HoldId] = field(default_factory=list)
    elsewhere: int = 0
    into_debt: bool = False

    async def refund(self, process: Billing, *, into_debt: bool) -> None:
        finish = FinishRefunds(process.store, process.truth, process.converge)
        give_back = RefundPurchase(process.store, process.truth, process.converge, finish, new_id)
        try:
            await give_back(self.staff, self.ref, into_debt=into_debt)
        except (DomainError, PaymentsUnavailable):
            return

    async def finish(self, process: Billing) -> None:
        await FinishRefunds(process.store, process.truth, process.converge)()

    async def converge(self, process: Billing) -> None:
        try:
            await process.converge(self.ref)
        except PaymentsUnavailable:
            return

    async def perhaps_dies(self, work: Callable[[Billing], Awaitable[None]]) -> None:
        if self.dice.random() < 0.4:
            await self.billing.until_death(work, self.dice.randrange(20))
        else:
            await work(self.billing)

    async def step(self) -> None:
        truth, store, wallet = self.billing.truth, self.billing.store, self.caller.wallet_id
        told = truth.purchases[self.ref]
        left = told.paid - told.reversed_money
        match self.dice.choice(
            ("hold", "hold", "end", "refund", "refund", "debt", "desk", "dispute", "won", "away", "finish", "read")
        ):
            case "hold":
                hold = a_hold(self.dice.randint(1, 150))
                if not isinstance(await said(store, wallet, hold), str):
                    self.holds.append(hold.hold_id)
            case "end" if self.holds:
                hold_id = self.holds.pop()
                await say(store, wallet, self.dice.choice((release(hold_id), capture(hold_id, 1))))
            case "refund":
                await self.perhaps_dies(lambda process: self.refund(process, into_debt=False))
            case "debt" if self.dice.random() < 0.3:
                self.into_debt = True
                await self.perhaps_dies(lambda process: self.refund(process, into_debt=True))
            case "desk" if left and self.dice.random() < 0.4:
                self.elsewhere += (amount := self.dice.randint(1, left))
                truth.give_back(self.ref, amount)
            case "dispute" if left and not told.withdrawn and self.dice.random() < 0.4:
                truth.dispute(self.ref, left)
                self.into_debt = True
            case "won" if told.withdrawn:
                truth.close_dispute(self.ref, won=True)
            case "away":
                truth.down = not truth.down
            case "finish":
                await self.harness.advance(timedelta(hours=7).total_seconds())
                await self.perhaps_dies(self.finish)
            case "read":
                await self.perhaps_dies(self.converge)

    async def lots(self) -> tuple[list[Lot], int]:
        async with self.billing.store.transaction() as tx:
            wallet = (await tx.wallets.open(self.caller.wallet_id, NOTHING)).wallet
        return list(wallet.lots.values()), wallet.debt

    async def check_open(self) -> None:
        """While a refund is open its credits are gone, and only money that left otherwise can put somebody into debt."""
        async with self.billing.store.transaction() as tx:
            refund = await tx.refunds.open(self.ref)
        [lot], debt = await self.lots()
        if refund:
            assert lot.reversal >= CREDITS * min(PRICE, refund.before + refund.amount) // PRICE
        assert not debt or self.into_debt or self.elsewhere, "no more is taken back than is unspent"

    async def check_quiet(self) -> None:
        truth = self.billing.truth
        truth.down = False
        for _ in range(2):
            await self.harness.advance(timedelta(hours=7).total_seconds())
            await self.finish(self.billing)
            await self.converge(self.billing)
        told = truth.purchases[self.ref]
        async with self.billing.store.transaction() as tx:
            assert await tx.refunds.open(self.ref) is None
        [lot], _ = await self.lots()
        assert lot.reversal == CREDITS * told.reversed_money // PRICE, "R10"
        assert told.refunded == self.elsewhere + sum(amount for _, amount in truth.keys.values()) <= PRICE


async def test_random_lives_end_in_the_books_of_the_providers_word() -> None:
    made = 0
    for number in range(LIVES):
        harness = MemoryHarness()
        admin = await customer(harness.store)
        async with harness.store.transaction() as tx:
            await tx.accounts.save((await tx.accounts.find(admin.account_id)).with_role(Role.ADMIN))
        billing, caller, payer = await opened(harness, named=f"{number}_")
        ref = billing.truth.sell(payer, ("small", PRICE))
        await billing.converge(ref)
        life = Life(random.Random(f"{SEED}:{number}"), harness, billing, caller, Staff(admin.account_id, "r"), ref)
        try:
            for _ in range(STEPS):
                await life.step()
                await life.check_open()
            await life.check_quiet()
        except Exception as error:
            raise AssertionError(f"seed {SEED}, life {number}: {error!r}") from error
        made += len(billing.truth.keys)
    assert made > LIVES // 3
