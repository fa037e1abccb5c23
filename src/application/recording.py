"""What is done for pictures after they were made: those that wait for a signature get it, and all are known by their looks."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

from application.digests import sha256_of
from application.marking import sign_output, sources_of
from application.ports import ObjectMissing, ObjectStorage, PictureIntake, StorageUnavailable
from application.provenance import Provenance, ProvenanceQueries
from application.store import Store, StoreUnavailable
from domain.attempts import BrokenManifest, Manifest
from domain.errors import BrokenImage, IntakeBusy, NotFound
from domain.generations import Generation, GenerationId
from domain.media import Asset, AssetId
from domain.objects import ObjectKey
from domain.provenance import LOG_KEPT

MOST_SECONDS = 120.0
"""To sign one picture. Nothing waits to be put here: what took too long in its attempt, as an edit of many large references does,
must come to its end."""


@dataclass(frozen=True, slots=True)
class RecordOutputs:
    """Sign what is pending, look at what nobody has looked at, forget what is too old. Whoever dies on the way, or does the same
    as another, does no harm: what lies at the key in the end is what the row says."""

    store: Store
    storage: ObjectStorage
    provenance: Provenance
    intake: PictureIntake
    queries: ProvenanceQueries
    batch: int = 50

    async def __call__(self) -> Mapping[str, int]:
        """How many were signed, could not be signed, were looked at, and were forgotten."""
        pending = await self.queries.pending(self.batch)
        signed = sum([await self._sign(asset) for asset in pending])
        seen = sum([await self._look(id, asset) for id, asset in await self.queries.unseen(self.batch)])
        async with self.store.transaction() as tx:
            forgotten = await tx.provenance.forget(await tx.now() - LOG_KEPT, self.batch)
        return {
            "pictures_signed": signed,
            "pictures_unsigned": len(pending) - signed,
            "pictures_seen": seen,
            "pictures_forgotten": forgotten,
        }

    # Signing

    async def _sign(self, asset: Asset) -> bool:
        try:
            async with asyncio.timeout(MOST_SECONDS):
                generation = await self._generation(asset)
                content = await self._signed(asset, generation)
            await self._write_down(asset, generation, content)
        except (StoreUnavailable, StorageUnavailable):
            raise
        except Exception:  # it was deleted meanwhile, or cannot be signed now: the others do not wait for it
            return False
        return True

    async def _generation(self, asset: Asset) -> Generation:
        if asset.generation_id is None:
            raise AssertionError("only what a generation made is signed")
        async with self.store.transaction() as tx:
            return await tx.generations.find(GenerationId(asset.generation_id), asset.account_id, asset.mode)

    async def _signed(self, asset: Asset, generation: Generation) -> bytes:
        """What lies at its key, once that says where it comes from."""
        content = await self.storage.get(asset.key)
        credentials = await self.provenance.read(content, asset.format)
        if credentials.state.holds:  # by whoever died before the row knew of it
            return content
        try:
            sources = await sources_of(self.store, self.storage, generation)
        except (NotFound, ObjectMissing):  # deleted since
            sources = ()
        signed = await sign_output(self.provenance, generation, content, asset.format, credentials, sources)
        await self.storage.put(asset.key, signed, asset.format.content_type)
        return signed

    async def _write_down(self, asset: Asset, generation: Generation, content: bytes) -> None:
        """Manifest and row say what lies there. Whoever finds the row changed looks again: another may have put after us."""
        known = asset
        while True:
            marking = (await self.provenance.read(content, asset.format)).marking
            marked = replace(known, sha256=await sha256_of(content), bytes=len(content), marking=marking)
            await self._correct_manifest(marked, generation)
            async with self.store.transaction() as tx:
                current = await tx.assets.lock(asset.id)
                if current == known:
                    tx.assets.save(marked)
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
        pdq = None
        try:
            if asset:
                likeness = await self.intake.likeness(await self.storage.get(asset.key))
                pdq = likeness.pdq if likeness.tells else None
        except IntakeBusy:
            return False
        except (ObjectMissing, BrokenImage):
            pass
        async with self.store.transaction() as tx:
            if pdq:
                with suppress(NotFound):
                    tx.assets.save(replace(await tx.assets.lock(id), pdq=pdq))
            await tx.provenance.looked(id, pdq, await tx.now())
        return True
