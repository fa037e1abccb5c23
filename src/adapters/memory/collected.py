"""Collections in memory: there are none, so nothing lies in them."""

from application.collected import Collected
from domain.generations import GenerationId


class MemoryCollected(Collected):
    async def erase(self, generation: GenerationId) -> None: ...
