"""The safety check of a paid call: of what goes to the model before its socket opens, of what came back before anyone pays."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from application.moderation import Moderator, ModeratorUnavailable
from application.ports import ObjectStorage
from application.references import Reference
from domain.accounts import Mode
from domain.attempts import Failure, Finality, NotExecuted, Stage, StoredPicture
from domain.generations import Generation
from domain.media import AssetKind
from domain.moderation import NOBODY_JUDGED, Verdict
from domain.objects import ObjectKey


@dataclass(frozen=True, slots=True)
class ScreenInput:
    """Whether the model may be shown this. `moderators`: by mode; none, where moderation is off.

    Words alone fall back to the local judge while the other does not answer. With a picture that somebody brought in among the
    references nobody guesses: no call is made, and the request waits.
    """

    moderators: Mapping[Mode, Moderator]
    local: Moderator

    async def __call__(self, generation: Generation, shown: Sequence[Reference], until: float) -> NotExecuted | None:
        """How the attempt ends without a call; None if it may call. It is over by `until`, on the event loop's clock."""
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


@dataclass(frozen=True, slots=True)
class ScreenOutputs:
    """Whether pictures may be shown and paid for. They are looked at once they lie at their keys: nothing paid waits for this
    before it is put. One that is refused refuses them all. `moderators`: by mode; where there is none, nobody is asked."""

    moderators: Mapping[Mode, Moderator]
    storage: ObjectStorage

    async def __call__(
        self, generation: Generation, attempt: int, pictures: Sequence[StoredPicture], contents: Mapping[int, bytes]
    ) -> Failure | None:
        """Why not. `contents`: the bytes of those at hand, by index. Raises ModeratorUnavailable, StorageUnavailable or
        ObjectMissing."""
        moderator = self.moderators.get(generation.mode)
        if moderator is None or not pictures:
            return None
        shown = [contents.get(picture.index) or await self._read(generation, attempt, picture) for picture in pictures]
        verdict = await moderator.judge("", shown)
        return verdict.refusal(Stage.OUTPUT) if verdict.category else None

    async def _read(self, generation: Generation, attempt: int, picture: StoredPicture) -> bytes:
        return await self.storage.get(ObjectKey.picture(generation.account_id, generation.id, attempt, picture.index))


def _refused(verdict: Verdict) -> NotExecuted | None:
    return NotExecuted(verdict.refusal(Stage.INPUT), Finality.REFUSED) if verdict.category else None
