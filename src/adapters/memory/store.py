"""The store in memory: transactions over plain dictionaries."""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import count

from adapters.memory.accounts import MemoryAccounts, MemorySpendings
from adapters.memory.announcements import MemoryAnnouncements
from adapters.memory.archives import MemoryArchives
from adapters.memory.assets import MemoryAssets
from adapters.memory.billing import MemoryCustomers, MemoryInbox, MemoryPurchases, MemoryRefunds, MemorySubscriptions
from adapters.memory.collected import MemoryCollected
from adapters.memory.events import MemoryEvents
from adapters.memory.locks import RowLocks
from adapters.memory.provenance_log import MemoryProvenanceLog
from adapters.memory.tables import Tables, copy_of_generation
from adapters.memory.top_up import MemoryNotices, MemoryTopUps
from adapters.memory.turns import MemoryTurns
from adapters.memory.undelivered import MemoryUndelivered
from adapters.memory.wakeups import MemoryWakeups
from adapters.memory.wallets import MemoryWallets
from application.events import LocalChanges
from application.store import (
    Gates,
    Generations,
    IdempotencyKey,
    Remembered,
    Store,
    Transaction,
)
from domain.accounts import AccountId, Mode
from domain.attempts import REFUNDED
from domain.brake import FreeEnd
from domain.errors import Gone, NotFound
from domain.gates import ClosedFor, Gate
from domain.generations import Generation, GenerationId, GenerationState, Lease
from domain.waiting import Line, in_turn


@dataclass(slots=True)
class MemoryStore(Store):
    """`clock` is the database's: an aware instant. `owners` are the processes that hold their advisory lock."""

    clock: Callable[[], datetime]
    tables: Tables = field(default_factory=Tables)
    owners: set[int] = field(default_factory=set)
    locks: RowLocks = field(default_factory=RowLocks)
    numbers: "count[int]" = field(default_factory=count)
    changes: LocalChanges = field(default_factory=LocalChanges)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        rows = self.tables.draft()
        try:
            tx = MemoryTransaction(self, rows)
            yield tx
            self.tables.commit(rows)
            self.changes.tell(tx.generations.changed)
        finally:
            self.locks.release(rows)

    def alive(self, owner: int) -> None:
        self.owners.add(owner)

    def die(self, owner: int) -> None:
        self.owners.discard(owner)


@dataclass(frozen=True, slots=True)
class MemoryGenerations(Generations):
    rows: Tables
    locks: RowLocks
    owners: set[int]
    changed: set[GenerationId] = field(default_factory=set)

    def add(self, generation: Generation) -> None:
        if generation.id in self.rows.generations:
            raise AssertionError(f"generation {generation.id} exists")
        self.locks.try_lock(self.rows, ("generation", generation.id))
        self.rows.generations[generation.id] = copy_of_generation(generation)

    async def lock(self, generation: GenerationId, account: AccountId | None = None, mode: Mode | None = None) -> Generation:
        await self.locks.lock(self.rows, ("generation", generation))
        return copy_of_generation(self._find(generation, account, mode))

    async def find(self, generation: GenerationId, account: AccountId, mode: Mode) -> Generation:
        found = self.rows.generations.get(generation)
        if found and (found.account_id, found.mode, found.request) == (account, mode, None):
            raise Gone
        return copy_of_generation(self._find(generation, account, mode))

    async def free_ends(self, account: AccountId, mode: Mode, since: datetime) -> Sequence[FreeEnd]:
        mine = [g for g in self.rows.generations.values() if (g.account_id, g.mode) == (account, mode)]
        ended = [(g, g.finished_at) for g in mine if g.finished_at and g.finished_at > since]
        return [FreeEnd(at, refund=_is_refund(g)) for g, at in ended if _is_refund(g) or g.state is GenerationState.REFUSED]

    async def must_exist(self, generation: GenerationId, account: AccountId, mode: Mode) -> None:
        self._find(generation, account, mode)

    def _find(self, generation: GenerationId, account: AccountId | None, mode: Mode | None) -> Generation:
        found = self.rows.generations.get(generation)
        foreign = found and ((account and found.account_id != account) or (mode and found.mode is not mode))
        erased = found and account and found.request is None
        if not found or foreign or erased:
            raise NotFound("there is no such generation", generation=str(generation))
        return found

    async def lock_due(self, now: datetime) -> Generation | None:
        due = [generation for generation in self.rows.generations.values() if self.rows.is_due(generation, now)]
        forgotten = [generation for generation in due if generation.state is GenerationState.RUNNING]
        forgotten.sort(key=lambda g: (g.lease_until or g.resume_at or g.created_at, g.id))
        waiting = [self.rows.generations[place.id] for place in line_of(self.rows, now).places if not place.later]
        for generation in (*forgotten, *waiting):
            if self.locks.try_lock(self.rows, ("generation", generation.id)):
                return copy_of_generation(generation)
        return None

    def save(self, generation: Generation) -> None:
        if not self.locks.try_lock(self.rows, ("generation", generation.id)):
            raise AssertionError("a generation is saved by whoever locked it")
        for event in generation.take_news():
            self.changed.add(generation.id)
            if event.kind.is_kept:
                self.rows.events[generation.id, event.sequence] = event
        self.rows.generations[generation.id] = copy_of_generation(generation)

    async def forget_words(self, generation: Generation) -> None:
        """Prompts are looked through as they are."""

    async def renew(self, generation: GenerationId, lease: Lease, until: datetime) -> bool:
        await self.locks.lock(self.rows, ("generation", generation))
        found = self.rows.generations.get(generation)
        if not found or found.lease != lease:
            return False
        self.rows.generations[generation] = replace(found, lease_until=until)
        return True

    async def past_deadline(self, now: datetime, limit: int) -> Sequence[GenerationId]:
        late = [
            (g.deadline, g.id) for g in self.rows.generations.values() if copy_of_generation(g).expire(now)
        ]  # asked of a copy
        return [generation for _, generation in sorted(late)[:limit]]

    async def trashed_before(self, instant: datetime, limit: int) -> Sequence[GenerationId]:
        trash = [(g.trashed_at, g.id) for g in self.rows.generations.values() if g.trashed_at and g.request]
        return [generation for at, generation in sorted(trash)[:limit] if at < instant]

    async def gone_owners(self, owners: Sequence[int]) -> frozenset[int]:
        return frozenset(owners) - self.owners


def line_of(rows: Tables, now: datetime) -> Line:
    every = rows.generations.values()
    waiting = [g for g in every if g.state is GenerationState.QUEUED and now < g.deadline]
    running = Counter(g.account_id for g in every if g.state is GenerationState.RUNNING)
    return Line(in_turn(waiting, running, lambda generation: not rows.is_due(generation, now)), running)


def _is_refund(generation: Generation) -> bool:
    failure = generation.failure
    return generation.state is GenerationState.CANCELLED and failure is not None and failure.code == REFUNDED.code


@dataclass(frozen=True, slots=True)
class MemoryGates(Gates):
    rows: Tables
    locks: RowLocks

    async def lock(self, model: str) -> Gate:
        await self.locks.lock(self.rows, ("gate", model))
        return await self.find(model)

    async def find(self, model: str) -> Gate:
        return replace(self.rows.gates.get(model) or Gate(model))

    def save(self, gate: Gate) -> None:
        self.rows.gates[gate.model] = replace(gate)

    async def reopen(self, reason: ClosedFor) -> int:
        closed = [gate for gate in self.rows.gates.values() if gate.reason is reason]
        for gate in closed:
            self.rows.gates[gate.model] = replace(gate, closed_until=None, on_trial=False)
        return len(closed)


class MemoryTransaction(Transaction):
    def __init__(self, store: MemoryStore, rows: Tables) -> None:
        self._rows, self._clock = rows, store.clock
        self._wallets = MemoryWallets(rows, store.locks, store.clock)
        self._generations = MemoryGenerations(rows, store.locks, store.owners)
        self._gates = MemoryGates(rows, store.locks)
        self._events = MemoryEvents(rows)
        self._assets = MemoryAssets(rows, store.locks)
        self._archives = MemoryArchives(rows, store.locks)
        self._provenance = MemoryProvenanceLog(rows)
        self._accounts = MemoryAccounts(rows, store.locks)
        self._spendings = MemorySpendings(rows, store.locks)
        self._wakeups = MemoryWakeups(rows, store.clock, store.numbers)
        self._customers = MemoryCustomers(rows, store.locks)
        self._purchases = MemoryPurchases(rows, store.locks)
        self._refunds = MemoryRefunds(rows, store.locks)
        self._subscriptions = MemorySubscriptions(rows, store.locks)
        self._inbox = MemoryInbox(rows, store.locks)
        self._top_ups = MemoryTopUps(rows, store.locks)
        self._notices = MemoryNotices(rows)
        self._turns = MemoryTurns(rows, store.locks)
        self._undelivered = MemoryUndelivered(rows)
        self._announcements = MemoryAnnouncements(rows)
        self._collections = MemoryCollected()

    @property
    def wallets(self) -> MemoryWallets:
        return self._wallets

    @property
    def generations(self) -> MemoryGenerations:
        return self._generations

    @property
    def gates(self) -> MemoryGates:
        return self._gates

    @property
    def events(self) -> MemoryEvents:
        return self._events

    @property
    def assets(self) -> MemoryAssets:
        return self._assets

    @property
    def archives(self) -> MemoryArchives:
        return self._archives

    @property
    def provenance(self) -> MemoryProvenanceLog:
        return self._provenance

    @property
    def accounts(self) -> MemoryAccounts:
        return self._accounts

    @property
    def spendings(self) -> MemorySpendings:
        return self._spendings

    @property
    def wakeups(self) -> MemoryWakeups:
        return self._wakeups

    @property
    def customers(self) -> MemoryCustomers:
        return self._customers

    @property
    def purchases(self) -> MemoryPurchases:
        return self._purchases

    @property
    def refunds(self) -> MemoryRefunds:
        return self._refunds

    @property
    def subscriptions(self) -> MemorySubscriptions:
        return self._subscriptions

    @property
    def inbox(self) -> MemoryInbox:
        return self._inbox

    @property
    def top_ups(self) -> MemoryTopUps:
        return self._top_ups

    @property
    def notices(self) -> MemoryNotices:
        return self._notices

    @property
    def turns(self) -> MemoryTurns:
        return self._turns

    @property
    def undelivered(self) -> MemoryUndelivered:
        return self._undelivered

    @property
    def collections(self) -> MemoryCollected:
        return self._collections

    @property
    def announcements(self) -> MemoryAnnouncements:
        return self._announcements

    async def now(self) -> datetime:
        return self._clock()

    def remember(self, key: IdempotencyKey, remembered: Remembered) -> None:
        self._rows.remembered[key.digest] = (remembered, self._clock())

    async def remembered(self, key: IdempotencyKey) -> Remembered | None:
        kept = self._rows.remembered.get(key.digest)
        return kept[0] if kept else None

    async def forget(self, before: datetime) -> int:
        old = [digest for digest, kept in self._rows.remembered.items() if kept and kept[1] < before]
        self._rows.remembered.update(dict.fromkeys(old))
        return len(old)
