"""What can be done to credits by hand, and how they are read."""

from dataclasses import dataclass
from datetime import datetime

from application.ports import NewId
from application.store import Store, Transaction
from domain.accounts import Staff
from domain.commands import AdjustDown, Command, Grant, Recorded, command_id
from domain.errors import InvalidAmount
from domain.ledger import LotId, LotSource, WalletId
from domain.limits import LIMITS


async def tell(tx: Transaction, wallet: WalletId, command: Command) -> Recorded:
    """Tell a wallet one command, under its lock. Saying it again answers the first result."""
    opened = await tx.wallets.open(wallet, command.about)
    recorded = opened.wallet.apply(command, opened.now)
    tx.wallets.save(opened.wallet)
    return recorded


@dataclass(frozen=True, slots=True)
class GrantCredits:
    """Staff grants credits: a lot keyed by `fact`, so that the same grant made twice is made once."""

    store: Store
    new_id: NewId

    async def __call__(
        self,
        staff: Staff,
        wallet: WalletId,
        amount: int,
        *,
        fact: str | None = None,
        source: LotSource = LotSource.STAFF,
        expires_at: datetime | None = None,
        priority: int = 100,
    ) -> Recorded:
        if amount > LIMITS["grant_credits"]:
            raise InvalidAmount("a grant is too large", field="amount", limit=LIMITS["grant_credits"])
        ref = fact or str(self.new_id())
        grant = Grant.of(source, ref, amount, priority=priority, expires_at=expires_at)
        return await _by_hand(self.store, self.new_id, staff, wallet, grant)


@dataclass(frozen=True, slots=True)
class AdjustCredits:
    """Staff takes back what remains of a lot that was not bought."""

    store: Store
    new_id: NewId

    async def __call__(self, staff: Staff, wallet: WalletId, lot: LotId, amount: int) -> Recorded:
        adjust = AdjustDown(id=command_id("adjust", self.new_id()), lot_id=lot, amount=amount)
        return await _by_hand(self.store, self.new_id, staff, wallet, adjust)


async def _by_hand(store: Store, new_id: NewId, staff: Staff, wallet: WalletId, command: Command) -> Recorded:
    """The command and its audit record, together; a repeated command changes nothing and records nothing."""
    async with store.transaction() as tx:
        opened = await tx.wallets.open(wallet, command.about)
        recorded = opened.wallet.apply(command, opened.now)
        if opened.wallet.done:
            tx.wallets.save(opened.wallet)
            await tx.accounts.record(staff.signed(new_id(), recorded.at, f"credits.{command.kind}", wallet))
        return recorded
