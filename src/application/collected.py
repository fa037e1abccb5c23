"""What whoever erases a generation needs of collections."""

from typing import Protocol

from domain.generations import GenerationId


class Collected(Protocol):
    """Which generations lie in which collections."""

    async def erase(self, generation: GenerationId) -> None:
        """Out of every collection, and the cover of none. By whoever holds the generation's lock; theirs are taken here."""
