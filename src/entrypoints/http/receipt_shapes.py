"""The shapes of a receipt. `says` tells each part in plain words; what the words will be is no promise, that they are true is."""

from typing import Literal
from uuid import UUID

from msgspec import Struct, field

from domain.accounts import Mode
from domain.attempts import FailureClass, Outcome, Stage
from domain.generations import GenerationState
from domain.ledger import LedgerAccount, LotSource
from entrypoints.http.shapes import Time


class ReceiptPrice(Struct, frozen=True):
    """`credits` for `n` pictures, `unit` for each that is delivered. `breakdown`: what they are for; null where nobody can tell
    any more, since the request was deleted or prices have changed."""

    unit: int
    n: int
    credits: int
    breakdown: dict[str, int] | None
    says: str


class ReceiptLot(Struct, frozen=True):
    """What one lot of credits gave to the hold, and how much of that was charged."""

    lot: UUID
    source: LotSource
    expires_at: Time | None
    amount: int
    captured: int


class ReceiptHold(Struct, frozen=True):
    id: UUID
    amount: int
    placed_at: Time
    lots: list[ReceiptLot]
    says: str


class ReceiptFailure(Struct, frozen=True):
    failure_class: FailureClass = field(name="class")
    stage: Stage
    code: str


class ReceiptAttempt(Struct, frozen=True):
    """One call of the model. `charged`: credits that it cost you; `perhaps_paid`: whether we pay for it, or may have to.
    `request_id`: the provider's, for questions to support."""

    number: int
    started_at: Time
    outcome: Outcome
    perhaps_paid: bool
    charged: int
    failure: ReceiptFailure | None
    request_id: str | None
    says: str


class ReceiptTransfer(Struct, frozen=True):
    """One line of the statement, as GET /v1/credits/transfers has it. The balances after it are null for a key without the scope
    `billing`."""

    version: int
    created_at: Time
    kind: str
    debit: LedgerAccount
    credit: LedgerAccount
    amount: int
    lot: UUID
    available_after: int | None
    held_after: int | None
    debt_after: int | None
    says: str


class ReceiptSettlement(Struct, frozen=True):
    """How the hold stands: `held`, `captured` and `released` add up to its amount. `delivered`: pictures."""

    held: int
    captured: int
    released: int
    delivered: int
    transfers: list[ReceiptTransfer]
    says: str


class Receipt(Struct, frozen=True, kw_only=True):
    """What one generation cost, from its price to the last credit. While it is open, how things stand."""

    generation: UUID
    object: Literal["receipt"] = "receipt"
    mode: Mode
    model: str
    state: GenerationState
    created_at: Time
    finished_at: Time | None
    says: str
    price: ReceiptPrice
    hold: ReceiptHold
    attempts: list[ReceiptAttempt]
    settlement: ReceiptSettlement
