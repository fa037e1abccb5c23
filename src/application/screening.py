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
    """Whether pictures may be shown and paid for. Nothing paid waits for this before it is put. One that is refused refuses them
    all. `moderators`: by mode; where there is none, nobody is asked."""

    moderators: Mapping[Mode, Moderator]
    storage: ObjectStorage
    seize: Seize | None = None

    async def __call__(self, generation: Generation, attempt: int, pictures: Mapping[int, bytes]) -> Failure | None:
        """Why not, of pictures at hand, by index. Raises ModeratorUnavailable, StoreUnavailable, StorageUnavailable or IntakeBusy
        when nobody can tell now."""
        if not pictures or not self._anybody_looks(generation):
            return None
        if await self._seized(generation, attempt, pictures):
            return FORBIDDEN.refusal(Stage.OUTPUT)
        moderator = self.moderators.get(generation.mode)
        verdict = await moderator.judge("", list(pictures.values())) if moderator else CLEAN
        return verdict.refusal(Stage.OUTPUT) if verdict.category else None

    async def found(self, generation: Generation, attempt: int, pictures: Sequence[StoredPicture]) -> Failure | None:
        """The same of pictures where they lie. Raises ObjectMissing too."""
        if not self._anybody_looks(generation):
            return None
        keys = (generation.account_id, generation.id, attempt)
        lying = {each.index: await self.storage.get(ObjectKey.picture(*keys, each.index)) for each in pictures}
        return await self(generation, attempt, lying)

    def _anybody_looks(self, generation: Generation) -> bool:
        return generation.mode in self.moderators or bool(self.seize and self.seize.hashes)

    async def _seized(self, generation: Generation, attempt: int, pictures: Mapping[int, bytes]) -> bool:
        """All of them are looked at: each that is known is evidence."""
        if not self.seize:
            return False
        known = []
        for index, content in pictures.items():
            id = ImpoundedId(uuid5(generation.id, f"{attempt}/{index}"))
            known.append(await self.seize(id, generation.account_id, content, Origin.OUTPUT))
        return any(known)


def _refused(verdict: Verdict) -> NotExecuted | None:
    return NotExecuted(verdict.refusal(Stage.INPUT), Finality.REFUSED) if verdict.category else None
