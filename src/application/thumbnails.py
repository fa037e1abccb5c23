"""A small copy of each picture, for lists: made when the picture is there, and never in anybody's way."""

from dataclasses import dataclass

from application.copies import PictureCopies, Sketches, Unsketched
from application.ports import ObjectMissing, ObjectStorage, StorageUnavailable
from application.store import StoreUnavailable
from domain.errors import BrokenImage, IntakeBusy
from domain.objects import ObjectKey
from domain.renditions import MOST_LOOKS, THUMBNAIL_FORMAT


@dataclass(frozen=True, slots=True)
class MakeThumbnails:
    """Draw the thumbnails that are missing, one after the other. Any number may run at once.

    What cannot be drawn is marked so, and so is what nobody has come back from. While storage or the picture workers are away,
    what was begun is put back, and nothing else is begun.
    """

    sketches: Sketches
    storage: ObjectStorage
    copies: PictureCopies
    batch: int = 20

    async def __call__(self) -> int:
        """How many were made. Raises StoreUnavailable or StorageUnavailable."""
        made = 0
        while taken := await self.sketches.take(self.batch):
            for place, picture in enumerate(taken):
                try:
                    made += await self._make(picture)
                except (StoreUnavailable, StorageUnavailable, IntakeBusy) as error:
                    busy = isinstance(error, IntakeBusy)  # which may be this picture's doing: it stays counted
                    await self.sketches.put_back([left.asset.id for left in taken[place + busy :]])
                    if busy:
                        return made
                    raise
        return made

    async def _make(self, picture: Unsketched) -> bool:
        asset = picture.asset
        if picture.looks > MOST_LOOKS:
            await self.sketches.give_up(asset.id)
            return False
        try:
            sketch = await self.copies.sketch(await self.storage.get(asset.key), picture.source_type)
        except (BrokenImage, ObjectMissing):
            await self.sketches.give_up(asset.id)
            return False
        key = ObjectKey.thumbnail(asset.account_id, asset.id)
        await self.storage.put(key, sketch.content, THUMBNAIL_FORMAT.content_type)
        if not await self.sketches.keep(asset.id, sketch):  # deleted meanwhile
            await self.storage.delete(key)
            return False
        return True
