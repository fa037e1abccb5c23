"""Where top-ups are played: a store, the sandbox of payments, and a watch of credits that may die or find the provider away."""

import asyncio
import inspect
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, cast

from adapters.memory import MemoryStore
from adapters.payments.sandbox_file import StateFile
from adapters.payments.sandbox_state import Payment
from adapters.postgres.store import PostgresStore
from application.billing import ConvergePurchase
from application.payments import Payments, PaymentsUnavailable
from application.store import Store
from application.top_up import ChangeTopUp, ShowTopUp, TopUpNow, WatchCredits
from domain.accounts import Caller
from domain.billing import CustomerId, PurchaseKind, PurchaseRef
from domain.catalogue import Catalogue
from domain.notices import Notice
from domain.top_up import TopUp
from tests.contract.harnesses import StoreHarness
from tests.contract.store_contract import a_hold, capture, customer, new_id, now, numbers, say
from tests.mortal import DIED, Breath, MortalStore
from tests.offer import CATALOGUE
from tests.sandbox_house import SHOP, SandboxHouse

EMAIL = "ada@example.test"


class BreathingPayments:
    """A provider whose calls a process may not live to hear the end of. `before` and `after`: calls that are not answered,
    undone or done; `undecided`: banks have not decided yet; `no`: what a top-up is answered."""

    def __init__(self, payments: Payments, breath: Breath) -> None:
        self._payments, self._breath = payments, breath
        self.before, self.after = set[str](), set[str]()
        self.said = list[tuple[str, str]]()
        self.undecided = False
        self.no: Exception | None = None

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._payments, name)
        if not inspect.iscoroutinefunction(found):
            return found

        async def drawn(*args: Any, **kwargs: Any) -> Any:
            await self._breath.draw()
            self.said.append((name, kwargs.get("key", "")))
            if name in self.before:
                raise PaymentsUnavailable
            if self.no and name == "top_up":
                raise self.no
            try:
                result = await found(*args, **kwargs)
            finally:
                await self._breath.draw()
            if name in self.after:
                raise PaymentsUnavailable
            return replace(result, is_settled=False, paid=0) if name == "purchase" and self.undecided else result

        return drawn


@dataclass(slots=True)
class TopUps:
    """An account that is a customer, has bought a small pack, was seen with it, and has spent it all but for 30 credits."""

    harness: StoreHarness
    house: SandboxHouse
    caller: Caller
    customer: CustomerId
    catalogue: Catalogue = field(default_factory=lambda: CATALOGUE)
    batch: int = 1_000
    breath: Breath = field(default_factory=Breath)
    line: BreathingPayments = field(init=False)

    def __post_init__(self) -> None:
        self.line = BreathingPayments(self.house.payments, self.breath)

    def watch_on(self, store: Store) -> WatchCredits:
        payments = cast(Payments, self.line)
        return WatchCredits(
            store, payments, self.catalogue, ConvergePurchase(store, payments, self.catalogue), new_id, self.batch
        )

    async def watch(self) -> dict[str, int]:
        """What it did, and nothing of what it did not."""
        return {name: times for name, times in (await self.watch_on(self.harness.store)()).items() if times}

    async def watch_until_death(self, calls: int) -> bool:
        """Whether it died before it was done."""
        self.breath.last(calls)
        work = asyncio.ensure_future(self.watch_on(MortalStore(self.harness.store, self.breath))())
        ended = await self.breath.live(work)
        self.breath.last(None)
        self.breath.over.clear()
        return ended is DIED

    async def says(self, **asked: Any) -> TopUpNow:
        """Of small packs, unless it says otherwise."""
        said = {"enabled": True, "pack": "small", "below": 100, "monthly_cap": 2_000, "notify_below": 0, **asked}
        return await ChangeTopUp(self.harness.store, self.catalogue)(TopUp(self.caller.account_id, **said))

    async def shown(self) -> TopUpNow:
        return await ShowTopUp(self.harness.store)(self.caller.account_id)

    async def spend(self, credits: int) -> None:
        hold = a_hold(credits)
        await say(self.harness.store, self.caller.wallet_id, hold)
        await say(self.harness.store, self.caller.wallet_id, capture(hold.hold_id, credits))

    async def available(self) -> int:
        return (await numbers(self.harness.queries, self.caller.wallet_id))[0]

    async def later(self, wait: timedelta) -> None:
        """Here and at the provider."""
        await self.harness.advance(wait.total_seconds())
        self.house.clock.now += wait

    async def converges(self, ref: PurchaseRef) -> None:
        await ConvergePurchase(self.harness.store, self.house.payments, CATALOGUE)(ref)

    async def frozen(self, at: datetime | None) -> None:
        async with self.harness.store.transaction() as tx:
            account = await tx.accounts.lock(self.caller.account_id)
            await tx.accounts.save(replace(account, frozen_at=at))

    def charges(self) -> list[Payment]:
        """What was paid while nobody was present, the oldest first."""
        paid = StateFile(self.house.payments.path).read().payments.values()
        mine = (each for each in paid if each.kind is PurchaseKind.INVOICE and each.customer == self.customer and each.paid)
        return sorted(mine, key=lambda each: each.at)

    async def told(self) -> Sequence[Notice]:
        return await told(self.harness.store)


async def told(store: Store) -> list[Notice]:
    """Every notice that was written down, taken away."""
    if isinstance(store, MemoryStore):
        every = list(store.tables.notices.values())
        store.tables.notices.clear()
        return sorted(every, key=lambda each: (each.at, each.id))
    assert isinstance(store, PostgresStore)
    found = []
    async with store.transaction() as tx:
        while waiting := await tx.notices.lock_due(await tx.now()):
            await tx.notices.remove(waiting.notice.id)
            found.append(waiting.notice)
    return found


@asynccontextmanager
async def staged(harness: StoreHarness, card: str = "good") -> AsyncIterator[TopUps]:
    async with SandboxHouse.opened() as house:
        house.clock.now = (await now(harness.store)).replace(microsecond=0)
        yield await joined(harness, house, card)


async def joined(harness: StoreHarness, house: SandboxHouse, card: str = "good") -> TopUps:
    caller = await customer(harness.store)
    async with harness.store.transaction() as tx:
        account = await tx.accounts.lock(caller.account_id)
        await tx.accounts.save(replace(account, email=EMAIL))
    payer = await house.payments.add_customer(caller.account_id, EMAIL)
    page = await house.payments.check_out(payer, "small", SHOP, SHOP, key=str(caller.account_id))
    house.pays(page)
    stage = TopUps(harness, house, caller, payer)
    await ConvergePurchase(harness.store, house.payments, CATALOGUE)(PurchaseRef(PurchaseKind.CHECKOUT, page.id))
    house.new_card(payer, card)
    await stage.watch()
    await stage.spend(370)
    return stage
