"""What a picture looks like while it is made, for whoever watches: kept for an hour, and never in the picture's way."""

import asyncio
from dataclasses import dataclass, field

from application.leases import Held
from application.moderation import PartialModes
from application.ports import ObjectStorage, Show
from application.provenance import Provenance
from application.store import Store
from domain.media import sniff
from domain.objects import ObjectKey
from domain.partials import tell_partial
from domain.provenance import SourceType
from domain.requests import Kind

MOST_SECONDS = 3.0
"""What all partial pictures of an attempt may take of its time together; those that come later are not shown."""


@dataclass(frozen=True, slots=True)
class ShowPartials:
    """Put each partial picture where a link can lead to, marked as a model's, and tell that it is there. `modes`: in which they
    are shown at all. Whoever has lost the lease tells nothing: another may be making the picture by now."""

    store: Store
    storage: ObjectStorage
    provenance: Provenance
    modes: PartialModes

    def of(self, held: Held) -> Show | None:
        """For the partial pictures of its attempt; None if there is nobody to see them. What it raises costs only the partial
        picture at hand."""
        generation = held.generation
        if not held.attempt or not generation.request or generation.mode not in self.modes:
            return None
        most = generation.request.partial_images
        return _Showing(self, held, held.attempt.number, most, MOST_SECONDS) if most else None

    async def show(self, held: Held, attempt: int, index: int, content: bytes) -> None:
        generation, format = held.generation, sniff(content)
        source_type = SourceType.of_model(edited=generation.kind is Kind.EDIT)
        shown = await self.provenance.label(content, format, source_type)
        key = ObjectKey.partial(generation.account_id, generation.id, attempt, index)
        await self.storage.put(key, shown, format.content_type)
        async with self.store.transaction() as tx:
            current = await tx.generations.lock(generation.id)
            tell_partial(current, held.lease, attempt, index, format, await tx.now())
            tx.generations.save(current)


@dataclass(slots=True)
class _Showing:
    """`left`: seconds. A model may tell the same one twice, or more than were asked for."""

    show: ShowPartials
    held: Held
    attempt: int
    most: int
    left: float
    shown: set[int] = field(default_factory=set)

    async def __call__(self, index: int, content: bytes) -> None:
        if not 0 <= index < self.most or index in self.shown:
            return
        self.shown.add(index)
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            async with asyncio.timeout(self.left):
                await self.show.show(self.held, self.attempt, index, content)
        finally:
            self.left -= loop.time() - began
