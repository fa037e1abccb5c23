"""What every store promises of top-ups: kept whole, one open attempt, and a watch that finds whom something concerns."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product

import psycopg
import pytest

from adapters.postgres.top_up import WATCH
from application.purchases import Watched
from application.store import Store
from domain.accounts import AccountId, Caller
from domain.billing import CustomerId, PurchaseKind, PurchaseRef
from domain.commands import Close, command_id
from domain.ledger import LotSource
from domain.top_up import AGAIN, TopUp, TopUpAttempt, TopUpId, TopUpOutcome
from tests.contract.harnesses import StoreHarness, each_store
from tests.contract.store_contract import a_grant, customer, new_id, say

pytestmark = pytest.mark.anyio
__all__ = ["each_store"]
AT = datetime(2030, 1, 10, tzinfo=UTC)
HOUR = timedelta(hours=1)


async def payer(store: Store, credits: int = 0) -> Caller:
    """An account that is a customer."""
    caller = await customer(store, credits)
    async with store.transaction() as tx:
        await tx.customers.add(CustomerId(f"cus_{caller.account_id}"), caller.account_id)
    return caller


async def save(store: Store, *things: TopUp | TopUpAttempt) -> None:
    async with store.transaction() as tx:
        for thing in things:
            await tx.accounts.lock(thing.account_id)
            tx.top_ups.save(thing) if isinstance(thing, TopUp) else tx.top_ups.save_attempt(thing)


async def watched(store: Store, after: AccountId | None = None, limit: int = 10) -> Watched:
    async with store.transaction() as tx:
        return await tx.top_ups.watch(after, await tx.now(), limit)


async def concerned(store: Store) -> list[AccountId]:
    return list((await watched(store)).concerned)


def an_attempt(caller: Caller, at: datetime = AT) -> TopUpAttempt:
    return TopUpAttempt(TopUpId(new_id()), caller.account_id, "small", 500, at)


async def test_what_an_account_said_is_kept_whole(harness: StoreHarness) -> None:
    account = (await customer(harness.store)).account_id
    said = TopUp(account, True, "small", 100, 5_000, 30, True, "card_declined", AT)
    async with harness.store.transaction() as tx:
        assert await tx.top_ups.of_account(account) == TopUp(account)
    await save(harness.store, said)
    async with harness.store.transaction() as tx:
        assert await tx.top_ups.of_account(account) == said
    await save(harness.store, TopUp(account))
    async with harness.store.transaction() as tx:
        assert await tx.top_ups.of_account(account) == TopUp(account)


async def test_attempts_are_kept_whole_and_told_while_they_are_open_or_since_they_ended(harness: StoreHarness) -> None:
    caller, other = await customer(harness.store), await customer(harness.store)
    old, new, open_one = (an_attempt(caller, AT + number * HOUR) for number in range(3))
    old, new = old.ended(TopUpOutcome.PAID, AT), new.ended(TopUpOutcome.DECLINED, AT + 5 * HOUR, "card_declined")
    await save(harness.store, open_one, new, old, an_attempt(other))
    async with harness.store.transaction() as tx:
        assert await tx.top_ups.attempts(caller.account_id, AT) == [old, new, open_one]
        assert await tx.top_ups.attempts(caller.account_id, AT + 5 * HOUR) == [new, open_one]
        assert await tx.top_ups.attempts(caller.account_id, AT + 6 * HOUR) == [open_one]
        assert await tx.top_ups.last(caller.account_id) == open_one
        assert await tx.top_ups.last(AccountId(new_id())) is None
    ended = open_one.ended(TopUpOutcome.GIVEN_UP, AT + 7 * HOUR)
    await save(harness.store, ended)
    async with harness.store.transaction() as tx:
        assert await tx.top_ups.last(caller.account_id) == ended


async def test_an_account_has_one_open_attempt_at_most(harness: StoreHarness) -> None:
    caller = await customer(harness.store)
    await save(harness.store, an_attempt(caller))
    with pytest.raises(Exception, match=r"one open attempt|top_up_attempts_open"):
        await save(harness.store, an_attempt(caller))


async def test_available_is_what_has_not_lapsed_in_a_wallet_that_is_not_closed(harness: StoreHarness) -> None:
    caller = await customer(harness.store, 5)
    async with harness.store.transaction() as tx:
        now = await tx.now()
    await say(harness.store, caller.wallet_id, a_grant(7, expires_at=now + HOUR))
    async with harness.store.transaction() as tx:
        assert await tx.top_ups.available(caller.account_id, now) == 12
        assert await tx.top_ups.available(caller.account_id, now + HOUR) == 5
    await say(harness.store, caller.wallet_id, Close(id=command_id("close", caller.wallet_id)))
    async with harness.store.transaction() as tx:
        assert await tx.top_ups.available(caller.account_id, now) is None


async def test_who_paid_for_something_has_bought(harness: StoreHarness) -> None:
    caller = await payer(harness.store)
    await say(harness.store, caller.wallet_id, a_grant(10, source=LotSource.STAFF))
    for paid, has_bought in ((0, False), (500, True)):
        ref = PurchaseRef(PurchaseKind.CHECKOUT, f"cs_{paid}")
        async with harness.store.transaction() as tx:
            await tx.purchases.take_ticket(ref)
            known = await tx.purchases.lock(ref)
            tx.purchases.save(replace(known, applied_ticket=1, wallet_id=caller.wallet_id, paid=paid, at=AT))
        async with harness.store.transaction() as tx:
            assert await tx.top_ups.has_bought(caller.account_id) is has_bought


async def test_the_watch_sees_customers_only_page_by_page(harness: StoreHarness) -> None:
    callers = [await payer(harness.store, credits) for credits in (50, 5, 50, 50, 5)]
    await customer(harness.store, 50)
    enough = [callers[number].account_id for number in (0, 2, 3)]
    assert await watched(harness.store) == Watched(enough, callers[-1].account_id)
    first = await watched(harness.store, limit=2)
    assert first == Watched(enough[:1], callers[1].account_id)
    second = await watched(harness.store, first.last, 2)
    assert second == Watched(enough[1:], callers[3].account_id)
    assert await watched(harness.store, second.last, 2) == Watched([], callers[4].account_id)
    assert await watched(harness.store, callers[4].account_id, 2) == Watched([], None)


async def test_the_watch_sees_credits_that_lapsed_and_no_account_that_has_left(harness: StoreHarness) -> None:
    caller = await payer(harness.store, 10)
    async with harness.store.transaction() as tx:
        lapses = await tx.now() + HOUR
    await say(harness.store, caller.wallet_id, a_grant(10, expires_at=lapses))
    await save(harness.store, TopUp(caller.account_id, is_low=False))
    assert await concerned(harness.store) == []
    await harness.advance(3_601)
    assert await concerned(harness.store) == [caller.account_id]
    await say(harness.store, caller.wallet_id, Close(id=command_id("close", caller.wallet_id)))
    assert await concerned(harness.store) == []


async def test_the_watch_finds_whom_something_concerns_as_the_rule_has_it(harness: StoreHarness) -> None:
    """Every combination of what the rule asks about, against the rule itself."""
    async with harness.store.transaction() as tx:
        now = await tx.now()
    resume_ats, expected, number = (None, now, now + AGAIN), [], 0
    for available, enabled, below, is_low, resume_at, is_open in product(
        (5, 30), (True, False), (10, 40), (True, False), resume_ats, (True, False)
    ):
        if is_open and not resume_at:
            continue  # an open attempt has its time
        caller, number = await payer(harness.store, available), number + 1
        top_up = TopUp(caller.account_id, enabled, "small", below, 5_000, 20, is_low, None, resume_at)
        await save(harness.store, top_up, *([an_attempt(caller, now)] if is_open else []))
        if top_up.concerns(available, now, is_open=is_open):
            expected.append(caller.account_id)
    assert number > len(expected) > 0
    async with harness.store.transaction() as tx:
        assert (await tx.top_ups.watch(None, now, 100)).concerned == expected


def test_the_watch_looks_up_the_customers_of_its_page_and_scans_no_table(new_database_url: str) -> None:
    """In a database without statistics: those that tests before left behind may make a scan look cheap."""
    told = {"after": new_id(), "now": AT, "limit": 100, "notify_below": 20}
    with psycopg.connect(new_database_url, autocommit=True) as connection:
        for mode in ("force_custom_plan", "force_generic_plan"):
            connection.execute(f"SET plan_cache_mode = {mode}".encode())
            plan = str(connection.execute(f"EXPLAIN {WATCH}".encode(), told, prepare=True).fetchall())
            assert "wallets_account_id_uq" in plan
            assert not re.search(r"Seq Scan on (wallets|lots|top_ups|customers)", plan), plan
