"""The port to content credentials: reading those that a file carries, and signing what we made."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from domain.media import PictureFormat
from domain.provenance import Credentials, Made


class ProvenanceUnavailable(Exception):
    """Nothing could be signed now: the timestamp authority does not answer, the certificate has expired, or the like."""


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
        is its parent. The source type is written as XMP too. Raises ProvenanceUnavailable; nothing is left out silently.
        """
        ...
