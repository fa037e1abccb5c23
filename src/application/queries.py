"""What can be read: pages and reports, straight from the store as small frozen rows. Reads take no locks and change nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol
from uuid import UUID

from application.ports import StoredObject
from domain.accounts import Account, AccountId, Caller, Mode
from domain.archives import Archive, ArchiveId
from domain.gates import Gate
from domain.generations import Generation, GenerationId, GenerationState
from domain.ledger import LedgerAccount, LotSource, WalletId
from domain.media import Asset, AssetId, AssetKind
from domain.objects import ObjectKey
from domain.receipts import Receipt
from domain.requests import Kind
from domain.waiting import Line, Worked
from domain.words import Wanted

Position = tuple[datetime, UUID]
"""Where a page ended: the last row's time and id. The next page holds what is older."""
FIRST: Position = (datetime.fromisoformat("9999-01-01T00:00:00+00:00"), UUID(int=2**128 - 1))


@dataclass(frozen=True, slots=True)
class LotRow:
    id: UUID
    source: LotSource
    granted: int
    remaining: int
    held: int
    priority: int
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class CreditsRow:
    """A wallet as it is shown: what has lapsed counts as gone even before it is swept."""

    mode: Mode
    available: int
    held: int
    debt: int
    lots: Sequence[LotRow]


@dataclass(frozen=True, slots=True)
class BalanceRow:
    """A wallet at a past instant. `provisional` while a transaction begun before that instant may still write a line."""

    available: int
    held: int
    debt: int
    provisional: bool


@dataclass(frozen=True, slots=True)
class TransferRow:
    """One line of the statement. `kind` is the command's; `generation_id` is set where a hold was concerned."""

    version: int
    at: datetime
    kind: str
    debit: LedgerAccount
    credit: LedgerAccount
    amount: int
    lot_id: UUID
    generation_id: UUID | None
    available_after: int
    held_after: int
    debt_after: int


@dataclass(frozen=True, slots=True)
class GenerationFilter:
    """What must all be so. `trashed`: what is in the trash, and not what is outside of it."""

    states: Sequence[GenerationState] = ()
    model: str | None = None
    kind: Kind | None = None
    favourite: bool | None = None
    collection: UUID | None = None
    trashed: Literal[True] | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
    wanted: Wanted | None = None


@dataclass(frozen=True, slots=True)
class GenerationPage:
    """`next`: where the next page begins, None if there is none. A search may answer fewer than its limit and still go on."""

    rows: Sequence[tuple[Generation, Sequence[Asset]]]
    next: Position | None


@dataclass(frozen=True, slots=True)
class AssetFilter:
    kind: AssetKind | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None


@dataclass(frozen=True, slots=True)
class TransferFilter:
    generation: UUID | None = None
    kind: str | None = None
    after: datetime | None = None
    before: datetime | None = None


@dataclass(frozen=True, slots=True)
class QueueRow:
    """How a queue stands: tokens waiting, work due, and the age of the oldest in seconds."""

    queue: str
    waiting: int
    running: int
    failed: int
    oldest_seconds: float


class Queries(Protocol):
    async def caller(self, secret_hash: bytes) -> Caller | None:
        """Whoever bears the key with this hash, if it is not revoked."""
        ...

    async def wallet(self, account: AccountId, mode: Mode) -> WalletId:
        """For staff, who name accounts. Raises NotFound."""
        ...

    async def credits(self, wallet: WalletId) -> CreditsRow: ...

    async def balance(self, wallet: WalletId, at: datetime) -> BalanceRow:
        """The wallet at an instant: its last line by then, less what had lapsed by then. Raises InvalidInstant for the future."""
        ...

    async def transfers(
        self, wallet: WalletId, matching: TransferFilter, after_version: int | None, limit: int
    ) -> Sequence[TransferRow]:
        """Newest first; `after_version` continues below that version."""
        ...

    async def generation(self, generation: GenerationId, account: AccountId, mode: Mode) -> tuple[Generation, Sequence[Asset]]:
        """Raises NotFound: another account's and a missing one look the same. Gone if its owner has purged it."""
        ...

    async def receipt(self, generation: GenerationId, account: AccountId, mode: Mode) -> Receipt:
        """As of one instant; one that was purged has its receipt, too. Raises NotFound."""
        ...

    async def generations(
        self, account: AccountId, mode: Mode, matching: GenerationFilter, after: Position | None, limit: int
    ) -> GenerationPage:
        """Newest first."""
        ...

    async def asset(self, asset: AssetId, account: AccountId, mode: Mode) -> Asset:
        """Raises NotFound."""
        ...

    async def assets(
        self, account: AccountId, mode: Mode, matching: AssetFilter, after: Position | None, limit: int
    ) -> Sequence[Asset]:
        """Newest first."""
        ...

    async def archive(self, archive: ArchiveId, account: AccountId, mode: Mode) -> Archive:
        """Raises NotFound, also when it has expired."""
        ...

    async def orphans(self, found: Sequence[StoredObject]) -> Sequence[ObjectKey]:
        """Those of the objects that do not stay: by the rule of their class, and by the rows that speak of them or may yet. Never
        one of a class that is not swept, nor one that we cannot have put."""
        ...

    async def accounts(self, matching: str, limit: int) -> Sequence[Account]:
        """Accounts by id, or by a part of the e-mail address or name; for staff."""
        ...

    async def account(self, account: AccountId) -> Account:
        """Raises NotFound."""
        ...

    async def queues(self) -> Sequence[QueueRow]: ...

    async def line(self, limit: int) -> Line:
        """Who waits for a call, at most so many, in the order in which `Generations.lock_due` hands them out; live and test
        requests stand in one line."""
        ...

    async def worked(self, limit: int) -> Sequence[Worked]:
        """The calls that delivered, of the so many youngest generations that have ended."""
        ...

    async def gates(self) -> Sequence[Gate]:
        """The gates of all models of which anything is known."""
        ...


@dataclass(frozen=True, slots=True)
class Finding:
    """A row that disagrees with the rest of the books: its table, its key, and what does not agree."""

    table: str
    key: str
    says: str


@dataclass(frozen=True, slots=True)
class AuditReport:
    """`examined`: rows per table. `findings` are cut off where they repeat one defect too often; then `cut` is true."""

    examined: Mapping[str, int]
    findings: Sequence[Finding]
    cut: bool

    @property
    def is_clean(self) -> bool:
        """An audit that saw no row proves nothing."""
        return not self.findings and sum(self.examined.values()) > 0


class BooksAudit(Protocol):
    """Whether the books agree with themselves, by a reading of its own that shares no code with what writes them."""

    async def __call__(self) -> AuditReport:
        """Every row of the books at one instant, while others go on writing. Raises StoreUnavailable."""
        ...
