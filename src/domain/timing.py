"""How long each part of a paid call may take, and how long is waited between tries."""

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class Timing:
    """The clock of the protocol. `act` = connect + call + put of one attempt; no call and no put outlives it."""

    act: timedelta = timedelta(seconds=660)
    put: timedelta = timedelta(seconds=45)
    """What of `act` is kept for the puts: a call is over by then, so that a picture that comes late can still be kept."""
    lease: timedelta = timedelta(seconds=30)
    settle_margin: timedelta = timedelta(seconds=60)
    longest_queue: timedelta = timedelta(hours=1)
    back_off: timedelta = timedelta(seconds=5)
    come_back: timedelta = timedelta(seconds=2)
    """By then a living process that lost its connection has its proof of life again."""
    attempts: int = 10
    moderation_pause: timedelta = timedelta(minutes=2)
    """Before the moderator is asked again, once it did not answer."""
    moderation_patience: timedelta = timedelta(minutes=10)
    """How long a request waits for it in a row."""

    @property
    def call(self) -> timedelta:
        """The longest that a call may take."""
        return self.act - min(self.put, self.act / 4)

    def wait(self, attempts: int, said: float | None) -> timedelta:
        """Before the next of so many free attempts: as long as was said, and twice as long each time, so that the tenth is not
        used up before an outage of half an hour is over."""
        growing = self.back_off * ((1 << min(attempts - 1, 7)) - 1)
        return max(growing, self.back_off if said is None else timedelta(seconds=said))

    def hold_expiry(self, deadline: datetime) -> datetime:
        return deadline + 2 * self.act + timedelta(minutes=10)
