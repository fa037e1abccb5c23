"""Copies in another format or size: made when they are asked for, once, and kept for as long as somebody uses them."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from application.copies import PictureCopies, Renditions
from application.digests import sha256_of
from application.ports import NewId, ObjectMissing, ObjectStorage
from application.provenance import Provenance, Source
from application.removal import delete_bytes
from domain.accounts import AccountId
from domain.errors import IntakeBusy, NotFound
from domain.media import Asset, AssetId
from domain.objects import ObjectKey
from domain.renditions import Rendition, RenditionId, Shape, made_as


@dataclass(slots=True)
class UnderWay:
    """What this process is making. Each holds a picture in memory, so there is an end to how many, and to how many of an
    account's at once."""

    most: int = 6
    most_each: int = 2
    making: "dict[tuple[AssetId, Shape], asyncio.Task[Rendition]]" = field(default_factory=dict)
    accounts: Counter[AccountId] = field(default_factory=Counter)

    @contextmanager
    def place(self, account: AccountId) -> Iterator[None]:
        """Raises IntakeBusy when there is none."""
        for count, most in ((self.accounts[account], self.most_each), (self.accounts.total(), self.most)):
            if count >= most:
                raise IntakeBusy("too many copies are being made: ask again soon", limit=most)
        self.accounts[account] += 1
        try:
            yield
        finally:
            self.accounts[account] -= 1
            self.accounts += Counter[AccountId]()  # without those that have none


@dataclass(frozen=True, slots=True)
class ShowRendition:
    """The copy of a picture in one shape, made now if it is not there. Whoever asks for one that is being made waits for that.

    What cannot be signed is not handed out.
    """

    renditions: Renditions
    storage: ObjectStorage
    copies: PictureCopies
    provenance: Provenance
    new_id: NewId
    under_way: UnderWay = field(default_factory=UnderWay)

    async def __call__(self, asset: Asset, shape: Shape) -> Rendition:
        """Raises IntakeBusy, BrokenImage, TooHeavy, NotFound if the picture is deleted meanwhile, and StoreUnavailable,
        StorageUnavailable or ProvenanceUnavailable."""
        if found := await self.renditions.use(asset.id, shape):
            return found
        wanted, making = (asset.id, shape), self.under_way.making
        if wanted not in making:
            making[wanted] = asyncio.ensure_future(self._alone(asset, shape))
            making[wanted].add_done_callback(lambda done: _forgotten(making.pop(wanted)))
        return await asyncio.shield(making[wanted])  # whoever leaves takes it from nobody

    async def _alone(self, asset: Asset, shape: Shape) -> Rendition:
        with self.under_way.place(asset.account_id):
            return await self._make(asset, shape)

    async def _make(self, asset: Asset, shape: Shape) -> Rendition:
        try:
            original = await self.storage.get(asset.key)
        except ObjectMissing:
            raise NotFound from None
        drawn = await self.copies.render(original, shape)
        made = made_as(asset, shape, await self.renditions.origin(asset))
        content = await self.provenance.sign(drawn, shape.format, made, parent=Source(original, asset.format))
        digest = await sha256_of(content)
        id = RenditionId(self.new_id())
        key = ObjectKey.rendition(asset.account_id, asset.id, id)
        # Bytes first: an object without a row is swept, a row without an object would be a lie.
        await self.storage.put(key, content, shape.format.content_type)
        kept = await self.renditions.add(id, asset, shape, len(content), digest)
        if kept is None or kept.id != id:
            await delete_bytes(self.storage, key)
        if kept is None:
            raise NotFound
        return kept


@dataclass(frozen=True, slots=True)
class ForgetRenditions:
    """Throw away what nobody has asked for in a month: rows first, then bytes. Any number may run at once."""

    renditions: Renditions
    storage: ObjectStorage
    batch: int = 100

    async def __call__(self) -> int:
        """How many were thrown away. What a crash or an outage leaves here no row speaks of, and the object sweep finds it."""
        forgotten = 0
        while old := await self.renditions.forget(self.batch):
            for rendition in old:
                await self.storage.delete(rendition.key)
            forgotten += len(old)
        return forgotten


def _forgotten(done: "asyncio.Task[Rendition]") -> None:
    """What became of it is known to whoever waited, if anybody did."""
    if not done.cancelled():
        done.exception()
