"""Whoever turns up, spends and turns down again, in any order, with any card, has no more credits than the money that came in
buys at the catalogue's prices, and is served by no plan whose period nobody paid for."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from application.payments import PaymentDeclined, PaymentRefused
from domain.billing import PurchaseState
from domain.catalogue import Pack, Plan
from domain.entitlements import GRACE, rank
from domain.errors import DomainError
from tests.buying_stage import Shop, shop
from tests.contract.store_contract import a_hold, capture, say
from tests.offer import CATALOGUE
from tests.sandbox_house import SandboxHouse

LONG_AGO = datetime.fromtimestamp(0, UTC)
REFUSALS = (DomainError, PaymentDeclined, PaymentRefused)
Act = tuple[str, int | str]
PLANS = st.sampled_from(["starter", "pro", "studio"])
ACTS = st.one_of(
    st.tuples(st.just("change"), PLANS),
    st.tuples(st.just("change"), PLANS),
    st.tuples(st.just("later"), st.integers(1, 40)),
    st.tuples(st.just("subscribe"), PLANS),
    st.tuples(st.just("spend"), st.integers(1, 3_000)),
    st.tuples(st.just("card"), st.sampled_from(["good", "declined", "authenticate"])),
    st.tuples(st.sampled_from(["cancel", "resume"]), st.just(0)),
)


@dataclass(slots=True)
class Walk:
    ada: Shop
    house: SandboxHouse
    spent: int = 0

    async def act(self, act: str, said: int | str) -> None:
        ada = self.ada
        ways: dict[str, Callable[[], Awaitable[object]]] = {
            "change": lambda: ada.change(str(said)),
            "later": lambda: ada.later(int(said)),
            "subscribe": lambda: self._subscribe(str(said)),
            "spend": lambda: self._spend(int(said)),
            "card": lambda: self._card(str(said)),
            "cancel": ada.cancel,
            "resume": ada.resume,
        }
        with suppress(*REFUSALS):
            await ways[act]()
        await ada.hears()

    async def _subscribe(self, plan: str) -> None:
        self.house.pays(await self.ada.check_out(plan))

    async def _card(self, card: str) -> None:
        for customer in self.ada.store.tables.customers:
            self.house.new_card(customer, card)

    async def _spend(self, credits: int) -> None:
        hold = a_hold(credits)
        await say(self.ada.store, self.ada.caller.wallet_id, hold)
        await say(self.ada.store, self.ada.caller.wallet_id, capture(hold.hold_id, credits))
        self.spent += credits

    async def holds(self) -> None:
        paid = [each async for each in self.house.payments.paid(LONG_AGO)]
        assert all(each.state is PurchaseState.PAID and len(each.lines) == 1 for each in paid)
        worth = sum((_worth(each.lines[0].product, each.paid) for each in paid), Fraction(0))
        lots = list(self.ada.store.tables.lots.values())
        assert sum(lot.granted for lot in lots) == worth, "what came in, and nothing else, has brought its credits"
        wallet = self.ada.store.tables.wallets[self.ada.caller.wallet_id]
        assert wallet.available + self.spent <= worth
        plan, now = await self.ada.plan(), self.house.now
        covering = [each.lines[0].product for each in paid if (end := each.lines[0].period_end) and now < end + GRACE]
        best = min([rank(product or "", CATALOGUE) for product in covering], default=rank("free", CATALOGUE))
        assert rank(plan, CATALOGUE) >= best, "nobody is served better than was paid for"


def _worth(product: str | None, paid: int) -> Fraction:
    sold: Plan | Pack = CATALOGUE.for_sale[product or ""]
    return Fraction(paid * sold.credits, sold.price)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(first=PLANS, acts=st.lists(ACTS, max_size=10))
def test_no_walk_gains(first: str, acts: list[Act]) -> None:
    async def walk() -> None:
        async with SandboxHouse.opened() as house:
            here = Walk(await shop(house), house)
            for act, said in [("subscribe", first), *acts]:
                await here.act(act, said)
                await here.holds()

    asyncio.run(walk())


def test_up_and_down_within_a_day_pays_for_each_time_up() -> None:
    """By hand: starter, pro and back, and up again in the period that pro was paid for."""

    async def walk() -> list[tuple[int, int]]:
        async with SandboxHouse.opened() as house:
            here = Walk(await shop(house), house)
            for act, said in (
                ("subscribe", "starter"),
                ("later", 1),
                ("change", "pro"),
                ("change", "starter"),
                ("change", "pro"),
            ):
                await here.act(act, said)
                await here.holds()
            await here.act("change", "studio")
            return sorted(await here.ada.bought())

    assert asyncio.run(walk()) == [(900, 750), (2900, 2600), (9900, 9500)]
