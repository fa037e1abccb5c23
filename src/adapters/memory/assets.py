"""Pictures in memory."""

from collections.abc import Sequence
from dataclasses import dataclass

from adapters.memory.locks import RowLocks
from adapters.memory.tables import Tables
from application.store import Assets
from domain.accounts import AccountId, Mode
from domain.errors import AssetInUse, NotFound
from domain.generations import GenerationId
from domain.media import Asset, AssetId
from domain.objects import ObjectKey


@dataclass(frozen=True, slots=True)
class MemoryAssets(Assets):
    rows: Tables
    locks: RowLocks

    def add(self, asset: Asset) -> None:
        self.rows.assets[asset.id] = asset

    async def pin(self, assets: Sequence[AssetId], account: AccountId, mode: Mode) -> Sequence[Asset]:
        for asset in assets:
            await self.locks.lock(self.rows, ("asset", asset), shared=True)
        return [self._find(asset, account, mode) for asset in assets]

    async def find(self, asset: AssetId) -> Asset:
        found = self.rows.assets.get(asset)
        if not found:
            raise NotFound("there is no such asset", asset=str(asset))
        return found

    async def take(self, asset: AssetId, account: AccountId, mode: Mode) -> Asset:
        found = await self.take_away(asset, account, mode)
        for generation in self.rows.generations.values():
            request = generation.request
            if generation.state.is_open and request and asset in (*request.references, request.mask):
                raise AssetInUse(asset=str(asset), generation=str(generation.id))
        return found

    async def take_away(self, asset: AssetId, account: AccountId, mode: Mode) -> Asset:
        await self.locks.lock(self.rows, ("asset", asset))
        return self._find(asset, account, mode)

    def _find(self, asset: AssetId, account: AccountId, mode: Mode) -> Asset:
        found = self.rows.assets.get(asset)
        if not found or (found.account_id, found.mode) != (account, mode):
            raise NotFound("there is no such asset", asset=str(asset))
        return found

    async def of_generation(self, generation: GenerationId) -> Sequence[Asset]:
        return self.rows.assets_of(generation)

    async def remove(self, asset: Asset) -> Sequence[ObjectKey]:
        await self.locks.lock(self.rows, ("asset", asset.id))
        self.rows.assets[asset.id] = None
        return [ObjectKey.thumbnail(asset.account_id, asset.id)]

    async def lock(self, asset: AssetId) -> Asset:
        await self.locks.lock(self.rows, ("asset", asset))
        if not (found := self.rows.assets.get(asset)):
            raise NotFound("there is no such asset", asset=str(asset))
        return found

    def save(self, asset: Asset) -> None:
        self.rows.assets[asset.id] = asset
