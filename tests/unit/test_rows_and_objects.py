"""Rows and objects agree: whoever dies at whichever call of a port, one sweep later every row has its object and every object a
row."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from application.archives import ForgetArchives, MakeArchives, RequestArchive
from application.direct_uploads import CompleteUpload
from application.edits import Picture, RequestEdit
from application.generations import CancelGeneration, DeleteGeneration, RequestGeneration
from application.housekeeping import KeepHouse, SweepObjects
from application.media import AdmitUpload, DeleteAsset
from application.object_rows import Walk
from application.packing import Package, Packer
from application.ports import ObjectStorage
from application.purging import PurgeMedia
from application.store import IdempotencyKey, Store
from domain.accounts import Caller, Role, Staff
from domain.archives import LONGEST_BACK_OFF
from domain.errors import DomainError
from domain.generations import Generation
from domain.media import Asset, AssetId, AssetKind, CleanPicture, PictureFormat, Thumbnail
from domain.objects import RULES, ObjectKey
from domain.requests import Asked
from tests.contract.harnesses import MemoryHarness
from tests.contract.store_contract import TIMING, an_upload, cancelled, customer, new_id, queued
from tests.mortal import Breath, MortalStorage, MortalStore
from tests.offer import CATALOGUE, TODAY
from tests.protocol import ScriptedIntake
from tests.scripted_storage import ScriptedStorage

KEPT = timedelta(hours=24)
GRACE = max(rule.grace for rule in RULES.values() if rule.grace is not None)


class Intake(ScriptedIntake):
    async def clean(self, content: bytes, kind: AssetKind) -> CleanPicture:
        is_mask = kind is AssetKind.MASK
        return CleanPicture(content, PictureFormat.PNG, 4, 3, hashlib.sha256(content).hexdigest(), is_mask, ())


class OneFile(Packer, Package):
    """All that is packed in a row; a file of its own is not what this is about."""

    def __init__(self, folder: str) -> None:
        self._path = Path(folder) / "packed"

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[Package]:
        self._path.write_bytes(b"")
        yield self

    async def add(self, name: str, content: bytes, at: datetime) -> None:
        with self._path.open("ab") as file:
            file.write(content)

    async def close(self) -> tuple[Path, int]:
        return self._path, self._path.stat().st_size


@dataclass(slots=True)
class House:
    """One account, and whatever can be done with its pictures; each act dies after so many calls of a port, or lives."""

    folder: str
    harness: MemoryHarness = field(default_factory=MemoryHarness)
    objects: ScriptedStorage = field(default_factory=ScriptedStorage)
    breath: Breath = field(default_factory=Breath)
    caller: Caller = field(init=False)
    staff: Staff = field(init=False)

    async def open(self) -> None:
        self.caller, admin = [await customer(self.harness.store, 10_000) for _ in range(2)]
        async with self.harness.store.transaction() as tx:
            await tx.accounts.save((await tx.accounts.find(admin.account_id)).with_role(Role.ADMIN))
        self.staff = Staff(admin.account_id, "ticket 4711")

    @property
    def store(self) -> Store:
        return MortalStore(self.harness.store, self.breath)

    @property
    def storage(self) -> ObjectStorage:
        return MortalStorage(self.objects, self.breath)

    @property
    def pictures(self) -> list[Asset]:
        return [asset for asset in self.harness.store.tables.assets.values() if asset]

    def picture(self, which: int) -> AssetId:
        return self.pictures[which % len(self.pictures)].id if self.pictures else AssetId(new_id())

    @property
    def admit(self) -> AdmitUpload:
        return AdmitUpload(self.store, self.storage, Intake(), new_id)

    @property
    def sweep(self) -> SweepObjects:
        return SweepObjects(self.store, self.storage, self.harness.queries, batch=2)

    @property
    def make(self) -> MakeArchives:
        return MakeArchives(self.store, self.storage, self.harness.queries, OneFile(self.folder), KEPT, beat=1_000)

    # What can be done

    async def uploads(self, which: int) -> None:
        await self.admit(self.caller, b"picture %d" % which, AssetKind.REFERENCE)

    async def uploads_by_a_link(self, which: int) -> None:
        upload = UUID(int=which)
        incoming = ObjectKey.incoming(self.caller.account_id, upload, self.caller.mode, AssetKind.REFERENCE)
        await self.storage.put(incoming, b"sent %d" % which, "image/png")
        await CompleteUpload(self.store, self.storage, self.admit)(self.caller, upload)

    async def edits(self, which: int) -> None:
        """Pictures that come with the request; some requests are refused after they were put, and some are repeats."""
        request = RequestGeneration(self.store, CATALOGUE, TIMING, new_id, lambda: TODAY)
        asked = Asked(prompt="a boat", max_credits=0 if which % 3 == 1 else None)
        key = IdempotencyKey(self.caller.account_id, self.caller.mode, "edits", str(which % 2))
        pictures: list[Picture] = [b"reference %d" % which, *self.some_picture(which), b"another"]
        made, new = await RequestEdit(request, self.admit)(self.caller, asked, pictures, b"mask", idempotency=(key, "body"))
        if new:
            await CancelGeneration(self.harness.store)(self.caller, made)

    def some_picture(self, which: int) -> list[AssetId]:
        uploaded = [asset.id for asset in self.pictures if asset.kind is AssetKind.REFERENCE]
        return uploaded[:1] if which % 2 else []

    async def is_painted(self, which: int) -> None:
        """Pictures and a thumbnail are put, then their rows are written."""
        generation = await queued(self.harness.store, self.caller)
        named: dict[str, Any] = {"kind": AssetKind.OUTPUT, "generation_id": generation.id, "attempt": 1}
        made = [an_upload(self.caller, generation.created_at, **named, index=place, thumbnail=Thumbnail.MADE) for place in (0, 1)]
        try:
            for asset in made:
                await self.storage.put(asset.key, b"output", "image/png")
                await self.storage.put(ObjectKey.thumbnail(asset.account_id, asset.id), b"small", "image/webp")
            await self.storage.put(ObjectKey.manifest(asset.account_id, generation.id, 1), b"{}", "application/json")
            async with self.store.transaction() as tx:
                for asset in made:
                    tx.assets.add(asset)
        finally:
            await cancelled(self.harness.store, generation)  # somebody ends it, whoever died

    async def deletes(self, which: int) -> None:
        await DeleteAsset(self.store, self.storage)(self.caller, self.picture(which))

    async def staff_purges(self, which: int) -> None:
        await PurgeMedia(self.store, self.storage, new_id).asset(self.staff, self.picture(which))

    async def throws_away(self, which: int) -> None:
        generations: list[Generation] = list(self.harness.store.tables.generations.values())
        if generations:
            delete, generation = DeleteGeneration(self.store, self.storage), generations[which % len(generations)]
            await delete(self.caller, generation.id, purge=bool(which % 3))

    async def packs(self, which: int) -> None:
        await RequestArchive(self.store, new_id)(self.caller, [self.picture(which), self.picture(which + 1)])
        await self.make()

    async def keeps_house(self, which: int) -> None:
        await self.harness.advance(which * 5 * 3_600)
        await KeepHouse(self.store, self.storage)()
        await self.make()
        await ForgetArchives(self.store, self.storage)()
        await self.sweep()

    async def does(self, act: str, which: int, last: int | None) -> None:
        work: Callable[[int], Awaitable[None]] = getattr(self, act)

        async def refused_perhaps() -> None:
            with suppress(DomainError):
                await work(which)

        self.breath = Breath(last)
        await self.breath.live(asyncio.create_task(refused_perhaps()))
        self.breath = Breath()

    async def check(self) -> None:
        """Time passes, whoever packs comes to an end, one sweep: and every row has its object, every object a row."""
        await self.harness.advance(GRACE.total_seconds() + LONGEST_BACK_OFF.total_seconds())
        await self.make()
        await self.sweep()
        rows = self.harness.object_rows
        spoken = {each.key: each.bytes for walk in Walk for each in await rows.walk(walk, "", 10_000)}
        manifests = {str(a.key).rpartition("/")[0] + "/manifest" for a in self.pictures if a.generation_id}
        assert set(self.objects.objects) == {str(key) for key in spoken} | manifests


ACTS = [
    name for name in vars(House) if name.startswith(("uploads", "edits", "is_", "deletes", "staff_", "throws", "packs", "keeps"))
]
HISTORIES = st.lists(st.tuples(st.sampled_from(ACTS), st.integers(0, 7), st.none() | st.integers(0, 12)), min_size=4, max_size=14)


async def lived(history: list[tuple[str, int, int | None]]) -> None:
    with TemporaryDirectory() as folder:
        house = House(folder)
        await house.open()
        for act, which, last in history:
            await house.does(act, which, last)
        await house.check()


@settings(max_examples=60, deadline=None)
@given(HISTORIES)
def test_after_one_sweep_no_row_is_without_its_object_and_no_object_without_its_row(history: Any) -> None:
    asyncio.run(lived(history))


BEFORE: list[tuple[str, int, int | None]] = [("uploads", 1, None), ("is_painted", 2, None), ("packs", 0, None)]


def test_so_it_is_whichever_call_is_the_last_of_each_act() -> None:
    for act in ACTS:
        for last in range(14):
            asyncio.run(lived([*BEFORE, (act, 1, last)]))
