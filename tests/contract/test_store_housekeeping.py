"""What the store promises about leases, forgotten work, wake-ups and accounts."""

from dataclasses import replace
from datetime import timedelta

import pytest

from application.store import Store
from domain.accounts import Account, AccountId, AuditRecord, Role
from domain.errors import NotFound
from domain.generations import GenerationId, Lease
from tests.contract.harnesses import StoreHarness, each_store
from tests.contract.store_contract import (
    TIMING,
    a_generation,
    cancelled,
    customer,
    loaded,
    new_id,
    now,
    parked,
    place,
    queued,
    running,
    soon,
    waits,
)

pytestmark = pytest.mark.anyio
__all__ = ["each_store"]

DAY = 24 * 3600.0


async def renew(store: Store, generation: GenerationId, lease: Lease) -> bool:
    async with store.transaction() as tx:
        return await tx.generations.renew(generation, lease, await tx.now() + TIMING.lease)


async def test_the_current_lease_is_lengthened_even_when_it_has_just_lapsed(harness: StoreHarness) -> None:
    caller = await customer(harness.store, 10)
    generation, lease = await running(harness.store, caller)
    await harness.advance(TIMING.lease.total_seconds() + 1)
    before = await now(harness.store)
    assert await renew(harness.store, generation.id, lease)
    kept = await loaded(harness.store, generation.id)
    assert kept.lease == lease
    assert kept.lease_until
    assert kept.lease_until >= before + TIMING.lease
    assert replace(kept, lease_until=generation.lease_until) == generation


async def test_a_lease_that_was_taken_over_parked_or_ended_is_not_lengthened(harness: StoreHarness) -> None:
    caller = await customer(harness.store, 10)
    generation, lease = await running(harness.store, caller)
    await harness.advance(TIMING.lease.total_seconds())
    async with harness.store.transaction() as tx:
        taken = await tx.generations.lock(generation.id)
        other = Lease(new_id())
        assert taken.take_over(other, await tx.now(), TIMING)
        tx.generations.save(taken)
    assert not await renew(harness.store, generation.id, lease)
    assert await loaded(harness.store, generation.id) == taken
    async with harness.store.transaction() as tx:
        left = await tx.generations.lock(generation.id)
        left.park(other, await tx.now())
        tx.generations.save(left)
    assert not await renew(harness.store, generation.id, other)
    await cancelled(harness.store, left)
    assert not await renew(harness.store, generation.id, other)
    assert not await renew(harness.store, GenerationId(new_id()), other)


async def test_a_renewal_waits_for_whoever_decides_and_then_knows_better(harness: StoreHarness) -> None:
    caller = await customer(harness.store, 10)
    generation, lease = await running(harness.store, caller)
    async with harness.store.transaction() as tx:
        mine = await tx.generations.lock(generation.id)
        renewal = soon(renew(harness.store, generation.id, lease))
        await waits(renewal)
        mine.park(lease, await tx.now())
        tx.generations.save(mine)
    assert not await renewal


async def test_an_owner_is_gone_once_its_lock_is_free(harness: StoreHarness) -> None:
    async def gone(*owners: int) -> frozenset[int]:
        async with harness.store.transaction() as tx:
            return await tx.generations.gone_owners(owners)

    large = 2**40 + 17
    await harness.alive(7)
    await harness.alive(large)
    assert await gone(7, large, 8, 8) == {8}
    await harness.die(large)
    assert await gone(7, large) == {large}
    assert await gone() == frozenset()


# What was forgotten


async def test_what_is_past_its_deadline_is_found_while_it_waits_or_once_its_hold_is_due(harness: StoreHarness) -> None:
    store = harness.store
    caller = await customer(store, 100)
    soon_due = (await now(store)) + timedelta(seconds=60)
    waiting = await queued(store, caller, deadline=soon_due)
    resting = await parked(store, caller, timedelta(days=2), deadline=soon_due)
    await cancelled(store, await queued(store, caller, deadline=soon_due))
    later = await queued(store, caller)

    async def late(limit: int = 10) -> set[GenerationId]:
        async with store.transaction() as tx:
            found = await tx.generations.past_deadline(await tx.now(), limit)
            assert len(found) <= limit
            return set(found)

    assert await late() == set()
    await harness.advance(60)
    assert await late() == {waiting.id}
    await harness.advance((TIMING.hold_expiry(soon_due) - soon_due).total_seconds())
    assert await late() == {waiting.id, resting.id}
    assert len(await late(1)) == 1
    await harness.advance(TIMING.longest_queue.total_seconds())
    assert await late() == {waiting.id, resting.id, later.id}


async def test_the_trash_is_found_by_its_age_until_it_is_erased(harness: StoreHarness) -> None:
    store = harness.store
    caller = await customer(store, 100)
    trash: list[GenerationId] = []
    for _ in range(3):
        generation = await cancelled(store, await queued(store, caller))
        async with store.transaction() as tx:
            thrown = await tx.generations.lock(generation.id)
            thrown.trashed_at = await tx.now()
            tx.generations.save(thrown)
        trash.append(thrown.id)
        await harness.advance(DAY)
    await cancelled(store, await queued(store, caller))

    async def old(days: float, limit: int = 10) -> list[GenerationId]:
        async with store.transaction() as tx:
            return list(await tx.generations.trashed_before(await tx.now() - timedelta(days=days), limit))

    assert await old(1.5) == trash[:2]
    assert await old(0.5, 2) == trash[:2]
    async with store.transaction() as tx:
        erased = await tx.generations.lock(trash[0])
        erased.erase()
        tx.generations.save(erased)
    assert await old(1.5) == trash[1:2]


# Wake-ups


async def missing(store: Store) -> int:
    async with store.transaction() as tx:
        return await tx.wakeups.top_up(await tx.now())


async def test_work_without_a_wake_up_gets_one_and_only_one(harness: StoreHarness) -> None:
    store = harness.store
    caller = await customer(store, 100)
    for _ in range(2):
        await queued(store, caller)
    assert await missing(store) == 2
    assert await missing(store) == 0


async def test_a_wake_up_commits_with_its_transaction_and_counts_once_it_is_due(harness: StoreHarness) -> None:
    store = harness.store
    caller = await customer(store, 100)
    async with store.transaction() as tx:
        await place(tx, a_generation(caller, await tx.now()))
        tx.wakeups.wake()
    assert await missing(store) == 0
    await queued(store, caller)
    async with store.transaction() as tx:
        tx.wakeups.wake(await tx.now() + timedelta(seconds=3600))
    assert await missing(store) == 1, "a token for later is no token for now"


async def test_only_work_that_is_due_is_missed(harness: StoreHarness) -> None:
    store = harness.store
    caller = await customer(store, 100)
    await running(store, caller)
    await parked(store, caller, timedelta(seconds=1000))
    await cancelled(store, await queued(store, caller))
    assert await missing(store) == 0
    await harness.advance(TIMING.lease.total_seconds())
    assert await missing(store) == 1, "the lapsed lease"
    await harness.advance(1000)
    assert await missing(store) == 1, "the one that was parked"


async def test_a_waiting_one_past_its_deadline_needs_no_wake_up(harness: StoreHarness) -> None:
    caller = await customer(harness.store, 100)
    await queued(harness.store, caller, deadline=await now(harness.store) + timedelta(seconds=60))
    await harness.advance(60)
    assert await missing(harness.store) == 0


# Accounts


async def test_an_account_opened_again_stays_as_it_is_and_its_key_is_known(harness: StoreHarness) -> None:
    caller = await customer(harness.store)
    async with harness.store.transaction() as tx:
        account = await tx.accounts.find(caller.account_id)
        await tx.accounts.add(replace(account, plan="other"))
        await tx.accounts.save(account.with_role(Role.SUPPORT))
        record = AuditRecord(new_id(), await tx.now(), account.id, "accounts.role.support", str(account.id), "asked to")
        await tx.accounts.record(record)
    async with harness.store.transaction() as tx:
        assert await tx.accounts.find(caller.account_id) == account.with_role(Role.SUPPORT)
        with pytest.raises(NotFound):
            await tx.accounts.find(AccountId(new_id()))
    assert isinstance(account, Account)
