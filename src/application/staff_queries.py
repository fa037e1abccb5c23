"""What staff may read of an account or a generation: never a prompt, a label or a picture."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from application.queries import TransferRow
from domain.accounts import Account, AccountId, AuditRecord, Mode, Scope
from domain.attempts import FailureClass, Finality, Outcome, Stage
from domain.billing import PurchaseState, SubscriptionState
from domain.credits import HoldState
from domain.gates import ClosedFor
from domain.generations import GenerationId, GenerationState
from domain.ledger import LotSource
from domain.requests import Kind


@dataclass(frozen=True, slots=True)
class WalletRow:
    """A wallet as it is written; what has lapsed counts until it is swept."""

    id: UUID
    mode: Mode
    available: int
    held: int
    debt: int
    open_holds: int
    version: int
    closed_at: datetime | None


@dataclass(frozen=True, slots=True)
class KeyRow:
    """An API key by its last characters."""

    id: UUID
    mode: Mode
    scopes: Sequence[Scope]
    hint: str
    created_at: datetime
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True)
class SubscriptionRow:
    """As it was last read at the provider. `entitled_plan`: what it came to."""

    id: str
    plan: str | None
    state: SubscriptionState | None
    period_end: datetime | None
    cancel_at: datetime | None
    entitled_plan: str | None


@dataclass(frozen=True, slots=True)
class PurchaseRow:
    """The same of a purchase. `ref` is what commands call it by; money is in minor units, and `reversed` of it went back."""

    ref: str
    paid: int
    reversed: int
    currency: str | None
    state: PurchaseState | None
    at: datetime | None


@dataclass(frozen=True, slots=True)
class HintRow:
    """An event of the provider's: that something happened to this object, never what. `error`: of the last attempt."""

    id: str
    type: str
    object_kind: str
    object_id: str
    created: datetime
    received_at: datetime
    attempts: int
    error: str | None
    resume_at: datetime
    handled_at: datetime | None


class HintFilter(StrEnum):
    """Which events. Those that failed are among those that wait."""

    ALL = "all"
    WAITING = "waiting"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class AccountPage:
    """`records`: what staff did to the account, newest first. `customer`: its id at the payment provider."""

    account: Account
    wallets: Sequence[WalletRow]
    keys: Sequence[KeyRow]
    generations: Mapping[GenerationState, int]
    records: Sequence[AuditRecord]
    customer: str | None
    subscriptions: Sequence[SubscriptionRow]
    purchases: Sequence[PurchaseRow]


@dataclass(frozen=True, slots=True)
class FailureRow:
    """Why there is no picture. Without the message: a provider may quote the prompt in it."""

    failure_class: FailureClass
    stage: Stage
    code: str
    request_id: str | None


@dataclass(frozen=True, slots=True)
class AttemptRow:
    number: int
    started_at: datetime
    act_until: datetime
    outcome: Outcome
    decided_at: datetime | None
    finality: Finality | None
    failure: FailureRow | None
    booked: bool
    cost: int | None
    request_id: str | None


@dataclass(frozen=True, slots=True)
class AllocationRow:
    lot_id: UUID
    source: LotSource
    amount: int
    consumed: int


@dataclass(frozen=True, slots=True)
class HoldRow:
    amount: int
    captured: int
    state: HoldState
    expires_at: datetime
    allocations: Sequence[AllocationRow]


@dataclass(frozen=True, slots=True)
class SkeletonRow:
    """A generation without what was asked for. `purged`: its owner deleted it. `pictures`: how many are still kept."""

    id: UUID
    account_id: UUID
    wallet_id: UUID
    mode: Mode
    kind: Kind
    model: str
    state: GenerationState
    n: int
    unit: int
    delivered: int
    created_at: datetime
    deadline: datetime
    started_at: datetime | None
    finished_at: datetime | None
    cancel_requested_at: datetime | None
    lease_until: datetime | None
    resume_at: datetime | None
    trashed_at: datetime | None
    purged: bool
    pictures: int
    parent: UUID | None
    failure: FailureRow | None


@dataclass(frozen=True, slots=True)
class GenerationPage:
    generation: SkeletonRow
    attempts: Sequence[AttemptRow]
    hold: HoldRow | None
    transfers: Sequence[TransferRow]


@dataclass(frozen=True, slots=True)
class UsageRow:
    """How much a model was used lately. `account_ids`: by whom, if that was asked."""

    model: str
    mode: Mode
    accounts: int
    generations: int
    account_ids: Sequence[UUID] = ()


@dataclass(frozen=True, slots=True)
class ClosedGate:
    """Calls of this model wait until then."""

    model: str
    reason: ClosedFor
    closed_until: datetime


@dataclass(frozen=True, slots=True)
class WorkRow:
    """What there is to do in all. The uncertain are among the running; `tokens_waiting`: wake-ups that nobody has taken. Hints
    wait until they are handled, those that are put off too."""

    generations_queued: int
    generations_running: int
    generations_uncertain: int
    oldest_queued_seconds: float
    tokens_waiting: int
    payment_hints_waiting: int
    oldest_hint_seconds: float


class StaffQueries(Protocol):
    """Reads for whoever runs the service. They take no locks and change nothing."""

    async def account(self, account: AccountId) -> AccountPage:
        """Raises NotFound."""
        ...

    async def generation(self, generation: GenerationId) -> GenerationPage:
        """Any account's, purged or not. Raises NotFound."""
        ...

    async def hints(self, which: HintFilter, limit: int) -> Sequence[HintRow]:
        """Events of the payment provider's that are kept, the newest first."""
        ...

    async def admins(self) -> Sequence[AccountId]:
        """Accounts with the role admin, the oldest first."""
        ...

    async def usage(self, days: int, *, with_accounts: bool) -> Sequence[UsageRow]:
        """Generations asked for in the last so many days, by model and mode; deleted ones count too."""
        ...

    async def closed_gates(self) -> Sequence[ClosedGate]:
        """The gates that are closed now, by model."""
        ...

    async def work(self) -> WorkRow: ...
