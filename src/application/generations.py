"""What a caller can do with generations: ask for one, ask for it again, cancel it, delete it."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime

from application.credits import tell
from application.moderation import NO_PARTIALS, PartialModes
from application.ports import NewId, ObjectStorage, StorageUnavailable, Today
from application.quotes import Priced, price
from application.quotes import QuoteRequest as QuoteRequest
from application.removal import remove
from application.store import IdempotencyKey, OpenWallet, Remembered, Store, Transaction
from application.undelivered import LeftBy, by_nobody, other_try
from domain.accounts import Caller
from domain.attempts import Timing
from domain.brake import HOUR, BrakeRules
from domain.catalogue import Catalogue
from domain.commands import About, PlaceHold, command_id
from domain.errors import DomainError, Gone, IdempotencyMismatch, InvalidRequest
from domain.generations import Generation, GenerationId, Next
from domain.joining import Try, Undelivered
from domain.ledger import HoldId
from domain.media import Asset
from domain.objects import ObjectKey
from domain.prices import check_maximum
from domain.requests import Asked
from domain.webhook_endpoints import WebhookEvent, WebhookEventKind

Wanted = tuple[Asked, GenerationId | None]
"""What is asked for, and the generation it was made from."""


@dataclass(frozen=True, slots=True)
class RequestGeneration:
    """Hold the price, record the generation and leave a wake-up, all or nothing.

    Asking again with the same key and body answers the same generation; with another body it is refused.
    """

    store: Store
    catalogue: Catalogue
    timing: Timing
    new_id: NewId
    today: Today
    open_limit: int | None = None
    """Unfinished generations per account; None: as the account's plan says."""
    brake: BrakeRules = BrakeRules()
    partials: PartialModes = NO_PARTIALS

    async def __call__(
        self,
        caller: Caller,
        asked: Asked,
        *,
        deadline: datetime | None = None,
        parent: GenerationId | None = None,
        idempotency: tuple[IdempotencyKey, str] | None = None,
        tried: Try | None = None,
        left_by: LeftBy = by_nobody,
    ) -> tuple[GenerationId, Generation | None]:
        """The id, and the generation if it was made just now rather than by an earlier request with the same key, or another
        try of this one."""

        async def wanted(tx: Transaction) -> Wanted:
            if parent:
                await tx.generations.must_exist(parent, caller.account_id, caller.mode)
            return asked, parent

        return await self.make(caller, wanted, deadline, idempotency, tried=tried, left_by=left_by)

    async def make(
        self,
        caller: Caller,
        wanted: Callable[[Transaction], Awaitable[Wanted]],
        deadline: datetime | None,
        idempotency: tuple[IdempotencyKey, str] | None,
        brought: Sequence[Asset] = (),
        tried: Try | None = None,
        left_by: LeftBy = by_nobody,
    ) -> tuple[GenerationId, Generation | None]:
        """The same for whatever is found to be wanted inside the transaction, before the wallet is opened. Pictures that were
        `brought` along get their rows with the generation, and with no other: not with an earlier one."""
        caller.may_spend()
        key, fingerprint = idempotency or (None, "")
        generation_id = GenerationId(self.new_id())
        async with self.store.transaction() as tx:
            try:
                asked, parent = await wanted(tx)
                priced = await price(self.catalogue, tx, asked, caller, self.today(), self.partials, brought)
            except DomainError:
                # What was possible when the key was new may no longer be: a repeat is answered all the same.
                if key and (seen := await tx.remembered(key)):
                    return repeated(seen, fingerprint), None
                raise
            plan = self.catalogue.plan(caller.plan)
            hold = HoldId(generation_id)
            about = About(command_id("hold", hold), hold=hold)
            opened = await tx.wallets.open(caller.wallet_id, about, key)
            if seen := opened.remembered:
                return repeated(seen, fingerprint), None
            if tried and (other := await other_try(tx.undelivered, tried, opened.now, left_by)):
                return other, None
            await self.check_brake(tx, caller, opened)
            check_maximum(priced.quote, asked.max_credits)
            generation = self._generation(generation_id, caller, priced, opened.now, deadline, plan.priority, parent)
            command = PlaceHold(
                id=about.command,
                hold_id=hold,
                amount=generation.price,
                expires_at=generation.hold_expires_at,
                open_limit=self.open_limit or plan.open_generations,
            )
            opened.wallet.apply(command, opened.now)
            if caller.capped:
                await _spend(tx, caller, generation)
            tx.wallets.save(opened.wallet)
            for asset in brought:
                tx.assets.add(replace(asset, created_at=opened.now))
            tx.generations.add(generation)
            if key:
                tx.remember(key, Remembered(fingerprint, generation_id))
            if tried:
                tx.undelivered.add(Undelivered(generation_id, tried.digest, tried.number, opened.now))
            tx.wakeups.wake()
        return generation_id, generation

    async def check_brake(self, tx: Transaction, caller: Caller, opened: OpenWallet) -> None:
        """Raises TooManyRefusals. Every end is a line of the wallet: if the last is older than an hour, nothing need be read."""
        since, last = opened.now - HOUR, opened.wallet.last_at
        if last and last > since:
            self.brake.check(await tx.generations.free_ends(caller.account_id, caller.mode, since), opened.now)

    def _generation(
        self,
        generation_id: GenerationId,
        caller: Caller,
        priced: Priced,
        now: datetime,
        deadline: datetime | None,
        priority: int,
        parent: GenerationId | None,
    ) -> Generation:
        latest = now + self.timing.longest_queue
        if deadline and deadline <= now:
            raise InvalidRequest("the deadline has passed", field="deadline")
        due = min(deadline or latest, latest)
        return Generation(
            id=generation_id,
            account_id=caller.account_id,
            wallet_id=caller.wallet_id,
            key_id=caller.key_id,
            mode=caller.mode,
            kind=priced.request.kind,
            model=priced.request.model,
            request=priced.request,
            n=priced.request.n,
            unit=priced.quote.unit,
            priority=priority,
            created_at=now,
            deadline=due,
            hold_expires_at=self.timing.hold_expiry(due),
            parent=parent,
            metadata=priced.request.metadata,
        )


@dataclass(frozen=True, slots=True)
class RetryGeneration:
    """Ask for the same pictures as a finished generation did, as a new request on every count: price, hold, limits, brake.

    The new one has the old one's parent: it is no edit of it.
    """

    request: RequestGeneration

    async def __call__(
        self,
        caller: Caller,
        generation_id: GenerationId,
        *,
        max_credits: int | None = None,
        deadline: datetime | None = None,
        idempotency: tuple[IdempotencyKey, str] | None = None,
    ) -> tuple[GenerationId, Generation | None]:
        """Raises NotFinished, NotFound, Gone, and all that a new request raises; answers as it does."""

        async def wanted(tx: Transaction) -> Wanted:
            old = await tx.generations.find(generation_id, caller.account_id, caller.mode)
            old.must_be_finished()
            if old.request is None:
                raise Gone
            return replace(Asked.again(old.request), max_credits=max_credits), old.parent

        return await self.request.make(caller, wanted, deadline, idempotency)


def repeated(seen: Remembered, fingerprint: str) -> GenerationId:
    """Raises IdempotencyMismatch."""
    if seen.fingerprint != fingerprint:
        raise IdempotencyMismatch
    return GenerationId(seen.thing)


async def _spend(tx: Transaction, caller: Caller, generation: Generation) -> None:
    """Raises SpendCapReached."""
    spending = await tx.spendings.lock(caller.key_id) if caller.key_id else None
    if spending:
        spending.hold(generation.price, generation.created_at)
        tx.spendings.save(spending)


async def resolve_hold(tx: Transaction, generation: Generation) -> None:
    """Resolve the hold as the generation ended: the other half of every end, in the same transaction."""
    await tell(tx, generation.wallet_id, generation.hold_command())
    released = generation.price - generation.captured
    if released and generation.key_id and (spending := await tx.spendings.lock(generation.key_id)):
        spending.release(released, generation.created_at)
        tx.spendings.save(spending)
    tx.announcements.announce(_finished(generation))


def _finished(generation: Generation) -> WebhookEvent:
    if not generation.finished_at:
        raise AssertionError("a hold resolves when its generation ends")
    kind, id, owner = WebhookEventKind.GENERATION_FINISHED, generation.id, generation.account_id
    return WebhookEvent.of(kind, id, owner, generation.finished_at, generation.state, generation.mode, subject=id)


@dataclass(frozen=True, slots=True)
class CancelGeneration:
    """Queued: cancelled and released at once. A call is out: none follows it, and what it brings is delivered and charged.
    Uncertain: the caller takes the refund, for good."""

    store: Store

    async def __call__(self, caller: Caller, generation_id: GenerationId) -> None:
        async with self.store.transaction() as tx:
            generation = await tx.generations.lock(generation_id, caller.account_id, caller.mode)
            if not generation.state.is_open:
                return
            if generation.cancel(await tx.now()) is Next.ENDED:
                await resolve_hold(tx, generation)
            else:
                tx.wakeups.wake()
            tx.generations.save(generation)


@dataclass(frozen=True, slots=True)
class DeleteGeneration:
    """Move a finished generation to the trash, where it stays seven days; or erase it at once: prompt, request, labels, pictures.
    Ids, times, state, price and attempt outcomes remain as a billing record."""

    store: Store
    storage: ObjectStorage

    async def __call__(self, caller: Caller, generation_id: GenerationId, *, purge: bool) -> None:
        copies = list[ObjectKey]()
        async with self.store.transaction() as tx:
            generation = await tx.generations.lock(generation_id, caller.account_id, caller.mode)
            generation.must_be_finished()
            if not purge:
                generation.trashed_at = generation.trashed_at or await tx.now()
            if purge:
                copies = await erase_rows(tx, generation)
            tx.generations.save(generation)
        if purge:
            await erase_bytes(self.storage, generation, copies)


async def erase_rows(tx: Transaction, generation: Generation) -> list[ObjectKey]:
    """Answers where else its pictures lie. Raises AssetInUse while an unfinished edit needs one of them."""
    copies = list[ObjectKey]()
    for asset in await tx.assets.of_generation(generation.id):
        await tx.assets.take(asset.id, generation.account_id, generation.mode)
        copies += await remove(tx, asset)
    await tx.events.erase(generation.id)
    await tx.undelivered.erase(generation.id)
    await tx.collections.erase(generation.id)
    await tx.generations.forget_words(generation)
    generation.erase()
    return copies


async def erase_bytes(storage: ObjectStorage, generation: Generation, copies: Sequence[ObjectKey]) -> None:
    """After the rows: what a crash or an outage leaves here no row speaks of, and the object sweep finds it."""
    with suppress(StorageUnavailable):
        for copy in copies:
            await storage.delete(copy)
        for prefix in ObjectKey.of_generation(generation.account_id, generation.id):
            for key in [found.key async for found in storage.list(prefix)]:
                await storage.delete(key)
