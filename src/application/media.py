"""What a caller can do with pictures of their own: bring one in, and delete one."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from application.ports import NewId, ObjectStorage, PictureIntake
from application.provenance import Provenance
from application.quarantine import Seize
from application.removal import delete_bytes, remove
from application.store import IdempotencyKey, Remembered, Store, Transaction
from domain.accounts import Caller
from domain.errors import Gone, IdempotencyMismatch, NotFound
from domain.media import Asset, AssetId, AssetKind, CleanPicture, check_bytes, sniff, unsupported
from domain.provenance import Carried
from domain.quarantine import ImpoundedId, Origin

NOT_YET = datetime.max.replace(tzinfo=UTC)
"""When a picture came whose row is still to be written."""


class AdmittedBefore(Exception):
    """Another request with the same key was first: there is an asset already."""


@dataclass(frozen=True, slots=True)
class AdmitUpload:
    """Take in a reference or mask: only the cleaned copy is ever stored, and the caller is told what was changed."""

    store: Store
    storage: ObjectStorage
    intake: PictureIntake
    new_id: NewId
    seize: Seize | None = None
    provenance: Provenance | None = None

    async def __call__(
        self, caller: Caller, content: bytes, kind: AssetKind, once: IdempotencyKey | None = None, fingerprint: str = ""
    ) -> tuple[Asset, CleanPicture]:
        """Of all with the same key `once`, only the first brings an asset; the others raise AdmittedBefore. `fingerprint`: of the
        request, without spaces."""
        asset, clean = await self.put(caller, content, kind)
        async with self.store.transaction() as tx:
            asset = replace(asset, created_at=await tx.now())
            is_first = not once or await _is_first(tx, once, fingerprint, asset, clean)
            if is_first:
                tx.assets.add(asset)
        if not is_first:
            await delete_bytes(self.storage, asset.key)
            raise AdmittedBefore
        return asset, clean

    async def put(self, caller: Caller, content: bytes, kind: AssetKind) -> tuple[Asset, CleanPicture]:
        """The cleaned copy, put. Bytes first: an object without a row is swept, a row without an object would be a lie. Whoever
        writes the row says when that was: it is NOT_YET."""
        caller.may_spend()
        check_bytes(len(content), kind)
        carried = await self._carried(content)
        clean = await self.intake.clean(content, kind)
        asset_id = AssetId(self.new_id())
        known, id = clean.likeness, ImpoundedId(asset_id)
        if self.seize and await self.seize(id, caller.account_id, clean.content, Origin.UPLOAD, likeness=known):
            raise unsupported()  # to the letter what is said of any file that is none of ours
        asset = replace(_asset(asset_id, caller, kind, clean, NOT_YET), credentials=carried)
        await self.storage.put(asset.key, clean.content, clean.format.content_type)
        return asset, clean

    async def _carried(self, content: bytes) -> Carried | None:
        """What the file says of where it comes from: its copy says nothing any more."""
        if not self.provenance:
            return None
        found = await self.provenance.read(content, sniff(content))
        return Carried(found.state, found.claim_generator)


@dataclass(frozen=True, slots=True)
class BringIn:
    """Take in an upload, once for each key of the caller's: asked again in the same way, it answers the same asset, and what was
    changed in it. Who comes while the first is at work does the same work, and is answered what the first made."""

    admit: AdmitUpload

    async def __call__(
        self, caller: Caller, content: bytes, kind: AssetKind, idempotency: tuple[IdempotencyKey, str] | None = None
    ) -> tuple[Asset, Sequence[str]]:
        """Raises IdempotencyMismatch, Gone for an asset that was deleted since, and all that AdmitUpload raises."""
        if not idempotency:
            asset, clean = await self.admit(caller, content, kind)
            return asset, clean.changed
        caller.may_spend()
        if earlier := await self._earlier(caller, *idempotency):
            return earlier
        try:
            asset, clean = await self.admit(caller, content, kind, *idempotency)
        except AdmittedBefore:
            if earlier := await self._earlier(caller, *idempotency):
                return earlier
            raise Gone from None  # forgotten since, as after a day
        return asset, clean.changed

    async def _earlier(self, caller: Caller, key: IdempotencyKey, fingerprint: str) -> tuple[Asset, Sequence[str]] | None:
        async with self.admit.store.transaction() as tx:
            if not (seen := await tx.remembered(key)):
                return None
            known, *changed = seen.fingerprint.split()
            if known != fingerprint:
                raise IdempotencyMismatch
            try:
                (asset,) = await tx.assets.pin([AssetId(seen.thing)], caller.account_id, caller.mode)
            except NotFound:
                raise Gone from None
            return asset, changed


async def _is_first(tx: Transaction, once: IdempotencyKey, fingerprint: str, asset: Asset, clean: CleanPicture) -> bool:
    """If so, what is told of the asset is kept under its key."""
    await tx.accounts.lock(asset.account_id)
    if await tx.remembered(once):
        return False
    tx.remember(once, Remembered(" ".join((fingerprint, *clean.changed)).strip(), asset.id))
    return True


@dataclass(frozen=True, slots=True)
class DeleteAsset:
    """Delete a picture, row and bytes. Refused while an open generation needs it."""

    store: Store
    storage: ObjectStorage

    async def __call__(self, caller: Caller, asset_id: AssetId) -> None:
        async with self.store.transaction() as tx:
            asset = await tx.assets.take(asset_id, caller.account_id, caller.mode)
            copies = await remove(tx, asset)
        await delete_bytes(self.storage, asset.key, *copies)


def _asset(asset_id: AssetId, caller: Caller, kind: AssetKind, clean: CleanPicture, now: datetime) -> Asset:
    return Asset(
        id=asset_id,
        account_id=caller.account_id,
        mode=caller.mode,
        kind=kind,
        format=clean.format,
        width=clean.width,
        height=clean.height,
        bytes=len(clean.content),
        sha256=clean.sha256,
        has_alpha=clean.has_alpha,
        created_at=now,
        pdq=clean.likeness.pdq if clean.likeness and clean.likeness.tells else None,
    )
