"""Each timeline of the pretended Stripe, told by signed bodies and read over HTTP, comes to the ledger reckoned by hand."""

import asyncio
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

import psycopg
import pytest

from adapters.payments.stripe_payments import StripePayments
from application.billing import ConvergePurchase, ConvergeSubscription
from application.hints import HandleHints, HearWebhook, TakeHint
from application.reconciliation import PollPayments
from domain.accounts import Caller
from domain.billing import CustomerId
from tests.contract.harnesses import StoreHarness
from tests.contract.postgres_harness import on_postgres
from tests.contract.store_contract import customer, now
from tests.payments_house import SECRET
from tests.soak_billing import Recordings
from tests.stripe_delivery import signed
from tests.stripe_process import StripeProcess
from tests.stripe_timelines import TIMELINES
from tests.timeline_ledgers import CATALOGUE, LEDGERS
from tests.timeline_truth import BEGINNING, record
from tests.wallet_rows import ReadWallet, from_postgres

pytestmark = pytest.mark.anyio
ALL = sorted(TIMELINES)
SEED = 20_261_123
ON_POSTGRES = (
    "half refunded then disputed and won",
    "monthly to yearly",
    "pack with tax half refunded",
    "renewal disputed and lost",
    "subscription with a pack in its session",
    "two kinds of pack in one session",
)


@dataclass(slots=True)
class Shop:
    """Our side of it, from the webhook to the books. Its clock is the provider's."""

    harness: StoreHarness
    payments: StripePayments
    caller: Caller
    at: datetime

    async def hear(self, events: Sequence[Mapping[str, Any]]) -> None:
        hear = HearWebhook(self.payments, self._take, lambda: self.at)
        for event in events:
            await hear(*signed(dict(event), SECRET, at=int(self.at.timestamp())))

    async def follow(self) -> Mapping[str, int]:
        return await HandleHints(self.harness.store, self.payments, *self._converge, batch=1_000)()

    async def poll(self) -> None:
        uses = (self.harness.store, self.payments, CATALOGUE, self._take, *self._converge)
        await PollPayments(*uses)(BEGINNING)
        await self.follow()

    async def books(self, read: ReadWallet) -> tuple[str, tuple[tuple[int, int], ...]]:
        """The plan, and of each lot what was granted and what of it goes back."""
        async with self.harness.store.transaction() as tx:
            plan = (await tx.accounts.find(self.caller.account_id)).plan
        lots = read(self.caller.wallet_id).books.lots.values()
        return plan, tuple(sorted((lot.granted, lot.reversal) for lot in lots))

    @property
    def _take(self) -> TakeHint:
        return TakeHint(self.harness.store)

    @property
    def _converge(self) -> tuple[ConvergePurchase, ConvergeSubscription]:
        uses = (self.harness.store, self.payments, CATALOGUE)
        return ConvergePurchase(*uses), ConvergeSubscription(*uses)


async def opened(harness: StoreHarness, stripe: StripeProcess, payments: StripePayments) -> Shop:
    """For the customer of the timeline that was played."""
    caller = await customer(harness.store)
    (payer,) = stripe.do("ask", verb="get", path="/v1/customers")["data"]
    async with harness.store.transaction() as tx:
        await tx.customers.add(CustomerId(payer["id"]), caller.account_id)
    at = datetime.fromtimestamp(stripe.do("now"), UTC)
    await harness.advance(max(0.0, (at - await now(harness.store)).total_seconds()))
    return Shop(harness, payments, caller, at)


async def test_every_timeline_is_reckoned() -> None:
    assert sorted(LEDGERS) == ALL


@pytest.mark.parametrize("number", range(len(ALL)), ids=ALL)
async def test_heard_in_order_and_in_any_other_way_it_comes_to_its_ledger(
    stripe: StripeProcess, payments: StripePayments, number: int
) -> None:
    """Thousands more are `make soak SUITE=billing`."""
    assert await Recordings(partial(record, stripe, payments)).play(SEED, number) >= 0


@pytest.mark.parametrize("name", ON_POSTGRES)
async def test_on_postgres_told_out_of_order_in_part_or_twice_it_comes_to_its_ledger(
    stripe: StripeProcess, payments: StripePayments, database_url: str, broom: psycopg.Connection[Any], name: str
) -> None:
    """Heard when all is over: each moment as it was then is in the test before."""
    stripe.do("play", name=name)
    told, dice = stripe.events(), random.Random(f"{SEED}:{name}")
    dice.shuffle(told)
    third = len(told) // 3
    async with on_postgres(database_url) as harness:
        shop, read = await opened(harness, stripe, payments), from_postgres(broom)
        await shop.hear([*told[third:], *told[third : 2 * third]])
        await asyncio.gather(*(shop.follow() for _ in range(3)))
        await shop.poll()
        assert await shop.books(read) == by_hand(name)
        lines = len(read(shop.caller.wallet_id).books.transfers)
        await shop.hear(told)
        await shop.follow()
        await shop.poll()
        assert await shop.books(read) == by_hand(name)
        assert len(read(shop.caller.wallet_id).books.transfers) == lines, "there was nothing left to do"


def by_hand(name: str) -> tuple[str, tuple[tuple[int, int], ...]]:
    return LEDGERS[name].plan, LEDGERS[name].lots
