"""Wake-ups in memory."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from itertools import count

from adapters.memory.tables import Tables
from application.store import Wakeups
from domain.generations import GenerationState


@dataclass(frozen=True, slots=True)
class MemoryWakeups(Wakeups):
    rows: Tables
    clock: Callable[[], datetime]
    numbers: "count[int]"

    def wake(self, at: datetime | None = None) -> None:
        self.rows.tokens[next(self.numbers)] = at or self.clock()

    async def top_up(self, now: datetime) -> int:
        due = [
            g
            for g in self.rows.generations.values()
            if self.rows.is_due(g, now) and (g.state is GenerationState.RUNNING or now < g.deadline)
        ]
        missing = max(0, len(due) - sum(at <= now for at in self.rows.tokens.values()))
        for _ in range(missing):
            self.wake(now)
        return missing
