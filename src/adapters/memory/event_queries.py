"""What followers of generations read of the store in memory."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from adapters.memory.store import MemoryStore
from adapters.memory.tables import copy_of_generation
from application.events import EventQueries, Seen
from domain.generations import GenerationId


@dataclass(frozen=True, slots=True)
class MemoryEventQueries(EventQueries):
    store: MemoryStore

    async def seen(self, generations: Sequence[GenerationId]) -> Mapping[GenerationId, Seen]:
        rows = self.store.tables
        found = [rows.generations[each] for each in generations if each in rows.generations]
        return {
            each.id: Seen(copy_of_generation(each), rows.assets_of(each.id), rows.events_of(each.id))
            for each in found
            if each.request is not None
        }
