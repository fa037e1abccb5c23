"""Requests whose answer nobody has got yet, and which of them a client's own retry goes on with.

A client that loses its line asks again by itself, and counts its tries. It is not to buy twice; two who ask for the same on
purpose are to get one each.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from domain.accounts import Caller
from domain.generations import GenerationId

JOINABLE = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Try:
    """One of a client's tries, 0 being the first. `digest`: who asks for what; equal for all tries of one request, and for equal
    requests."""

    digest: str
    number: int

    @classmethod
    def of(cls, caller: Caller, route: str, body: bytes, number: int) -> "Try":
        """Nothing can be read from the digest: what is in a body is never kept here."""
        who = "\0".join(map(str, (caller.account_id, caller.mode, caller.key_id, route)))
        said = hashlib.blake2b(who.encode(), digest_size=16, key=hashlib.sha256(body).digest()).hexdigest()
        return cls(said, number)


@dataclass(frozen=True, slots=True)
class Undelivered:
    """`tries`: the number of the last try that waits for it. `abandoned`: that one's line is known to be broken."""

    generation_id: GenerationId
    digest: str
    tries: int
    asked_at: datetime
    abandoned: bool = False


def joined(undelivered: Iterable[Undelivered], number: int, now: datetime) -> Undelivered | None:
    """Which of equal requests this try goes on with: one that an earlier try made or waited for, the try before if there is one
    such. First those whose line is known to be broken, then the newest: an older one may be of a process that died when it had
    answered. None: its answer was delivered, or it never came; it is a new request."""
    earlier = [each for each in undelivered if each.tries < number and now - each.asked_at < JOINABLE]
    return max(earlier, key=lambda each: (each.tries, each.abandoned, each.asked_at, each.generation_id), default=None)


def overtaken(undelivered: Iterable[Undelivered], number: int, came_at: datetime) -> Undelivered | None:
    """What a later try has made since this one came, whose client has left it and asked again: the newest. None: no later try."""
    later = [each for each in undelivered if each.tries > number and each.asked_at >= came_at]
    return max(later, key=lambda each: (each.asked_at, each.generation_id), default=None)
