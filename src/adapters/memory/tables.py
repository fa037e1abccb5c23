"""What the store in memory keeps, and how a transaction sees it: the committed rows under its own unfinished ones."""

from collections import ChainMap
from collections.abc import Iterator, MutableMapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any
from uuid import UUID

from application.store import Remembered
from domain.accounts import Account, AccountId, KeyId, Mode
from domain.api_keys import ApiKey
from domain.archives import Archive, ArchiveId
from domain.audit_chain import Link
from domain.billing import CustomerId, KnownPurchase, KnownSubscription, PurchaseRef, SubscriptionId, WaitingHint
from domain.commands import Recorded
from domain.credits import Hold
from domain.events import Event
from domain.gates import Gate
from domain.generations import Generation, GenerationId, GenerationState
from domain.joining import Undelivered
from domain.ledger import CommandId, HoldId, Lot, LotId, LotSource, Transfer, WalletId
from domain.media import Asset, AssetId
from domain.notices import Notice, NoticeId
from domain.provenance import LoggedPicture
from domain.refunds import Refund, RefundId
from domain.top_up import TopUp, TopUpAttempt, TopUpId
from domain.webhook_endpoints import WebhookEvent, WebhookEventId


@dataclass(frozen=True, slots=True)
class WalletRow:
    """A wallet's own numbers. `lots` names every lot it ever had, `reversals` counts the changes of their reversals."""

    account_id: AccountId
    mode: Mode
    available: int = 0
    held: int = 0
    debt: int = 0
    version: int = 0
    last_at: datetime | None = None
    closed_at: datetime | None = None
    open_holds: int = 0
    lots: tuple[LotId, ...] = ()
    reversals: int = 0


@dataclass(frozen=True, slots=True)
class LotReversal:
    lot_id: LotId
    reversal: int
    at: datetime


@dataclass(slots=True, eq=False)
class Tables:
    """Rows are never changed in place: whoever changes one puts another in its place, and what is removed leaves None."""

    accounts: MutableMapping[AccountId, Account] = field(default_factory=dict)
    keys: MutableMapping[bytes, ApiKey] = field(default_factory=dict)
    spendings: MutableMapping[KeyId, tuple[date, int]] = field(default_factory=dict)
    """The month, and what was spent in it."""
    audit: MutableMapping[tuple[date, int], Link] = field(default_factory=dict)
    wallet_ids: MutableMapping[tuple[AccountId, Mode], WalletId] = field(default_factory=dict)
    wallets: MutableMapping[WalletId, WalletRow] = field(default_factory=dict)
    lots: MutableMapping[tuple[WalletId, LotId], Lot] = field(default_factory=dict)
    holds: MutableMapping[tuple[WalletId, HoldId], Hold] = field(default_factory=dict)
    facts: MutableMapping[tuple[LotSource, str], LotId] = field(default_factory=dict)
    commands: MutableMapping[CommandId, Recorded] = field(default_factory=dict)
    transfers: MutableMapping[tuple[WalletId, int], Transfer] = field(default_factory=dict)
    reversals: MutableMapping[tuple[WalletId, int], LotReversal] = field(default_factory=dict)
    remembered: MutableMapping[str, tuple[Remembered, datetime] | None] = field(default_factory=dict)
    """By the key's digest: what it made, and when."""
    generations: MutableMapping[GenerationId, Generation] = field(default_factory=dict)
    assets: MutableMapping[AssetId, Asset | None] = field(default_factory=dict)
    archives: MutableMapping[ArchiveId, Archive | None] = field(default_factory=dict)
    logged: MutableMapping[AssetId, LoggedPicture | None] = field(default_factory=dict)
    put_off: MutableMapping[AssetId, datetime] = field(default_factory=dict)
    """Pictures that nobody tries to sign until then."""
    events: MutableMapping[tuple[GenerationId, int], Event | None] = field(default_factory=dict)
    """Kept ones, by their number."""
    gates: MutableMapping[str, Gate] = field(default_factory=dict)
    tokens: MutableMapping[int, datetime] = field(default_factory=dict)
    """Wake-ups: by number, when to act."""
    customers: MutableMapping[CustomerId, AccountId] = field(default_factory=dict)
    purchases: MutableMapping[PurchaseRef, KnownPurchase] = field(default_factory=dict)
    refunds: MutableMapping[RefundId, Refund] = field(default_factory=dict)
    subscriptions: MutableMapping[SubscriptionId, KnownSubscription] = field(default_factory=dict)
    hints: MutableMapping[str, WaitingHint | None] = field(default_factory=dict)
    top_ups: MutableMapping[AccountId, TopUp] = field(default_factory=dict)
    top_up_attempts: MutableMapping[TopUpId, TopUpAttempt] = field(default_factory=dict)
    notices: MutableMapping[NoticeId, Notice] = field(default_factory=dict)
    announced: MutableMapping[WebhookEventId, WebhookEvent] = field(default_factory=dict)
    turns: MutableMapping[str, tuple[UUID, datetime]] = field(default_factory=dict)
    """By the act: its holder, and when it is due."""
    undelivered: MutableMapping[GenerationId, Undelivered | None] = field(default_factory=dict)
    places: MutableMapping[str, str] = field(default_factory=dict)
    """By the act: where it goes on."""

    def draft(self) -> "Draft":
        """The same rows, for one transaction to write over; what others commit meanwhile shines through."""
        return Draft(self)

    def commit(self, draft: "Draft") -> None:
        for name, table in draft.opened.items():
            if table.maps[0]:
                getattr(self, name).update(table.maps[0])

    def bought(self, purchase: PurchaseRef, wallet: WalletId) -> list[Lot]:
        """The lots that a purchase brought to a wallet, by their facts."""
        mine = [lot for lot in self.lots_of(wallet) if lot.source.is_purchase and lot.source_ref.startswith(f"{purchase}:")]
        return sorted(mine, key=lambda lot: lot.source_ref)

    def lots_of(self, wallet: WalletId) -> Iterator[Lot]:
        return (self.lots[wallet, lot] for lot in self.wallets[wallet].lots)

    def transfers_of(self, wallet: WalletId) -> Iterator[Transfer]:
        """Oldest first."""
        return (self.transfers[wallet, version] for version in range(1, self.wallets[wallet].version + 1))

    def is_due(self, generation: Generation, now: datetime) -> bool:
        """Whether there is something to do with it now, and its model's gate is open to a call that waits."""
        gate = self.gates.get(generation.model)
        waits = generation.state is GenerationState.QUEUED and generation.mode is Mode.LIVE
        return generation.is_due(now) and not (waits and gate is not None and gate.is_closed(now))

    def events_of(self, generation: GenerationId) -> list[Event]:
        found = [event for (of, _), event in self.events.items() if of == generation and event]
        return sorted(found, key=lambda event: event.sequence)

    def assets_of(self, generation: GenerationId) -> list[Asset]:
        found = [asset for asset in self.assets.values() if asset and asset.generation_id == generation]
        return sorted(found, key=lambda asset: asset.index or 0)


class Draft(Tables):
    """`opened`: the tables that were looked at so far. The others are not made: a transaction needs few of them."""

    __slots__ = ("_under", "opened")

    def __init__(self, under: Tables) -> None:
        self._under, self.opened = under, dict[str, ChainMap[Any, Any]]()

    def __getattr__(self, name: str) -> Any:
        """Python asks this for what is not set yet."""
        table = self.opened[name] = ChainMap({}, getattr(self._under, name))
        setattr(self, name, table)
        return table


def copy_of_hold(hold: Hold) -> Hold:
    return replace(hold, allocations=[replace(allocation) for allocation in hold.allocations])


def copy_of_generation(generation: Generation) -> Generation:
    attempts = [replace(attempt) for attempt in generation.attempts]
    return replace(generation, attempts=attempts, metadata=dict(generation.metadata), news=[])
