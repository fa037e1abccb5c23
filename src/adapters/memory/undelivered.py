"""Undelivered requests in memory."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from adapters.memory.tables import Tables
from application.undelivered import UndeliveredRequests
from domain.generations import GenerationId
from domain.joining import Undelivered


@dataclass(frozen=True, slots=True)
class MemoryUndelivered(UndeliveredRequests):
    rows: Tables

    def add(self, request: Undelivered) -> None:
        self.rows.undelivered[request.generation_id] = request

    async def alike(self, digest: str) -> Sequence[Undelivered]:
        return [row for row in self.rows.undelivered.values() if row and row.digest == digest]

    async def join(self, generation: GenerationId, number: int) -> None:
        if row := self.rows.undelivered.get(generation):
            self.rows.undelivered[generation] = replace(row, tries=number, abandoned=False)

    async def abandon(self, generation: GenerationId, number: int) -> None:
        if (row := self.rows.undelivered.get(generation)) and row.tries == number:
            self.rows.undelivered[generation] = replace(row, abandoned=True)

    async def deliver(self, generation: GenerationId, number: int) -> None:
        if (row := self.rows.undelivered.get(generation)) and row.tries == number:
            self.rows.undelivered[generation] = None

    async def erase(self, generation: GenerationId) -> None:
        self.rows.undelivered[generation] = None

    async def forget(self, before: datetime, limit: int) -> int:
        old = [id for id, row in self.rows.undelivered.items() if row and row.asked_at < before][:limit]
        self.rows.undelivered.update(dict.fromkeys(old))
        return len(old)
