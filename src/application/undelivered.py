"""What is kept of requests until their answer has been handed over, so that a client's retry joins and does not buy."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from domain.generations import GenerationId
from domain.joining import Try, Undelivered, joined, overtaken

LeftBy = Callable[[], timedelta | None]
"""How long ago a try came, if whoever sent it is known to have gone since; else None."""


def by_nobody() -> timedelta | None:
    return None


class UndeliveredRequests(Protocol):
    """Requests whose answer nobody has got. Those with equal digests are one wallet's, whose lock orders adding and joining."""

    def add(self, request: Undelivered) -> None:
        """Written before the transaction ends."""

    async def alike(self, digest: str) -> Sequence[Undelivered]:
        """Those with this digest, in any order, without a lock."""

    async def join(self, generation: GenerationId, number: int) -> None:
        """This try waits for it now, and no earlier one has a say any more."""

    async def abandon(self, generation: GenerationId, number: int) -> None:
        """Nobody waits for it any more, unless a later try does."""

    async def deliver(self, generation: GenerationId, number: int) -> None:
        """It has been answered: gone, unless a later try waits for it."""

    async def erase(self, generation: GenerationId) -> None:
        """Gone, whoever waits for it."""

    async def forget(self, before: datetime, limit: int) -> int:
        """Remove at most so many that were asked before that instant; answers how many."""


async def earlier_try(undelivered: UndeliveredRequests, tried: Try, now: datetime) -> GenerationId | None:
    """What an earlier try of this request made, if nobody has got its answer; this one waits for it now."""
    found = joined(await undelivered.alike(tried.digest), tried.number, now) if tried.number else None
    if found:
        await undelivered.join(found.generation_id, tried.number)
    return found.generation_id if found else None


async def other_try(undelivered: UndeliveredRequests, tried: Try, now: datetime, left_by: LeftBy) -> GenerationId | None:
    """What an earlier try of this request made; or a later one, while this was still at work for a client who had gone."""
    if earlier := await earlier_try(undelivered, tried, now):
        return earlier
    since = left_by()
    later = overtaken(await undelivered.alike(tried.digest), tried.number, now - since) if since is not None else None
    return later.generation_id if later else None
