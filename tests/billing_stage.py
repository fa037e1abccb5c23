"""Where billing is played: a store, a provider whose truth is moved, and the use cases between them."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace

from application.billing import ConvergePurchase, ConvergeSubscription
from application.hints import HandleHints, TakeHint
from application.reconciliation import PollPayments
from application.store import Store
from domain.accounts import Caller
from domain.billing import CustomerId, Hint, PurchaseRef
from domain.catalogue import Catalogue
from domain.commands import Close, command_id
from domain.convergence import BoughtLot
from domain.ledger import WalletId
from tests.contract.harnesses import StoreHarness
from tests.contract.store_contract import customer, now, say
from tests.mortal import DIED, Breath, MortalStore
from tests.offer import CATALOGUE
from tests.payments_truth import Truth, at_once


@dataclass(slots=True)
class Billing:
    """`store` and `truth` may be those of a process that dies."""

    store: Store
    truth: Truth
    catalogue: Catalogue = field(default_factory=lambda: CATALOGUE)

    @property
    def converge(self) -> ConvergePurchase:
        return ConvergePurchase(self.store, self.truth, self.catalogue)

    @property
    def converge_subscription(self) -> ConvergeSubscription:
        return ConvergeSubscription(self.store, self.truth, self.catalogue)

    @property
    def take(self) -> TakeHint:
        return TakeHint(self.store)

    @property
    def handle(self) -> HandleHints:
        return HandleHints(self.store, self.truth, self.converge, self.converge_subscription)

    @property
    def poll(self) -> PollPayments:
        uses = (self.take, self.converge, self.converge_subscription)
        return PollPayments(self.store, self.truth, self.catalogue, *uses)

    async def hear(self, *hints: Hint) -> None:
        for hint in hints:
            await self.take(hint)

    async def until_death(self, work: Callable[["Billing"], Awaitable[object]], calls: int) -> bool:
        """Work of a process that dies after so many calls to the store and the provider; whether it died before it was done."""
        self.truth.breath = breath = Breath(calls)
        mortal = replace(self, store=MortalStore(self.store, breath))
        ended = await breath.live(asyncio.ensure_future(work(mortal)))
        self.truth.breath = Breath()
        return ended is DIED

    async def lots(self, wallet: WalletId, ref: PurchaseRef) -> list[BoughtLot]:
        async with self.store.transaction() as tx:
            return list(await tx.purchases.lots(ref, wallet))

    async def plan(self, caller: Caller) -> str:
        async with self.store.transaction() as tx:
            return (await tx.accounts.find(caller.account_id)).plan


async def opened(harness: StoreHarness, credits: int = 0, named: str = "") -> tuple[Billing, Caller, CustomerId]:
    """A store with an account that is a customer."""
    truth = Truth(await now(harness.store), named)
    caller = await customer(harness.store, credits)
    return Billing(harness.store, truth), caller, truth.customer(caller.account_id)


async def leave(store: Store, caller: Caller) -> None:
    """The account's wallet is closed."""
    await say(store, caller.wallet_id, Close(id=command_id("close", caller.wallet_id)))


def slow(billing: Billing, then: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
    """The first reading takes so long that all this happens meanwhile; the next ones do not."""

    async def wait() -> None:
        billing.truth.slowly = at_once
        await then()

    return wait
