"""Row locks: held by a transaction from when it asks for them until it ends."""

import asyncio
from collections.abc import Hashable
from dataclasses import dataclass, field


@dataclass(slots=True)
class _Held:
    by: set[object]
    shared: bool


@dataclass(slots=True)
class RowLocks:
    """Keyed locks, exclusive or shared. No deadlock is looked for: whoever locks keeps the order that the ports ask for."""

    _held: dict[Hashable, _Held] = field(default_factory=dict)
    _waiting: list[asyncio.Future[None]] = field(default_factory=list)

    async def lock(self, holder: object, key: Hashable, *, shared: bool = False) -> None:
        while not self.try_lock(holder, key, shared=shared):
            waiter = asyncio.get_running_loop().create_future()
            self._waiting.append(waiter)
            await waiter

    def try_lock(self, holder: object, key: Hashable, *, shared: bool = False) -> bool:
        held = self._held.setdefault(key, _Held(set(), shared))
        if held.by - {holder} and not (held.shared and shared):
            return False
        held.shared = shared if not held.by else held.shared and shared
        held.by.add(holder)
        return True

    def release(self, holder: object) -> None:
        """All that this transaction holds; those who wait try again, in the order they came."""
        for key, held in list(self._held.items()):
            held.by.discard(holder)
            if not held.by:
                del self._held[key]
        waiting, self._waiting = self._waiting, []
        for waiter in waiting:
            if not waiter.done():
                waiter.set_result(None)
