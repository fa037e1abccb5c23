"""Turns in memory."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from adapters.memory.locks import RowLocks
from adapters.memory.tables import Tables
from application.store import Turns


@dataclass(frozen=True, slots=True)
class MemoryTurns(Turns):
    rows: Tables
    locks: RowLocks

    async def take(self, name: str, holder: UUID, now: datetime, pace: timedelta) -> bool:
        await self.locks.lock(self.rows, ("turn", name))
        had, due = self.rows.turns.get(name, (holder, now))
        if now < (due if had == holder else due + pace):
            return False
        self.rows.turns[name] = holder, now + pace
        return True

    async def rest(self, name: str, holder: UUID, until: datetime) -> None:
        await self.locks.lock(self.rows, ("turn", name))
        if self.rows.turns[name][0] == holder:
            self.rows.turns[name] = holder, until

    async def place(self, name: str) -> str | None:
        return self.rows.places.get(name)

    async def move(self, name: str, place: str) -> None:
        if name in self.rows.turns:
            self.rows.places[name] = place
