"""Copies in another format or size: made once, signed, kept while somebody uses them, and gone with their picture."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest

from adapters.postgres.objects import PostgresObjectRows
from adapters.postgres.pool import open_pool
from adapters.postgres.renditions import PostgresRenditions
from adapters.postgres.session import Pool
from application.copies import PictureCopies
from application.generations import DeleteGeneration
from application.housekeeping import SweepObjects
from application.media import DeleteAsset
from application.object_rows import Walk
from application.ports import StorageUnavailable
from application.provenance import Provenance, ProvenanceUnavailable, Source
from application.renditions import ForgetRenditions, ShowRendition, UnderWay
from domain.accounts import Caller
from domain.errors import IntakeBusy, NotFound
from domain.media import Asset, AssetKind, PictureFormat
from domain.objects import ObjectKey
from domain.provenance import Act, Credentials, Made, SourceType
from domain.renditions import KEPT_UNUSED, USE_NOTED, Shape, Sketch
from tests.contract.postgres_harness import PostgresHarness, on_postgres
from tests.contract.store_contract import a_request, an_upload, cancelled, customer, new_id, queued
from tests.scripted_storage import Gate, ScriptedStorage, patiently

pytestmark = pytest.mark.anyio
WEBP = Shape(PictureFormat.WEBP, 8, 8, label=False)
AVIF = Shape(PictureFormat.AVIF, 8, 8, label=False)


@dataclass(slots=True)
class Pencil(PictureCopies):
    drawn: list[Shape] = field(default_factory=list)
    gate: Gate | None = None

    async def sketch(self, content: bytes, source_type: SourceType | None) -> Sketch:
        raise NotImplementedError

    async def render(self, content: bytes, shape: Shape) -> bytes:
        self.drawn.append(shape)
        if self.gate:
            await self.gate.pass_through()
        return content + f" as {shape.format}".encode()


@dataclass(slots=True)
class Pen(Provenance):
    """Signs, or does not."""

    away: bool = False
    signed: list[tuple[Made, bytes | None]] = field(default_factory=list)

    async def read(self, content: bytes, format: PictureFormat) -> Credentials:
        raise NotImplementedError

    async def sign(
        self, content: bytes, format: PictureFormat, made: Made, parent: Source | None = None, inputs: Sequence[Source] = ()
    ) -> bytes:
        await asyncio.sleep(0)
        if self.away:
            raise ProvenanceUnavailable
        self.signed.append((made, parent.content if parent else None))
        return content + b", signed"

    async def label(self, content: bytes, format: PictureFormat, source_type: SourceType) -> bytes:
        raise NotImplementedError


@dataclass(slots=True)
class Room:
    harness: PostgresHarness
    renditions: PostgresRenditions
    pool: Pool
    caller: Caller
    storage: ScriptedStorage = field(default_factory=ScriptedStorage)
    pencil: Pencil = field(default_factory=Pencil)
    pen: Pen = field(default_factory=Pen)

    async def picture(self, **more: Any) -> Asset:
        async with self.harness.store.transaction() as tx:
            asset = replace(an_upload(self.caller, await tx.now()), **more)
            tx.assets.add(asset)
        self.storage.objects[str(asset.key)] = b"picture"
        return asset

    def process(self, most: int = 6, most_each: int = 2) -> ShowRendition:
        """One of several: what one is making the others do not know."""
        return ShowRendition(self.renditions, self.storage, self.pencil, self.pen, new_id, UnderWay(most, most_each))

    def copies(self) -> list[str]:
        return [key for key in self.storage.objects if key.startswith("renditions/")]

    async def pass_time(self, time: timedelta) -> None:
        await self.harness.advance(time.total_seconds())
        self.renditions.offset = self.harness.store.offset

    async def throw_away(self) -> int:
        return await ForgetRenditions(self.renditions, self.storage, batch=2)()

    async def sweep(self) -> int:
        return await SweepObjects(self.harness.store, self.storage, self.harness.queries)()


@pytest.fixture
async def room(database_url: str) -> AsyncIterator[Room]:
    async with on_postgres(database_url) as harness, open_pool(database_url, size=4) as pool:
        yield Room(harness, PostgresRenditions(pool), pool, await customer(harness.store, 30))


async def test_a_copy_is_made_once_and_signed_with_its_picture_as_parent(room: Room) -> None:
    upload = await room.picture(width=8, height=8)
    show = room.process()
    first = await show(upload, WEBP)
    assert await show(upload, WEBP) == await room.process()(upload, WEBP) == first
    assert room.pencil.drawn == [WEBP]
    assert room.pen.signed == [(Made((Act.TRANSCODED,), None), b"picture")]
    content = room.storage.objects[str(first.key)]
    assert content == b"picture as webp, signed"
    (told,) = await PostgresObjectRows(room.pool).walk(Walk.RENDITIONS, "", 5)
    assert (told.key, told.bytes, told.sha256) == (first.key, first.bytes, first.sha256)
    assert (first.bytes, first.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    assert (await show(upload, AVIF)).id != first.id


async def test_what_a_model_made_says_so_in_its_copies(room: Room) -> None:
    upload = await room.picture()
    made = await queued(room.harness.store, room.caller)
    edited = await queued(room.harness.store, room.caller, request=a_request(references=(upload.id,)))
    for generation in (made, edited):
        output = await room.picture(kind=AssetKind.OUTPUT, generation_id=generation.id, attempt=1, index=0)
        await room.process()(output, WEBP)
    assert [said.source_type for said, _ in room.pen.signed] == [SourceType.GENERATED, SourceType.EDITED]


async def test_two_who_ask_at_once_get_one_copy(room: Room) -> None:
    upload = await room.picture()
    show = room.process(most_each=1)
    room.pencil.gate = Gate()
    asked = [asyncio.ensure_future(show(upload, WEBP)) for _ in range(3)]
    await room.pencil.gate.wait()
    asked.pop(0).cancel()  # whoever leaves takes it from nobody
    room.pencil.gate.open()
    first, second = await asyncio.gather(*asked)
    assert first == second
    assert (len(room.pencil.drawn), len(room.copies())) == (1, 1)


async def test_of_two_processes_that_make_it_at_once_one_wins_and_nothing_else_stays(room: Room) -> None:
    upload = await room.picture()
    room.pencil.gate = Gate()
    asked = [asyncio.ensure_future(room.process()(upload, WEBP)) for _ in range(2)]
    while len(room.pencil.drawn) < 2:
        await asyncio.sleep(0.001)
    room.pencil.gate.open()
    first, second = await asyncio.gather(*asked)
    assert first == second
    assert room.copies() == [str(first.key)]


async def test_only_so_many_are_made_at_once(room: Room) -> None:
    upload, other = await room.picture(), await room.picture(account_id=(await customer(room.harness.store)).account_id)
    third = await room.picture(account_id=(await customer(room.harness.store)).account_id)
    show = room.process(most=2, most_each=1)
    room.pencil.gate = Gate()
    asked = [asyncio.ensure_future(show(upload, WEBP))]
    while len(room.pencil.drawn) < 1:
        await asyncio.sleep(0.001)
    with pytest.raises(IntakeBusy) as caught:
        await patiently(show(upload, AVIF))
    assert caught.value.facts == {"limit": 1}
    asked.append(asyncio.ensure_future(show(other, WEBP)))
    while len(room.pencil.drawn) < 2:
        await asyncio.sleep(0.001)
    with pytest.raises(IntakeBusy) as caught:
        await patiently(show(third, AVIF))
    assert caught.value.facts == {"limit": 2}
    room.pencil.gate.open()
    await asyncio.gather(*asked)
    await show(upload, AVIF)
    assert not show.under_way.making
    assert not show.under_way.accounts


async def test_what_cannot_be_signed_or_stored_is_not_handed_out(room: Room) -> None:
    upload = await room.picture()
    room.pen.away = True
    with pytest.raises(ProvenanceUnavailable):
        await room.process()(upload, WEBP)
    room.pen.away, room.storage.down = False, True
    with pytest.raises(StorageUnavailable):
        await room.process()(upload, WEBP)
    assert room.copies() == []
    room.storage.down = False
    await room.process()(upload, WEBP)


async def test_a_copy_stays_for_a_month_after_it_was_last_asked_for(room: Room) -> None:
    pictures = [await room.picture() for _ in range(4)]
    show = room.process()
    for picture in pictures:
        made = await show(picture, WEBP)
    await room.pass_time(USE_NOTED - timedelta(minutes=1))
    assert (await show(pictures[-1], WEBP)).used_at == made.used_at  # not written anew at each use
    await room.pass_time(timedelta(minutes=2))
    used = await show(pictures[-1], WEBP)
    assert used.used_at > made.used_at
    assert await room.throw_away() == 0
    await room.pass_time(KEPT_UNUSED - USE_NOTED)
    assert await room.throw_away() == 3
    assert room.copies() == [str(used.key)]
    again = await show(pictures[0], WEBP)
    assert again.id != made.id
    await room.pass_time(KEPT_UNUSED + timedelta(minutes=1))
    assert await room.throw_away() == 2
    assert room.copies() == []


async def test_copies_go_with_their_picture(room: Room) -> None:
    upload = await room.picture()
    generation = await queued(room.harness.store, room.caller)
    output = await room.picture(kind=AssetKind.OUTPUT, generation_id=generation.id, attempt=1, index=0)
    show = room.process()
    for picture in (upload, output):
        await show(picture, WEBP)
        await show(picture, AVIF)
    assert len(room.copies()) == 4
    await DeleteAsset(room.harness.store, room.storage)(room.caller, upload.id)
    assert len(room.copies()) == 2
    await cancelled(room.harness.store, generation)
    await DeleteGeneration(room.harness.store, room.storage)(room.caller, generation.id, purge=True)
    assert room.storage.objects == {}


async def test_a_picture_deleted_while_its_copy_is_made_leaves_none(room: Room) -> None:
    upload = await room.picture()
    room.pencil.gate = Gate()
    asked = asyncio.ensure_future(room.process()(upload, WEBP))
    await room.pencil.gate.wait()
    await DeleteAsset(room.harness.store, room.storage)(room.caller, upload.id)
    room.pencil.gate.open()
    with pytest.raises(NotFound):
        await asked
    assert room.storage.objects == {}
    with pytest.raises(NotFound):
        await room.process()(upload, WEBP)


async def test_what_no_row_speaks_of_is_swept_and_nothing_else(room: Room) -> None:
    upload = await room.picture()
    kept = await room.process()(upload, WEBP)
    left = ObjectKey.rendition(upload.account_id, upload.id, new_id())  # as if its process had died before the row
    room.storage.objects[str(left)] = b"left"
    strange = f"renditions/{upload.account_id}/{upload.id}/strange"
    room.storage.objects[strange] = b"not ours"
    assert await room.sweep() == 1
    assert set(room.storage.objects) == {str(upload.key), str(kept.key), strange}
