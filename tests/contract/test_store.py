"""What the store promises about transactions and callers' keys, on every store: see `harnesses` for how another one joins."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from application.credits import tell
from application.store import IdempotencyKey, Remembered, Store, Transaction
from domain.accounts import Caller, Mode
from domain.commands import About, command_id
from domain.errors import NotFound
from tests.contract.harnesses import StoreHarness, each_store
from tests.contract.store_contract import (
    NOTHING,
    a_generation,
    a_hold,
    capture,
    customer,
    new_id,
    now,
    numbers,
    place,
    say,
    statement,
)

pytestmark = pytest.mark.anyio
__all__ = ["each_store"]


class Interrupted(Exception):
    """Stands for anything that goes wrong inside a transaction."""


async def interrupted(store: Store, work: Callable[[Transaction], Awaitable[None]]) -> None:
    """Do the work in a transaction that fails at its end."""

    async def fail() -> None:
        async with store.transaction() as tx:
            await work(tx)
            raise Interrupted

    with pytest.raises(Interrupted):
        await fail()


async def test_a_clean_end_commits_everything_at_once(harness: StoreHarness) -> None:
    caller = await customer(harness.store, 10)
    async with harness.store.transaction() as tx:
        generation = a_generation(caller, await tx.now())
        await place(tx, generation)
        assert await numbers(harness.queries, caller.wallet_id) == (10, 0, 0), "others see nothing of it before it ends"
        with pytest.raises(NotFound):
            await harness.queries.generation(generation.id, caller.account_id, caller.mode)
    assert await numbers(harness.queries, caller.wallet_id) == (7, 3, 0)
    assert (await harness.queries.generation(generation.id, caller.account_id, caller.mode))[0] == generation


async def test_an_exception_undoes_everything(harness: StoreHarness) -> None:
    caller = await customer(harness.store, 10)
    key = IdempotencyKey(caller.account_id, caller.mode, "generations", "once")
    before = await statement(harness.queries, caller.wallet_id)
    generation = a_generation(caller, await now(harness.store))

    async def do_all(tx: Transaction) -> None:
        await place(tx, generation)
        tx.remember(key, Remembered("f", generation.id))
        tx.wakeups.wake()

    await interrupted(harness.store, do_all)
    assert await statement(harness.queries, caller.wallet_id) == before
    async with harness.store.transaction() as tx:
        assert (await tx.wallets.open(caller.wallet_id, NOTHING, key)).remembered is None
        with pytest.raises(NotFound):
            await tx.generations.lock(generation.id)
    async with harness.store.transaction() as tx:
        assert await tx.wakeups.top_up(await tx.now()) == 0


async def test_a_rollback_leaves_no_gap_in_the_versions(harness: StoreHarness) -> None:
    caller = await customer(harness.store, 10)

    async def hold(tx: Transaction) -> None:
        await tell(tx, caller.wallet_id, a_hold(4))

    await interrupted(harness.store, hold)
    await say(harness.store, caller.wallet_id, a_hold(3))
    assert [line.version for line in await statement(harness.queries, caller.wallet_id)] == [1, 2]


async def test_what_is_not_saved_is_not_written(harness: StoreHarness) -> None:
    caller = await customer(harness.store, 10)
    async with harness.store.transaction() as tx:
        opened = await tx.wallets.open(caller.wallet_id, About(command_id("hold", "unsaved")))
        opened.wallet.apply(a_hold(4), opened.now)
    assert await numbers(harness.queries, caller.wallet_id) == (10, 0, 0)


async def test_a_wallet_saved_is_seen_by_a_later_open_of_the_same_transaction(harness: StoreHarness) -> None:
    caller = await customer(harness.store, 10)
    hold = a_hold(4)
    async with harness.store.transaction() as tx:
        first = await tell(tx, caller.wallet_id, hold)
        assert await tell(tx, caller.wallet_id, hold) == first
        await tell(tx, caller.wallet_id, capture(hold.hold_id, 4))
        opened = await tx.wallets.open(caller.wallet_id, NOTHING)
        assert (opened.wallet.available, opened.wallet.held, opened.wallet.version) == (6, 0, 3)
    assert await numbers(harness.queries, caller.wallet_id) == (6, 0, 0)


def request_key(caller: Caller, key: str = "mine", mode: Mode = Mode.LIVE, route: str = "generations") -> IdempotencyKey:
    return IdempotencyKey(caller.account_id, mode, route, key)


async def request(store: Store, caller: Caller, key: IdempotencyKey) -> Remembered:
    """A creating request: hold, record, remember."""
    async with store.transaction() as tx:
        opened = await tx.wallets.open(caller.wallet_id, About(command_id("hold", new_id())), key)
        if opened.remembered:
            return opened.remembered
        generation = a_generation(caller, opened.now)
        await place(tx, generation)
        made = Remembered("fingerprint", generation.id)
        tx.remember(key, made)
    return made


async def test_one_key_in_parallel_makes_one_thing(harness: StoreHarness) -> None:
    caller = await customer(harness.store, 20)
    made = await asyncio.gather(*(request(harness.store, caller, request_key(caller)) for _ in range(5)))
    assert len(set(made)) == 1
    assert await numbers(harness.queries, caller.wallet_id) == (17, 3, 0)


async def test_a_key_in_another_mode_route_or_account_is_another_key(harness: StoreHarness) -> None:
    caller, other = await customer(harness.store, 20), await customer(harness.store, 20)
    keys = [
        request_key(caller),
        request_key(caller, "yours"),
        request_key(caller, mode=Mode.TEST),
        request_key(caller, route="edits"),
    ]
    made = [await request(harness.store, caller, key) for key in keys]
    made.append(await request(harness.store, other, request_key(other)))
    assert len(set(made)) == 5


async def test_old_keys_are_forgotten_and_young_ones_are_not(harness: StoreHarness) -> None:
    caller = await customer(harness.store, 20)
    old = await request(harness.store, caller, request_key(caller, "old"))
    await harness.advance(3600)
    async with harness.store.transaction() as tx:
        between = await tx.now()
    await harness.advance(3600)
    young = await request(harness.store, caller, request_key(caller, "young"))
    async with harness.store.transaction() as tx:
        assert await tx.forget(between) == 1
    async with harness.store.transaction() as tx:
        assert await tx.forget(between) == 0
    assert await request(harness.store, caller, request_key(caller, "young")) == young
    assert await request(harness.store, caller, request_key(caller, "old")) != old


async def test_what_a_key_made_can_be_read_without_a_lock(harness: StoreHarness) -> None:
    caller = await customer(harness.store, 20)
    key = request_key(caller)
    async with harness.store.transaction() as tx:
        assert await tx.remembered(key) is None
    made = await request(harness.store, caller, key)
    async with harness.store.transaction() as locked, harness.store.transaction() as tx:
        await locked.wallets.open(caller.wallet_id, NOTHING)
        assert await tx.remembered(key) == made
        assert await tx.remembered(request_key(caller, "yours")) is None
