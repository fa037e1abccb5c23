"""Gates that only an operator can open, or a new process."""

from dataclasses import dataclass

from application.store import Store
from domain.gates import ClosedFor


@dataclass(frozen=True, slots=True)
class TryKeyAgain:
    """The provider's key is a setting: a process that starts may have a new one, so what waits for a refused key waits no
    longer."""

    store: Store

    async def __call__(self) -> int:
        """How many gates were opened."""
        async with self.store.transaction() as tx:
            return await tx.gates.reopen(ClosedFor.KEY_REFUSED)
