"""Known pictures: recognized, and put where nobody sees them."""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from application.digests import sha256_of
from application.ports import NewId, ObjectStorage, PictureIntake
from application.removal import delete_bytes, remove
from application.store import Transaction
from domain.accounts import AccountId, Act, Staff
from domain.errors import BrokenImage, NotFound
from domain.media import Asset, Likeness
from domain.objects import ObjectKey
from domain.quarantine import Impounded, ImpoundedId, Match, Origin


class HashList(Protocol):
    """Hashes of pictures that are known to be illegal, as those who may know them publish them."""

    async def match(self, variants: Sequence[str]) -> Match | None:
        """The entry nearest to any shape of one picture (PDQ hashes as hexadecimal digits), if it is the same picture. By the
        newest list that could be read; never raises."""


class Quarantine(Protocol):
    async def add(self, impounded: Impounded) -> None:
        """Adding it again changes nothing."""

    async def lock(self, impounded: ImpoundedId) -> Impounded:
        """Others who lock it wait until this transaction ends. Raises NotFound."""
        ...

    async def save(self, impounded: Impounded) -> None: ...


class QuarantineTransaction(Transaction, Protocol):
    """Lock order: as in `Transaction`; the quarantine before the audit chain."""

    @property
    def quarantine(self) -> Quarantine: ...


class QuarantineStore(Protocol):
    """The same system of record as `Store`, with what is in quarantine."""

    def transaction(self) -> AbstractAsyncContextManager[QuarantineTransaction]:
        """As in `Store`."""
        ...


class QuarantineQueries(Protocol):
    async def impounded(self, limit: int, *, released: bool) -> Sequence[Impounded]:
        """Newest first; those that were released only if `released`."""
        ...


@dataclass(frozen=True, slots=True)
class Seize:
    """Recognize a known picture and put it into quarantine. Without a list none is known, and nothing is looked at.

    Bytes first, then the row: whatever breaks in between, the picture is not lost. Nothing but that it happened is logged.
    """

    store: QuarantineStore
    storage: ObjectStorage
    intake: PictureIntake
    hashes: HashList | None
    log: Callable[..., object]

    async def __call__(
        self,
        id: ImpoundedId,
        account_id: AccountId,
        content: bytes,
        origin: Origin,
        *,
        likeness: Likeness | None = None,
        asset: Asset | None = None,
    ) -> bool:
        """Whether it was one. `id`: for the same picture at the same place the same, so that whoever looks again impounds nothing
        twice. `asset`: a row that speaks of it; that and its object go.

        Raises StoreUnavailable, StorageUnavailable or IntakeBusy.
        """
        if self.hashes is None:
            return False
        try:
            likeness = likeness or await self.intake.likeness(content)
        except BrokenImage:  # what nobody can draw is no picture
            return False
        match = await self.hashes.match(likeness.variants) if likeness.tells else None
        if match is None:
            return False
        await self.storage.put(ObjectKey.quarantined(account_id, id), content, "application/octet-stream")
        digest = await sha256_of(content)
        async with self.store.transaction() as tx:
            impounded = Impounded(id, account_id, origin, digest, match.pdq, match.distance, await tx.now())
            gone = await _taken_out(tx, asset) if asset else []
            await tx.quarantine.add(impounded)
        self.log("picture_quarantined", where=origin.value)
        await delete_bytes(self.storage, *gone)
        return True


async def _taken_out(tx: Transaction, asset: Asset) -> list[ObjectKey]:
    """Nobody is shown it any more, even though an open generation may need it. What to delete after it."""
    try:
        await tx.assets.take_away(asset.id, asset.account_id, asset.mode)  # an archive that pinned it is ready first, and seen
    except NotFound:
        return []
    return [asset.key, *await remove(tx, asset)]


@dataclass(frozen=True, slots=True)
class ReleaseImpounded:
    """Staff ends the hold on a picture: its bytes are deleted. That it was here, and who let go of it, stays. Nobody gets it
    back: whoever brought it may bring it again, and it is looked at anew."""

    store: QuarantineStore
    storage: ObjectStorage
    new_id: NewId

    async def __call__(self, staff: Staff, id: ImpoundedId) -> Impounded:
        """Again deletes what storage could not delete before. Raises NotFound, or StaffOnly."""
        async with self.store.transaction() as tx:
            (await tx.accounts.find(staff.account_id)).must_be_allowed(Act.RELEASE_IMPOUNDED)
            now = await tx.now()
            held = await tx.quarantine.lock(id)
            released = held.release(now)
            if released != held:
                await tx.quarantine.save(released)
                await tx.accounts.record(staff.signed(self.new_id(), now, Act.RELEASE_IMPOUNDED, id))
        await self.storage.delete(ObjectKey.quarantined(released.account_id, id))
        return released


@dataclass(frozen=True, slots=True)
class ListImpounded:
    """Staff looks at what is in quarantine: at rows, never at a picture. The look itself is recorded."""

    store: QuarantineStore
    queries: QuarantineQueries
    new_id: NewId

    async def __call__(self, staff: Staff, limit: int, *, released: bool) -> Sequence[Impounded]:
        """Newest first. Raises NotFound, or StaffOnly."""
        async with self.store.transaction() as tx:
            (await tx.accounts.find(staff.account_id)).must_be_allowed(Act.LIST_IMPOUNDED)
            await tx.accounts.record(staff.signed(self.new_id(), await tx.now(), Act.LIST_IMPOUNDED))
        return await self.queries.impounded(limit, released=released)
