"""Where somebody's file comes from, as far as it says so itself, and as far as we know."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from application.digests import sha256_of
from application.ports import PictureIntake
from application.provenance import Match, Provenance, ProvenanceQueries
from domain.accounts import Mode
from domain.errors import BrokenImage, Truncated
from domain.media import ALIKE, AssetKind, Likeness, PictureFormat, check_bytes, sniff
from domain.provenance import Credentials

MOST_MATCHES = 10


@dataclass(frozen=True, slots=True)
class Verified:
    """What a file says, and which pictures of our log it is or looks like."""

    sha256: str
    format: PictureFormat
    credentials: Credentials
    matches: Sequence[Match]

    @property
    def made_here(self) -> bool:
        """The very bytes are ours, or they bear our signature over a picture that a model of ours made."""
        ours = self.credentials.by_us and self.credentials.source_type is not None
        return ours or any(match.same_bytes for match in self.matches)

    @property
    def mode(self) -> Mode | None:
        """Of the picture that it most likely is: one of test mode was painted to try the service out."""
        return self.matches[0].mode if self.matches else None


@dataclass(frozen=True, slots=True)
class VerifyPicture:
    """Look at a file and keep nothing of it. What is told of our pictures names nobody and repeats no prompt.

    One at a time: a small file takes seconds of a picture worker and of the database, and anybody may send some. Whoever brings
    pictures in finds the other workers free.
    """

    provenance: Provenance
    intake: PictureIntake
    queries: ProvenanceQueries
    turn: asyncio.Semaphore = field(init=False, default_factory=lambda: asyncio.Semaphore(1))

    async def __call__(self, content: bytes) -> Verified:
        """Raises what an upload raises for a file that is none."""
        check_bytes(len(content), AssetKind.REFERENCE)
        async with self.turn:
            return await self._verified(content)

    async def _verified(self, content: bytes) -> Verified:
        format, likeness = await self._looked_at(content)
        credentials = await self.provenance.read(content, format)
        sha256 = await sha256_of(content)
        pdq = likeness.pdq if likeness and likeness.tells else None
        return Verified(sha256, format, credentials, await self.queries.matches(sha256, pdq, ALIKE, MOST_MATCHES))

    async def _looked_at(self, content: bytes) -> tuple[PictureFormat, Likeness | None]:
        """Films of ours are GIFs, which nobody may bring in but to be looked at."""
        if not content.startswith((b"GIF87a", b"GIF89a")):
            format = sniff(content)
            return format, (await self.intake.clean(content, AssetKind.REFERENCE)).likeness
        try:
            return PictureFormat.GIF, await self.intake.likeness(content)
        except BrokenImage:
            raise Truncated("the image could not be decoded", field="file") from None
