"""What is done for pictures after they were made: those that wait for a signature get it, and all are known by their looks."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import Enum

from application.digests import sha256_of
from application.marking import SignOutput, logged, sources_of
from application.ports import ObjectMissing, ObjectStorage, PictureIntake, StorageUnavailable
from application.provenance import Provenance, ProvenanceQueries, Unsignable
from application.store import Store, StoreUnavailable
from domain.attempts import BrokenManifest, Manifest
from domain.errors import Animated, BrokenImage, IntakeBusy, NotFound, UnsupportedFormat
from domain.generations import Generation, GenerationId
from domain.media import Asset, AssetId, PictureFormat, format_of
from domain.objects import ObjectKey
from domain.provenance import LOG_KEPT, Marking, sign_again

MOST_SECONDS = 120.0
"""To sign one picture. Nothing waits to be put here: what took too long in its attempt, as an edit of many large references does,
must come to its end."""


class _End(Enum):
    SIGNED = "signed"
    NOT_NOW = "not_now"
    NEVER = "never"
    STILL_NEVER = "still_never"


@dataclass(frozen=True, slots=True)
class RecordOutputs:
    """Sign what is pending, then what was made before all were signed; look at what nobody has looked at, forget what is too old.
    Whoever dies on the way, or does the same as another, does no harm: what lies at the key in the end is what the row says."""

    store: Store
    storage: ObjectStorage
    provenance: Provenance
    intake: PictureIntake
    queries: ProvenanceQueries
    batch: int = 50

    async def __call__(self) -> Mapping[str, int]:
        """How many were signed, could not be signed now, were first found to be such that nobody can sign them, were looked at,
        and were forgotten."""
        async with self.store.transaction() as tx:
            now = await tx.now()
        pending = await self.queries.pending(now, self.batch)
        ends = Counter([await self._sign(asset) for asset in pending])
        for asset in () if ends[_End.NOT_NOW] else await self.queries.unmarked(now, self.batch):
            end = await self._sign(asset)
            ends[end] += 1
            if end is _End.NOT_NOW:  # it is shown as it was meanwhile, and goes behind the others
                await self._put_off(asset)
        seen = sum([await self._look(id, asset) for id, asset in await self.queries.unseen(self.batch)])
        async with self.store.transaction() as tx:
            forgotten = await tx.provenance.forget(await tx.now() - LOG_KEPT, self.batch)
        return {
            "pictures_signed": ends[_End.SIGNED],
            "pictures_unsigned": ends[_End.NOT_NOW],
            "pictures_unsignable": ends[_End.NEVER],
            "pictures_seen": seen,
            "pictures_forgotten": forgotten,
        }

    # Signing

    async def _sign(self, asset: Asset) -> _End:
        try:
            async with asyncio.timeout(MOST_SECONDS):
                generation = await self._generation(asset)
                content = await self._signed(asset, generation)
            await self._write_down(asset, generation, content)
        except Unsignable:
            return await self._put_off(asset)
        except (StoreUnavailable, StorageUnavailable):
            raise
        except Exception:  # it was deleted meanwhile, or cannot be signed now: the others do not wait for it
            return _End.NOT_NOW
        return _End.SIGNED

    async def _put_off(self, asset: Asset) -> _End:
        """Tried again all the same: the next version may know how. The others do not wait for that."""
        async with self.store.transaction() as tx:
            first = await tx.provenance.put_off(asset.id, sign_again(asset.created_at, await tx.now()))
        return _End.NEVER if first else _End.STILL_NEVER

    async def _generation(self, asset: Asset) -> Generation:
        if asset.generation_id is None:
            raise AssertionError("only what a generation made is signed")
        async with self.store.transaction() as tx:
            return await tx.generations.find(GenerationId(asset.generation_id), asset.account_id, asset.mode)

    async def _signed(self, asset: Asset, generation: Generation) -> bytes:
        """What lies at its key, once that says where it comes from."""
        content = await self.storage.get(asset.key)
        format = _format_of(content, asset)
        credentials = await self.provenance.read(content, format)
        if credentials.state.holds:  # by whoever died before the row knew of it
            return content
        try:
            sources = await sources_of(self.store, self.storage, generation)
        except (NotFound, ObjectMissing):  # deleted since
            sources = ()
        signed = await SignOutput(self.provenance, self.intake, generation)(content, format, credentials, sources)
        await self.storage.put(asset.key, signed.content, signed.format.content_type)
        return signed.content

    async def _write_down(self, asset: Asset, generation: Generation, content: bytes) -> None:
        """Manifest and row say what lies there. Whoever finds the row changed looks again: another may have put after us."""
        known = asset
        while True:
            format = _format_of(content, asset)
            found = await self.provenance.read(content, format)
            marking = found.marking if found.state.holds else asset.marking
            marked = replace(known, format=format, sha256=await sha256_of(content), bytes=len(content), marking=marking)
            await self._correct_manifest(marked, generation)
            async with self.store.transaction() as tx:
                current = await tx.assets.lock(asset.id)
                if current == known:
                    tx.assets.save(marked)
                    if known.marking is Marking.UNMARKED:
                        tx.provenance.record(logged(marked, generation.model))
                    await tx.provenance.mark(asset.id, marked.sha256, marking)
                    return
            known, content = current, await self.storage.get(asset.key)

    async def _correct_manifest(self, asset: Asset, generation: Generation) -> None:
        if asset.attempt is None:
            return
        key = ObjectKey.manifest(asset.account_id, generation.id, asset.attempt)
        with suppress(ObjectMissing, BrokenManifest):  # the row is what counts, now that there is one
            told = Manifest.read(await self.storage.get(key))
            await self.storage.put(key, told.about(asset).write(), "application/json")

    # Looking

    async def _look(self, id: AssetId, asset: Asset | None) -> bool:
        """Whoever made its thumbnail has seen it already, and need not have it drawn once more."""
        pdq = asset.pdq if asset else None
        known = pdq is not None
        try:
            if asset and not known:
                likeness = await self.intake.likeness(await self.storage.get(asset.key))
                pdq = likeness.pdq if likeness.tells else None
        except IntakeBusy:
            return False
        except (ObjectMissing, BrokenImage):
            pass
        async with self.store.transaction() as tx:
            if pdq and not known:
                with suppress(NotFound):
                    tx.assets.save(replace(await tx.assets.lock(id), pdq=pdq))
            await tx.provenance.looked(id, pdq, await tx.now())
        return True


def _format_of(content: bytes, asset: Asset) -> PictureFormat:
    """Whoever drew it anew may have died before the row knew of it."""
    try:
        return format_of(content)
    except (UnsupportedFormat, Animated):
        return asset.format
