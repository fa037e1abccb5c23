"""What the store promises about money: customers, purchases and subscriptions under tickets, and hints."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from application.store import Store
from domain.accounts import AccountId
from domain.billing import (
    CustomerId,
    Hint,
    KnownPurchase,
    KnownSubscription,
    Payer,
    PurchaseKind,
    PurchaseRef,
    PurchaseState,
    SubscriptionId,
    SubscriptionState,
)
from domain.commands import Reverse, command_id
from domain.convergence import BoughtLot
from domain.errors import NotFound
from domain.ledger import LotId, LotSource
from tests.contract.harnesses import StoreHarness, each_store
from tests.contract.store_contract import a_grant, customer, new_id, say, soon, waits

pytestmark = pytest.mark.anyio
__all__ = ["each_store"]

PAID_AT = datetime(2026, 11, 22, 10, 30, tzinfo=UTC)
INVOICE = PurchaseRef(PurchaseKind.INVOICE, "in_1")
CUSTOMER, OTHER = CustomerId("cus_1"), CustomerId("cus_2")
SUBSCRIPTION = SubscriptionId("sub_1")
HINT = Hint("evt_1", "invoice.paid", PAID_AT, "invoice", "in_1")


async def add(store: Store, customer: CustomerId, account: AccountId) -> None:
    async with store.transaction() as tx:
        await tx.customers.add(customer, account)


async def ticket(store: Store, ref: PurchaseRef = INVOICE) -> int:
    async with store.transaction() as tx:
        return await tx.purchases.take_ticket(ref)


async def known(store: Store, ref: PurchaseRef = INVOICE) -> KnownPurchase:
    async with store.transaction() as tx:
        return await tx.purchases.lock(ref)


# Customers


async def test_a_customer_leads_to_its_accounts_live_wallet(harness: StoreHarness) -> None:
    caller = await customer(harness.store)
    await add(harness.store, CUSTOMER, caller.account_id)
    async with harness.store.transaction() as tx:
        assert await tx.customers.payer(CUSTOMER) == Payer(caller.account_id, caller.wallet_id)
        assert await tx.customers.of_account(caller.account_id) == CUSTOMER
        assert await tx.customers.payer(OTHER) is None


async def test_an_account_has_one_customer_and_a_customer_one_account(harness: StoreHarness) -> None:
    one, two = await customer(harness.store), await customer(harness.store)
    for pair in ((CUSTOMER, one), (CUSTOMER, one), (OTHER, one), (CUSTOMER, two)):
        await add(harness.store, pair[0], pair[1].account_id)
    async with harness.store.transaction() as tx:
        assert await tx.customers.of_account(one.account_id) == CUSTOMER
        assert await tx.customers.of_account(two.account_id) is None
        assert await tx.customers.payer(OTHER) is None


async def test_nobodys_account_has_no_customer(harness: StoreHarness) -> None:
    with pytest.raises(NotFound):
        await add(harness.store, CUSTOMER, AccountId(new_id()))


# Purchases


async def test_tickets_of_a_purchase_are_counted_from_one_and_never_twice(harness: StoreHarness) -> None:
    assert sorted(await asyncio.gather(*(ticket(harness.store) for _ in range(8)))) == list(range(1, 9))
    assert await ticket(harness.store, PurchaseRef(PurchaseKind.CHECKOUT, "in_1")) == 1, "another kind is another purchase"
    assert (await known(harness.store)) == KnownPurchase(INVOICE, 8)


async def test_a_ticket_of_a_transaction_undone_was_none(harness: StoreHarness) -> None:
    async def undone() -> None:
        async with harness.store.transaction() as tx:
            await tx.purchases.take_ticket(INVOICE)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await undone()
    assert await ticket(harness.store) == 1


async def test_a_purchase_nobody_asked_for_cannot_be_locked(harness: StoreHarness) -> None:
    with pytest.raises(NotFound):
        await known(harness.store)


async def test_a_purchase_is_kept_whole(harness: StoreHarness) -> None:
    caller = await customer(harness.store)
    await ticket(harness.store)
    url = "https://pay.example/receipt"
    read = KnownPurchase(INVOICE, 1, 1, caller.wallet_id, 900, 300, "usd", PurchaseState.PARTLY_REVERSED, url, PAID_AT)
    async with harness.store.transaction() as tx:
        await tx.purchases.lock(INVOICE)
        tx.purchases.save(read)
        assert await tx.purchases.find(INVOICE) == read
        assert await tx.purchases.find(PurchaseRef(PurchaseKind.CHECKOUT, "in_1")) is None
    assert await known(harness.store) == read


async def test_who_locks_a_purchase_waits_for_the_one_before(harness: StoreHarness) -> None:
    await ticket(harness.store)
    async with harness.store.transaction() as tx:
        one = await tx.purchases.lock(INVOICE)
        locking, taking = soon(known(harness.store)), soon(ticket(harness.store))
        await waits(locking)
        await waits(taking)
        tx.purchases.save(replace(one, applied_ticket=1))
    await asyncio.gather(locking, taking)
    assert (locking.result().applied_ticket, taking.result()) == (1, 2)
    assert (await known(harness.store)).applied_ticket == 1, "a new ticket leaves the reading as it is"


async def test_the_lots_of_a_purchase_are_those_named_after_it(harness: StoreHarness) -> None:
    caller, stranger = await customer(harness.store, 5), await customer(harness.store)
    lots = [
        ("invoice:in_1:il_1", LotSource.SUBSCRIPTION, caller),
        ("invoice:in_1:il_2", LotSource.PACK, caller),
        ("invoice:in_11:il_1", LotSource.PACK, caller),
        ("checkout:in_1:il_1", LotSource.PACK, caller),
        ("invoice:in_1:il_3", LotSource.STAFF, caller),
        ("invoice:in_1:il_4", LotSource.PACK, stranger),
    ]
    grants = [(a_grant(10 + number, ref, source=source), of) for number, (ref, source, of) in enumerate(lots)]
    for grant, of in grants:
        await say(harness.store, of.wallet_id, grant)
    two = LotId(grants[1][0].lot_id)
    await say(harness.store, caller.wallet_id, Reverse(id=command_id("reverse", "two"), lot_id=two, reversal=4))
    async with harness.store.transaction() as tx:
        assert await tx.purchases.lots(INVOICE, caller.wallet_id) == [
            BoughtLot(grants[0][0].lot_id, "invoice:in_1:il_1", 10, 0),
            BoughtLot(two, "invoice:in_1:il_2", 11, 4),
        ]


async def test_purchases_are_found_by_when_they_were_paid(harness: StoreHarness) -> None:
    refs = [PurchaseRef(PurchaseKind.INVOICE, f"in_{number}") for number in range(4)]
    for number, ref in enumerate(refs):
        await ticket(harness.store, ref)
        async with harness.store.transaction() as tx:
            row = await tx.purchases.lock(ref)
            paid_at = PAID_AT - timedelta(days=number) if number < 3 else None
            tx.purchases.save(replace(row, applied_ticket=1, at=paid_at))
    async with harness.store.transaction() as tx:
        assert [row.ref for row in await tx.purchases.since(PAID_AT - timedelta(days=1))] == [refs[1], refs[0]]


async def test_a_bought_lot_of_no_purchase_is_found(harness: StoreHarness) -> None:
    caller = await customer(harness.store, 5)
    for fact in ("invoice:in_1:il_1", "invoice:in_2:il_1", "by hand"):
        await say(harness.store, caller.wallet_id, a_grant(10, fact, source=LotSource.PACK))
    for ref in (INVOICE, PurchaseRef(PurchaseKind.INVOICE, "in_2")):
        await ticket(harness.store, ref)
    async with harness.store.transaction() as tx:
        tx.purchases.save(replace(await tx.purchases.lock(INVOICE), applied_ticket=1))
    async with harness.store.transaction() as tx:
        assert await tx.purchases.stray_lots(10) == ["by hand", "invoice:in_2:il_1"], "a ticket alone is no purchase"
        assert await tx.purchases.stray_lots(1) == ["by hand"]


# Subscriptions


async def test_a_subscription_is_kept_whole(harness: StoreHarness) -> None:
    caller, later = await customer(harness.store), PAID_AT + timedelta(days=30)
    state = SubscriptionState.ACTIVE
    one = KnownSubscription(SUBSCRIPTION, 2, 2, caller.account_id, "pro", state, later, PAID_AT, "studio", later, PAID_AT)
    async with harness.store.transaction() as tx:
        assert [await tx.subscriptions.take_ticket(SUBSCRIPTION) for _ in range(2)] == [1, 2]
        assert await tx.subscriptions.lock(SUBSCRIPTION) == KnownSubscription(SUBSCRIPTION, 2)
        tx.subscriptions.save(one)
    async with harness.store.transaction() as tx:
        assert await tx.subscriptions.lock(SUBSCRIPTION) == one
        assert await tx.subscriptions.of_account(caller.account_id) == [one]
        assert await tx.subscriptions.of_account(AccountId(new_id())) == []
        with pytest.raises(NotFound):
            await tx.subscriptions.lock(SubscriptionId("sub_9"))


async def test_who_saves_a_subscription_sees_it_among_the_others_at_once(harness: StoreHarness) -> None:
    caller = await customer(harness.store)
    async with harness.store.transaction() as tx:
        await tx.subscriptions.take_ticket(SUBSCRIPTION)
        tx.subscriptions.save(replace(await tx.subscriptions.lock(SUBSCRIPTION), account_id=caller.account_id))
        assert [each.id for each in await tx.subscriptions.of_account(caller.account_id)] == [SUBSCRIPTION]


async def test_subscriptions_are_looked_at_again_when_they_said(harness: StoreHarness) -> None:
    reviews = {"sub_1": PAID_AT, "sub_2": None, "sub_3": PAID_AT - timedelta(days=1), "sub_4": PAID_AT + timedelta(days=1)}
    async with harness.store.transaction() as tx:
        for id, review_at in reviews.items():
            await tx.subscriptions.take_ticket(SubscriptionId(id))
            tx.subscriptions.save(replace(await tx.subscriptions.lock(SubscriptionId(id)), review_at=review_at))
    async with harness.store.transaction() as tx:
        assert await tx.subscriptions.due(PAID_AT, 10) == ["sub_3", "sub_1"]
        assert await tx.subscriptions.due(PAID_AT, 1) == ["sub_3"]


# Hints


async def arrive(store: Store, hint: Hint = HINT) -> bool:
    async with store.transaction() as tx:
        return await tx.inbox.add(hint, await tx.now())


async def test_a_hint_is_new_once(harness: StoreHarness) -> None:
    assert sorted(await asyncio.gather(*(arrive(harness.store) for _ in range(8)))) == [False] * 7 + [True]
    assert not await arrive(harness.store, replace(HINT, type="invoice.voided")), "its id is all that counts"
    async with harness.store.transaction() as tx:
        kept = await tx.inbox.find("evt_1")
        assert kept
        assert (kept.hint, kept.attempts, kept.error, kept.handled_at) == (HINT, 0, None, None)
        assert await tx.inbox.find("evt_2") is None


async def test_a_due_hint_is_one_workers_at_a_time(harness: StoreHarness) -> None:
    await arrive(harness.store)
    await harness.advance(1)
    await arrive(harness.store, replace(HINT, id="evt_2"))
    async with harness.store.transaction() as tx:
        first = await tx.inbox.lock_due(await tx.now())
        async with harness.store.transaction() as other:
            second = await other.inbox.lock_due(await other.now())
            assert [each and each.hint.id for each in (first, second)] == ["evt_1", "evt_2"], "the longest due first"
            async with harness.store.transaction() as third:
                assert await third.inbox.lock_due(await third.now()) is None


async def test_a_hint_comes_again_when_it_is_due_until_it_is_handled(harness: StoreHarness) -> None:
    await arrive(harness.store)
    async with harness.store.transaction() as tx:
        now = await tx.now()
        waiting = await tx.inbox.lock_due(now)
        assert waiting
        waiting.begin(now)
        waiting.error = "unavailable"
        await tx.inbox.save(waiting)
    async with harness.store.transaction() as tx:
        assert await tx.inbox.lock_due(await tx.now()) is None
    await harness.advance(61)
    async with harness.store.transaction() as tx:
        again = await tx.inbox.lock_due(await tx.now())
        assert again == waiting
        again.handled_at = await tx.now()
        await tx.inbox.save(again)
    await harness.advance(1e6)
    async with harness.store.transaction() as tx:
        assert await tx.inbox.lock_due(await tx.now()) is None


async def test_hints_are_forgotten_by_their_age(harness: StoreHarness) -> None:
    for number in range(4):
        await arrive(harness.store, replace(HINT, id=f"evt_{number}", created=PAID_AT + timedelta(days=number)))
    async with harness.store.transaction() as tx:
        assert await tx.inbox.forget(PAID_AT + timedelta(days=3), 2) == 2
        assert await tx.inbox.forget(PAID_AT + timedelta(days=3), 2) == 1
        assert await tx.inbox.forget(PAID_AT + timedelta(days=3), 2) == 0
        assert await tx.inbox.find("evt_3")
