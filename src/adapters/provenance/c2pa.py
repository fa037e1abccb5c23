"""Content credentials by C2PA: read in the picture pool, which has no keys; signed in threads, which see no hostile bytes."""

import asyncio
import base64
import io
import struct
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from adapters.picture_pool import PicturePool, PoolStopped, WorkerDied
from adapters.provenance.bare import bare
from adapters.provenance.chain import SigningChain
from adapters.provenance.reading import OFFLINE, Trust, read_credentials
from adapters.provenance.xmp import packet, with_xmp
from application.provenance import Provenance, ProvenanceUnavailable, Source, Unsignable
from domain.errors import IntakeBusy
from domain.media import PictureFormat
from domain.provenance import NO_CREDENTIALS, UNREADABLE, Credentials, Made, SourceType

POLICY = "1"
"""The version of our rules for what is marked and how."""
ORIGIN = "gpt-image-2.origin"
_MARK = b"c2pa"
"""In every store of credentials that lies in a file. Most files have none, and need not be looked at any further."""
_SECONDS = 20.0
_WHOLE = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg==")
"""One black pixel, in a file without a flaw."""
_LARGE_BYTES = 4 << 20
"""Signing takes three times a picture's bytes: of those that are larger, only one is in hand."""
_WINDOW = 1 << 18
"""Looked through at a time: nothing else runs meanwhile in this process, and a file can be made to take long."""


@dataclass(frozen=True, slots=True)
class Authority:
    """Whose timestamps are asked for (`url`, none if empty) and whose are believed, as PEM, beside those of our own chain;
    `signers`: whose signatures are trusted, as PEM."""

    url: str = ""
    believed: str = ""
    signers: str = ""


class C2paProvenance(Provenance):
    """`system`: our name and version. At most `threads` pictures are signed at once, and one large one; others wait."""

    def __init__(
        self,
        pool: PicturePool,
        chain: SigningChain,
        authority: Authority,
        system: tuple[str, str],
        clock: Callable[[], datetime],
        threads: int = 4,
    ) -> None:
        self._pool, self._chain, self._authority, self._system, self._clock = pool, chain, authority, system, clock
        self._trust = Trust(chain.anchors + authority.believed, authority.signers, chain.names)
        self._threads = ThreadPoolExecutor(threads, "sign")
        self._of_large = ThreadPoolExecutor(1, "sign-large")

    def close(self) -> None:
        for threads in (self._threads, self._of_large):
            threads.shutdown(wait=False, cancel_futures=True)

    async def read(self, content: bytes, format: PictureFormat) -> Credentials:
        if not await asyncio.to_thread(_mentions, content):
            return NO_CREDENTIALS
        for _ in range(2):  # the worker may have been lost to somebody else's picture
            try:
                asked = self._pool.schedule(read_credentials, (content, format.content_type, self._trust), _SECONDS)
                return await asyncio.wrap_future(asked)
            except (WorkerDied, TimeoutError):
                continue
            except PoolStopped:
                raise IntakeBusy from None
        return UNREADABLE

    async def sign(
        self,
        content: bytes,
        format: PictureFormat,
        made: Made,
        parent: Source | None = None,
        inputs: Sequence[Source] = (),
    ) -> bytes:
        threads = self._of_large if len(content) > _LARGE_BYTES else self._threads
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(threads, self._signed, content, format, made, parent, tuple(inputs))

    async def label(self, content: bytes, format: PictureFormat, source_type: SourceType) -> bytes:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, _labelled, content, format, source_type)

    def _signed(
        self, content: bytes, format: PictureFormat, made: Made, parent: Source | None, inputs: Sequence[Source]
    ) -> bytes:
        try:
            return self._sign(content, format, made, parent, inputs, self._authority.url)
        except ProvenanceUnavailable:
            if not self._is_to_blame(content, format, made, parent, inputs):
                raise
            raise Unsignable from None

    def _is_to_blame(
        self, content: bytes, format: PictureFormat, made: Made, parent: Source | None, inputs: Sequence[Source]
    ) -> bool:
        """Where nobody is asked for a timestamp it cannot be signed either, while a picture that is known to be whole can."""
        try:
            self._sign(content, format, made, parent, inputs, "")
            return False
        except ProvenanceUnavailable:
            pass
        try:
            self._sign(_WHOLE, PictureFormat.PNG, Made.by_model("", edited=False), None, (), "")
            return True
        except ProvenanceUnavailable:
            return False

    def _sign(
        self, content: bytes, format: PictureFormat, made: Made, parent: Source | None, inputs: Sequence[Source], authority: str
    ) -> bytes:
        """Raises ProvenanceUnavailable, whatever the reason."""
        import c2pa  # a tenth of a second, and a process that signs nothing does without

        written = io.BytesIO()
        try:
            dressed = with_xmp(content, format, packet(made.source_type) if made.source_type else None)
            with (
                c2pa.Context.from_dict(self._settings()) as context,
                c2pa.Builder(self._manifest(made, parent, inputs), context=context) as builder,
                c2pa.Signer.from_callback(
                    self._chain.sign, c2pa.C2paSigningAlg.ES256, self._chain.certificates, authority or None
                ) as signer,
            ):
                for name, relationship, source in _ingredients(parent, inputs):
                    # A title is written in clear, so it is the same for everybody.
                    said = {"title": relationship, "relationship": relationship, "label": name}
                    builder.add_ingredient(said, source.format.content_type, io.BytesIO(source.content))
                builder.sign(signer, format.content_type, io.BytesIO(dressed), written)
        except (c2pa.C2paError, ValueError, IndexError, struct.error) as error:  # its text may quote what it was given
            raise ProvenanceUnavailable(type(error).__name__) from None
        return written.getvalue()

    def _settings(self) -> dict[str, Any]:
        """No thumbnails: they would embed the very pictures that people send us."""
        return {
            "builder": {"thumbnail": {"enabled": False}},
            "verify": {"verify_after_sign": True, **OFFLINE},
            "trust": {"user_anchors": self._trust.ours + self._trust.others},
        }

    def _manifest(self, made: Made, parent: Source | None, inputs: Sequence[Source]) -> dict[str, Any]:
        name, version = self._system
        opened = [{"action": "c2pa.opened", "parameters": {"ingredientIds": ["parent"]}}] if parent else []
        acts: list[dict[str, Any]] = [{"action": act.value, "when": self._clock().isoformat()} for act in made.acts]
        for act in acts:
            if made.model:
                act["softwareAgent"] = {"name": made.model}
            if made.source_type:
                act["digitalSourceType"] = made.source_type.address
        if inputs:
            acts[0]["parameters"] = {"ingredientIds": [name for name, kind, _ in _ingredients(None, inputs)]}
        return {
            "claim_generator_info": [{"name": name, "version": version}],
            "title": "picture",
            "assertions": [
                {"label": "c2pa.actions.v2", "data": {"actions": [*opened, *acts]}},
                # Not an id of ours: whoever has two pictures cannot tell that they belong together.
                {"label": ORIGIN, "data": {"id": str(uuid.uuid4()), "policy": POLICY}},
            ],
        }


def _labelled(content: bytes, format: PictureFormat, source_type: SourceType) -> bytes:
    try:
        return with_xmp(bare(content, format), format, packet(source_type))
    except (ValueError, IndexError, struct.error):
        raise Unsignable from None


def _mentions(content: bytes) -> bool:
    over = len(_MARK) - 1
    return any(content.find(_MARK, at, at + _WINDOW + over) >= 0 for at in range(0, len(content), _WINDOW))


def _ingredients(parent: Source | None, inputs: Sequence[Source]) -> list[tuple[str, str, Source]]:
    first = [("parent", "parentOf", parent)] if parent else []
    return [*first, *((f"input{place}", "inputTo", source) for place, source in enumerate(inputs))]
