"""Uploads by a link: begun, sent to the store, taken in once. On either store; the rows are in Postgres."""

import asyncio
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from adapters.postgres.queries import PostgresQueries
from adapters.postgres.session import Pool
from adapters.postgres.store import PostgresStore
from application.direct_uploads import BeginUpload, CompleteUpload
from application.housekeeping import SweepObjects
from application.media import AdmitUpload, DeleteAsset
from application.ports import ObjectStorage, PictureIntake, StorageUnavailable, StoredObject
from application.queries import AssetFilter
from domain.accounts import Caller, Mode
from domain.errors import AccountFrozen, BrokenImage, IntakeBusy, NotFound, TooManyBytes, UnsupportedFormat
from domain.limits import LIMITS
from domain.media import Asset, AssetKind, CleanPicture, PictureFormat
from domain.objects import ObjectKey
from tests.contract.store_contract import customer, new_id
from tests.mortal import DIED, Breath, MortalStorage, MortalStore
from tests.object_stores import filesystem, names, on_s3
from tests.scripted_storage import Gate, ScriptedStorage
from tests.weed import ON_S3

pytestmark = pytest.mark.anyio

SENT = b"a picture as it was sent"


@dataclass
class Intake(PictureIntake):
    """What is clean is in capitals. Whoever comes waits at the `gate`, if there is one."""

    refusal: Exception | None = None
    gate: Gate | None = None
    read: list[bytes] = field(default_factory=list)

    async def clean(self, content: bytes, kind: AssetKind) -> CleanPicture:
        self.read.append(content)
        if gate := self.gate:
            await gate.pass_through()
        if self.refusal:
            raise self.refusal
        clean = content.upper()
        digest = hashlib.sha256(clean).hexdigest()
        return CleanPicture(clean, PictureFormat.PNG, 4, 3, digest, False, ("oriented", "converted"))

    async def describe(self, content: bytes) -> Any:
        raise NotImplementedError

    async def fingerprint(self, content: bytes) -> str:
        raise NotImplementedError


@dataclass
class Room:
    """A caller with uploads to make; `sends` does what a link would."""

    caller: Caller
    store: PostgresStore
    queries: PostgresQueries
    storage: ObjectStorage
    intake: Intake = field(default_factory=Intake)

    @property
    def complete(self) -> CompleteUpload:
        return CompleteUpload(self.store, self.storage, AdmitUpload(self.store, self.storage, self.intake, new_id))

    async def begins(self, content_type: str = "image/png", bytes: int = 7, kind: AssetKind = AssetKind.REFERENCE) -> UUID:
        begin, soon = BeginUpload(self.storage, new_id), datetime.now(UTC) + timedelta(minutes=9)
        upload, link = await begin(self.caller, content_type, bytes, kind, soon)
        assert str(self.incoming(upload, kind)) in link.url
        return upload

    def incoming(self, upload: UUID, kind: AssetKind) -> ObjectKey:
        return ObjectKey.incoming(self.caller.account_id, upload, self.caller.mode, kind)

    async def sends(self, content: bytes = SENT, kind: AssetKind = AssetKind.REFERENCE, upload: UUID | None = None) -> UUID:
        upload = upload or await self.begins(kind=kind)
        await self.storage.put(self.incoming(upload, kind), content, "image/png")
        return upload

    async def assets(self) -> list[Asset]:
        return list(await self.queries.assets(self.caller.account_id, self.caller.mode, AssetFilter(), None, 9))

    async def is_whole(self, *assets: Asset) -> None:
        """These are all there are, as rows and as objects."""
        assert {asset.id for asset in await self.assets()} == {asset.id for asset in assets}
        assert await names(self.storage) == sorted(str(asset.key) for asset in assets)
        for asset in assets:
            content = await self.storage.get(asset.key)
            assert (hashlib.sha256(content).hexdigest(), len(content)) == (asset.sha256, asset.bytes)


@pytest.fixture(params=["filesystem", pytest.param("s3", marks=ON_S3)])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ObjectStorage]:
    if request.param == "filesystem":
        yield filesystem(tmp_path)
        return
    with on_s3(request.getfixturevalue("s3")) as objects:
        yield objects


@pytest.fixture
async def room(storage: ObjectStorage, pool: Pool) -> Room:
    store = PostgresStore(pool)
    return Room(await customer(store), store, PostgresQueries(pool), storage)


async def test_what_was_sent_is_taken_in_once_and_only_the_clean_copy_is_kept(room: Room) -> None:
    upload = await room.sends()
    asset, changed = await room.complete(room.caller, upload)
    assert (asset.kind, asset.sha256, changed) == (
        AssetKind.REFERENCE,
        hashlib.sha256(SENT.upper()).hexdigest(),
        ("oriented", "converted"),
    )
    await room.is_whole(asset)
    assert await room.complete(room.caller, upload) == (asset, changed)
    assert room.intake.read == [SENT]


async def test_what_is_sent_afterwards_changes_nothing_and_is_swept(room: Room) -> None:
    upload = await room.sends()
    asset, changed = await room.complete(room.caller, upload)
    await room.sends(b"another picture", upload=upload)
    assert await room.complete(room.caller, upload) == (asset, changed)
    assert await room.storage.get(asset.key) == SENT.upper()


async def test_what_is_exchanged_meanwhile_changes_nothing(room: Room) -> None:
    upload = await room.sends()
    room.intake.gate = Gate()
    completing = asyncio.create_task(room.complete(room.caller, upload))
    await room.intake.gate.wait()
    await room.sends(b"another picture", upload=upload)
    room.intake.gate.open()
    asset, _ = await completing
    await room.is_whole(asset)
    assert asset.sha256 == hashlib.sha256(SENT.upper()).hexdigest()


async def test_of_many_that_complete_at_once_one_is_first_and_all_are_told_its_asset(room: Room) -> None:
    upload = await room.sends()
    room.intake.gate = Gate()
    completing = [asyncio.create_task(room.complete(room.caller, upload)) for _ in range(4)]
    while len(room.intake.read) < 4:
        await asyncio.sleep(0.001)
    room.intake.gate.open()
    told = await asyncio.gather(*completing)
    assert len({asset.id for asset, _ in told}) == 1
    assert {changed for _, changed in told} == {("oriented", "converted")}
    await room.is_whole(told[0][0])


async def test_somebody_elses_upload_is_no_upload_and_stays_theirs(room: Room) -> None:
    upload = await room.sends()
    other_mode = Mode.LIVE if room.caller.mode is Mode.TEST else Mode.TEST
    for stranger in (await customer(room.store), replace(room.caller, mode=other_mode)):
        with pytest.raises(NotFound):
            await room.complete(stranger, upload)
    for nothing in (new_id(), await room.begins()):
        with pytest.raises(NotFound):
            await room.complete(room.caller, nothing)
    asset, _ = await room.complete(room.caller, upload)
    for stranger in (await customer(room.store), replace(room.caller, mode=other_mode)):
        with pytest.raises(NotFound):
            await room.complete(stranger, upload)
    await room.is_whole(asset)


async def test_an_asset_that_was_deleted_is_not_brought_back(room: Room) -> None:
    upload = await room.sends()
    asset, _ = await room.complete(room.caller, upload)
    await DeleteAsset(room.store, room.storage)(room.caller, asset.id)
    await room.sends(upload=upload)
    with pytest.raises(NotFound):
        await room.complete(room.caller, upload)
    assert await room.assets() == []


async def test_what_an_upload_is_for_and_in_which_mode_is_settled_when_it_begins(room: Room) -> None:
    for mode in Mode:
        await replace(room, caller=replace(room.caller, mode=mode)).begins()
    asset, _ = await room.complete(room.caller, await room.sends(kind=AssetKind.MASK))
    assert asset.kind is AssetKind.MASK


async def test_what_intake_refuses_is_dropped_and_what_it_has_no_time_for_stays(room: Room) -> None:
    upload = await room.sends()
    room.intake.refusal = IntakeBusy()
    with pytest.raises(IntakeBusy):
        await room.complete(room.caller, upload)
    assert len(await names(room.storage, "incoming/")) == 1
    room.intake.refusal = BrokenImage()
    with pytest.raises(BrokenImage):
        await room.complete(room.caller, upload)
    await room.is_whole()


async def test_what_is_too_large_is_never_read(room: Room) -> None:
    """No link of ours lets it come; should a store let it."""
    upload = await room.sends(bytes(LIMITS["mask_bytes"] + 1), AssetKind.MASK)
    with pytest.raises(TooManyBytes):
        await room.complete(room.caller, upload)
    assert room.intake.read == []
    await room.is_whole()


async def test_only_what_could_be_taken_in_is_begun(room: Room) -> None:
    for type in ("image/gif", "image/svg+xml", "text/html", "", "image/PNG"):
        with pytest.raises(UnsupportedFormat):
            await room.begins(type)
    for kind, limit in ((AssetKind.REFERENCE, "upload_bytes"), (AssetKind.MASK, "mask_bytes")):
        await room.begins(bytes=LIMITS[limit], kind=kind)
        with pytest.raises(TooManyBytes):
            await room.begins(bytes=LIMITS[limit] + 1, kind=kind)


async def test_a_frozen_account_neither_begins_nor_completes(room: Room) -> None:
    upload = await room.sends()
    room.caller = replace(room.caller, frozen=True)
    with pytest.raises(AccountFrozen):
        await room.begins()
    with pytest.raises(AccountFrozen):
        await room.complete(room.caller, upload)
    assert room.intake.read == []
    assert len(await names(room.storage)) == 1, "it thaws, perhaps"


async def test_what_nobody_completes_is_swept_after_an_hour(room: Room) -> None:
    await room.sends()
    now = datetime.now(UTC)
    for hours, left in ((0.9, 1), (1.1, 0)):
        aged = Aged(room.storage, now - timedelta(hours=hours))
        await SweepObjects(room.store, aged, room.queries)()
        assert len(await names(room.storage)) == left


class Aged:
    """A storage whose objects are all of one age."""

    def __init__(self, storage: ObjectStorage, modified: datetime) -> None:
        self._storage, self._modified = storage, modified

    def __getattr__(self, name: str) -> Any:
        return getattr(self._storage, name)

    async def list(self, prefix: str) -> Any:
        async for found in self._storage.list(prefix):
            yield StoredObject(found.key, found.bytes, self._modified)


async def test_a_store_that_does_not_answer_is_asked_again_and_nothing_is_half_taken_in(pool: Pool) -> None:
    store, storage = PostgresStore(pool), ScriptedStorage()
    room = Room(await customer(store), store, PostgresQueries(pool), storage)
    upload, room.intake.gate = await room.sends(), Gate()
    completing = asyncio.create_task(room.complete(room.caller, upload))
    await room.intake.gate.wait()
    storage.down = True  # it was read, and cannot be put
    room.intake.gate.open()
    with pytest.raises(StorageUnavailable):
        await completing
    with pytest.raises(StorageUnavailable):
        await room.complete(room.caller, upload)
    assert await room.assets() == []
    storage.down, room.intake.gate = False, None
    asset, _ = await room.complete(room.caller, upload)
    await room.is_whole(asset)


async def test_whoever_dies_on_the_way_leaves_one_asset_to_the_next_and_nothing_after_a_sweep(pool: Pool, tmp_path: Path) -> None:
    """At every call of a port that there is."""
    store, points, dying = PostgresStore(pool), 0, True
    queries, storage = PostgresQueries(pool), filesystem(tmp_path)
    while dying:
        room, breath = Room(await customer(store), store, queries, storage), Breath(points)
        upload = await room.sends()
        mortal = MortalStore(store, breath), MortalStorage(storage, breath)
        doomed = CompleteUpload(*mortal, AdmitUpload(*mortal, room.intake, new_id))
        dying = await breath.live(asyncio.create_task(doomed(room.caller, upload))) is DIED
        asset, changed = await room.complete(room.caller, upload)
        assert changed == ("oriented", "converted")
        await SweepObjects(store, Aged(storage, datetime.now(UTC) - timedelta(hours=2)), queries)()
        await room.is_whole(asset)
        await DeleteAsset(store, storage)(room.caller, asset.id)
        points += 1
    assert points > 10
