"""What one worker does for all of them: walks over everything, that would cost as often as there are workers."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar
from uuid import UUID

from application.store import Store

REST = 9
"""How many times as long as it took an act rests: it keeps a tenth of one connection busy at most."""
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class InTurn:
    """Acts of which each has one holder. `holder` is this process.

    It is no lock: an act that outlasts two paces may be begun by another as well, which must do no harm. So nobody waits for
    whoever hangs or has died.
    """

    store: Store
    holder: UUID

    async def __call__(self, name: str, pace: timedelta, act: Callable[[], Awaitable[T]]) -> T | None:
        """What the act came to; None if it is not its time, or another's turn. From an act's beginning to the next pass a pace
        and what it rests, at least, whatever it comes to."""
        async with self.store.transaction() as tx:
            began = await tx.now()
            if not await tx.turns.take(name, self.holder, began, pace):
                return None
        try:
            return await act()
        finally:
            async with self.store.transaction() as tx:
                ended = await tx.now()
                await tx.turns.rest(name, self.holder, max(began + pace, ended + REST * (ended - began)))
