"""What is told of a generation while it goes on: one event for each change of its state, and one for each partial picture.

Events are numbered in the order in which they happened. Those of the end are not kept: its pictures, its last state and that it
is done can be read from the generation for as long as there is one, at numbers that follow from the last.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from domain.errors import InvalidRequest
from domain.media import PictureFormat

EVENTS_KEPT = timedelta(hours=24)
"""So long after the end of its generation an event can still be read."""
FIRST_EVENT = 0
"""The number of the event that a generation was asked for: nobody writes it down."""


class GenerationState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    REFUSED = "refused"
    CANCELLED = "cancelled"

    @property
    def is_open(self) -> bool:
        return self in (GenerationState.QUEUED, GenerationState.RUNNING)


class EventKind(StrEnum):
    STATE = "state"
    PARTIAL_IMAGE = "partial_image"
    ASSET = "asset"
    DONE = "done"

    @property
    def is_kept(self) -> bool:
        return self in (EventKind.STATE, EventKind.PARTIAL_IMAGE)


@dataclass(frozen=True, slots=True)
class Event:
    """The event of this number: numbers of one generation rise, and may leave some out.

    `state`: what it came to, of a state and of the end. `index`: which picture it speaks of; of a partial one, which of this
    attempt's it is, and `attempt` and `format` say where its bytes lie and what they are.
    """

    sequence: int
    kind: EventKind
    at: datetime
    state: GenerationState | None = None
    index: int | None = None
    attempt: int | None = None
    format: PictureFormat | None = None


def numbers_of_end(pictures: int) -> int:
    """How many numbers an end takes, of a generation that so many pictures were asked of."""
    return pictures + 2


def events_of_end(last: int, pictures: int, delivered: Sequence[int], state: GenerationState, at: datetime) -> list[Event]:
    """Those of a generation whose last event has the number `last`: one for each picture by its index, so that a picture that its
    owner has deleted changes no other's number; then the state; then that it is done."""
    first = last - numbers_of_end(pictures) + 1
    assets = [Event(first + index, EventKind.ASSET, at, index=index) for index in sorted(delivered)]
    return [*assets, Event(last - 1, EventKind.STATE, at, state=state), Event(last, EventKind.DONE, at, state=state)]


def after(events: Sequence[Event], seen: int | None, last: int) -> list[Event]:
    """Those that are new to somebody who has seen this number; None: all. Raises InvalidRequest for one that has not been yet."""
    if seen is None:
        return list(events)
    if not FIRST_EVENT <= seen <= last:
        raise InvalidRequest("there is no event of this number yet", field="Last-Event-ID", limit=last)
    return [event for event in events if event.sequence > seen]
