"""The pictures a request starts from, as the model sees them."""

from collections.abc import Sequence
from dataclasses import dataclass

from application.ports import ObjectStorage
from application.store import Store
from domain.generations import Generation
from domain.media import Asset, AssetId


@dataclass(frozen=True, slots=True)
class Reference:
    """A reference or a mask with its bytes."""

    asset: Asset
    content: bytes


async def load(store: Store, storage: ObjectStorage, generation: Generation, named: Sequence[AssetId]) -> list[Reference]:
    """Those named, in their order: none of them can be deleted while the generation is open. Raises NotFound, ObjectMissing,
    StoreUnavailable, StorageUnavailable."""
    if not named:
        return []
    async with store.transaction() as tx:
        assets = await tx.assets.pin(named, generation.account_id, generation.mode)
    return [Reference(asset, await storage.get(asset.key)) for asset in assets]
