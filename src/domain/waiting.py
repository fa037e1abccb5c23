"""The line of those who wait for a call: in which order they are served, and how long it may take.

Smaller priorities are served first; within a priority whoever has the fewest running, counting those that will be served before;
then the oldest. Whoever cannot be served yet (another try is due later, the gate of the model is closed) comes after all who can.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil

from domain.accounts import AccountId, Mode
from domain.generations import Generation, GenerationId
from domain.requests import Quality, Size

FEWEST_KNOWN = 5  # calls, for a figure of their own


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where one stands; sorts in the order of the line. `turn`: how many its account has running or will be served before it."""

    later: bool
    priority: int
    turn: int
    id: GenerationId
    account_id: AccountId


def in_turn(
    waiting: Iterable[Generation], running: Mapping[AccountId, int], is_later: Callable[[Generation], bool]
) -> list[Place]:
    """The line, given how many calls each account has out."""
    by_account = defaultdict[AccountId, list[tuple[bool, int, GenerationId]]](list)
    for generation in waiting:
        by_account[generation.account_id].append((is_later(generation), generation.priority, generation.id))
    return sorted(
        Place(later, priority, running.get(account, 0) + before, id, account)
        for account, mine in by_account.items()
        for before, (later, priority, id) in enumerate(sorted(mine), 1)
    )


@dataclass(frozen=True, slots=True)
class Line:
    """The line as it was at one instant, in order; `cut` if there are more. `running`: calls out, by account."""

    places: Sequence[Place]
    running: Mapping[AccountId, int]
    cut: bool = False
    _positions: dict[GenerationId, int] = field(init=False, default_factory=dict, compare=False)
    _last: dict[AccountId, Place] = field(init=False, default_factory=dict, compare=False)

    def __post_init__(self) -> None:
        for position, place in enumerate(self.places, 1):
            self._positions[place.id] = position
            self._last[place.account_id] = place

    @property
    def calls(self) -> int:
        return sum(self.running.values())

    def position(self, generation: Generation) -> int | None:
        """1: it is next. One that came since takes the place it would have had; None: too far back to tell."""
        if known := self._positions.get(generation.id):
            return known
        last = self._last.get(generation.account_id)
        turn = 1 + (last.turn if last else self.running.get(generation.account_id, 0))
        position = 1 + bisect_left(self.places, Place(False, generation.priority, turn, generation.id, generation.account_id))
        return None if self.cut and position > len(self.places) else position


@dataclass(frozen=True, slots=True)
class Worked:
    """A call that was made, and the seconds from its start until its pictures were delivered. What was erased has no size."""

    mode: Mode
    model: str
    size: Size | None
    quality: Quality | None
    seconds: float


@dataclass(frozen=True, slots=True)
class Expected:
    """Whole seconds: half of all take no longer, nine tenths take no longer."""

    p50: int
    p90: int


class Experience:
    """What recent calls teach of the calls to come. Modes are kept apart: test pictures are painted, live ones are bought."""

    def __init__(self, worked: Iterable[Worked] = ()) -> None:
        self._seconds = defaultdict[tuple[object, ...], list[float]](list)
        for one in worked:
            for key in _keys(one.mode, one.model, one.size, one.quality):
                self._seconds[key].append(one.seconds)
        for seconds in self._seconds.values():
            seconds.sort()

    def work(self, generation: Generation) -> Expected | None:
        """How long a call for these pictures takes: by model, size and quality; if too few are known, by model; else by all."""
        request = generation.request
        size, quality = (request.size, request.quality) if request else (None, None)
        *narrow, every = (self._seconds.get(key, []) for key in _keys(generation.mode, generation.model, size, quality))
        seconds = next((known for known in narrow if len(known) >= FEWEST_KNOWN), every)
        return Expected(ceil(_percentile(seconds, 50)), ceil(_percentile(seconds, 90))) if seconds else None

    def until_finished(self, generation: Generation, position: int, calls: int) -> Expected | None:
        """Waiting and working, with so many calls out."""
        every, work = self._seconds.get((generation.mode,)), self.work(generation)
        if not every or not work:
            return None
        waiting = ceil(position / max(1, calls) * _percentile(every, 50))
        return Expected(waiting + work.p50, waiting + work.p90)


def _keys(mode: Mode, model: str, size: Size | None, quality: Quality | None) -> Iterable[tuple[object, ...]]:
    """From the narrowest to the widest."""
    if size and quality:
        yield mode, model, size, quality
    yield mode, model
    yield (mode,)


def _percentile(ascending: Sequence[float], percent: int) -> float:
    """The smallest that so many per cent do not exceed."""
    return ascending[ceil(len(ascending) * percent / 100) - 1]
