"""Events of generations in memory."""

from dataclasses import dataclass
from datetime import datetime

from adapters.memory.tables import Tables
from application.store import GenerationEvents
from domain.generations import GenerationId


@dataclass(frozen=True, slots=True)
class MemoryEvents(GenerationEvents):
    rows: Tables

    async def erase(self, generation: GenerationId) -> None:
        self.rows.events.update(dict.fromkeys(key for key in self.rows.events if key[0] == generation))

    async def forget(self, before: datetime, limit: int) -> int:
        old = [key for key, event in self.rows.events.items() if event and event.at < before and self._ended(key[0], before)]
        self.rows.events.update(dict.fromkeys(old[:limit]))
        return len(old[:limit])

    def _ended(self, generation: GenerationId, before: datetime) -> bool:
        finished_at = self.rows.generations[generation].finished_at
        return finished_at is not None and finished_at < before
