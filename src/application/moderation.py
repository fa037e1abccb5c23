"""What the use cases need of whoever judges words and pictures."""

from collections.abc import Sequence
from typing import NewType, Protocol

from domain.accounts import Mode
from domain.moderation import Verdict

PartialModes = NewType("PartialModes", frozenset[Mode])
"""In which modes pictures are shown while they are made (`domain.partials.shown_unfinished`)."""
NO_PARTIALS = PartialModes(frozenset())


class ModeratorUnavailable(Exception):
    """It did not answer, or not in a way that can be read: nothing is known of what it was shown."""


class Moderator(Protocol):
    """Says whether words and pictures may be used. Asking costs nothing, and asking twice does no harm."""

    async def judge(self, words: str, pictures: Sequence[bytes]) -> Verdict:
        """Of all of it together: the first thing that is flagged counts, whatever else could not be judged. `pictures` are whole
        files, in any of the formats that are kept here; a judge may look at a smaller copy. Neither is kept or logged.

        Raises ModeratorUnavailable when nothing is flagged and something was not judged.
        """
