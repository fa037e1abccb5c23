"""Pictures that are known and must not be here: what is kept of one that came, until the law lets go of it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import NewType, Self
from uuid import UUID

from domain.accounts import AccountId
from domain.media import ALIKE

ImpoundedId = NewType("ImpoundedId", UUID)


class Origin(StrEnum):
    """Where such a picture came from."""

    UPLOAD = "upload"
    REFERENCE = "reference"
    """It was here already when its hash was listed."""
    OUTPUT = "output"


@dataclass(frozen=True, slots=True)
class Match:
    """An entry of the list, and how many of the 256 bits of the picture's hash differ from it."""

    pdq: str
    distance: int


def nearest(found: Sequence[tuple[str, int]]) -> Match | None:
    """Of entries with their distances; None if none is near enough to be the same picture."""
    pdq, distance = min(found, key=lambda one: one[1], default=("", ALIKE + 1))
    return Match(pdq, distance) if distance <= ALIKE else None


@dataclass(frozen=True, slots=True)
class Impounded:
    """A picture in quarantine. Its bytes stay until it is released; that it was here stays for good."""

    id: ImpoundedId
    account_id: AccountId
    origin: Origin
    sha256: str
    matched: str
    distance: int
    at: datetime
    released_at: datetime | None = None

    def release(self, now: datetime) -> Self:
        """Again changes nothing."""
        return self if self.released_at else replace(self, released_at=now)
