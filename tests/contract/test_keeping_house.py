"""Asking for pictures, and what the housekeeper and the sweeper do for those forgotten: on every store, books audited."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest

from application.collecting import RestoreGeneration
from application.generations import DeleteGeneration, RequestGeneration
from application.housekeeping import KEYS_KEPT, REMNANTS_KEPT, TRASH, KeepHouse, SweepObjects
from application.media import DeleteAsset
from application.store import IdempotencyKey
from domain.accounts import Caller
from domain.errors import (
    AssetInUse,
    IdempotencyMismatch,
    InsufficientCredits,
    InvalidRequest,
    NotFound,
    PriceAboveMaximum,
    TooManyOpen,
)
from domain.generations import Generation, GenerationId
from domain.media import AssetId
from domain.requests import Asked
from tests.contract.harnesses import StoreHarness, each_store
from tests.contract.store_contract import TIMING, an_upload, customer, new_id, now, numbers, uploaded
from tests.offer import CATALOGUE, TODAY
from tests.protocol import World, key_of, pictures
from tests.protocol_audit import ProtocolAudit

pytestmark = pytest.mark.anyio
__all__ = ["each_store"]

ASKED = Asked(prompt="a lighthouse", n=2, quality="low")
PLENTY = 10_000


@pytest.fixture
async def world(harness: StoreHarness) -> AsyncIterator[World]:
    yield (world := World(harness))
    await ProtocolAudit(world)()


def asking(world: World, open_limit: int | None = None) -> RequestGeneration:
    return RequestGeneration(world.store, CATALOGUE, TIMING, new_id, lambda: TODAY, open_limit)


async def ask(world: World, caller: Caller, asked: Asked = ASKED) -> Generation:
    _, generation = await asking(world)(caller, asked)
    assert generation
    world.generations.append(generation)
    return generation


async def missing(world: World) -> int:
    async with world.store.transaction() as tx:
        return await tx.wakeups.top_up(await tx.now())


async def house(world: World) -> dict[str, int]:
    return dict(await KeepHouse(world.store, world.storage)())


# Asking


async def test_asking_holds_the_price_records_the_generation_and_leaves_a_wake_up(world: World) -> None:
    caller = await world.customer(PLENTY)
    before = await now(world.store)
    generation = await ask(world, caller)
    assert await world.see(generation) == generation
    assert await numbers(world.harness.queries, caller.wallet_id) == (PLENTY - generation.price, generation.price, 0)
    assert generation.n == 2
    assert generation.price == 2 * generation.unit
    assert generation.deadline >= before + TIMING.longest_queue
    assert generation.hold_expires_at == TIMING.hold_expiry(generation.deadline)
    assert await missing(world) == 0


async def test_what_is_refused_leaves_nothing(world: World) -> None:
    poor, caller = await world.customer(1), await world.customer(PLENTY)
    past, foreign = await now(world.store) - timedelta(seconds=1), await world.ask()
    request = asking(world)
    with pytest.raises(InsufficientCredits):
        await request(poor, ASKED)
    with pytest.raises(PriceAboveMaximum):
        await request(caller, replace(ASKED, max_credits=1))
    with pytest.raises(InvalidRequest):
        await request(caller, ASKED, deadline=past)
    with pytest.raises(NotFound):
        await request(caller, replace(ASKED, images=(AssetId(new_id()),)))
    with pytest.raises(NotFound):
        await request(caller, ASKED, parent=foreign.id)
    with pytest.raises(NotFound):
        await request(caller, ASKED, parent=GenerationId(new_id()))
    assert await numbers(world.harness.queries, caller.wallet_id) == (PLENTY, 0, 0)
    assert await missing(world) == 1, "only what was there before"


async def test_a_deadline_may_come_sooner_but_not_later_than_the_longest_queue(world: World) -> None:
    caller = await world.customer(PLENTY)
    at = await now(world.store)
    for asked, least in ((timedelta(seconds=600), timedelta(seconds=600)), (timedelta(days=3), TIMING.longest_queue)):
        _, generation = await asking(world)(caller, ASKED, deadline=at + asked)
        assert generation
        world.generations.append(generation)
        assert at + least <= generation.deadline <= generation.created_at + least


async def test_one_key_makes_one_generation_and_another_body_is_refused(world: World) -> None:
    caller = await world.customer(PLENTY)
    key = IdempotencyKey(caller.account_id, caller.mode, "generations", "k")
    made = await asyncio.gather(*(asking(world)(caller, ASKED, idempotency=(key, "f")) for _ in range(4)))
    world.generations += [generation for _, generation in made if generation]
    assert len(world.generations) == 1
    assert {generation_id for generation_id, _ in made} == {world.generations[0].id}
    with pytest.raises(IdempotencyMismatch):
        await asking(world)(caller, ASKED, idempotency=(key, "g"))
    await world.harness.advance(KEYS_KEPT.total_seconds() + 1)
    assert (await house(world))["keys_forgotten"] == 1


async def test_so_many_may_be_unfinished_and_no_more_even_at_once(world: World) -> None:
    caller = await world.customer(PLENTY)
    results = await asyncio.gather(*(asking(world, 2)(caller, ASKED) for _ in range(5)), return_exceptions=True)
    world.generations += [result[1] for result in results if isinstance(result, tuple) and result[1]]
    assert [type(result) for result in results if isinstance(result, BaseException)] == [TooManyOpen] * 3
    assert len(world.generations) == 2


async def test_a_reference_stays_until_its_generation_has_ended(world: World) -> None:
    caller = await world.customer(PLENTY)
    upload = await uploaded(world.store, caller)
    await world.storage.put(upload.key, b"upload", "image/png")
    generation = await ask(world, caller, replace(ASKED, images=(upload.id,)))
    delete = DeleteAsset(world.store, world.storage)
    with pytest.raises(AssetInUse):
        await delete(caller, upload.id)
    await world.cancel(generation)
    await delete(caller, upload.id)
    assert not world.storage.objects


# Keeping house


async def test_a_house_in_order_needs_nothing_and_forgotten_work_is_woken_once(world: World) -> None:
    nothing = {"expired": 0, "woken": 0, "purged": 0, "failed": 0, "keys_forgotten": 0, "events_forgotten": 0}
    nothing["undelivered_forgotten"] = 0
    assert await house(world) == nothing
    await world.ask()
    assert await house(world) == nothing | {"woken": 1}
    assert await house(world) == nothing


async def test_many_keepers_at_once_end_each_overdue_one_once(world: World) -> None:
    overdue = [await world.ask() for _ in range(3)]
    await world.harness.advance(TIMING.longest_queue.total_seconds())
    told = await asyncio.gather(*(house(world) for _ in range(3)))
    assert sum(each["expired"] for each in told) == 3
    assert {(await world.see(generation)).state.value for generation in overdue} == {"failed"}


async def test_the_trash_is_emptied_after_seven_days_and_nothing_else_is(world: World) -> None:
    thrown, kept = await world.ask(), await world.ask()
    for _ in range(2):
        worker, call = await world.call_out()
        call.finish(pictures(2))
        await worker
    [caller, _] = [caller for caller, _ in world.callers]
    await DeleteGeneration(world.store, world.storage)(caller, thrown.id, purge=False)
    await world.harness.advance(TRASH.total_seconds() - 60)
    assert (await house(world))["purged"] == 0
    assert len(world.storage.objects) == 6
    await world.harness.advance(61)
    assert (await house(world))["purged"] == 1
    assert (await world.see(thrown)).request is None
    assert (await world.see(kept)).request
    assert {key.split("/")[2] for key in world.storage.objects} == {str(kept.id)}
    assert (await house(world))["purged"] == 0


async def test_what_is_taken_out_of_the_trash_while_it_is_being_emptied_stays(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The trash is listed first and then emptied one by one: meanwhile owners go on deciding."""
    [first, second, third] = await _thrown_away(world, 3)
    await world.harness.advance(TRASH.total_seconds() + 1)
    dispose, restore, purge = DeleteGeneration(world.store, world.storage), RestoreGeneration(world.store), KeepHouse._purge

    async def purge_after_changes_of_mind(keeper: KeepHouse, generation: GenerationId) -> bool:
        if generation == first.id:
            await restore(world._caller(second), second.id)
            await restore(world._caller(third), third.id)
            await dispose(world._caller(third), third.id, purge=False)  # once more: seven days from now
        return await purge(keeper, generation)

    monkeypatch.setattr(KeepHouse, "_purge", purge_after_changes_of_mind)
    assert (await house(world))["purged"] == 1
    assert [bool((await world.see(each)).request) for each in (first, second, third)] == [False, True, True]


async def _thrown_away(world: World, number: int) -> list[Generation]:
    thrown = [await world.ask() for _ in range(number)]
    for _ in thrown:
        worker, call = await world.call_out()
        call.finish(pictures(2))
        await worker
    for generation in thrown:
        await DeleteGeneration(world.store, world.storage)(world._caller(generation), generation.id, purge=False)
    return thrown


async def test_an_end_that_was_thrown_away_and_erased_keeps_its_price(world: World) -> None:
    generation = await world.ask()
    worker, call = await world.call_out()
    call.finish(pictures(2))
    await worker
    await world.purge(generation)
    await world.keep_house()
    [(caller, _)] = world.callers
    assert await numbers(world.harness.queries, caller.wallet_id) == (94, 0, 0)


# Sweeping


async def test_the_sweeper_deletes_every_orphan_batch_by_batch_and_nothing_else(world: World) -> None:
    ended, unfinished, stranger = await world.ask(), await world.ask(), await customer(world.store)
    await world.cancel(ended)
    upload = await uploaded(world.store, stranger)
    lost = an_upload(stranger, await now(world.store))
    for index in range(5):
        await world.storage.put(key_of(ended, 1, index), b"late", "image/png")
        await world.storage.put(key_of(unfinished, 1, index), b"in time", "image/png")
    for asset in (upload, lost):
        await world.storage.put(asset.key, b"upload", "image/png")
    await world.harness.advance(1)
    swept = await SweepObjects(world.store, world.storage, world.harness.queries, batch=3)()
    assert swept == 6, "five late pictures, and an upload that no row ever came for"
    wanted = {str(upload.key), *(str(key_of(unfinished, 1, index)) for index in range(5))}
    assert set(world.storage.objects) == wanted
    assert world.storage.cleared
    assert world.storage.cleared <= await now(world.store) - REMNANTS_KEPT, "who is still writing is left alone"
