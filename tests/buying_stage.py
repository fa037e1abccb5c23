"""Where things are bought: a store in memory, a taker of money, an account with an address, and the use cases between them."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from adapters.memory import MemoryBillingQueries, MemoryStore
from application.billing import ConvergePurchase, ConvergeSubscription
from application.buying import CancelSubscription, ChangePlan, CheckOut, Follow, OpenPortal, ResumeSubscription
from application.payments import Page, Payments
from application.store import IdempotencyKey
from domain.accounts import AccountId, Caller, Mode
from domain.billing import KnownSubscription, SubscriptionId
from domain.buying import foremost
from domain.catalogue import Catalogue
from domain.redirects import OwnPages
from tests.contract.store_contract import customer, new_id
from tests.offer import CATALOGUE
from tests.payments_house import House, touched
from tests.sandbox_house import SHOP

STUDIO = "https://studio.example"
EMAIL = "ada@mail.example"


@dataclass(slots=True)
class Counter:
    """The store's clock, which is the house's."""

    house: House

    def __call__(self) -> datetime:
        return self.house.now


@dataclass(slots=True)
class Shop:
    house: House
    store: MemoryStore
    caller: Caller
    catalogue: Catalogue = field(default_factory=lambda: CATALOGUE)
    taker: Payments | None = None
    """In place of the house's."""

    @property
    def payments(self) -> Payments:
        return self.taker or self.house.payments

    @property
    def account(self) -> AccountId:
        return self.caller.account_id

    @property
    def converge(self) -> tuple[ConvergeSubscription, ConvergePurchase]:
        parts = (self.store, self.payments, self.catalogue)
        return ConvergeSubscription(*parts), ConvergePurchase(*parts)

    @property
    def _moving(self) -> tuple[MemoryStore, Payments, Catalogue, Follow]:
        return self.store, self.payments, self.catalogue, Follow(*self.converge)

    async def check_out(self, plan: str | None = None, pack: str | None = None, key: str | None = None, **urls: str) -> Page:
        again = IdempotencyKey(self.account, Mode.LIVE, "POST /v1/billing/checkout", key) if key else None
        pages = OwnPages(SHOP, (STUDIO,))
        use = CheckOut(self.store, self.payments, self.catalogue, pages, new_id)
        return await use(self.account, plan, pack, urls.get("success_url", "/"), urls.get("cancel_url", "/"), again)

    async def portal(self, return_url: str = "/") -> Page:
        return await OpenPortal(self.store, self.payments, OwnPages(SHOP, (STUDIO,)))(self.account, return_url)

    async def change(self, plan: str) -> None:
        await ChangePlan(*self._moving)(self.account, plan)

    async def cancel(self) -> None:
        await CancelSubscription(*self._moving)(self.account)

    async def resume(self) -> None:
        await ResumeSubscription(*self._moving)(self.account)

    # What is around it

    async def hears(self) -> None:
        """The books are brought to all that happened."""
        subscription, purchase = self.converge
        told = await touched(self.house)
        for ref in told.purchases:
            await purchase(ref)
        for id in told.subscriptions:
            await subscription(id)

    async def subscribes(self, plan: str, card: str = "good") -> SubscriptionId:
        self.house.pays(await self.check_out(plan), card)
        await self.hears()
        known = await self.subscription()
        assert known
        return known.id

    async def later(self, days: float) -> None:
        self.house.later(days)
        await self.hears()

    async def subscriptions(self) -> Iterable[KnownSubscription]:
        return (await MemoryBillingQueries(self.store).standing(self.account)).subscriptions

    async def subscription(self) -> KnownSubscription | None:
        return foremost(list(await self.subscriptions()), self.catalogue)

    async def plan(self) -> str:
        return (await MemoryBillingQueries(self.store).standing(self.account)).plan

    async def bought(self) -> list[tuple[int, int]]:
        """Money and credits of each purchase that the books know, the oldest first."""
        rows = await MemoryBillingQueries(self.store).transactions(self.caller.wallet_id, None, 1_000)
        return [(row.paid, row.credits_granted) for row in reversed(rows)]

    async def write(self, **changes: Any) -> None:
        """Of the account."""
        async with self.store.transaction() as tx:
            await tx.accounts.save(replace(await tx.accounts.lock(self.account), **changes))


async def shop(house: House) -> Shop:
    store = MemoryStore(Counter(house))
    made = Shop(house, store, await customer(store))
    await made.write(email=EMAIL)
    return made
