"""What an account reads of its money, from every store."""

from datetime import UTC, datetime, timedelta

import pytest

from adapters.memory import MemoryBillingQueries, MemoryStore
from adapters.postgres.billing_queries import PostgresBillingQueries
from adapters.postgres.pool import open_pool
from application.billing_queries import TransactionRow
from domain.accounts import AccountId
from domain.billing import PurchaseKind, PurchaseRef, PurchaseState, SubscriptionState
from domain.errors import NotFound
from domain.ledger import WalletId
from tests.billing_stage import opened
from tests.contract.harnesses import StoreHarness, each_store
from tests.contract.postgres_harness import PostgresHarness
from tests.contract.store_contract import customer, new_id

pytestmark = pytest.mark.anyio
__all__ = ["each_store"]

LONG = "cs_live_" + "a" * 58
PAY = "https://pay.example/in_1"


async def standing(harness: StoreHarness, account: AccountId) -> tuple[str, list[tuple[str, str | None, str | None]]]:
    """The plan; and of each subscription its plan, state, and where it is paid."""
    if isinstance(harness, PostgresHarness):
        async with open_pool(harness.url, size=1) as pool:
            found = await PostgresBillingQueries(pool).standing(account)
    else:
        assert isinstance(harness.store, MemoryStore)
        found = await MemoryBillingQueries(harness.store).standing(account)
    return found.plan, [(each.plan or "", each.state, each.pay_url) for each in found.subscriptions]


async def pages(harness: StoreHarness, wallet: WalletId, size: int) -> list[TransactionRow]:
    """All of them, page by page."""
    rows, after = list[TransactionRow](), None
    while True:
        if isinstance(harness, PostgresHarness):
            async with open_pool(harness.url, size=1) as pool:
                page = await PostgresBillingQueries(pool).transactions(wallet, after, size)
        else:
            assert isinstance(harness.store, MemoryStore)
            page = await MemoryBillingQueries(harness.store).transactions(wallet, after, size)
        rows += page
        if len(page) < size:
            return rows
        after = page[-1].at, page[-1].id


async def test_an_account_stands_by_its_plan_and_all_of_its_subscriptions(harness: StoreHarness) -> None:
    billing, caller, payer = await opened(harness)
    assert await standing(harness, caller.account_id) == ("free", [])
    ids = [billing.truth.subscribe(payer, plan) for plan in ("pro", "starter")]
    billing.truth.change_subscription(ids[1], state=SubscriptionState.PAST_DUE, pay_url=PAY)
    for id in ids:
        await billing.converge_subscription(id)
    assert await standing(harness, caller.account_id) == ("pro", [("pro", "active", None), ("starter", "past_due", PAY)])
    billing.truth.change_subscription(ids[1], state=SubscriptionState.ACTIVE, pay_url=None)
    await billing.converge_subscription(ids[1])
    assert (await standing(harness, caller.account_id))[1][1] == ("starter", "active", None)
    assert await standing(harness, (await customer(harness.store)).account_id) == ("free", [])
    with pytest.raises(NotFound):
        await standing(harness, AccountId(new_id()))


@pytest.mark.parametrize("size", [1, 2, 7])
async def test_purchases_are_read_newest_first_without_gap_or_double(harness: StoreHarness, size: int) -> None:
    billing, caller, payer = await opened(harness)
    at = datetime(2026, 11, 1, 10, tzinfo=UTC)
    refs = [billing.truth.sell(payer, ("small", 500), at=at + timedelta(days=n // 3)) for n in range(6)]
    billing.truth.give_back(refs[0], 250)
    billing.truth.change_purchase(refs[5], is_settled=False, paid=0)
    for ref in (*refs, PurchaseRef(PurchaseKind.CHECKOUT, LONG)):  # of the last nothing is known but that somebody asked
        await billing.converge(ref)
    rows = await pages(harness, caller.wallet_id, size)
    assert [row.at for row in rows] == sorted((row.at for row in rows), reverse=True)
    assert len({row.id for row in rows}) == len(rows) == 6
    assert rows == await pages(harness, caller.wallet_id, 7)
    told = [(row.state, row.paid, row.reversed, row.credits_granted, row.credits_reversed) for row in rows]
    assert sorted(told) == sorted(
        [
            (PurchaseState.PARTLY_REVERSED, 500, 250, 400, 200),
            *[(PurchaseState.PAID, 500, 0, 400, 0)] * 4,
            (PurchaseState.PENDING, 0, 0, 0, 0),
        ]
    )
    assert await pages(harness, (await customer(harness.store)).wallet_id, size) == []
