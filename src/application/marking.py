"""Every picture says where it comes from before anybody gets it: by the model's credentials, or by ours."""

import asyncio
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from application import references
from application.ports import ObjectStorage, PictureIntake
from application.provenance import Provenance, Source, Unsignable
from application.store import Store
from domain.accounts import Mode
from domain.attempts import UNUSABLE, Executed, Found, Picture, StoredPicture
from domain.errors import BrokenImage
from domain.generations import Generation
from domain.media import Asset, PictureFormat
from domain.objects import ObjectKey
from domain.provenance import UNREADABLE, Act, Credentials, CredentialState, LoggedPicture, Made, Marking

MOST_SECONDS = 5.0
"""Whoever signs has no longer: a paid picture waits at nobody's desk before it is put."""
TEST_SOFTWARE = "painter (test mode)"
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class MarkPictures:
    """Sign what a model made and did not sign itself. What cannot be signed in time is kept as it is, and handed out later.
    What never could be, drawn anew included, is no picture, and costs nothing."""

    store: Store
    storage: ObjectStorage
    provenance: Provenance
    intake: PictureIntake

    async def __call__(self, generation: Generation, result: Executed, until: float) -> Executed:
        """`until`, on the event loop's clock: the attempt's time, of which this takes half of what is left at most."""
        now = asyncio.get_running_loop().time()
        latest = min(now + MOST_SECONDS, (now + until) / 2)
        pictures = result.pictures[: generation.n]
        if not pictures:
            return result
        carried = await asyncio.gather(*(_by(latest, self.provenance.read(each.content, each.format)) for each in pictures))
        if all(credentials and credentials.state.holds for credentials in carried):
            sources: Sequence[Source] | None = ()
        else:
            sources = await _by(latest, sources_of(self.store, self.storage, generation))
        signing = [
            self._marked(generation, picture, credentials, sources, latest)
            for picture, credentials in zip(pictures, carried, strict=True)
        ]
        marked = [picture for picture in await asyncio.gather(*signing) if picture]
        return replace(result, pictures=tuple(marked), failure=result.failure or (None if marked else UNUSABLE))

    async def _marked(
        self,
        generation: Generation,
        picture: Picture,
        credentials: Credentials | None,
        sources: Sequence[Source] | None,
        latest: float,
    ) -> Picture | None:
        """`credentials` or `sources` that nobody could read in time leave it as it is. None if it can never be signed."""
        if credentials and credentials.state.holds:
            return replace(picture, marking=credentials.marking)
        if not credentials or sources is None:
            return replace(picture, marking=Marking.PENDING)
        sign = SignOutput(self.provenance, self.intake, generation)
        try:
            signed = await _by(latest, sign(picture.content, picture.format, credentials, sources))
        except Unsignable:
            return None
        if signed is None:
            return replace(picture, marking=Marking.PENDING)
        return replace(picture, content=signed.content, format=signed.format, marking=Marking.SIGNED)

    async def looked_at(self, generation: Generation, found: Found) -> Found:
        """With the marking of pictures that no manifest speaks of. Raises StorageUnavailable, ObjectMissing or IntakeBusy."""
        pictures = [await self._looked_at(generation, found.attempt, picture) for picture in found.pictures]
        return replace(found, pictures=tuple(pictures))

    async def _looked_at(self, generation: Generation, attempt: int, picture: StoredPicture) -> StoredPicture:
        if picture.marking is not Marking.UNMARKED:
            return picture
        key = ObjectKey.picture(generation.account_id, generation.id, attempt, picture.index)
        credentials = await self.provenance.read(await self.storage.get(key), picture.format)
        return replace(picture, marking=credentials.marking)


async def sources_of(store: Store, storage: ObjectStorage, generation: Generation) -> Sequence[Source]:
    """What an edit starts from, in the request's order. Raises as `references.load` does."""
    request = generation.request
    if not request or not request.references:
        return ()
    loaded = await references.load(store, storage, generation, request.references)
    return [Source(reference.content, reference.asset.format) for reference in loaded]


@dataclass(frozen=True, slots=True)
class SignOutput:
    """Sign what a model made of one generation. Credentials that are broken, or only too old, stay to be seen."""

    provenance: Provenance
    intake: PictureIntake
    generation: Generation

    async def __call__(
        self, content: bytes, format: PictureFormat, credentials: Credentials, sources: Sequence[Source]
    ) -> Source:
        """A picture whose own `credentials` do not hold: the first of its sources is its parent, the others went into it; where
        its credentials stay to be seen, the file as it came is. One that cannot be signed as it is is drawn anew. Raises
        ProvenanceUnavailable, IntakeBusy, or Unsignable."""
        try:
            if credentials.state is CredentialState.INVALID and credentials != UNREADABLE:
                came = Source(content, format)
                made = replace(self._made(opened=bool(sources)), acts=(Act.PUBLISHED,))
                return replace(came, content=await self.provenance.sign(content, format, made, came))
            return await self._signed(Source(content, format), sources)
        except Unsignable:
            drawn = await self._drawn(content)
        try:
            return await self._signed(drawn, sources, Act.TRANSCODED)
        except Unsignable:
            if not sources:
                raise
        return await self._signed(drawn, (), Act.TRANSCODED)  # what it was made from can be taken up by nobody

    async def _drawn(self, content: bytes) -> Source:
        try:
            picture = await self.intake.redraw(content)
        except BrokenImage:
            raise Unsignable from None
        return Source(picture.content, picture.format)

    async def _signed(self, picture: Source, sources: Sequence[Source], *acts: Act) -> Source:
        made = self._made(opened=bool(sources))
        parent, inputs = (sources[0], sources[1:]) if sources else (None, ())
        said = replace(made, acts=(*made.acts, *acts))
        return replace(picture, content=await self.provenance.sign(picture.content, picture.format, said, parent, inputs))

    def _made(self, *, opened: bool) -> Made:
        edited = self.generation.request is not None and bool(self.generation.request.references)
        return Made.by_model(made_by(self.generation), edited=edited, opened=opened)


def made_by(generation: Generation) -> str:
    """What a signature calls the software: no model ever makes a picture of test mode."""
    return generation.model if generation.mode is Mode.LIVE else TEST_SOFTWARE


def logged(asset: Asset, model: str) -> LoggedPicture:
    return LoggedPicture(asset.id, asset.mode, model, asset.sha256, asset.marking, asset.created_at)


async def _by(latest: float, act: Awaitable[T]) -> T | None:
    """What it came to; None if that was nothing in time. The picture is paid and lies nowhere yet: whatever goes wrong with its
    signature, it is put. Raises Unsignable."""
    try:
        async with asyncio.timeout_at(latest):
            return await act
    except Unsignable:
        raise
    except Exception:
        return None
