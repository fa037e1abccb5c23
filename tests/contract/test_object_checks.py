"""Rows and stored objects, compared both ways, on every store: what is wrong is told, what has just changed is not."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from adapters.postgres.store import PostgresStore
from application.media import DeleteAsset
from application.object_checks import CheckObjects, Fault, SampleObjects, VerifyObjects, Wrong
from application.object_rows import ObjectRows, SpokenObject, Walk
from application.purging import PurgeMedia
from application.turns import InTurn
from domain.accounts import Caller, Role, Staff
from domain.archives import Archive, ArchiveId, ArchiveState
from domain.errors import AssetInUse, NotFinished, NotFound, StaffOnly
from domain.generations import GenerationId
from domain.media import Asset, AssetId, AssetKind, Thumbnail
from domain.objects import ObjectClass, ObjectKey
from domain.provenance import Marking
from domain.quarantine import Impounded, ImpoundedId, Origin
from tests.contract.harnesses import StoreHarness, each_store
from tests.contract.store_contract import a_generation, a_request, an_upload, cancelled, customer, new_id, now, place, queued
from tests.scripted_storage import ScriptedStorage

pytestmark = pytest.mark.anyio
__all__ = ["each_store"]


@dataclass(slots=True)
class Room:
    harness: StoreHarness
    caller: Caller
    storage: ScriptedStorage = field(default_factory=ScriptedStorage)

    @property
    def rows(self) -> ObjectRows:
        return self.harness.object_rows

    @property
    def check(self) -> CheckObjects:
        return CheckObjects(self.rows, self.storage)

    async def picture(self, content: bytes = b"a picture", **more: Any) -> Asset:
        said: dict[str, Any] = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()} | more
        async with self.harness.store.transaction() as tx:
            asset = replace(an_upload(self.caller, await tx.now()), **said)
            tx.assets.add(asset)
        self.storage.objects[str(asset.key)] = content
        return asset

    async def outputs(self, count: int) -> list[Asset]:
        generation = await queued(self.harness.store, self.caller)
        named = {"kind": AssetKind.OUTPUT, "generation_id": generation.id, "attempt": 1}
        made = [await self.picture(b"%d" % index, **named, index=index) for index in range(count)]
        await cancelled(self.harness.store, generation)
        return made

    async def archive(self, *assets: Asset, content: bytes = b"zip") -> Archive:
        at = await now(self.harness.store)
        made = Archive(ArchiveId(new_id()), self.caller.account_id, self.caller.mode, tuple(a.id for a in assets), at, at)
        made.begin(at, timedelta(minutes=1))
        made.finish(len(content), at, timedelta(days=1))
        async with self.harness.store.transaction() as tx:
            tx.archives.add(made)
        self.storage.objects[str(made.key)] = content
        return made

    async def verified(self, batch: int = 500, **more: Any) -> tuple[Counter[tuple[str, Fault]], int]:
        looked = list[int]()
        verify = VerifyObjects(self.rows, self.check, batch)(told=looked.append, **more)
        return Counter([(str(each.key), each.fault) async for each in verify]), sum(looked)


@pytest.fixture
async def room(harness: StoreHarness) -> Room:
    return Room(harness, await customer(harness.store, 100))


async def test_a_house_in_order_has_nothing_wrong_however_small_the_steps(room: Room) -> None:
    uploads, outputs = [await room.picture() for _ in range(3)], await room.outputs(3)
    archive = await room.archive(*uploads)
    for batch in (1, 2, 6, 500):
        assert await room.verified(batch, hashes=True) == (Counter(), 7)
    assert len(room.storage.objects) == len((*uploads, *outputs, archive))


async def test_what_is_gone_and_what_is_another_is_told_by_what_it_is(room: Room) -> None:
    pictures = [await room.picture() for _ in range(4)] + await room.outputs(2)
    archive = await room.archive(*pictures)
    del room.storage.objects[str(pictures[0].key)], room.storage.objects[str(pictures[5].key)]
    room.storage.objects[str(pictures[1].key)] += b"more"
    room.storage.objects[str(pictures[2].key)] = b"a Picture"
    room.storage.objects[str(archive.key)] = b""
    wrong = {
        (str(pictures[0].key), Fault.MISSING): 1,
        (str(pictures[5].key), Fault.MISSING): 1,
        (str(pictures[1].key), Fault.OTHER_SIZE): 1,
        (str(archive.key), Fault.OTHER_SIZE): 1,
    }
    assert await room.verified(2) == (wrong, 7)
    wrong[str(pictures[2].key), Fault.OTHER_CONTENT] = 1
    assert await room.verified(2, hashes=True) == (wrong, 7)


async def test_a_picture_that_waits_for_its_signature_may_be_written_anew_but_not_be_gone(room: Room) -> None:
    waiting, gone = [await room.picture(marking=Marking.PENDING) for _ in range(2)]
    room.storage.objects[str(waiting.key)] = b"signed by whoever died before the row knew of it"
    del room.storage.objects[str(gone.key)]
    assert await room.verified(hashes=True) == ({(str(gone.key), Fault.MISSING): 1}, 2)


@pytest.mark.parametrize("hashes", [False, True])
async def test_a_picture_that_is_deleted_while_one_looks_is_not_missing(room: Room, hashes: bool) -> None:
    asset = await room.picture()
    found = await room.rows.walk(Walk.PICTURES, "", 10)
    await DeleteAsset(room.harness.store, room.storage)(room.caller, asset.id)
    assert [each.key for each in found] == [asset.key]
    assert await room.check(found, hashes=hashes) == []


async def test_every_class_that_rows_speak_of_is_walked_through(room: Room) -> None:
    [output], upload = await room.outputs(1), await room.picture(thumbnail=Thumbnail.MADE)
    archive, thumbnail = await room.archive(upload), ObjectKey.thumbnail(upload.account_id, upload.id)
    wanted, nobodys = {output.key, upload.key, archive.key, thumbnail}, {ObjectClass.AUDIT, ObjectClass.ANSWERS}
    nobodys |= {ObjectClass.INCOMING, ObjectClass.PARTIALS}
    if isinstance(room.harness.store, PostgresStore):
        at, match = await now(room.harness.store), ("ab" * 32, 3)
        held = Impounded(ImpoundedId(new_id()), room.caller.account_id, Origin.UPLOAD, "cd" * 32, *match, at)
        async with room.harness.store.transaction() as tx:
            await tx.quarantine.add(held)
        wanted.add(ObjectKey.quarantined(held.account_id, held.id))
    else:
        nobodys.add(ObjectClass.QUARANTINE)
    seen = {each.key for walk in Walk for each in await room.rows.walk(walk, "", 10)}
    assert seen == wanted
    nobodys.add(ObjectClass.RENDITIONS)  # test_renditions.py walks through these: the store in memory has none
    assert {key.object_class for key in seen} == set(ObjectClass) - nobodys
    assert await room.rows.spoken_of(seen) == seen


# Round and round


@dataclass(frozen=True, slots=True)
class Seen(CheckObjects):
    """Notes what it was shown."""

    places: list[str] = field(default_factory=list)

    async def __call__(self, found: Sequence[SpokenObject], *, hashes: bool = False) -> Sequence[Wrong]:
        self.places.extend(each.place for each in found)
        return await CheckObjects.__call__(self, found, hashes=hashes)


async def test_slices_go_on_where_the_last_holder_left_off_and_count_what_is_wrong_in_a_round(room: Room) -> None:
    pictures = [await room.picture() for _ in range(5)]
    archive = await room.archive(*pictures)
    del room.storage.objects[str(pictures[3].key)]
    seen, told = Seen(room.rows, room.storage), list[tuple[int, int]]()
    for turn in range(9):  # three slices of pictures, and one of each other kind make a round
        sample = SampleObjects(room.harness.store, room.rows, seen, batch=2)
        holder = InTurn(room.harness.store, UUID(int=turn // 3))
        done = await holder(SampleObjects.NAME, timedelta(hours=1), sample)
        assert done
        told.append((len(done[0]), done[1]))
        await room.harness.advance(3 * 3600)
    assert told == [(0, 0), (1, 1), *[(0, 1)] * 6, (1, 1)]
    in_order = [str(asset.id) for asset in pictures] + [str(archive.id)]
    assert seen.places == [*in_order, *in_order[:4]]


# By hand


async def staff(room: Room, role: Role = Role.ADMIN) -> Staff:
    person = await customer(room.harness.store)
    async with room.harness.store.transaction() as tx:
        await tx.accounts.save((await tx.accounts.find(person.account_id)).with_role(role))
    return Staff(person.account_id, "ticket 4711")


async def test_what_staff_takes_away_is_gone_with_its_bytes_and_archives(room: Room) -> None:
    upload, outputs = await room.picture(), await room.outputs(2)
    kept = await room.picture()
    archives = [await room.archive(upload), await room.archive(kept, outputs[0])]
    purge, admin = PurgeMedia(room.harness.store, room.storage, new_id), await staff(room)
    await purge.asset(admin, upload.id)
    assert str(upload.key) not in room.storage.objects
    assert str(archives[0].key) not in room.storage.objects
    generation = outputs[0].generation_id
    assert generation
    await purge.generation(admin, GenerationId(generation))
    assert set(room.storage.objects) == {str(kept.key)}
    told = await room.harness.queries.archive(archives[1].id, room.caller.account_id, room.caller.mode)
    assert told.state is ArchiveState.FAILED
    assert await room.verified() == (Counter(), 1)
    with pytest.raises(NotFound):
        await purge.asset(admin, upload.id)


async def test_staff_takes_away_nothing_that_is_needed_or_above_them(room: Room) -> None:
    reference, purge = await room.picture(), PurgeMedia(room.harness.store, room.storage, new_id)
    async with room.harness.store.transaction() as tx:
        await tx.assets.pin([reference.id], room.caller.account_id, room.caller.mode)
        generation = a_generation(room.caller, await tx.now(), request=a_request(references=(AssetId(reference.id),)))
        await place(tx, generation)
    admin = await staff(room)
    with pytest.raises(AssetInUse):
        await purge.asset(admin, reference.id)
    with pytest.raises(NotFinished):
        await purge.generation(admin, generation.id)
    await cancelled(room.harness.store, generation)
    with pytest.raises(StaffOnly):
        await purge.asset(await staff(room, Role.SUPPORT), reference.id)
    assert str(reference.key) in room.storage.objects
    await purge.asset(admin, reference.id)
    assert not room.storage.objects
