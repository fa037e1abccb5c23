"""What the store promises about wallets: one at a time, whole, and each command once."""

import asyncio
import random
from dataclasses import fields
from datetime import timedelta

import pytest

from application.credits import tell
from application.store import Store
from domain.accounts import Caller
from domain.commands import About, AdjustDown, Close, Command, Recorded, Reverse, command_id
from domain.errors import CommandConflict, HoldNotDue, NotFound
from domain.ledger import Lot, LotId, LotSource, WalletId
from tests.contract.harnesses import StoreHarness, each_store
from tests.contract.store_contract import (
    NOTHING,
    a_grant,
    a_hold,
    capture,
    customer,
    expire,
    new_id,
    now,
    numbers,
    release,
    said,
    say,
    soon,
    statement,
    sweep,
    waits,
)

pytestmark = pytest.mark.anyio
__all__ = ["each_store"]

LOT_FIELDS = [each.name for each in fields(Lot)]


async def test_a_missing_wallet_is_not_found(harness: StoreHarness) -> None:
    with pytest.raises(NotFound):
        await say(harness.store, WalletId(new_id()), sweep())


async def test_making_a_wallet_again_changes_nothing(harness: StoreHarness) -> None:
    caller = await customer(harness.store, 10)
    async with harness.store.transaction() as tx:
        await tx.wallets.create(caller.wallet_id, caller.account_id, caller.mode)
        await tx.wallets.create(WalletId(new_id()), caller.account_id, caller.mode)
    assert await harness.queries.wallet(caller.account_id, caller.mode) == caller.wallet_id
    assert await numbers(harness.queries, caller.wallet_id) == (10, 0, 0)


async def test_a_wallet_opened_by_one_waits_for_the_other(harness: StoreHarness) -> None:
    caller = await customer(harness.store, 10)
    async with harness.store.transaction() as tx:
        await tell(tx, caller.wallet_id, a_hold(4))
        other = soon(say(harness.store, caller.wallet_id, a_hold(5)))
        await waits(other)
    await other
    assert await numbers(harness.queries, caller.wallet_id) == (1, 9, 0)


async def test_two_wallets_do_not_wait_for_each_other(harness: StoreHarness) -> None:
    one, two = await customer(harness.store, 10), await customer(harness.store, 10)
    async with harness.store.transaction() as tx:
        await tell(tx, one.wallet_id, a_hold(4))
        await say(harness.store, two.wallet_id, a_hold(4))


async def test_two_holds_at_once_cannot_spend_the_same_credits(harness: StoreHarness) -> None:
    caller = await customer(harness.store, 10)
    results = await asyncio.gather(*(said(harness.store, caller.wallet_id, a_hold(4)) for _ in range(5)))
    assert sorted(isinstance(result, Recorded) for result in results) == [False] * 3 + [True] * 2
    assert {result for result in results if isinstance(result, str)} == {"insufficient-credits"}
    assert await numbers(harness.queries, caller.wallet_id) == (2, 8, 0)


async def test_no_more_holds_are_open_at_once_than_allowed(harness: StoreHarness) -> None:
    caller = await customer(harness.store, 10)
    results = await asyncio.gather(*(said(harness.store, caller.wallet_id, a_hold(1, open_limit=2)) for _ in range(4)))
    assert [result for result in results if isinstance(result, str)] == ["too-many-open"] * 2


async def test_the_one_begun_first_may_lock_second_and_times_still_rise(harness: StoreHarness) -> None:
    caller = await customer(harness.store, 10)
    async with harness.store.transaction() as early:
        await early.now()
        await harness.advance(2)
        await say(harness.store, caller.wallet_id, a_hold(1))
        await tell(early, caller.wallet_id, a_hold(2))
    lines = await statement(harness.queries, caller.wallet_id)
    assert [(line.version, line.amount) for line in lines] == [(1, 10), (2, 1), (3, 2)]
    assert [line.at for line in lines] == sorted(line.at for line in lines)


async def test_a_grant_that_commits_between_begin_and_lock_is_seen(harness: StoreHarness) -> None:
    caller = await customer(harness.store)
    async with harness.store.transaction() as early:
        await early.now()
        await say(harness.store, caller.wallet_id, a_grant(10))
        await tell(early, caller.wallet_id, a_hold(10))
    assert await numbers(harness.queries, caller.wallet_id) == (0, 10, 0)


async def test_a_lot_granted_while_another_waits_for_the_lock_is_seen_whole(harness: StoreHarness) -> None:
    caller = await customer(harness.store, 10)
    async with harness.store.transaction() as tx:
        await tell(tx, caller.wallet_id, a_hold(8))
        await tell(tx, caller.wallet_id, a_grant(5))
        waiting = soon(say(harness.store, caller.wallet_id, a_hold(7)))
        await waits(waiting)
    await waiting
    assert await numbers(harness.queries, caller.wallet_id) == (0, 15, 0)


async def test_the_clock_is_read_after_the_lock(harness: StoreHarness) -> None:
    """Credits that lapse while a hold waits for the wallet are not held."""
    caller = await customer(harness.store)
    async with harness.store.transaction() as tx:
        lapse = timedelta(seconds=0.25)
        await tell(tx, caller.wallet_id, a_grant(10, expires_at=await tx.now() + lapse))
        waiting = soon(said(harness.store, caller.wallet_id, a_hold(10)))
        await waits(waiting)
        await harness.advance(0.3)
        await asyncio.sleep(0.3)  # a database's own clock may not be moved for a transaction that has begun
    assert await waiting == "insufficient-credits"


async def test_one_command_said_by_many_at_once_has_one_effect(harness: StoreHarness) -> None:
    caller = await customer(harness.store, 10)
    grant, hold = a_grant(5), a_hold(4)
    for command, left in ((grant, (15, 0, 0)), (hold, (11, 4, 0)), (capture(hold.hold_id, 3), (12, 0, 0))):
        results = await asyncio.gather(*(say(harness.store, caller.wallet_id, command) for _ in range(4)))
        assert len(set(results)) == 1
        assert await numbers(harness.queries, caller.wallet_id) == left


async def test_a_fact_is_granted_once(harness: StoreHarness) -> None:
    caller = await customer(harness.store)
    first = a_grant(10, "invoice line 7", source=LotSource.PACK)
    again = a_grant(10, "invoice line 7", source=LotSource.PACK)
    other = type(first)(
        id=command_id("grant", new_id()), lot_id=LotId(new_id()), amount=10, source=LotSource.PACK, source_ref="invoice line 7"
    )
    await say(harness.store, caller.wallet_id, first)
    await say(harness.store, caller.wallet_id, again)
    assert await said(harness.store, caller.wallet_id, other) == "already-granted"
    assert await numbers(harness.queries, caller.wallet_id) == (10, 0, 0)


async def test_capture_release_and_expiry_of_one_hold_have_one_winner(harness: StoreHarness) -> None:
    dice = random.Random(9)
    caller = await customer(harness.store, 400)
    at = await now(harness.store)
    spent = 0
    for _ in range(40):
        hold = a_hold(5, expires_at=at)
        await say(harness.store, caller.wallet_id, hold)
        commands: list[Command] = [capture(hold.hold_id, 2), release(hold.hold_id), expire(hold.hold_id)]
        dice.shuffle(commands)
        results = await asyncio.gather(*(_after_a_while(harness.store, caller, c, dice.randrange(3)) for c in commands))
        [winner] = [result for result in results if isinstance(result, Recorded)]
        assert [result for result in results if isinstance(result, str)] == ["hold-resolved"] * 2
        spent += 2 if winner.kind == "capture" else 0
        assert await numbers(harness.queries, caller.wallet_id) == (400 - spent, 0, 0)


async def _after_a_while(store: Store, caller: Caller, command: Command, turns: int) -> Recorded | str:
    for _ in range(turns):
        await asyncio.sleep(0)
    return await said(store, caller.wallet_id, command)


async def test_every_command_repeated_later_answers_its_first_result(harness: StoreHarness) -> None:
    caller = await customer(harness.store)
    hold, gone = a_hold(6), a_hold(2)
    lot = a_grant(10, expires_at=(await now(harness.store)).replace(year=2200))
    commands: list[Command] = [
        lot,
        hold,
        capture(hold.hold_id, 5),
        gone,
        release(gone.hold_id),
        Reverse(id=command_id("reverse", new_id()), lot_id=lot.lot_id, reversal=7),
        a_grant(4),
        sweep(),
        Close(id=command_id("close", caller.wallet_id)),
    ]
    first = [await say(harness.store, caller.wallet_id, command) for command in commands]
    lines = await statement(harness.queries, caller.wallet_id)
    await harness.advance(3600)
    assert [await say(harness.store, caller.wallet_id, command) for command in commands] == first
    assert await statement(harness.queries, caller.wallet_id) == lines


async def test_a_command_id_used_for_something_else_is_a_conflict(harness: StoreHarness) -> None:
    caller = await customer(harness.store, 10)
    hold = a_hold(4)
    await say(harness.store, caller.wallet_id, hold)
    with pytest.raises(CommandConflict):
        await say(harness.store, caller.wallet_id, a_hold(5, hold.hold_id))


async def test_a_refused_command_may_succeed_later(harness: StoreHarness) -> None:
    caller = await customer(harness.store, 10)
    hold = a_hold(4, expires_at=(await now(harness.store)).replace(year=2150))
    await say(harness.store, caller.wallet_id, hold)
    with pytest.raises(HoldNotDue):
        await say(harness.store, caller.wallet_id, expire(hold.hold_id))
    await harness.advance(200 * 366 * 24 * 3600)
    assert (await say(harness.store, caller.wallet_id, expire(hold.hold_id))).kind == "expire"


async def test_every_number_of_a_wallet_comes_back_as_it_was_saved(harness: StoreHarness) -> None:
    """Lots in every condition, a hold across two of them, debt paid and owed, and the wallet closed at last."""
    caller = await customer(harness.store)
    soon_over = (await now(harness.store)).replace(microsecond=123_456, year=2090)
    first, second = a_grant(10, priority=1, expires_at=soon_over), a_grant(10, source=LotSource.PACK, priority=2)
    staff, third = a_grant(5, priority=5), a_grant(9, priority=9)
    spent, across = a_hold(6), a_hold(9, expires_at=soon_over)
    commands: list[Command] = [
        first,
        second,
        spent,
        capture(spent.hold_id, 6),
        across,
        Reverse(id=command_id("reverse", new_id()), lot_id=first.lot_id, reversal=9),
        third,
        staff,
        AdjustDown(id=command_id("adjust", new_id()), lot_id=staff.lot_id, amount=2),
        capture(across.hold_id, 7),
        a_grant(3, priority=3, expires_at=soon_over),
        Reverse(id=command_id("reverse", new_id()), lot_id=second.lot_id, reversal=10),
        Reverse(id=command_id("reverse", new_id()), lot_id=second.lot_id, reversal=4),
        sweep(),
        Close(id=command_id("close", caller.wallet_id)),
    ]
    seen: set[str] = set()
    for command in commands:
        async with harness.store.transaction() as tx:
            opened = await tx.wallets.open(caller.wallet_id, command.about)
            kept = (await tx.wallets.open(caller.wallet_id, NOTHING)).wallet
            opened.wallet.apply(command, opened.now)
            tx.wallets.save(opened.wallet)
        about = About(command.id, hold=across.hold_id, every_lot=True)
        async with harness.store.transaction() as tx:
            again = (await tx.wallets.open(caller.wallet_id, about)).wallet
        wanted = opened.wallet
        names = ("id", "available", "held", "debt", "version", "last_at", "closed_at", "open_holds", "recorded")
        assert [getattr(again, name) for name in names] == [getattr(wanted, name) for name in names]
        assert again.lots == kept.lots | wanted.lots
        assert again.holds.get(across.hold_id) == wanted.holds.get(across.hold_id, again.holds.get(across.hold_id))
        assert (again.transfers, again.touched, again.reversals, again.done) == ([], set(), [], None)
        seen |= {name for lot in again.lots.values() for name in LOT_FIELDS if getattr(lot, name)}
    assert seen == set(LOT_FIELDS), "the commands above do not try every number"
    assert again.closed_at
