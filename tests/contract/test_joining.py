"""A client's own retry goes on with what its first try bought: on every store."""

import asyncio

import pytest

from application.answering import NoteAnswer
from application.generations import DeleteGeneration
from application.store import Store
from domain.accounts import Caller, Mode
from domain.generations import GenerationId
from domain.joining import JOINABLE, Try, Undelivered
from tests.contract.harnesses import StoreHarness, each_store
from tests.contract.store_contract import cancelled, customer, loaded, numbers
from tests.contract.test_asking_again import BOAT, requesting
from tests.scripted_storage import ScriptedStorage

pytestmark = pytest.mark.anyio
__all__ = ["each_store"]


async def ask(store: Store, caller: Caller, number: int) -> tuple[GenerationId, bool]:
    """Which generation, and whether it was bought just now."""
    id, made = await requesting(store)(caller, BOAT, tried=Try(f"{caller.key_id}", number))
    return id, made is not None


async def rows(store: Store, caller: Caller) -> list[Undelivered]:
    async with store.transaction() as tx:
        return sorted(await tx.undelivered.alike(f"{caller.key_id}"), key=lambda row: row.generation_id)


async def note(store: Store, id: GenerationId, caller: Caller, number: int, *, delivered: bool) -> None:
    await NoteAnswer(store)(id, Try(f"{caller.key_id}", number), delivered=delivered)


async def test_a_retry_joins_and_holds_nothing_more(harness: StoreHarness) -> None:
    store, caller = harness.store, await customer(harness.store, 500, Mode.TEST)
    first, bought = await ask(store, caller, 0)
    assert bought
    before = await numbers(harness.queries, caller.wallet_id)
    assert await ask(store, caller, 1) == await ask(store, caller, 2) == (first, False)
    assert await numbers(harness.queries, caller.wallet_id) == before
    ((row),) = await rows(store, caller)
    assert (row.generation_id, row.tries) == (first, 2)


async def test_a_retry_joins_with_the_last_credit_held_by_its_first_try(harness: StoreHarness) -> None:
    store, caller = harness.store, await customer(harness.store, 500, Mode.TEST)
    price = (await loaded(store, (await ask(store, caller, 0))[0])).price
    poor = await customer(store, price, Mode.TEST)
    first, _ = await ask(store, poor, 0)
    assert await ask(store, poor, 1) == (first, False)


async def test_two_equal_requests_are_two_purchases_and_their_retries_join_one_each(harness: StoreHarness) -> None:
    store, caller = harness.store, await customer(harness.store, 500, Mode.TEST)
    bought = await asyncio.gather(*(ask(store, caller, 0) for _ in range(4)))
    assert all(is_new for _, is_new in bought)
    joined = await asyncio.gather(*(ask(store, caller, 1) for _ in range(4)))
    assert {id for id, _ in joined} == {id for id, _ in bought}
    assert not any(is_new for _, is_new in joined)
    assert (await ask(store, caller, 1))[1], "a fifth retry is of a request that never came"


async def test_whoever_lost_the_line_comes_first(harness: StoreHarness) -> None:
    store, caller = harness.store, await customer(harness.store, 500, Mode.TEST)
    (_, _), (second, _) = await ask(store, caller, 0), await ask(store, caller, 0)
    await note(store, second, caller, 0, delivered=False)
    assert await ask(store, caller, 1) == (second, False)


async def test_after_an_answer_was_delivered_a_retry_buys_anew(harness: StoreHarness) -> None:
    store, caller = harness.store, await customer(harness.store, 500, Mode.TEST)
    first, _ = await ask(store, caller, 0)
    await note(store, first, caller, 0, delivered=True)
    second, bought = await ask(store, caller, 1)
    assert bought
    assert second != first
    ((row),) = await rows(store, caller)
    assert (row.generation_id, row.tries) == (second, 1)


async def test_what_an_earlier_try_still_says_counts_no_more(harness: StoreHarness) -> None:
    store, caller = harness.store, await customer(harness.store, 500, Mode.TEST)
    first, _ = await ask(store, caller, 0)
    await ask(store, caller, 1)
    await note(store, first, caller, 0, delivered=True)
    await note(store, first, caller, 0, delivered=False)
    ((row),) = await rows(store, caller)
    assert (row.tries, row.abandoned) == (1, False)
    await note(store, first, caller, 1, delivered=False)
    assert (await rows(store, caller))[0].abandoned
    assert await ask(store, caller, 2) == (first, False)
    assert not (await rows(store, caller))[0].abandoned
    await note(store, first, caller, 2, delivered=True)
    assert await rows(store, caller) == []


async def test_a_finished_generation_that_nobody_got_is_joined_too(harness: StoreHarness) -> None:
    store, caller = harness.store, await customer(harness.store, 500, Mode.TEST)
    first, _ = await ask(store, caller, 0)
    await cancelled(store, await loaded(store, first))
    assert await ask(store, caller, 1) == (first, False)


async def test_it_is_forgotten_after_a_quarter_of_an_hour_and_with_the_generation(harness: StoreHarness) -> None:
    store, caller = harness.store, await customer(harness.store, 500, Mode.TEST)
    first, _ = await ask(store, caller, 0)
    await cancelled(store, await loaded(store, first))
    await DeleteGeneration(store, ScriptedStorage())(caller, first, purge=True)
    assert await rows(store, caller) == []
    await ask(store, caller, 0)
    await harness.advance(JOINABLE.total_seconds() + 1)
    assert (await ask(store, caller, 1))[1]
    async with store.transaction() as tx:
        assert await tx.undelivered.forget(await tx.now() - JOINABLE, 10) >= 1
    ((row),) = await rows(store, caller)
    assert row.tries == 1


async def test_who_counts_no_tries_leaves_no_row(harness: StoreHarness) -> None:
    store, caller = harness.store, await customer(harness.store, 500, Mode.TEST)
    await requesting(store)(caller, BOAT)
    assert await rows(store, caller) == []
