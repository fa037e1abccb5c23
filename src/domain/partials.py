"""Partial pictures: who may see them, and how it is told that there is one."""

from collections.abc import Collection
from datetime import datetime

from domain.accounts import Mode
from domain.events import Event, EventKind
from domain.generations import Generation, Lease
from domain.media import PictureFormat


def shown_unfinished(judged: Collection[Mode], *, known: bool) -> frozenset[Mode]:
    """In which modes pictures are shown while they are made: nobody sees half finished what would be refused whole. `judged`: the
    modes whose pictures are; `known`: there is a list of pictures that must not be shown. The painter makes none of these."""
    return frozenset(mode for mode in Mode if mode not in judged and not (known and mode is Mode.LIVE))


def tell_partial(generation: Generation, lease: Lease, attempt: int, index: int, format: PictureFormat, now: datetime) -> None:
    """It lies at its key. Raises LeaseLost for whoever may not speak for the generation any more: another may be calling by now,
    and what a later attempt shows takes the place of what an earlier one did."""
    generation.must_hold(lease)
    generation.last_event += 1
    generation.news.append(
        Event(generation.last_event, EventKind.PARTIAL_IMAGE, now, index=index, attempt=attempt, format=format)
    )
