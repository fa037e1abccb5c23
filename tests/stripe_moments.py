"""What the pretended Stripe looked like at each moment at which nothing was half done, to be asked again in any order."""

import json
from dataclasses import dataclass, field

from tests.stripe_world import World


@dataclass(frozen=True, slots=True)
class Moment:
    """`events`: how many had happened by then; `objects` but for events, as JSON."""

    now: int
    events: int
    objects: str


@dataclass(slots=True)
class Moments:
    """Kept while the world is played."""

    played: World
    kept: list[Moment] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.played.rested.append(self._keep)

    def _keep(self) -> None:
        """Where nothing happened there is nothing new to see, but for the time."""
        now, events = self.played.now, len(self.played.events)
        if self.kept and (self.kept[-1].now, self.kept[-1].events) == (now, events):
            self.kept.pop()  # some things change without an event
        objects = {id: one for id, one in self.played.objects.items() if one["object"] != "event"}
        self.kept.append(Moment(now, events, json.dumps(objects)))

    def world(self, number: int) -> World:
        """As it was at that moment."""
        moment = self.kept[number]
        events = self.played.events[: moment.events]
        objects = json.loads(moment.objects) | {event["id"]: event for event in events}
        return World(moment.now, self.played.mark, objects, events, kept=self.played.kept, settings=self.played.settings)
