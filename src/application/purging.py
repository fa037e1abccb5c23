"""What staff takes away by hand: pictures, and objects that nobody speaks of."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from application.generations import erase_bytes, erase_rows
from application.housekeeping import SweepObjects
from application.ports import NewId, ObjectStorage, StoredObject
from application.removal import delete_bytes, remove
from application.store import Store
from domain.accounts import Act, Staff
from domain.generations import GenerationId
from domain.media import AssetId


@dataclass(frozen=True, slots=True)
class PurgeMedia:
    """Staff removes a picture, or a whole generation with its prompt: rows, bytes and every copy. Refused while an open
    generation needs it."""

    store: Store
    storage: ObjectStorage
    new_id: NewId

    async def asset(self, staff: Staff, asset_id: AssetId) -> None:
        """Raises NotFound, AssetInUse, or StaffOnly."""
        async with self.store.transaction() as tx:
            found = await tx.assets.find(asset_id)
            by = await tx.accounts.find(staff.account_id)
            by.must_be_allowed(Act.PURGE, await tx.accounts.find(found.account_id))
            asset = await tx.assets.take(asset_id, found.account_id, found.mode)
            copies = await remove(tx, asset)
            await tx.accounts.record(staff.signed(self.new_id(), await tx.now(), Act.PURGE, asset_id))
        await delete_bytes(self.storage, asset.key, *copies)

    async def generation(self, staff: Staff, generation_id: GenerationId) -> None:
        """Raises NotFound, NotFinished, AssetInUse, or StaffOnly."""
        async with self.store.transaction() as tx:
            generation = await tx.generations.lock(generation_id)
            by = await tx.accounts.find(staff.account_id)
            by.must_be_allowed(Act.PURGE, await tx.accounts.find(generation.account_id))
            generation.must_be_finished()
            copies = await erase_rows(tx, generation)
            tx.generations.save(generation)
            await tx.accounts.record(staff.signed(self.new_id(), await tx.now(), Act.PURGE, generation_id))
        await erase_bytes(self.storage, generation, copies)


@dataclass(frozen=True, slots=True)
class SweepByHand:
    """Staff has objects that no row speaks of swept now, by the same rule as workers."""

    store: Store
    sweep: SweepObjects
    new_id: NewId

    async def __call__(self, staff: Staff) -> AsyncIterator[Sequence[StoredObject]]:
        """What was deleted, some at a time; recorded before that, even if there is none."""
        async with self.store.transaction() as tx:
            await tx.accounts.record(staff.signed(self.new_id(), await tx.now(), Act.SWEEP))
        async for found in self.sweep.orphans():
            await self.sweep.delete(found)
            yield found
