"""Following a generation: who waits for something to happen to it, and what there is to tell since they last looked.

Whoever commits a change tells every process, by the generation's id alone. What is told so may be lost, or come twice: whoever
follows looks at the generation itself, and looks now and then without having been told.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from domain.events import FIRST_EVENT, Event, EventKind, after, events_of_end, numbers_of_end
from domain.generations import Generation, GenerationId, GenerationState
from domain.media import Asset

_LONG, _STEP = 2.0, 0.25


@dataclass(frozen=True, slots=True)
class Seen:
    """A generation as it stands, its pictures, and those of its events that are kept, oldest first."""

    generation: Generation
    assets: Sequence[Asset]
    kept: Sequence[Event] = ()

    @property
    def last(self) -> int:
        """The number of its last event. Those that ended before events were counted have an end all the same."""
        generation = self.generation
        return generation.last_event if generation.state.is_open else max(generation.last_event, numbers_of_end(generation.n))

    def events(self, seen: int | None) -> list[Event]:
        """All after that number, oldest first; None: from the beginning. Some time after the end only the first and those of the
        end are left. Raises InvalidRequest for a number that has not been yet."""
        generation = self.generation
        first = Event(FIRST_EVENT, EventKind.STATE, generation.created_at, state=GenerationState.QUEUED)
        events = [first, *self.kept]
        if generation.finished_at:
            delivered = [asset.index or 0 for asset in self.assets]
            events += events_of_end(self.last, generation.n, delivered, generation.state, generation.finished_at)
        return after(events, seen, self.last)


class EventQueries(Protocol):
    """What followers read."""

    async def seen(self, generations: Sequence[GenerationId]) -> Mapping[GenerationId, Seen]:
        """These generations, each as it stands at one instant; those that are missing or erased are left out. Whose they are was
        asked before. Raises StoreUnavailable."""
        ...


class Watch(Protocol):
    """One who waits for changes of one generation."""

    async def changed(self, seconds: float) -> bool:
        """Wait until something was told of it since this was last asked, or since the watch began, so many seconds at most; False
        if nothing was."""
        ...


class Changes(Protocol):
    """Hears, in this process, of what is committed by any."""

    def watch(self, generation: GenerationId) -> AbstractContextManager[Watch]:
        """Begin to wait, before the first look: then nothing is missed between the two."""
        ...


class LocalChanges(Changes):
    """Those who wait in this process, and what wakes them: being told of their generation, or, after a line was lost, of all."""

    def __init__(self) -> None:
        self._waiting: dict[GenerationId, set[_Waiting]] = {}

    @contextmanager
    def watch(self, generation: GenerationId) -> Iterator[Watch]:
        waiting = _Waiting()
        self._waiting.setdefault(generation, set()).add(waiting)
        try:
            yield waiting
        finally:
            others = self._waiting[generation]
            others.discard(waiting)
            if not others:
                del self._waiting[generation]

    def tell(self, generations: Iterable[GenerationId]) -> None:
        for generation in generations:
            for waiting in self._waiting.get(generation, ()):
                waiting.wake()

    def tell_all(self) -> None:
        self.tell(list(self._waiting))


class _Waiting(Watch):
    __slots__ = ("_sleeper", "_told")

    def __init__(self) -> None:
        self._told = False
        self._sleeper: asyncio.Future[None] | None = None

    def wake(self) -> None:
        self._told = True
        if self._sleeper and not self._sleeper.done():
            self._sleeper.set_result(None)

    async def changed(self, seconds: float) -> bool:
        if not self._told and seconds > 0:
            loop = asyncio.get_running_loop()
            self._sleeper = loop.create_future()
            until = loop.time() + seconds
            # Those who wait long wake in groups, and then look together.
            alarm = loop.call_at(until if seconds < _LONG else until - until % _STEP, _wake, self._sleeper)
            try:
                await self._sleeper
            finally:
                alarm.cancel()
                self._sleeper = None
        told, self._told = self._told, False
        return told


def _wake(sleeper: "asyncio.Future[None]") -> None:
    if not sleeper.done():
        sleeper.set_result(None)


@dataclass(slots=True)
class LookTogether:
    """Many look at once, in one query at a time: what is asked while one is under way waits for the next, for it may be newer."""

    queries: EventQueries
    most: int = 500
    _asked: "dict[GenerationId, asyncio.Future[Seen | None]]" = field(default_factory=dict)
    _looking: "asyncio.Task[None] | None" = None

    async def __call__(self, generation: GenerationId) -> Seen | None:
        """None: it is missing, or erased. Raises StoreUnavailable."""
        answer = self._asked.get(generation)
        if answer is None:
            answer = self._asked[generation] = asyncio.get_running_loop().create_future()
        if self._looking is None:
            self._looking = asyncio.create_task(self._look())
        return await asyncio.shield(answer)

    async def _look(self) -> None:
        try:
            while self._asked:
                asked = {each: self._asked.pop(each) for each in list(self._asked)[: self.most]}
                try:
                    seen = await self.queries.seen(list(asked))
                except Exception as error:
                    for answer in asked.values():
                        answer.set_exception(error)
                        answer.exception()  # nobody may be left to hear of it
                else:
                    for generation, answer in asked.items():
                        answer.set_result(seen.get(generation))
        finally:
            self._looking = None


@dataclass(frozen=True, slots=True)
class FollowGeneration:
    """Tell what happens to a generation, each event once and in order, until its end."""

    look: LookTogether
    changes: Changes

    async def __call__(
        self, generation: GenerationId, seen: int | None, pause: Callable[[], float]
    ) -> AsyncGenerator[tuple[Seen, Sequence[Event]], None]:
        """The events after the number `seen` (None: from the beginning) as they come, those that came together; none after
        `pause()` seconds without any. Ends after the last, or when the generation is erased. Raises InvalidRequest for a number
        that has not been yet, and StoreUnavailable: whoever comes back with the last number misses nothing."""
        with self.changes.watch(generation) as watch:
            while found := await self.look(generation):
                events = found.events(seen)
                if events:
                    seen = events[-1].sequence
                yield found, events
                if not found.generation.state.is_open:
                    return
                del found, events  # thousands wait here
                await watch.changed(pause())
