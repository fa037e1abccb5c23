"""What proof of origin needs from outside: content credentials, read and signed, and the log of what we made."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from domain.accounts import Mode
from domain.media import Asset, AssetId, PictureFormat
from domain.provenance import Credentials, LoggedPicture, Made, Marking, SourceType


class ProvenanceUnavailable(Exception):
    """Nothing could be signed now: the timestamp authority does not answer, the certificate has expired, or the like."""


class Unsignable(Exception):
    """This can never be signed as it is: no credentials go into such a file, or not with what it was made from."""


@dataclass(frozen=True, slots=True)
class Source:
    """A file that a picture was made from: one of ours, or one that we cleaned."""

    content: bytes = field(repr=False)
    format: PictureFormat


class Provenance(Protocol):
    """Content credentials. Nothing is ever fetched for them from an address that a file names."""

    async def read(self, content: bytes, format: PictureFormat) -> Credentials:
        """What hostile bytes carry, looked at within memory and time limits. What kills whoever looks is UNREADABLE; raises
        IntakeBusy when nobody could look."""
        ...

    async def sign(
        self,
        content: bytes,
        format: PictureFormat,
        made: Made,
        parent: Source | None = None,
        inputs: Sequence[Source] = (),
    ) -> bytes:
        """The same picture, pixel by pixel, with credentials that say how it was made and from what; it is no longer than a
        few milliseconds' work in a thread. For bytes that we or a provider made.

        What `parent` and `inputs` carry goes on in it, checked. What `content` itself carries does not, so whatever is to go on
        is its parent. The source type is written as XMP too. Raises ProvenanceUnavailable, or Unsignable; nothing is left out
        silently.
        """
        ...

    async def label(self, content: bytes, format: PictureFormat, source_type: SourceType) -> bytes:
        """The same pixels in a file that says in XMP what made them, and nothing else; unsigned. For pictures that are not kept.
        Raises Unsignable."""
        ...


class ProvenanceLog(Protocol):
    """Rows of the pictures that we made. They survive the pictures."""

    def record(self, picture: LoggedPicture) -> None:
        """Once more puts it in its place, to be looked at anew."""

    async def mark(self, asset: AssetId, sha256: str, marking: Marking) -> None:
        """It has other bytes now."""

    async def put_off(self, asset: AssetId, until: datetime) -> bool:
        """Nobody tries to sign it until then. Whether this is the first time."""
        ...

    async def looked(self, asset: AssetId, pdq: str | None, now: datetime) -> None:
        """What it looks like, None where it cannot be told by that."""

    async def forget(self, before: datetime, limit: int) -> int:
        """Remove at most so many that were made before then; answers how many."""


@dataclass(frozen=True, slots=True)
class Match:
    """A picture in our log that is the same, or (`distance` of its PDQ hash above 0, or other bytes) looks alike."""

    made_at: datetime
    mode: Mode
    model: str
    marking: Marking
    same_bytes: bool
    distance: int | None


class ProvenanceQueries(Protocol):
    async def pending(self, now: datetime, limit: int) -> Sequence[Asset]:
        """Some pictures that wait for our signature and are not put off, others each time: those that get none keep no other
        waiting."""
        ...

    async def unmarked(self, now: datetime, limit: int) -> Sequence[Asset]:
        """Pictures that models made before all were signed and that are not put off, the oldest first."""
        ...

    async def unseen(self, limit: int) -> Sequence[tuple[AssetId, Asset | None]]:
        """Some pictures in the log that nobody has looked at, others each time; those that have been deleted since without
        their asset."""
        ...

    async def matches(self, sha256: str, pdq: str | None, most_distance: int, limit: int) -> Sequence[Match]:
        """The same bytes first, then the nearest. The distance is 31 at most."""
        ...
