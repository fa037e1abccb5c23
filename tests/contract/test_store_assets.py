"""What the store promises about pictures: those an unfinished request needs stay."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from application.ports import StoredObject
from application.queries import AssetFilter, Position
from application.store import Store
from domain.accounts import Caller, Mode
from domain.errors import AssetInUse, NotFound
from domain.generations import Generation, GenerationId
from domain.media import Asset, AssetId, AssetKind
from domain.objects import ObjectKey
from tests.contract.harnesses import StoreHarness, each_store
from tests.contract.store_contract import (
    a_generation,
    a_request,
    an_upload,
    cancelled,
    customer,
    new_id,
    now,
    place,
    queued,
    soon,
    uploaded,
    waits,
)

pytestmark = pytest.mark.anyio
__all__ = ["each_store"]

DAY = 24 * 3600.0


async def test_pictures_are_listed_by_kind_and_time_the_newest_first(harness: StoreHarness) -> None:
    caller, stranger = await customer(harness.store), await customer(harness.store)
    kinds = [AssetKind.REFERENCE, AssetKind.MASK, AssetKind.REFERENCE, AssetKind.MASK, AssetKind.REFERENCE]
    made = list[Asset]()
    for kind in kinds:
        made.append(await uploaded(harness.store, caller, kind))
        await harness.advance(1)
    await uploaded(harness.store, stranger)

    async def listed(after: Position | None = None, limit: int = 10, **matching: Any) -> list[int]:
        account, of = caller.account_id, AssetFilter(**matching)
        return [made.index(each) for each in await harness.queries.assets(account, caller.mode, of, after, limit)]

    assert await listed() == [4, 3, 2, 1, 0]
    assert await listed(kind=AssetKind.REFERENCE) == [4, 2, 0]
    assert await listed(kind=AssetKind.OUTPUT) == []
    assert await listed((made[3].created_at, made[3].id), limit=2) == [2, 1]
    assert await listed(created_after=made[1].created_at, created_before=made[4].created_at) == [3, 2]
    assert await listed(kind=AssetKind.MASK, created_after=made[1].created_at, created_before=made[1].created_at) == []


async def test_a_picture_comes_back_as_it_was_added_until_it_is_removed(harness: StoreHarness) -> None:
    caller = await customer(harness.store, 30)
    generation = await queued(harness.store, caller, request=a_request(2))
    async with harness.store.transaction() as tx:
        at = await tx.now()
        outputs = [
            an_upload(caller, at, AssetKind.OUTPUT, generation_id=generation.id, attempt=2, index=index) for index in (1, 0)
        ]
        upload = replace(an_upload(caller, at), bytes=2**33, has_alpha=False)
        for asset in (*outputs, upload):
            tx.assets.add(asset)
    async with harness.store.transaction() as tx:
        assert await tx.assets.of_generation(generation.id) == outputs[::-1]
        assert await tx.assets.pin([upload.id, outputs[0].id, upload.id], caller.account_id, caller.mode) == [
            upload,
            outputs[0],
            upload,
        ]
        assert await tx.assets.pin([], caller.account_id, caller.mode) == []
    await delete(harness.store, caller, outputs[0])
    async with harness.store.transaction() as tx:
        assert await tx.assets.of_generation(generation.id) == outputs[1:]


async def delete(store: Store, caller: Caller, asset: Asset) -> None:
    async with store.transaction() as tx:
        assert await tx.assets.take(asset.id, caller.account_id, caller.mode) == asset
        await tx.assets.remove(asset)


async def edit(store: Store, caller: Caller, *assets: Asset, mask: AssetId | None = None) -> Generation:
    """A request that refers to uploads."""
    async with store.transaction() as tx:
        named = [asset.id for asset in assets]
        await tx.assets.pin([*named, *([mask] if mask else [])], caller.account_id, caller.mode)
        generation = a_generation(caller, await tx.now(), request=a_request(references=tuple(named), mask=mask))
        await place(tx, generation)
    return generation


async def test_a_picture_of_another_account_or_mode_or_none_is_not_found_by_name(harness: StoreHarness) -> None:
    caller, other = await customer(harness.store), await customer(harness.store)
    asset, missing = await uploaded(harness.store, caller), AssetId(new_id())
    for account, mode, named in (
        (other.account_id, caller.mode, [asset.id]),
        (caller.account_id, Mode.TEST, [asset.id]),
        (caller.account_id, caller.mode, [asset.id, missing, AssetId(new_id())]),
    ):
        async with harness.store.transaction() as tx:
            with pytest.raises(NotFound) as refused:
                await tx.assets.pin(named, account, mode)
            assert str(missing if missing in named else asset.id) in refused.value.facts.values()
            with pytest.raises(NotFound):
                await tx.assets.take(named[1] if missing in named else asset.id, account, mode)


async def test_a_picture_an_unfinished_generation_needs_cannot_be_taken(harness: StoreHarness) -> None:
    caller = await customer(harness.store, 30)
    reference, mask = await uploaded(harness.store, caller), await uploaded(harness.store, caller, AssetKind.MASK)
    generation = await edit(harness.store, caller, reference, mask=mask.id)
    for asset in (reference, mask):
        with pytest.raises(AssetInUse):
            await delete(harness.store, caller, asset)
    await cancelled(harness.store, generation)
    for asset in (reference, mask):
        await delete(harness.store, caller, asset)


async def test_a_deletion_waits_for_the_request_that_pinned_the_picture(harness: StoreHarness) -> None:
    caller = await customer(harness.store, 30)
    asset = await uploaded(harness.store, caller)
    async with harness.store.transaction() as tx:
        await tx.assets.pin([asset.id], caller.account_id, caller.mode)
        deletion = soon(delete(harness.store, caller, asset))
        await waits(deletion)
        await place(tx, a_generation(caller, await tx.now(), request=a_request(references=(asset.id,))))
    with pytest.raises(AssetInUse):
        await deletion


async def test_a_request_waits_for_the_deletion_and_then_finds_nothing(harness: StoreHarness) -> None:
    caller = await customer(harness.store, 30)
    asset = await uploaded(harness.store, caller)
    async with harness.store.transaction() as tx:
        await tx.assets.take(asset.id, caller.account_id, caller.mode)
        request = soon(edit(harness.store, caller, asset))
        await waits(request)
        await tx.assets.remove(asset)
    with pytest.raises(NotFound):
        await request


async def test_two_requests_may_pin_the_same_picture_at_once(harness: StoreHarness) -> None:
    caller = await customer(harness.store, 30)
    asset = await uploaded(harness.store, caller)
    async with harness.store.transaction() as tx:
        await tx.assets.pin([asset.id], caller.account_id, caller.mode)
        await edit(harness.store, caller, asset)


async def test_pin_and_take_at_once_never_leave_a_request_without_its_picture(harness: StoreHarness) -> None:
    caller = await customer(harness.store, 200)
    for turn in range(20):
        asset = await uploaded(harness.store, caller)
        both = [edit(harness.store, caller, asset), delete(harness.store, caller, asset)]
        results = await asyncio.gather(*(both if turn % 2 else both[::-1]), return_exceptions=True)
        kinds = {type(result) for result in results}
        assert kinds in ({Generation, AssetInUse}, {NotFound, type(None)}), results


async def test_only_objects_no_row_speaks_of_or_ever_will_are_orphans(harness: StoreHarness) -> None:
    caller = await customer(harness.store, 30)
    upload = await uploaded(harness.store, caller)
    unfinished, ended = await queued(harness.store, caller), await queued(harness.store, caller)
    async with harness.store.transaction() as tx:
        output = an_upload(caller, await tx.now(), AssetKind.OUTPUT, generation_id=ended.id, attempt=2, index=0)
        tx.assets.add(output)
    await cancelled(harness.store, ended)
    gone, account = GenerationId(new_id()), caller.account_id
    old, young = await now(harness.store) - timedelta(hours=2), await now(harness.store) - timedelta(minutes=30)
    kept = [
        StoredObject(upload.key, 1, old),
        StoredObject(ObjectKey.upload(account, AssetId(new_id())), 1, young),
        StoredObject(output.key, 1, old),
        StoredObject(ObjectKey.manifest(account, ended.id, 2), 1, old),
        StoredObject(ObjectKey.picture(account, unfinished.id, 1, 0), 1, old),
        StoredObject(ObjectKey.manifest(account, unfinished.id, 1), 1, old),
        StoredObject(ObjectKey.answer(account, unfinished.id, 1), 1, old),
        StoredObject(ObjectKey.answer(account, ended.id, 1), 1, old),
    ]
    orphans = [
        StoredObject(ObjectKey.upload(account, AssetId(new_id())), 1, old),
        StoredObject(ObjectKey.picture(account, ended.id, 2, 1), 1, young),
        StoredObject(ObjectKey.picture(account, ended.id, 1, 0), 1, young),
        StoredObject(ObjectKey.manifest(account, ended.id, 1), 1, young),
        StoredObject(ObjectKey.picture(account, gone, 1, 0), 1, young),
        StoredObject(ObjectKey.answer(account, gone, 1), 1, young),
        StoredObject(ObjectKey.answer(account, ended.id, 2), 1, old - timedelta(days=30)),
        StoredObject(ObjectKey.manifest(account, gone, 1), 1, young),
    ]
    found = sorted((*kept, *orphans), key=lambda thing: str(thing.key))
    assert set(await harness.queries.orphans(found)) == {thing.key for thing in orphans}
    assert list(await harness.queries.orphans([])) == []
