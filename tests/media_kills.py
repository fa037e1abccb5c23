"""A service in this process that dies at any of its port calls, on a real database and real files: what it leaves must be healed
by those who come after it, and one sweep later every row has its object and every object its row.

Its calls are named by the wrapper that the kill matrix uses, so a call that is added to the code is covered by itself. To die is
here to never come out of the call, or out of any that follows.
"""

import hashlib
import os
import random
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
from dishka import Provider, Scope, provide

from application.archives import ForgetArchives, MakeArchives, RequestArchive
from application.attempts import PerformGeneration
from application.direct_uploads import CompleteUpload
from application.generations import DeleteGeneration, RequestGeneration
from application.housekeeping import REMNANTS_KEPT, KeepHouse, SweepObjects
from application.media import AdmitUpload, DeleteAsset
from application.object_checks import VerifyObjects
from application.queries import Queries
from application.recording import RecordOutputs
from application.renditions import ForgetRenditions, ShowRendition
from application.thumbnails import MakeThumbnails
from domain.accounts import Caller
from domain.errors import DomainError
from domain.generations import GenerationId
from domain.media import AssetId, AssetKind, PictureFormat
from domain.objects import ObjectClass, ObjectKey
from domain.renditions import Shape
from domain.requests import Asked
from entrypoints.crash_points import CrashPoints
from entrypoints.wiring_storage import Objects
from tests.hostile import encode
from tests.pictures import corners
from tests.world import World, new_id

AGED = REMNANTS_KEPT + timedelta(hours=1)
"""Longer than anything is kept of which no row speaks yet."""
PICTURES = tuple(encode(corners().resize((side, side)), format) for side in (16, 24) for format in ("PNG", "JPEG"))
UNSIGNED = encode(corners().resize((64, 64)), "PNG")
BY_THEMSELVES = (KeepHouse, SweepObjects, MakeArchives, ForgetArchives, MakeThumbnails, ForgetRenditions, RecordOutputs)
"""Whose calls the wiring names apart."""
WORTH = tuple(
    f"{by}{call}"
    for by in ("", *(f"{use_case.__name__}/" for use_case in BY_THEMSELVES))
    for call in ("ObjectStorage.put", "ObjectStorage.delete", "Store.commit", "Sketches.keep", "Renditions.add")
)
"""Most deaths are around these; some are at any other call."""
ASSETS = 'SELECT id, account_id, generation_id, attempt, "index", sha256, thumbnail FROM assets'
ACTS = {
    "uploads": 6,
    "uploads_by_a_link": 6,
    "deletes": 6,
    "erases": 3,
    "keeps_house": 2,
    "draws": 4,
    "packs": 4,
    "forgets": 2,
    "renders": 4,
    "throws_renditions_away": 2,
    "records": 3,
    "sweeps": 1,
}
"""What is done, and how often."""
DUE = (
    "UPDATE archives SET due_at = created_at WHERE state IN ('waiting', 'running')",
    "UPDATE assets SET look_due = NULL WHERE thumbnail IS NULL",
)
"""As if the time were over that those who died had for it."""


class Dead(BaseException):
    """This process would be gone: nothing that it catches, and nothing that it would do at last, is done."""


class Fate(CrashPoints):
    """Dies at the point whose number is chosen, or lives and tells which it passed."""

    def __init__(self) -> None:
        super().__init__(None, "")
        self.live()

    @property
    def wanted(self) -> bool:
        return True

    def live(self) -> None:
        self.passed = list[str]()
        self._last: int | None = None

    def die_at(self, number: int) -> None:
        self.passed, self._last = [], number

    @property
    def is_over(self) -> bool:
        return self._last is not None and len(self.passed) > self._last

    def call(self, name: str) -> str:
        return name

    def reach(self, point: str) -> None:
        if not self.is_over:
            self.passed.append(point)
        if self.is_over:
            raise Dead(point)


class Fated(Provider):
    scope = Scope.APP

    def __init__(self, fate: Fate) -> None:
        super().__init__()
        self._fate = fate

    @provide(override=True)
    def crash_points(self) -> CrashPoints:
        return self._fate


@dataclass
class Mortal:
    """The service, whose pictures these are, and what there is of them as far as is known. `unfinished`: uploads by a link, at
    whose end it died."""

    service: World
    caller: Caller
    fate: Fate
    draw: random.Random
    folder: Path
    database: psycopg.AsyncConnection[Any]
    pictures: list[AssetId] = field(default_factory=list)
    generations: list[GenerationId] = field(default_factory=list)
    unfinished: list[UUID] = field(default_factory=list)
    lengths: dict[str, list[str]] = field(default_factory=dict)

    async def use(self, use_case: type[Any]) -> Any:
        return await self.service.parts.get(use_case)

    async def rows(self, statement: str) -> Sequence[tuple[Any, ...]]:
        found = await self.database.execute(statement.encode())
        return await found.fetchall() if found.description else []

    async def does(self, act: str, counts: Counter[str], *, dies: bool = True) -> None:
        """Once, dying at one of the points that it passed when it was done before."""
        self.fate.live()
        known = self.lengths.get(act)
        if known and dies and self.draw.random() < 0.9:  # the rest shows whether there are more points by now
            worth = [number for number, point in enumerate(known) if point.startswith(WORTH)]
            self.fate.die_at(self.draw.choice(worth) if worth and self.draw.random() < 0.8 else self.draw.randrange(len(known)))
        try:
            with suppress(DomainError):
                await getattr(self, act)()
        except Dead:
            counts[f"kill: {act}: {self.fate.passed[-1]}"] += 1
        else:
            assert not self.fate.is_over, f"{act} went on after its death at {self.fate.passed[-1]}"
            if len(self.fate.passed) > len(known or ()):
                self.lengths[act] = self.fate.passed
        finally:
            self.fate.live()

    # What can be done, and died at

    async def uploads(self) -> None:
        asset, _ = await (await self.use(AdmitUpload))(self.caller, self.draw.choice(PICTURES), AssetKind.REFERENCE)
        self.pictures.append(asset.id)

    async def uploads_by_a_link(self) -> None:
        """Half of those who get no answer ask again; the others never do."""
        complete, upload, content = await self.use(CompleteUpload), new_id(), self.draw.choice(PICTURES)
        key = ObjectKey.incoming(self.caller.account_id, upload, self.caller.mode, AssetKind.REFERENCE)
        await (await self.use(Objects)).storage.put(key, content, "image/png")
        try:
            asset, _ = await complete(self.caller, upload)
        except Dead:
            self.unfinished += [upload] * self.draw.choice((0, 1))
            raise
        self.pictures.append(asset.id)

    async def deletes(self) -> None:
        if self.pictures:
            picture = self.pictures.pop(self.draw.randrange(len(self.pictures)))
            await (await self.use(DeleteAsset))(self.caller, picture)

    async def erases(self) -> None:
        if self.generations:
            generation = self.generations.pop(self.draw.randrange(len(self.generations)))
            await (await self.use(DeleteGeneration))(self.caller, generation, purge=True)

    async def keeps_house(self) -> None:
        if self.generations:
            await self.rows(f"UPDATE generations SET trashed_at = created_at WHERE id = '{self.generations.pop()}'")
        await self.rows("UPDATE generations SET trashed_at = trashed_at - interval '8 days' WHERE trashed_at IS NOT NULL")
        await (await self.use(KeepHouse))()

    async def draws(self) -> None:
        await (await self.use(MakeThumbnails))()

    async def packs(self) -> None:
        if self.pictures:
            with suppress(DomainError):
                some = self.draw.sample(self.pictures, min(3, len(self.pictures)))
                await (await self.use(RequestArchive))(self.caller, some)
        await (await self.use(MakeArchives))()

    async def forgets(self) -> None:
        await self.rows("UPDATE archives SET expires_at = created_at WHERE state = 'ready'")
        await (await self.use(ForgetArchives))()

    async def renders(self) -> None:
        if self.pictures:
            picture = self.draw.choice(self.pictures)
            asset = await (await self.use(Queries)).asset(picture, self.caller.account_id, self.caller.mode)
            shape = Shape(self.draw.choice((PictureFormat.WEBP, PictureFormat.JPEG)), asset.width, asset.height, label=False)
            await (await self.use(ShowRendition))(asset, shape)

    async def throws_renditions_away(self) -> None:
        await self.rows("UPDATE renditions SET used_at = used_at - interval '31 days'")
        await (await self.use(ForgetRenditions))()

    async def records(self) -> None:
        """One that could not be signed when it came is signed later, at the same key."""
        if found := await self.rows(f"{ASSETS} WHERE generation_id IS NOT NULL AND marking = 'signed' ORDER BY id DESC LIMIT 1"):
            ((id, account, generation, attempt, index, *_),) = found
            (self.folder / f"objects/outputs/{account}/{generation}/{attempt}/{index}.object").write_bytes(UNSIGNED)
            digest = hashlib.sha256(UNSIGNED).hexdigest()
            said = f"marking = 'pending', sha256 = '{digest}', bytes = {len(UNSIGNED)}"
            await self.rows(f"UPDATE assets SET {said} WHERE id = '{id}'")
        await (await self.use(RecordOutputs))()

    async def sweeps(self) -> None:
        age(self.folder / "objects")
        await (await self.use(SweepObjects))()

    # What comes before and after

    async def paints(self, generations: int) -> None:
        """Alive: how a worker dies at a paid call is told elsewhere."""
        request, perform = await self.use(RequestGeneration), await self.use(PerformGeneration)
        for _ in range(generations):
            generation, _ = await request(self.caller, Asked(prompt="a boat", size="64x64", quality="low"))
            assert await perform()
            self.generations.append(generation)

    async def recovers(self) -> None:
        """Whoever comes after finishes what is left; then time passes, and there is one sweep."""
        for statement in DUE:
            await self.rows(statement)
        for upload in self.unfinished:
            with suppress(DomainError):
                await (await self.use(CompleteUpload))(self.caller, upload)
        self.unfinished.clear()
        for use_case in (KeepHouse, RecordOutputs, MakeThumbnails, MakeArchives):
            await (await self.use(use_case))()
        await self.sweeps()

    async def check(self) -> None:
        """By the service's own comparison, and by one that knows nothing of it."""
        wrong = [each async for each in (await self.use(VerifyObjects))(hashes=True)]
        assert not wrong, f"rows and objects disagree: {wrong[:3]}"
        spoken, manifests = await self._spoken()
        stored = {str(path.relative_to(self.folder / "objects")).removesuffix(".object"): path for path in files(self.folder)}
        assert not (missing := spoken.keys() - stored.keys()), f"{len(missing)} rows without an object: {sorted(missing)[:3]}"
        kept = {key for key in stored if not ObjectClass(key.partition("/")[0]).is_swept}
        orphans = stored.keys() - spoken.keys() - manifests - kept
        assert not orphans, f"{len(orphans)} objects without a row: {sorted(orphans)[:3]}"
        for key, sha256 in spoken.items():
            if sha256:
                assert hashlib.sha256(stored[key].read_bytes()).hexdigest() == sha256, f"{key} is not what its row says"
        left_aside = list((self.folder / "objects" / ".tmp").iterdir())
        assert not left_aside, f"{len(left_aside)} files are left half written"

    async def _spoken(self) -> tuple[dict[str, str | None], set[str]]:
        """Keys that rows speak of, with the SHA-256 they say; manifests of attempts that brought pictures."""
        spoken, manifests = dict[str, str | None](), set[str]()
        for id, account, generation, attempt, index, sha256, thumbnail in await self.rows(ASSETS):
            place = f"{account}/{generation}/{attempt}"
            spoken[f"outputs/{place}/{index}" if generation else f"uploads/{account}/{id}/original"] = sha256
            manifests |= {f"outputs/{place}/manifest"}
            if thumbnail == "made":
                spoken[f"thumbnails/{account}/{id}/small"] = None
        for id, account, attempt in await self.rows("SELECT id, account_id, attempt FROM archives WHERE state = 'ready'"):
            spoken[f"archives/{account}/{id}/{attempt}"] = None
        for id, asset, account, sha256 in await self.rows("SELECT id, asset_id, account_id, sha256 FROM renditions"):
            spoken[f"renditions/{account}/{asset}/{id}"] = sha256
        return spoken, manifests


def files(folder: Path) -> Iterator[Path]:
    return (folder / "objects").rglob("*.object")


def age(objects: Path) -> None:
    """Everything there was put long ago."""
    then = time.time() - AGED.total_seconds()
    for path in objects.rglob("*"):
        if path.is_file():
            with suppress(FileNotFoundError):
                os.utime(path, (then, then))
