"""Thumbnails: made after the picture, by whoever comes first; what cannot be drawn is left alone, who is away is waited for."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from adapters.postgres.pool import open_pool
from adapters.postgres.sketches import PostgresSketches
from application.copies import PictureCopies
from application.housekeeping import SweepObjects
from application.media import DeleteAsset
from application.ports import StorageUnavailable
from application.thumbnails import MakeThumbnails
from domain.accounts import Caller
from domain.errors import BrokenImage, IntakeBusy
from domain.media import Asset, AssetKind, Likeness, Thumbnail
from domain.objects import ObjectKey
from domain.provenance import SourceType
from domain.renditions import LOOK_AGAIN, MOST_LOOKS, Shape, Sketch
from tests.contract.postgres_harness import PostgresHarness, on_postgres
from tests.contract.store_contract import a_request, an_upload, customer, queued
from tests.scripted_storage import ScriptedStorage

pytestmark = pytest.mark.anyio

PDQ = "5a" * 32


@dataclass(slots=True)
class Pencil(PictureCopies):
    """Draws nothing, and says so. `wrong`: what becomes of pictures with these bytes."""

    wrong: dict[bytes, Exception] = field(default_factory=dict)
    drawn: list[tuple[bytes, SourceType | None]] = field(default_factory=list)

    async def sketch(self, content: bytes, source_type: SourceType | None) -> Sketch:
        self.drawn.append((content, source_type))
        await asyncio.sleep(0)
        if content in self.wrong:
            raise self.wrong[content]
        return Sketch(b"small " + content, "LKO2?U%2Tw=w", Likeness(PDQ, 90, (PDQ,) * 8))

    async def render(self, content: bytes, shape: Shape) -> bytes:
        raise NotImplementedError


@dataclass(slots=True)
class Room:
    harness: PostgresHarness
    sketches: PostgresSketches
    caller: Caller
    storage: ScriptedStorage = field(default_factory=ScriptedStorage)
    pencil: Pencil = field(default_factory=Pencil)

    async def picture(self, content: bytes = b"a", **more: Any) -> Asset:
        async with self.harness.store.transaction() as tx:
            asset = replace(an_upload(self.caller, await tx.now()), **more)
            tx.assets.add(asset)
        self.storage.objects[str(asset.key)] = content
        return asset

    async def make(self, batch: int = 20) -> int:
        return await MakeThumbnails(self.sketches, self.storage, self.pencil, batch)()

    async def see(self, asset: Asset) -> Asset:
        return await self.harness.queries.asset(asset.id, self.caller.account_id, self.caller.mode)

    async def pass_time(self, seconds: float = LOOK_AGAIN.total_seconds() + 1) -> None:
        await self.harness.advance(seconds)
        self.sketches.offset = self.harness.store.offset


def small(asset: Asset) -> str:
    return str(ObjectKey.thumbnail(asset.account_id, asset.id))


@pytest.fixture
async def room(database_url: str) -> AsyncIterator[Room]:
    async with on_postgres(database_url) as harness, open_pool(database_url, size=4) as pool:
        yield Room(harness, PostgresSketches(pool), await customer(harness.store, 30))


async def test_each_picture_gets_one_thumbnail_that_says_what_made_it(room: Room) -> None:
    upload = await room.picture(b"upload", pdq="ff" * 32)
    made = await queued(room.harness.store, room.caller)
    edited = await queued(room.harness.store, room.caller, request=a_request(references=(upload.id,)))
    outputs = [
        await room.picture(name, kind=AssetKind.OUTPUT, generation_id=of.id, attempt=1, index=0)
        for name, of in ((b"made", made), (b"edited", edited))
    ]
    assert (await room.see(upload)).thumbnail is None
    assert await room.make() == 3
    assert room.pencil.drawn == [(b"upload", None), (b"made", SourceType.GENERATED), (b"edited", SourceType.EDITED)]
    seen = await room.see(outputs[0])
    assert (seen.thumbnail, seen.blurhash, seen.pdq) == (Thumbnail.MADE, "LKO2?U%2Tw=w", PDQ)
    assert (await room.see(upload)).pdq == "ff" * 32
    assert room.storage.objects[small(outputs[1])] == b"small edited"
    await room.pass_time()
    assert await room.make() == 0


async def test_two_who_draw_at_once_share_the_work(room: Room) -> None:
    for number in range(6):
        await room.picture(b"%d" % number)
    assert sum(await asyncio.gather(room.make(1), room.make(2))) == 6
    assert sorted(content for content, _ in room.pencil.drawn) == [b"%d" % number for number in range(6)]


async def test_what_cannot_be_drawn_or_is_not_there_is_never_tried_again(room: Room) -> None:
    broken, missing, whole = [await room.picture(content) for content in (b"broken", b"missing", b"whole")]
    room.pencil.wrong[b"broken"] = BrokenImage()
    del room.storage.objects[str(missing.key)]
    assert await room.make() == 1
    assert [(await room.see(asset)).thumbnail for asset in (broken, missing, whole)] == [
        Thumbnail.IMPOSSIBLE,
        Thumbnail.IMPOSSIBLE,
        Thumbnail.MADE,
    ]
    await room.pass_time()
    assert await room.make() == 0
    assert small(broken) not in room.storage.objects


async def test_while_storage_is_away_nothing_is_counted_and_all_comes_later(room: Room) -> None:
    pictures = [await room.picture(b"%d" % number) for number in range(3)]
    for _ in range(MOST_LOOKS + 2):
        room.storage.down = True
        with pytest.raises(StorageUnavailable):
            await room.make()
        await room.pass_time()
    room.storage.down = False
    assert await room.make() == 3
    assert {(await room.see(picture)).thumbnail for picture in pictures} == {Thumbnail.MADE}


async def test_a_picture_from_which_no_worker_comes_back_is_given_up_and_holds_up_nobody(room: Room) -> None:
    deadly = await room.picture(b"deadly")
    room.pencil.wrong[b"deadly"] = IntakeBusy()
    other = await room.picture(b"other")
    for _ in range(MOST_LOOKS + 1):
        await room.make()
        await room.pass_time()
    assert (await room.see(deadly)).thumbnail is Thumbnail.IMPOSSIBLE
    assert (await room.see(other)).thumbnail is Thumbnail.MADE
    assert [content for content, _ in room.pencil.drawn].count(b"deadly") == MOST_LOOKS


async def test_whoever_dies_over_a_picture_is_followed_by_another(room: Room) -> None:
    picture = await room.picture()
    await room.sketches.take(5)  # and nothing more is heard
    assert await room.make() == 0
    await room.pass_time()
    assert await room.make() == 1
    assert (await room.see(picture)).thumbnail is Thumbnail.MADE


async def test_a_thumbnail_goes_with_its_picture(room: Room) -> None:
    picture, late = await room.picture(b"early"), await room.picture(b"late")
    delete = DeleteAsset(room.harness.store, room.storage)
    gate = room.storage.gate("put", ObjectKey.thumbnail(late.account_id, late.id))
    making = asyncio.ensure_future(room.make())
    await gate.wait()
    await delete(room.caller, late.id)
    gate.open()
    assert await making == 1
    await delete(room.caller, picture.id)
    assert room.storage.objects == {}


async def test_what_a_crash_left_is_swept_and_what_is_there_stays(room: Room) -> None:
    kept, gone = await room.picture(b"kept"), await room.picture(b"gone")
    await room.make()
    left = room.storage.objects[small(gone)]
    await DeleteAsset(room.harness.store, room.storage)(room.caller, gone.id)
    room.storage.objects[small(gone)] = left  # as if its process had died before
    assert await SweepObjects(room.harness.store, room.storage, room.harness.queries)() == 1
    assert set(room.storage.objects) == {str(kept.key), small(kept)}
