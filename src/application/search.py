"""Words that lead to generations: brought into an index behind the requests' backs, so that no request waits for it."""

from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from application.store import Store


class PromptIndex(Protocol):
    """The words of prompts, for each account and mode. What is not yet in it is found all the same, by looking at it: that is
    bounded by how many wait to be brought in."""

    async def count(self, after: UUID | None) -> UUID | None:
        """Notice the generations that came after this one, some at a time: the last of them, None if there is none."""

    async def pack(self) -> int | None:
        """Bring in some generations of one account that has enough of them: how many, None if none has. Any number may do so at
        once."""


@dataclass(frozen=True, slots=True)
class IndexPrompts:
    """What a worker does so that words are found fast. Begun anew from anywhere it comes to the same."""

    NAME = "words"

    store: Store
    index: PromptIndex
    batches: int = 100

    async def __call__(self) -> int:
        """How many generations were brought in."""
        async with self.store.transaction() as tx:
            place = await tx.turns.place(self.NAME)
        after, packed = UUID(place) if place else None, 0
        for _ in range(self.batches):
            counted = await self.index.count(after)
            brought = await self.index.pack()
            after, packed = counted or after, packed + (brought or 0)
            if counted is None and brought is None:
                break
        if after:
            async with self.store.transaction() as tx:
                await tx.turns.move(self.NAME, str(after))
        return packed
