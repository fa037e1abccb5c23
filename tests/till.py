"""A till: customers who buy at the sandbox of payments and spend what they bought, and staff who gives their money back."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

from application.billing import ConvergePurchase
from application.payments import Payments
from application.refunds import FinishRefunds, RefundPurchase
from application.store import Store
from domain.accounts import Caller, Role, Staff
from domain.billing import CustomerId, Purchase, PurchaseRef
from domain.ledger import HoldId, Lot, WalletId
from domain.refunds import Refund
from tests.contract.harnesses import MemoryHarness, StoreHarness
from tests.contract.store_contract import NOTHING, a_hold, capture, customer, new_id, numbers, say
from tests.offer import CATALOGUE
from tests.payments_house import URL, bought
from tests.sandbox_house import SHOP, SandboxHouse

BACK = URL.replace("https://shop.example", SHOP)


@dataclass(slots=True)
class Till:
    """`payments` may be one that fails, or another process's."""

    harness: StoreHarness
    store: Store
    house: SandboxHouse
    payments: Payments
    staff: Staff
    caller: Caller
    customer: CustomerId
    orders: list[str] = field(default_factory=list)

    @property
    def converge(self) -> ConvergePurchase:
        return ConvergePurchase(self.store, self.payments, CATALOGUE)

    @property
    def finish(self) -> FinishRefunds:
        return FinishRefunds(self.store, self.payments, self.converge)

    @property
    def refund(self) -> RefundPurchase:
        return RefundPurchase(self.store, self.payments, self.converge, self.finish, new_id)

    async def give_back(self, ref: PurchaseRef, *, into_debt: bool = False) -> Refund:
        return await self.refund(self.staff, ref, into_debt=into_debt)

    async def buy(self, product: str = "small") -> PurchaseRef:
        """Paid, and its credits granted."""
        before = {each.ref for each in await bought(self.house)}
        self.orders.append(product)
        key = f"order {len(self.orders)}"
        self.house.pays(await self.house.payments.check_out(self.customer, product, BACK, BACK, key=key))
        (ref,) = {each.ref for each in await bought(self.house)} - before
        await ConvergePurchase(self.harness.store, self.house.payments, CATALOGUE)(ref)
        return ref

    async def hold(self, credits: int) -> HoldId:
        hold = a_hold(credits)
        await say(self.harness.store, self.caller.wallet_id, hold)
        return hold.hold_id

    async def spend(self, credits: int) -> None:
        await say(self.harness.store, self.caller.wallet_id, capture(await self.hold(credits), credits))

    async def told(self, ref: PurchaseRef) -> Purchase:
        purchase = await self.house.payments.purchase(ref)
        assert purchase
        return purchase

    async def numbers(self) -> tuple[int, int, int]:
        """Available, held, debt."""
        return await numbers(self.harness.queries, self.caller.wallet_id)

    async def lots(self, wallet: WalletId | None = None) -> list[Lot]:
        async with self.harness.store.transaction() as tx:
            opened = await tx.wallets.open(wallet or self.caller.wallet_id, NOTHING)
        return list(opened.wallet.lots.values())

    async def open(self, ref: PurchaseRef) -> Refund | None:
        async with self.harness.store.transaction() as tx:
            return await tx.refunds.open(ref)

    async def later(self, seconds: float = 61) -> None:
        """A refund that was put off once is due."""
        await self.harness.advance(seconds)


@asynccontextmanager
async def opened(harness: StoreHarness) -> AsyncIterator[Till]:
    async with SandboxHouse.opened() as house:
        if isinstance(harness, MemoryHarness):
            harness.clock.now = house.now  # or what is bought has lapsed already
        caller, admin = await customer(harness.store), await customer(harness.store)
        async with harness.store.transaction() as tx:
            await tx.accounts.save((await tx.accounts.find(admin.account_id)).with_role(Role.ADMIN))
        payer = await house.payments.add_customer(caller.account_id, "ada@example.test")
        staff = Staff(admin.account_id, "ticket 4711")
        yield Till(harness, harness.store, house, house.payments, staff, caller, payer)


def at(till: Till, *, store: Store | None = None, payments: Payments | None = None) -> Till:
    """The same till as another process has it."""
    return replace(till, store=store or till.store, payments=payments or till.payments)
