"""Rows that speak of stored objects, walked through however many there are."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, Self

from domain.media import Asset, AssetKind
from domain.objects import ObjectKey
from domain.provenance import Marking


class Walk(StrEnum):
    """Rows of one kind, each of which speaks of an object of its own."""

    PICTURES = "pictures"
    THUMBNAILS = "thumbnails"
    RENDITIONS = "renditions"
    ARCHIVES = "archives"
    QUARANTINE = "quarantine"


@dataclass(frozen=True, slots=True)
class SpokenObject:
    """What a row says of its object, as far as it says it; `place` is where a walk goes on after it."""

    key: ObjectKey
    bytes: int | None
    sha256: str | None
    place: str

    @classmethod
    def of(cls, asset: Asset) -> Self:
        """One that is yet to be signed is written anew before its row knows of it."""
        waits = asset.marking is Marking.PENDING or (asset.kind is AssetKind.OUTPUT and asset.marking is Marking.UNMARKED)
        known = not waits
        return cls(asset.key, asset.bytes if known else None, asset.sha256 if known else None, str(asset.id))


class ObjectRows(Protocol):
    async def walk(self, walk: Walk, after: str, limit: int) -> Sequence[SpokenObject]:
        """The next rows after a place (empty: from the first on), in an order that lasts."""
        ...

    async def count(self) -> int:
        """About how many there are of all walks together."""
        ...

    async def spoken_of(self, keys: Collection[ObjectKey]) -> Collection[ObjectKey]:
        """Those of the keys of which a row speaks, or may yet."""
        ...
