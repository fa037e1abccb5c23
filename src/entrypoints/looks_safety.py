"""The doctor's look at what keeps harm out: the lists, and whether the moderator answers."""

import asyncio

from entrypoints.looked import Looked, Verdict
from entrypoints.settings import Settings
from entrypoints.wiring import container
from entrypoints.wiring_safety import SafetyProbe

REMEDY = "see MODERATION_WORDS and HASH_LIST; OPENAI_BASE_URL needs /moderations, unless MODERATION and MODERATE_OUTPUTS are off"
_PART = "safety"


def safety(settings: Settings) -> Looked:
    """A harmless sentence is judged, which costs nothing."""
    answers = asyncio.run(_asked(settings))
    if not settings.moderation and answers is None:
        return Looked(_PART, Verdict.NOTE, "nothing is judged", "set MODERATION=on")
    if answers is None:
        return Looked(_PART, Verdict.NOTE, "judged by a list of words, which sees no picture", "set OPENAI_API_KEY")
    if not answers:
        return Looked(_PART, Verdict.BROKEN, "the moderator does not answer: uploads and pictures wait for it", REMEDY)
    return Looked(_PART, Verdict.OK, "the moderator answers")


async def _asked(settings: Settings) -> bool | None:
    async with container(settings) as parts:
        probe = await parts.get(SafetyProbe)
        return await probe()
