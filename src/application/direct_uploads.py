"""Uploads that do not pass through the API: their bytes are sent to the store by a link, and taken in from there."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from application.media import AdmittedBefore, AdmitUpload
from application.ports import NewId, ObjectMissing, ObjectStorage, ObjectTooLarge, PutLink, StoredObject
from application.removal import delete_bytes
from application.store import IdempotencyKey, Store
from domain.accounts import Caller
from domain.errors import DomainError, IntakeBusy, NotFound
from domain.media import UPLOADED, Asset, AssetId, AssetKind, check_bytes, most_bytes, taken_format
from domain.objects import ObjectKey

ROUTE = "completeUpload"


@dataclass(frozen=True, slots=True)
class BeginUpload:
    """Make a link by which one file of exactly this type and length can be sent. No row speaks of it: all there is to know lies
    in the key, and its account is led to it."""

    storage: ObjectStorage
    new_id: NewId

    async def __call__(
        self, caller: Caller, content_type: str, bytes: int, kind: AssetKind, expires_at: datetime
    ) -> tuple[UUID, PutLink]:
        caller.may_spend()
        taken_format(content_type)
        check_bytes(bytes, kind, "bytes")
        upload_id = self.new_id()
        key = ObjectKey.incoming(caller.account_id, upload_id, caller.mode, kind)
        return upload_id, self.storage.link_to_put(key, content_type=content_type, bytes=bytes, expires_at=expires_at)


@dataclass(frozen=True, slots=True)
class CompleteUpload:
    """Take in what was sent by a link. Only the cleaned copy is ever used, so what becomes of the file that was sent changes
    nothing: it is deleted. Asking again answers the same asset."""

    store: Store
    storage: ObjectStorage
    admit: AdmitUpload

    async def __call__(self, caller: Caller, upload_id: UUID) -> tuple[Asset, tuple[str, ...]]:
        """The asset, and what was changed in it. Raises NotFound for an upload of somebody else, one that was never begun, and
        one of which nothing has come."""
        caller.may_spend()
        once = IdempotencyKey(caller.account_id, caller.mode, ROUTE, str(upload_id))
        if earlier := await self._earlier(caller, once):
            return earlier
        try:
            return await self._take_in(caller, upload_id, once)
        except (NotFound, AdmittedBefore):
            if earlier := await self._earlier(caller, once):
                return earlier
            raise NotFound("there is no such upload, or nothing was sent yet") from None

    async def _take_in(self, caller: Caller, upload_id: UUID, once: IdempotencyKey) -> tuple[Asset, tuple[str, ...]]:
        sent = await self._sent(caller, upload_id)
        kind = AssetKind(sent.key.path[-1])
        try:
            content = await self.storage.get(sent.key, at_most=most_bytes(kind))
        except ObjectMissing:
            raise NotFound from None
        except ObjectTooLarge:  # no link of ours was for so many
            await delete_bytes(self.storage, sent.key)
            check_bytes(sent.bytes, kind)
            raise NotFound from None
        try:
            asset, clean = await self.admit(caller, content, kind, once)
        except IntakeBusy:
            raise
        except DomainError:
            await delete_bytes(self.storage, sent.key)  # it will never be one
            raise
        await delete_bytes(self.storage, sent.key)
        return asset, clean.changed

    async def _earlier(self, caller: Caller, once: IdempotencyKey) -> tuple[Asset, tuple[str, ...]] | None:
        async with self.store.transaction() as tx:
            if not (seen := await tx.remembered(once)):
                return None
            (asset,) = await tx.assets.pin([AssetId(seen.thing)], caller.account_id, caller.mode)
            return asset, tuple(seen.fingerprint.split())

    async def _sent(self, caller: Caller, upload_id: UUID) -> StoredObject:
        for kind in UPLOADED:
            key = ObjectKey.incoming(caller.account_id, upload_id, caller.mode, kind)
            async for found in self.storage.list(str(key)):
                return found
        raise NotFound
