"""The books themselves: which moves of credits exist, and what each does to a lot and to its wallet.

A transfer is one row (debit, credit, amount, lot): credits leave `debit` and arrive at `credit`, so the books of all accounts sum
to zero by construction. The pair alone says which numbers of the lot move; transfers alone rebuild every lot and wallet.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from types import MappingProxyType
from typing import NewType
from uuid import UUID

WalletId = NewType("WalletId", UUID)
LotId = NewType("LotId", UUID)
HoldId = NewType("HoldId", UUID)
CommandId = NewType("CommandId", UUID)

_NEVER = datetime.max.replace(tzinfo=UTC)


class LotSource(StrEnum):
    """Where a lot came from; `issued:{source}` is the house account that issued it."""

    TRIAL = "trial"
    SUBSCRIPTION = "subscription"
    PACK = "pack"
    PROMOTION = "promotion"
    STAFF = "staff"
    GOODWILL = "goodwill"

    @property
    def is_purchase(self) -> bool:
        return self in (LotSource.SUBSCRIPTION, LotSource.PACK)

    @property
    def issued(self) -> "LedgerAccount":
        return LedgerAccount(f"issued:{self.value}")


class LedgerAccount(StrEnum):
    """A customer's three accounts (available, held, debt), and the house's."""

    ISSUED_TRIAL = "issued:trial"
    ISSUED_SUBSCRIPTION = "issued:subscription"
    ISSUED_PACK = "issued:pack"
    ISSUED_PROMOTION = "issued:promotion"
    ISSUED_STAFF = "issued:staff"
    ISSUED_GOODWILL = "issued:goodwill"
    AVAILABLE = "available"
    HELD = "held"
    DEBT = "debt"
    CONSUMED = "consumed"
    EXPIRED = "expired"
    REVERSED = "reversed"


@dataclass(frozen=True, slots=True)
class Transfer:
    """One line of a wallet's statement: the `version`-th change, and the wallet's numbers after it."""

    command_id: CommandId
    line: int
    debit: LedgerAccount
    credit: LedgerAccount
    amount: int
    lot_id: LotId
    hold_id: HoldId | None
    version: int
    at: datetime
    available_after: int
    held_after: int
    debt_after: int


@dataclass(slots=True)
class Lot:
    """One grant of credits and where each of them is now.

    `granted = remaining + held + consumed + expired + reversed + repaid`. `reversal` is how many are to be taken back (a refund
    or dispute says so); what pictures have used of that is `owed`. Lapsed from `expires_at` on; None never lapses.
    """

    id: LotId
    source: LotSource
    source_ref: str
    priority: int
    expires_at: datetime | None
    granted: int = 0
    remaining: int = 0
    held: int = 0
    consumed: int = 0
    expired: int = 0
    reversed: int = 0
    repaid: int = 0
    owed: int = 0
    reversal: int = 0

    def is_lapsed(self, now: datetime) -> bool:
        return self.expires_at is not None and now >= self.expires_at

    @property
    def expiry_order(self) -> tuple[bool, datetime, UUID]:
        return (self.expires_at is None, self.expires_at or _NEVER, self.id)

    @property
    def draw_order(self) -> tuple[int, bool, datetime, UUID]:
        return (self.priority, *self.expiry_order)

    def move(self, debit: LedgerAccount, credit: LedgerAccount, amount: int) -> None:
        for name, sign in lot_moves(debit, credit).items():
            number = getattr(self, name) + sign * amount
            if number < 0:
                raise AssertionError(f"lot {self.id}: {name} would be {number}")
            setattr(self, name, number)


_A, _H, _D = LedgerAccount.AVAILABLE, LedgerAccount.HELD, LedgerAccount.DEBT
_C, _E, _R = LedgerAccount.CONSUMED, LedgerAccount.EXPIRED, LedgerAccount.REVERSED
LOT_MOVES: Mapping[tuple[LedgerAccount, LedgerAccount], Mapping[str, int]] = MappingProxyType(
    {
        **{(source.issued, _A): {"granted": 1, "remaining": 1} for source in LotSource},
        (_A, _H): {"remaining": -1, "held": 1},
        (_H, _C): {"held": -1, "consumed": 1},
        (_H, _A): {"held": -1, "remaining": 1},
        (_A, _E): {"remaining": -1, "expired": 1},
        (_A, _R): {"remaining": -1, "reversed": 1},
        (_E, _R): {"expired": -1, "reversed": 1},
        (_R, _A): {"reversed": -1, "remaining": 1},
        (_D, _R): {"owed": 1},
        (_R, _D): {"owed": -1},
        (_A, _D): {"remaining": -1, "repaid": 1},
        (_D, _A): {"repaid": -1, "remaining": 1},
    }
)
"""Every move there is, and the numbers of the lot it changes. Nothing else may be posted."""


def lot_moves(debit: LedgerAccount, credit: LedgerAccount) -> Mapping[str, int]:
    return LOT_MOVES[(debit, credit)]


def wallet_moves(debit: LedgerAccount, credit: LedgerAccount) -> dict[str, int]:
    """The wallet's numbers a move changes. Debt is what the customer owes, so it grows when credits leave it."""
    signs = {"available": (-1, 1), "held": (-1, 1), "debt": (1, -1)}
    moves: dict[str, int] = {}
    if debit.value in signs:
        moves[debit.value] = signs[debit.value][0]
    if credit.value in signs:
        moves[credit.value] = signs[credit.value][1]
    return moves
