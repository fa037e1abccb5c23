"""What those who wait are told of their place in the line and of the time it takes."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from time import monotonic
from typing import TypeVar

from application.queries import Queries
from application.store import StoreUnavailable
from domain.generations import Generation, GenerationState
from domain.waiting import Expected, Experience, Line

T = TypeVar("T")

PLACES = 2_000  # beyond, a place is not told
RECENT = 2_000
LINE_SECONDS, EXPERIENCE_SECONDS = 1.0, 30.0


@dataclass(frozen=True, slots=True)
class Outlook:
    """The line as it was a moment ago; None: not known."""

    line: Line | None = None
    experience: Experience = field(default_factory=Experience)

    def of(self, generation: Generation) -> tuple[int | None, Expected | None]:
        """Position, and the seconds until it is finished."""
        position = self.line.position(generation) if self.line else None
        if not self.line or not position:
            return None, None
        return position, self.experience.until_finished(generation, position, self.line.calls)


@dataclass(slots=True)
class Outlooks:
    """One for the whole process, read anew by whoever comes when it is old: at most once a second, and seldom enough that reading
    takes no more than a twentieth of the time, however long the line is. Where there is one, nobody else waits for the next."""

    patience: float = 0.5
    clock: Callable[[], float] = monotonic
    known: Outlook = field(default_factory=Outlook)
    line_until: float = 0.0
    experience_until: float = 0.0
    reading: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def __call__(self, queries: Queries, generations: Iterable[Generation]) -> Outlook:
        is_asked = any(generation.state is GenerationState.QUEUED for generation in generations)
        if is_asked and self._is_old() and not (self.reading.locked() and self.known.line):
            async with self.reading:
                if self._is_old():
                    await self._read(queries)
        return self.known

    def _is_old(self) -> bool:
        return self.clock() >= self.line_until

    async def _read(self, queries: Queries) -> None:
        experience = self.known.experience
        if self.clock() >= self.experience_until:
            worked = await self._answer(queries.worked(RECENT))
            experience = experience if worked is None else Experience(worked)
            self.experience_until = self.clock() + EXPERIENCE_SECONDS
        began = self.clock()
        self.known = Outlook(await self._answer(queries.line(PLACES)), experience)
        self.line_until = self.clock() + max(LINE_SECONDS, 20 * (self.clock() - began))

    async def _answer(self, question: Awaitable[T]) -> T | None:
        try:
            async with asyncio.timeout(self.patience):
                return await question
        except (StoreUnavailable, TimeoutError):
            return None
