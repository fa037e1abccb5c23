"""What became of an answer, noted for the retries of whoever asked."""

from contextlib import suppress
from dataclasses import dataclass

from application.store import Store, StoreUnavailable
from domain.generations import GenerationId
from domain.joining import Try


@dataclass(frozen=True, slots=True)
class NoteAnswer:
    """Delivered: who asks again buys anew. Not delivered: whoever asks again joins, and is not mistaken for another who still
    waits. A note that cannot be written is none: the row says less, and is gone in a quarter of an hour."""

    store: Store

    async def __call__(self, generation: GenerationId, tried: Try, *, delivered: bool) -> None:
        with suppress(StoreUnavailable):
            async with self.store.transaction() as tx:
                if delivered:
                    await tx.undelivered.deliver(generation, tried.number)
                else:
                    await tx.undelivered.abandon(generation, tried.number)
