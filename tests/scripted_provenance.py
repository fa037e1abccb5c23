"""Content credentials that are words in front of the bytes, made when told, not, or never."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from application.provenance import Provenance, ProvenanceUnavailable, Source, Unsignable
from domain.media import PictureFormat
from domain.provenance import NO_CREDENTIALS, Credentials, CredentialState, Made, SourceType

OURS = Credentials(CredentialState.TRUSTED, claim_generator="we", by_us=True)
THEIRS = Credentials(CredentialState.VALID, claim_generator="they")
BROKEN = Credentials(CredentialState.INVALID, ("assertion.dataHash.mismatch",), "they")
_BEGINNINGS = {b"ours": OURS, b"theirs": THEIRS, b"broken": BROKEN}


@dataclass(slots=True)
class ScriptedProvenance(Provenance):
    """`refuses`: bytes that it does not sign now, `never`: nor ever; `breaks`: those by which it breaks in a way that nobody knew
    of; `hangs`: it never answers. `asked`: what each signature was to say. No two signatures are alike."""

    refuses: set[bytes] = field(default_factory=set)
    never: set[bytes] = field(default_factory=set)
    breaks: set[bytes] = field(default_factory=set)
    hangs: bool = False
    asked: list[tuple[bytes, Made, Source | None, tuple[Source, ...]]] = field(default_factory=list)

    async def read(self, content: bytes, format: PictureFormat) -> Credentials:
        return next((each for beginning, each in _BEGINNINGS.items() if content.startswith(beginning)), NO_CREDENTIALS)

    async def sign(
        self, content: bytes, format: PictureFormat, made: Made, parent: Source | None = None, inputs: Sequence[Source] = ()
    ) -> bytes:
        self.asked.append((content, made, parent, tuple(inputs)))
        if self.hangs:
            await asyncio.Event().wait()
        if content in self.breaks:
            raise RuntimeError
        if content in self.never or any(each and each.content in self.never for each in (parent, *inputs)):
            raise Unsignable
        if content in self.refuses:
            raise ProvenanceUnavailable
        return b"ours %d: %s" % (len(self.asked), content)

    async def label(self, content: bytes, format: PictureFormat, source_type: SourceType) -> bytes:
        if self.hangs:
            await asyncio.Event().wait()
        if content in self.never:
            raise Unsignable
        return f"{source_type}: ".encode() + content
