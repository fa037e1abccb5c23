"""Reads of the log of pictures in memory: committed rows only."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from adapters.memory.store import MemoryStore
from application.provenance import Match, ProvenanceQueries
from domain.media import Asset, AssetId, AssetKind
from domain.provenance import Marking


@dataclass(frozen=True, slots=True)
class MemoryProvenanceQueries(ProvenanceQueries):
    store: MemoryStore

    async def pending(self, now: datetime, limit: int) -> Sequence[Asset]:
        waiting = self._marked(Marking.PENDING, now)
        return random.sample(waiting, min(limit, len(waiting)))

    async def unmarked(self, now: datetime, limit: int) -> Sequence[Asset]:
        made = [asset for asset in self._marked(Marking.UNMARKED, now) if asset.kind is AssetKind.OUTPUT]
        return sorted(made, key=lambda asset: asset.created_at)[:limit]

    def _marked(self, marking: Marking, now: datetime) -> list[Asset]:
        rows = self.store.tables
        return [a for a in rows.assets.values() if a and a.marking is marking and rows.put_off.get(a.id, now) <= now]

    async def unseen(self, limit: int) -> Sequence[tuple[AssetId, Asset | None]]:
        rows = self.store.tables
        unseen = [(id, rows.assets.get(id)) for id, each in rows.logged.items() if each and not each.looked_at]
        settled = [(id, asset) for id, asset in unseen if not asset or asset.marking is not Marking.PENDING]
        return random.sample(settled, min(limit, len(settled)))

    async def matches(self, sha256: str, pdq: str | None, most_distance: int, limit: int) -> Sequence[Match]:
        found = []
        for each in self.store.tables.logged.values():
            if each is None:
                continue
            same = each.sha256 == sha256
            distance = (int(pdq, 16) ^ int(each.pdq, 16)).bit_count() if pdq and each.pdq else None
            if same or (distance is not None and distance <= most_distance):
                found.append(Match(each.made_at, each.mode, each.model, each.marking, same, distance))
        far = most_distance + 1
        newest = sorted(found, key=lambda match: match.made_at, reverse=True)
        return sorted(newest, key=lambda m: (not m.same_bytes, far if m.distance is None else m.distance))[:limit]
