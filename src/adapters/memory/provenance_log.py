"""The log of pictures that we made, in memory."""

from dataclasses import dataclass, replace
from datetime import datetime

from adapters.memory.tables import Tables
from application.provenance import ProvenanceLog
from domain.media import AssetId
from domain.provenance import LoggedPicture, Marking


@dataclass(frozen=True, slots=True)
class MemoryProvenanceLog(ProvenanceLog):
    rows: Tables

    def record(self, picture: LoggedPicture) -> None:
        self.rows.logged[AssetId(picture.asset_id)] = picture

    async def mark(self, asset: AssetId, sha256: str, marking: Marking) -> None:
        if found := self.rows.logged.get(asset):
            self.record(replace(found, sha256=sha256, marking=marking))

    async def put_off(self, asset: AssetId, until: datetime) -> bool:
        first = asset not in self.rows.put_off
        self.rows.put_off[asset] = until
        return first

    async def looked(self, asset: AssetId, pdq: str | None, now: datetime) -> None:
        if found := self.rows.logged.get(asset):
            self.record(replace(found, pdq=pdq, looked_at=now))

    async def forget(self, before: datetime, limit: int) -> int:
        over = [asset for asset, each in self.rows.logged.items() if each and each.made_at < before][:limit]
        for asset in over:
            self.rows.logged[asset] = None
        return len(over)
