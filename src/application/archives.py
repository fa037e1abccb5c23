"""Many pictures as one file: asked for at once, packed in the background, gone a day later."""

import asyncio
import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from application.digests import sha256_of
from application.packing import Package, Packer
from application.ports import NewId, ObjectMissing, ObjectStorage
from application.queries import Queries
from application.removal import delete_bytes
from application.store import IdempotencyKey, Remembered, Store, StoreUnavailable, Transaction
from domain.accounts import Caller
from domain.archives import MANIFEST, Archive, ArchiveFailure, ArchiveId, ArchiveState, check_assets, check_others, name_of
from domain.errors import IdempotencyMismatch, NotFound
from domain.media import ArchiveFormat, Asset, AssetId

LEASE = timedelta(seconds=60)
BEAT_SECONDS = 2.0
"""How often whoever packs says how far it is, and that it lives."""


@dataclass(frozen=True, slots=True)
class RequestArchive:
    """Have pictures packed. Asking again with the same key and body answers the same archive; with another body it is refused."""

    store: Store
    new_id: NewId

    async def __call__(
        self, caller: Caller, named: Sequence[AssetId], idempotency: tuple[IdempotencyKey, str] | None = None
    ) -> tuple[ArchiveId, Archive | None]:
        """The id, and the archive if it was made just now. Raises NotFound, LimitExceeded, TooManyArchives, or
        IdempotencyMismatch."""
        key, fingerprint = idempotency or (None, "")
        async with self.store.transaction() as tx:
            await tx.accounts.lock(caller.account_id)  # of requests that come together one is after the other
            if key and (seen := await tx.remembered(key)):
                if seen.fingerprint != fingerprint:
                    raise IdempotencyMismatch
                return ArchiveId(seen.thing), None
            assets = tuple(dict.fromkeys(named))
            try:
                check_assets(await tx.assets.pin(assets, caller.account_id, caller.mode))
            except NotFound:
                raise NotFound from None  # it names none: a foreign picture and a missing one look alike
            now = await tx.now()
            check_others(await tx.archives.of_account(caller.account_id, caller.mode), now)
            archive = Archive(ArchiveId(self.new_id()), caller.account_id, caller.mode, assets, now, now)
            tx.archives.add(archive)
            if key:
                tx.remember(key, Remembered(fingerprint, archive.id))
        return archive.id, archive


class _Lost(Exception):
    """Another makes it by now, or nobody needs to."""


@dataclass(slots=True)
class _Packing:
    """`manifest`: what is in the file, and what was left out."""

    done: int = 0
    packed: list[AssetId] = field(default_factory=list)
    manifest: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: {"pictures": [], "left_out": []})


@dataclass(frozen=True, slots=True)
class MakeArchives:
    """Pack what is due, one archive after the other and one picture at a time. Any number may run at once: each archive has one
    who makes it, who says every `beat` seconds that it lives; when it falls silent another begins anew, under another key."""

    store: Store
    storage: ObjectStorage
    queries: Queries
    packer: Packer
    kept: timedelta
    lease: timedelta = LEASE
    beat: float = BEAT_SECONDS

    async def __call__(self) -> int:
        """How many became ready."""
        ready = 0
        while archive := await self._begin():
            ready += await self._make(archive)
        return ready

    async def _begin(self) -> Archive | None:
        async with self.store.transaction() as tx:
            now = await tx.now()
            if archive := await tx.archives.lock_due(now):
                archive.begin(now, self.lease)
                tx.archives.save(archive)
        return archive

    async def _make(self, archive: Archive) -> bool:
        packing = _Packing()
        making = asyncio.ensure_future(self._pack(archive, packing))
        try:
            while not (await asyncio.wait({making}, timeout=self.beat))[0]:
                await self._renew(archive, packing.done)
            return making.result()
        except _Lost:
            return False
        except Exception:
            await self._put_off(archive)
            raise
        finally:
            making.cancel()
            await asyncio.wait({making})

    async def _pack(self, archive: Archive, packing: _Packing) -> bool:
        async with self.packer.begin() as package:
            for asset_id in archive.assets:
                await self._add(archive, asset_id, package, packing)
                packing.done += 1
            if not packing.packed:
                return await self._end(archive, packing, None)
            await package.add(MANIFEST, json.dumps(packing.manifest, indent=1).encode(), archive.created_at)
            path, size = await package.close()
            await self.storage.put_file(archive.key, path, ArchiveFormat.ZIP.content_type)
        return await self._end(archive, packing, size)

    async def _add(self, archive: Archive, asset_id: AssetId, package: Package, packing: _Packing) -> None:
        try:
            asset = await self.queries.asset(asset_id, archive.account_id, archive.mode)
            if not asset.marking.may_be_handed_out:
                packing.manifest["left_out"].append({"id": str(asset_id), "reason": "not_signed_yet"})
                return
            content = await self.storage.get(asset.key)
        except (NotFound, ObjectMissing):
            packing.manifest["left_out"].append({"id": str(asset_id), "reason": "deleted"})
            return
        await package.add(name_of(asset), content, asset.created_at)
        packing.packed.append(asset_id)
        packing.manifest["pictures"].append(await _described(asset, content))

    async def _end(self, archive: Archive, packing: _Packing, size: int | None) -> bool:
        """Ready, unless a picture in it was deleted since: then it is made anew, without it."""
        try:
            async with self.store.transaction() as tx:
                if size is not None:
                    await tx.assets.pin(packing.packed, archive.account_id, archive.mode)
                held = await self._held(tx, archive)
                if size is None:
                    held.fail(ArchiveFailure.NOTHING_LEFT, await tx.now(), self.kept)
                else:
                    held.finish(size, await tx.now(), self.kept)
                tx.archives.save(held)
        except (NotFound, _Lost) as error:
            await delete_bytes(self.storage, archive.key)  # no row speaks of this attempt any more
            if isinstance(error, NotFound):
                await self._put_off(archive)
            return False
        return size is not None

    async def _renew(self, archive: Archive, done: int) -> None:
        async with self.store.transaction() as tx:
            held = await self._found(tx, archive)
            if held.attempt != archive.attempt:
                raise _Lost
            if held.state is ArchiveState.RUNNING:  # else it has just come to its end
                held.renew(done, await tx.now() + self.lease)
                tx.archives.save(held)

    async def _put_off(self, archive: Archive) -> None:
        with suppress(StoreUnavailable, _Lost):  # else its lease ends by itself
            async with self.store.transaction() as tx:
                held = await self._held(tx, archive)
                held.put_off(await tx.now(), self.kept)
                tx.archives.save(held)

    async def _held(self, tx: Transaction, archive: Archive) -> Archive:
        held = await self._found(tx, archive)
        if held.attempt != archive.attempt or held.state is not ArchiveState.RUNNING:
            raise _Lost
        return held

    async def _found(self, tx: Transaction, archive: Archive) -> Archive:
        try:
            return await tx.archives.lock(archive.id)
        except NotFound:
            raise _Lost from None


async def _described(asset: Asset, content: bytes) -> dict[str, Any]:
    return {
        "name": name_of(asset),
        "id": str(asset.id),
        "generation": str(asset.generation_id) if asset.generation_id else None,
        "index": asset.index,
        "content_type": asset.format.content_type,
        "bytes": len(content),
        "sha256": await sha256_of(content),
        "created_at": asset.created_at.isoformat(),
    }


@dataclass(frozen=True, slots=True)
class ForgetArchives:
    """Remove archives that have expired, row and file. Any number may run at once."""

    store: Store
    storage: ObjectStorage
    batch: int = 100

    async def __call__(self) -> int:
        forgotten = 0
        while True:
            async with self.store.transaction() as tx:
                gone = await tx.archives.forget(await tx.now(), self.batch)
            forgotten += len(gone)
            await delete_bytes(self.storage, *(archive.key for archive in gone))
            if len(gone) < self.batch:
                return forgotten
