"""A reference that comes back as it was sent is no picture, and nobody pays for it."""

from collections.abc import Sequence
from dataclasses import dataclass

from application import references
from application.ports import ObjectMissing, ObjectStorage, PictureIntake
from application.store import Store
from domain.attempts import StoredPicture
from domain.errors import BrokenImage, NotFound
from domain.generations import Generation
from domain.objects import ObjectKey


@dataclass(frozen=True, slots=True)
class FindEchoes:
    """Which pictures have the very pixels of a reference, however their files are written.

    They are looked at where they lie, so that nothing paid waits for this before it is put. A film may well begin with one.
    """

    store: Store
    storage: ObjectStorage
    intake: PictureIntake

    async def __call__(self, generation: Generation, attempt: int, pictures: Sequence[StoredPicture]) -> frozenset[int]:
        """Their indexes. Raises StoreUnavailable, StorageUnavailable or IntakeBusy when nobody can tell now."""
        request = generation.request
        if not pictures or not request or not request.references or request.frame_count:
            return frozenset()
        try:
            sent = await references.load(self.store, self.storage, generation, request.references)
        except (NotFound, ObjectMissing):
            return frozenset()
        alike = [r for r in sent if any((r.asset.width, r.asset.height) == (p.width, p.height) for p in pictures)]
        known = {await self._fingerprint(reference.content) for reference in alike} - {None}
        if not known:
            return frozenset()
        sizes = {(reference.asset.width, reference.asset.height) for reference in alike}
        echoes = set[int]()
        for picture in pictures:
            if (picture.width, picture.height) in sizes:
                key = ObjectKey.picture(generation.account_id, generation.id, attempt, picture.index)
                if await self._fingerprint(await self.storage.get(key)) in known:
                    echoes.add(picture.index)
        return frozenset(echoes)

    async def _fingerprint(self, content: bytes) -> str | None:
        """None if it cannot be decoded, which makes it no echo."""
        try:
            return await self.intake.fingerprint(content)
        except BrokenImage:
            return None
