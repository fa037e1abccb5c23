"""Archives, on every store: packed once, by one at a time, whatever becomes of whoever packs and of the pictures meanwhile."""

import asyncio
import hashlib
import io
import json
import zipfile
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from adapters.zip_files import ZipFiles
from application.archives import LEASE, ForgetArchives, MakeArchives, RequestArchive
from application.housekeeping import SweepObjects
from application.media import DeleteAsset
from application.ports import StorageUnavailable
from application.store import IdempotencyKey
from domain.accounts import Caller, Mode
from domain.archives import LONGEST_BACK_OFF, MANIFEST, MOST_ATTEMPTS, Archive, ArchiveFailure, ArchiveId, ArchiveState
from domain.errors import IdempotencyMismatch, LimitExceeded, NotFound, TooManyArchives
from domain.limits import LIMITS
from domain.media import Asset, AssetId, AssetKind
from tests.contract.harnesses import StoreHarness, each_store
from tests.contract.store_contract import an_upload, customer, new_id, now, queued, soon
from tests.scripted_storage import ScriptedStorage, patiently

pytestmark = pytest.mark.anyio
__all__ = ["each_store"]

KEPT = timedelta(hours=24)


@dataclass(slots=True)
class Room:
    harness: StoreHarness
    folder: Path
    caller: Caller
    storage: ScriptedStorage = field(default_factory=ScriptedStorage)

    async def upload(self, content: bytes = b"an upload", **more: Any) -> Asset:
        async with self.harness.store.transaction() as tx:
            asset = replace(an_upload(self.caller, await tx.now()), **more)
            tx.assets.add(asset)
        self.storage.objects[str(asset.key)] = content
        return asset

    async def output(self, index: int) -> Asset:
        generation = await queued(self.harness.store, self.caller)
        return await self.upload(b"output %d" % index, kind=AssetKind.OUTPUT, generation_id=generation.id, attempt=1, index=index)

    async def ask(self, *assets: Asset, **more: Any) -> ArchiveId:
        request = RequestArchive(self.harness.store, new_id)
        return (await request(self.caller, [asset.id for asset in assets], **more))[0]

    async def see(self, archive: ArchiveId) -> Archive:
        return await self.harness.queries.archive(archive, self.caller.account_id, self.caller.mode)

    @property
    def make(self) -> MakeArchives:
        return MakeArchives(self.harness.store, self.storage, self.harness.queries, ZipFiles(self.folder), KEPT, beat=0.005)

    async def delete(self, asset: Asset) -> None:
        await DeleteAsset(self.harness.store, self.storage)(self.caller, asset.id)

    async def sweep(self) -> int:
        return await SweepObjects(self.harness.store, self.storage, self.harness.queries)()

    def unpacked(self, archive: Archive) -> dict[str, bytes]:
        with zipfile.ZipFile(io.BytesIO(self.storage.objects[str(archive.key)])) as packed:
            assert {each.compress_type for each in packed.infolist()} == {zipfile.ZIP_STORED}
            return {name: packed.read(name) for name in packed.namelist()}

    @property
    def files(self) -> list[str]:
        return [key for key in self.storage.objects if key.startswith("archives/")]


@pytest.fixture
async def room(harness: StoreHarness, tmp_path: Path) -> AsyncIterator[Room]:
    room = Room(harness, tmp_path, await customer(harness.store, 30))
    yield room
    assert list(tmp_path.iterdir()) == [], "a file was left behind"
    await ForgetArchives(harness.store, room.storage)()
    await room.sweep()
    packed = [str((await room.see(archive)).key) for archive in await archives_of(room, ArchiveState.READY)]
    assert sorted(room.files) == sorted(packed)


async def archives_of(room: Room, state: ArchiveState) -> list[ArchiveId]:
    async with room.harness.store.transaction() as tx:
        found = await tx.archives.of_account(room.caller.account_id, room.caller.mode)
        now = await tx.now()
    return [a.id for a in found if a.state is state and (a.expires_at is None or a.expires_at > now)]


async def test_an_archive_holds_each_picture_under_its_name_and_says_what_is_in_it(room: Room) -> None:
    upload, output = await room.upload(), await room.output(1)
    archive_id = await room.ask(upload, output, upload)
    waiting = await room.see(archive_id)
    assert (waiting.state, waiting.done, waiting.assets) == (ArchiveState.WAITING, 0, (upload.id, output.id))
    assert await room.make() == 1
    made = await room.see(archive_id)
    assert (made.state, made.done) == (ArchiveState.READY, 2)
    assert made.bytes == len(room.storage.objects[str(made.key)])
    names = {upload.id: f"{upload.id}.png", output.id: f"{output.generation_id}-1.png"}
    unpacked = room.unpacked(made)
    assert {name: content for name, content in unpacked.items() if name != MANIFEST} == {
        names[upload.id]: b"an upload",
        names[output.id]: b"output 1",
    }
    said = json.loads(unpacked[MANIFEST])
    assert [(each["id"], each["name"], each["sha256"]) for each in said["pictures"]] == [
        (str(asset.id), names[asset.id], hashlib.sha256(unpacked[names[asset.id]]).hexdigest()) for asset in (upload, output)
    ]
    assert said["left_out"] == []
    assert await room.make() == 0


async def test_a_foreign_picture_and_a_missing_one_are_refused_alike_and_named_by_nobody(room: Room) -> None:
    mine, other = await room.upload(), await customer(room.harness.store)
    async with room.harness.store.transaction() as tx:
        foreign = an_upload(other, await tx.now())
        tx.assets.add(foreign)
    request = RequestArchive(room.harness.store, new_id)
    said = []
    for named in ([mine.id, foreign.id], [AssetId(new_id())]):
        with pytest.raises(NotFound) as refused:
            await request(room.caller, named)
        said.append((refused.value.detail, refused.value.facts))
    assert said == [(NotFound.title, {})] * 2
    archive = await room.ask(mine)
    for account, mode in ((other.account_id, room.caller.mode), (room.caller.account_id, Mode.TEST)):
        with pytest.raises(NotFound):
            await room.harness.queries.archive(archive, account, mode)


async def test_two_are_made_at_once_and_ten_kept_and_together_they_have_an_end(room: Room) -> None:
    asset = await room.upload()
    results = await asyncio.gather(*(room.ask(asset) for _ in range(4)), return_exceptions=True)
    assert [type(each) for each in results if isinstance(each, BaseException)] == [TooManyArchives] * 2
    for _ in range(LIMITS["archives"] - 2):
        await room.make()
        await room.ask(asset)
    await room.make()
    with pytest.raises(TooManyArchives) as refused:
        await room.ask(asset)
    assert 24 * 3600 - 60 <= int(str(refused.value.facts["retry_after"])) <= 24 * 3600 + 1
    await room.harness.advance(int(str(refused.value.facts["retry_after"])))
    assert await room.ask(asset) in await archives_of(room, ArchiveState.WAITING), "those that have expired do not count"
    large = [await room.upload(bytes=LIMITS["archive_bytes"] // 2 + 1) for _ in range(2)]
    with pytest.raises(LimitExceeded):
        await room.ask(*large)


async def test_one_key_makes_one_archive_and_another_body_is_refused(room: Room) -> None:
    asset = await room.upload()
    key = IdempotencyKey(room.caller.account_id, room.caller.mode, "archives", "k")
    made = await asyncio.gather(*(room.ask(asset, idempotency=(key, "f")) for _ in range(4)))
    assert len(set(made)) == 1
    with pytest.raises(IdempotencyMismatch):
        await room.ask(asset, idempotency=(key, "g"))
    await room.delete(asset)
    assert await room.ask(asset, idempotency=(key, "f")) == made[0]


async def test_what_was_deleted_before_it_is_packed_is_left_out_and_named(room: Room) -> None:
    gone, kept = await room.upload(), await room.upload(b"kept")
    archive, empty = await room.ask(gone, kept), await room.ask(gone)
    await room.delete(gone)
    assert await room.make() == 1
    said = json.loads(room.unpacked(await room.see(archive))[MANIFEST])
    assert [each["id"] for each in said["pictures"]] == [str(kept.id)]
    assert said["left_out"] == [{"id": str(gone.id), "reason": "deleted"}]
    assert (await room.see(empty)).failure is ArchiveFailure.NOTHING_LEFT


async def test_what_is_deleted_after_it_was_packed_is_in_no_archive(room: Room) -> None:
    gone, kept = await room.upload(), await room.upload(b"kept")
    archive = await room.ask(gone, kept)
    second = room.storage.gate("get", kept.key)
    making = soon(room.make())
    await second.wait()
    await room.delete(gone)
    second.open()
    assert await patiently(making) == 0
    assert room.files == []
    await room.harness.advance(LONGEST_BACK_OFF.total_seconds())
    assert await room.make() == 1
    [left] = json.loads(room.unpacked(await room.see(archive))[MANIFEST])["pictures"]
    assert left["id"] == str(kept.id)
    await room.delete(kept)
    withdrawn = await room.see(archive)
    assert (withdrawn.state, withdrawn.failure) == (ArchiveState.FAILED, ArchiveFailure.PICTURE_DELETED)
    assert room.files == []


async def test_whoever_falls_silent_is_followed_by_another_who_begins_anew_elsewhere(room: Room) -> None:
    asset = await room.upload()
    archive = await room.ask(asset)
    gate = room.storage.gate("get", asset.key)
    dead = soon(room.make())
    await gate.wait()
    dead.cancel()
    await asyncio.wait({dead})
    assert await room.make() == 0, "it may live"
    await room.harness.advance(LEASE.total_seconds() + 1)
    assert await room.make() == 1
    made = await room.see(archive)
    assert (made.state, made.attempt) == (ArchiveState.READY, 2)


async def test_whoever_lost_it_to_another_leaves_nothing(room: Room) -> None:
    asset = await room.upload()
    archive = await room.ask(asset)
    slow = MakeArchives(room.harness.store, room.storage, room.harness.queries, ZipFiles(room.folder), KEPT, beat=1_000)
    gate = room.storage.gate("get", asset.key)
    late = soon(slow())
    await gate.wait()
    await room.harness.advance(LEASE.total_seconds() + 1)
    assert await room.make() == 1
    gate.open()
    assert await patiently(late) == 0
    made = await room.see(archive)
    assert room.files == [str(made.key)]
    assert made.attempt == 2


async def test_whoever_lives_keeps_it_however_long_it_takes_and_says_how_far_it_is(room: Room) -> None:
    first, second = await room.upload(), await room.upload()
    archive = await room.ask(first, second)
    gate = room.storage.gate("get", second.key)
    making = soon(room.make())
    await gate.wait()

    async def told() -> None:
        while (await room.see(archive)).done != 1:
            await asyncio.sleep(0.005)

    for _ in range(3):
        before = (await room.see(archive)).due_at
        await room.harness.advance(LEASE.total_seconds() / 2)

        async def renewed() -> None:
            while (await room.see(archive)).due_at <= before:  # noqa: B023 - awaited in this turn
                await asyncio.sleep(0.005)

        await patiently(renewed())
    await patiently(told())
    assert await room.make() == 0
    gate.open()
    assert await patiently(making) == 1


async def test_while_storage_is_away_it_is_tried_again_and_not_for_ever(room: Room) -> None:
    archive = await room.ask(await room.upload())
    room.storage.down = True
    for _ in range(MOST_ATTEMPTS):
        with pytest.raises(StorageUnavailable):
            await room.make()
        assert await room.make() == 0, "it waits"
        await room.harness.advance(LONGEST_BACK_OFF.total_seconds())
    room.storage.down = False
    assert await room.make() == 0
    assert (await room.see(archive)).failure is ArchiveFailure.STORAGE


async def test_a_day_later_row_and_file_are_gone(room: Room) -> None:
    archive = await room.ask(await room.upload())
    await room.make()
    forget = ForgetArchives(room.harness.store, room.storage, batch=1)
    assert await forget() == 0
    expires_at = (await room.see(archive)).expires_at
    assert expires_at
    await room.harness.advance((expires_at - await now(room.harness.store)).total_seconds() + 1)
    with pytest.raises(NotFound):
        await room.see(archive)
    assert len(room.files) == 1
    assert await forget() == 1
    assert room.files == []
