"""The safety check of a paid call: of what goes to the model before its socket opens, of what came back before anyone pays."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import uuid5

from application.moderation import Moderator, ModeratorUnavailable
from application.ports import ObjectStorage, StorageUnavailable
from application.quarantine import Seize
from application.references import Reference
from application.store import StoreUnavailable
from domain.accounts import Mode
from domain.attempts import Failure, Finality, NotExecuted, Stage, StoredPicture
from domain.errors import IntakeBusy
from domain.generations import Generation
from domain.media import AssetKind
from domain.moderation import CLEAN, FORBIDDEN, NOBODY_JUDGED, NOT_LOOKED_AT, Verdict
from domain.objects import ObjectKey
from domain.quarantine import ImpoundedId, Origin


@dataclass(frozen=True, slots=True)
class ScreenInput:
    """Whether the model may be shown this. `moderators`: by mode; none, where moderation is off.

    Words alone fall back to the local judge while the other does not answer. With a picture that somebody brought in among the
    references nobody guesses: no call is made, and the request waits.
    """

    moderators: Mapping[Mode, Moderator]
    local: Moderator
    seize: Seize | None = None

    async def __call__(self, generation: Generation, shown: Sequence[Reference], until: float) -> NotExecuted | None:
        """How the attempt ends without a call; None if it may call. It is over by `until`, on the event loop's clock."""
        try:
            if await self._seized(generation, shown):
                return _refused(FORBIDDEN)
        except (StoreUnavailable, StorageUnavailable, IntakeBusy):
            return NOT_LOOKED_AT
        moderator, request = self.moderators.get(generation.mode), generation.request
        if moderator is None or request is None:
            return None
        try:
            async with asyncio.timeout_at(until):
                verdict = await moderator.judge(request.prompt, [reference.content for reference in shown])
        except (ModeratorUnavailable, TimeoutError):
            if any(reference.asset.kind is not AssetKind.OUTPUT for reference in shown):
                return NOBODY_JUDGED
            verdict = await self.local.judge(request.prompt, ())
        return _refused(verdict)

    async def _seized(self, generation: Generation, shown: Sequence[Reference]) -> bool:
        """Whether one of them became known since it was brought here."""
        if not self.seize:
            return False
        return any(
            [
                await self.seize(
                    ImpoundedId(each.asset.id), generation.account_id, each.content, Origin.REFERENCE, asset=each.asset
                )
                for each in shown
            ]
        )


@dataclass(frozen=True, slots=True)
class ScreenOutputs:
    """Whether pictures may be shown and paid for. They are looked at once they lie at their keys: nothing paid waits for this
    before it is put. One that is refused refuses them all. `moderators`: by mode; where there is none, nobody is asked."""

    moderators: Mapping[Mode, Moderator]
    storage: ObjectStorage
    seize: Seize | None = None

    async def __call__(
        self, generation: Generation, attempt: int, pictures: Sequence[StoredPicture], contents: Mapping[int, bytes]
    ) -> Failure | None:
        """Why not. `contents`: the bytes of those at hand, by index. Raises ModeratorUnavailable, StoreUnavailable,
        StorageUnavailable, ObjectMissing or IntakeBusy when nobody can tell now."""
        moderator = self.moderators.get(generation.mode)
        if not pictures or not (moderator or (self.seize and self.seize.hashes)):
            return None
        shown = [contents.get(picture.index) or await self._read(generation, attempt, picture) for picture in pictures]
        if await self._seized(generation, attempt, pictures, shown):
            return FORBIDDEN.refusal(Stage.OUTPUT)
        verdict = await moderator.judge("", shown) if moderator else CLEAN
        return verdict.refusal(Stage.OUTPUT) if verdict.category else None

    async def _seized(
        self, generation: Generation, attempt: int, pictures: Sequence[StoredPicture], shown: Sequence[bytes]
    ) -> bool:
        """All of them are looked at: each that is known is evidence."""
        if not self.seize:
            return False
        known = []
        for picture, content in zip(pictures, shown, strict=True):
            id = ImpoundedId(uuid5(generation.id, f"{attempt}/{picture.index}"))
            known.append(await self.seize(id, generation.account_id, content, Origin.OUTPUT))
        return any(known)

    async def _read(self, generation: Generation, attempt: int, picture: StoredPicture) -> bytes:
        return await self.storage.get(ObjectKey.picture(generation.account_id, generation.id, attempt, picture.index))


def _refused(verdict: Verdict) -> NotExecuted | None:
    return NotExecuted(verdict.refusal(Stage.INPUT), Finality.REFUSED) if verdict.category else None
