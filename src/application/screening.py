"""The safety check of a paid call: of what goes to the model, before its socket opens."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from application.moderation import Moderator, ModeratorUnavailable
from application.references import Reference
from domain.accounts import Mode
from domain.attempts import Finality, NotExecuted, Stage
from domain.generations import Generation
from domain.media import AssetKind
from domain.moderation import NOBODY_JUDGED, Verdict


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


def _refused(verdict: Verdict) -> NotExecuted | None:
    return NotExecuted(verdict.refusal(Stage.INPUT), Finality.REFUSED) if verdict.category else None
