"""The system of record as the use cases see it: one transaction per decision, and what can be done inside one."""

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from application.announcements import Announcements
from application.collected import Collected
from application.packing import Archives
from application.provenance import ProvenanceLog
from application.purchases import Customers, Inbox, Purchases, Refunds, Subscriptions, TopUps
from application.undelivered import UndeliveredRequests
from domain.accounts import Account, AccountId, AuditRecord, KeyId, Mode
from domain.api_keys import ApiKey, Spending
from domain.brake import FreeEnd
from domain.commands import About
from domain.credits import Wallet
from domain.gates import ClosedFor, Gate
from domain.generations import Generation, GenerationId, Lease
from domain.ledger import WalletId
from domain.media import Asset, AssetId
from domain.notices import Notice
from domain.objects import ObjectKey


class StoreUnavailable(Exception):
    """The database did not answer; whether the last commit happened is unknown. Look before doing it again."""


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """A caller's own key for one creating request. The same key in another account, mode or route is another key."""

    account_id: AccountId
    mode: Mode
    route: str
    key: str

    @property
    def digest(self) -> str:
        """What is kept of it: callers put their own words into keys."""
        said = "\0".join((str(self.account_id), self.mode, self.route, self.key))
        return hashlib.blake2b(said.encode(), digest_size=16).hexdigest()


@dataclass(frozen=True, slots=True)
class Remembered:
    """What a request with this key made: `fingerprint` is of its body."""

    fingerprint: str
    thing: UUID


@dataclass(frozen=True, slots=True)
class OpenWallet:
    """A wallet under its lock, loaded for one command; `now` was read after the lock."""

    wallet: Wallet
    now: datetime
    remembered: Remembered | None = None


class Wallets(Protocol):
    """Wallets with their lots, holds and lines."""

    async def create(self, wallet: WalletId, account: AccountId, mode: Mode) -> None:
        """An empty wallet, so that there is always a row to lock. Creating it again changes nothing."""

    async def open(self, wallet: WalletId, about: About, remembering: IdempotencyKey | None = None) -> OpenWallet:
        """Lock the wallet (others wait until this transaction ends), then load what a command about this needs, the clock,
        and what is remembered of a caller's key. Raises NotFound."""

    def save(self, wallet: Wallet) -> None:
        """Write what the wallet's last command changed, before the transaction ends."""


class Generations(Protocol):
    """Generations with their attempts."""

    def add(self, generation: Generation) -> None:
        """Record a new generation, before the transaction ends."""

    async def lock(self, generation: GenerationId, account: AccountId | None = None, mode: Mode | None = None) -> Generation:
        """The generation; others who lock it wait until this transaction ends. Raises NotFound if it is missing, or not this
        account's in this mode, or already erased by its owner."""

    async def find(self, generation: GenerationId, account: AccountId, mode: Mode) -> Generation:
        """This account's generation in this mode, without a lock. Raises NotFound, or Gone if its owner has erased it."""

    async def must_exist(self, generation: GenerationId, account: AccountId, mode: Mode) -> None:
        """Raises NotFound as `lock` does, without a lock."""

    async def lock_due(self, now: datetime) -> Generation | None:
        """One generation with work to do, or None: first any whose lease has lapsed or that was parked until now, else the
        fairest of those waiting (plan priority, then the account with the fewest running, then age) before their deadline. Those
        locked by others are passed over, and so are live ones waiting at a closed gate."""

    async def free_ends(self, account: AccountId, mode: Mode, since: datetime) -> Sequence[FreeEnd]:
        """The account's generations in this mode that ended after that instant by a refusal or by a refund, erased ones included.
        No locks."""

    def save(self, generation: Generation) -> None:
        """Write the generation, its attempts and its news, before the transaction ends. When that has committed, followers of a
        generation that had news are told, in every process."""

    async def forget_words(self, generation: Generation) -> None:
        """No word of its prompt leads to it any more. Under its lock, before it is erased."""

    async def renew(self, generation: GenerationId, lease: Lease, until: datetime) -> bool:
        """Lengthen the lease if it is still this one; False if it is not."""

    async def past_deadline(self, now: datetime, limit: int) -> Sequence[GenerationId]:
        """Open generations past their deadline while queued, or past their hold's expiry. No locks."""

    async def trashed_before(self, instant: datetime, limit: int) -> Sequence[GenerationId]:
        """Generations in the trash since before that instant and not yet erased."""

    async def gone_owners(self, owners: Sequence[int]) -> frozenset[int]:
        """Those of the owners whose process no longer holds its advisory lock: proof that it is gone."""


class Gates(Protocol):
    """The gates of the models. Test mode has none; a live model of which nothing is known has an open one."""

    async def lock(self, model: str) -> Gate:
        """The model's gate; others who lock it wait until this transaction ends. Always the last lock a transaction takes."""

    async def find(self, model: str) -> Gate:
        """The same without a lock."""

    def save(self, gate: Gate) -> None:
        """Write the gate, before the transaction ends."""

    async def reopen(self, reason: ClosedFor) -> int:
        """Let one call try each gate closed for this reason now; answers how many there are."""


class Assets(Protocol):
    """Rows of stored pictures."""

    def add(self, asset: Asset) -> None: ...

    async def pin(self, assets: Sequence[AssetId], account: AccountId, mode: Mode) -> Sequence[Asset]:
        """The account's assets, in the order asked for; none of them can be deleted before this transaction ends. Raises NotFound
        naming the first that is not there."""

    async def find(self, asset: AssetId) -> Asset:
        """For staff: whosever it is. No locks. Raises NotFound."""

    async def take(self, asset: AssetId, account: AccountId, mode: Mode) -> Asset:
        """Lock the asset for deletion; waits for requests that pinned it. Raises NotFound, or AssetInUse while an open generation
        needs it."""

    async def take_away(self, asset: AssetId, account: AccountId, mode: Mode) -> Asset:
        """The same, even though an open generation needs it."""

    async def of_generation(self, generation: GenerationId) -> Sequence[Asset]: ...

    async def remove(self, asset: Asset) -> Sequence[ObjectKey]:
        """Its row and those of its copies; answers where the copies lie."""

    async def lock(self, asset: AssetId) -> Asset:
        """Anybody's, to be changed; it is not deleted meanwhile. Raises NotFound."""

    def save(self, asset: Asset) -> None: ...


class Accounts(Protocol):
    """Accounts, their keys, and the record of what staff did."""

    async def add(self, account: Account) -> None: ...

    async def find(self, account: AccountId) -> Account:
        """Raises NotFound."""

    async def lock(self, account: AccountId) -> Account:
        """The account; nobody else changes it, or signs in to it, until this transaction ends. Others may write what belongs to
        it. Raises NotFound."""

    async def lock_with_admins(self, *accounts: AccountId) -> Mapping[AccountId, Account]:
        """These accounts and every admin; nobody else changes them, or begins a session of theirs, until this transaction ends.
        Raises NotFound."""

    async def save(self, account: Account) -> None: ...

    async def add_key(self, key: ApiKey) -> None:
        """A key with the same hash is the same key: adding it again changes nothing."""

    async def record(self, record: AuditRecord) -> None:
        """The next link of the audit chain, written with what it records. The chain is the last lock a transaction takes: others
        who record wait until this one ends."""


class Spendings(Protocol):
    """What API keys with a cap have spent. Loaded after the wallet."""

    async def lock(self, key: KeyId) -> Spending | None:
        """None for a key without a cap."""

    def save(self, spending: Spending) -> None: ...


class Wakeups(Protocol):
    """Tokens that say "there is work". They say nothing of which; too many are harmless, too few are healed by the sweep."""

    def wake(self, at: datetime | None = None) -> None:
        """One token, committed with this transaction, to be acted on now or not before `at`."""

    async def top_up(self, now: datetime) -> int:
        """Add the tokens that are missing for the work that is due; answers how many."""


class GenerationEvents(Protocol):
    """The kept events of generations. They are written by whoever saves a generation that has news."""

    async def erase(self, generation: GenerationId) -> None:
        """All of this one."""

    async def forget(self, before: datetime, limit: int) -> int:
        """Remove at most so many from before that instant whose generation had ended by then; answers how many."""


class NewNotices(Protocol):
    """Notices, to be sent once what they tell of is committed."""

    def add(self, notice: Notice) -> None:
        """To be sent, if this transaction commits; due at once."""


class Turns(Protocol):
    """Whose turn it is to do something for all workers."""

    async def take(self, name: str, holder: UUID, now: datetime, pace: timedelta) -> bool:
        """Whether it is time, and this one's turn: whoever had it last has it, unless it has been due for a whole pace. If so,
        the next time is a pace from now. Of many who ask at once, one is told yes."""

    async def rest(self, name: str, holder: UUID, until: datetime) -> None:
        """The next time is then, unless another has the turn by now."""

    async def place(self, name: str) -> str | None:
        """Where whoever had the turn left off; None: nowhere yet."""

    async def move(self, name: str, place: str) -> None:
        """Whoever has the turn next goes on here."""


class Transaction(Protocol):
    """Lock order: accounts, then their sessions, keys or subscriptions; a request's references, or else a generation and then its
    pictures, and archives of them; or else a purchase and its refund; one wallet; one key's spending; one gate; an
    account's words; the audit chain last."""

    @property
    def wallets(self) -> Wallets: ...
    @property
    def generations(self) -> Generations: ...
    @property
    def gates(self) -> Gates: ...
    @property
    def events(self) -> GenerationEvents: ...
    @property
    def assets(self) -> Assets: ...
    @property
    def archives(self) -> Archives: ...
    @property
    def provenance(self) -> ProvenanceLog: ...
    @property
    def accounts(self) -> Accounts: ...
    @property
    def spendings(self) -> Spendings: ...
    @property
    def wakeups(self) -> Wakeups: ...
    @property
    def customers(self) -> Customers: ...
    @property
    def purchases(self) -> Purchases: ...
    @property
    def refunds(self) -> Refunds: ...
    @property
    def subscriptions(self) -> Subscriptions: ...
    @property
    def inbox(self) -> Inbox: ...
    @property
    def top_ups(self) -> TopUps: ...
    @property
    def notices(self) -> NewNotices: ...
    @property
    def turns(self) -> Turns: ...
    @property
    def undelivered(self) -> UndeliveredRequests: ...
    @property
    def announcements(self) -> Announcements: ...
    @property
    def collections(self) -> Collected: ...

    async def now(self) -> datetime:
        """The database's clock at this moment, not at the transaction's start."""

    def remember(self, key: IdempotencyKey, remembered: Remembered) -> None:
        """Bind a caller's key to what its request made. The wallet's lock orders requests with equal keys."""

    async def remembered(self, key: IdempotencyKey) -> Remembered | None:
        """What is bound to the key, without a lock."""

    async def forget(self, before: datetime) -> int:
        """Unbind the keys bound before that instant; answers how many."""


class Store(Protocol):
    """The system of record."""

    def transaction(self) -> AbstractAsyncContextManager[Transaction]:
        """Commits when the block ends, undoes everything if it raises. Raises StoreUnavailable."""
