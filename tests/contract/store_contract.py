"""Hands for the tests of the store: customers, commands and generations, made through the ports alone."""

import asyncio
import itertools
import time
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID, uuid4

from application.credits import tell
from application.queries import Queries, TransferFilter, TransferRow
from application.store import Store, Transaction
from domain.accounts import Account, AccountId, Caller, KeyId, Mode, Role, Scope
from domain.api_keys import ApiKey
from domain.attempts import Timing
from domain.commands import About, Capture, Command, Expire, Grant, PlaceHold, Recorded, Release, Sweep, command_id
from domain.errors import DomainError
from domain.generations import Generation, GenerationId, Lease
from domain.ledger import HoldId, LotId, LotSource, WalletId
from domain.media import Asset, AssetId, AssetKind, PictureFormat
from domain.requests import Kind, PictureRequest, Quality, Size

TIMING = Timing(
    act=timedelta(seconds=100),
    lease=timedelta(seconds=30),
    settle_margin=timedelta(seconds=20),
    longest_queue=timedelta(hours=1),
    back_off=timedelta(seconds=5),
    come_back=timedelta(milliseconds=5),
    attempts=4,
)
T = TypeVar("T")
# Ids of version 7, rising even within a millisecond: later things have larger ids.
_ids = itertools.count((time.time_ns() // 1_000_000) << 80 | 7 << 76 | 2 << 62 | (uuid4().int & 0xFFFFFFFF) << 24)

NOTHING = About(command_id("look", "nothing"), every_lot=True)


def new_id() -> UUID:
    return UUID(int=next(_ids))


async def customer(store: Store, credits: int = 0, mode: Mode = Mode.LIVE) -> Caller:
    """A new account with a key and a wallet in each mode, and `credits` in this one."""
    account = Account(AccountId(new_id()), Role.USER, "free", datetime(2030, 1, 1, tzinfo=UTC))
    key = ApiKey(KeyId(new_id()), account.id, mode, frozenset(Scope), new_id().bytes, "abcd", account.created_at)
    wallets = {each: WalletId(new_id()) for each in Mode}
    async with store.transaction() as tx:
        await tx.accounts.add(account)
        await tx.accounts.add_key(key)
        for each, wallet in wallets.items():
            await tx.wallets.create(wallet, account.id, each)
    caller = Caller(account.id, key.id, mode, key.scopes, account.plan, wallets[mode])
    if credits:
        await say(store, caller.wallet_id, a_grant(credits))
    return caller


def a_grant(amount: int, ref: str | None = None, *, source: LotSource = LotSource.STAFF, **more: Any) -> Grant:
    """A lot of its own; the same `ref` is the same economic fact."""
    fact = ref or str(new_id())
    return Grant(
        id=command_id("grant", f"{source}:{fact}"),
        lot_id=LotId(command_id("lot", f"{source}:{fact}")),
        amount=amount,
        source=source,
        source_ref=fact,
        **more,
    )


def a_hold(amount: int, hold: HoldId | None = None, *, expires_at: datetime | None = None, open_limit: int = 100) -> PlaceHold:
    hold = hold or HoldId(new_id())
    expires_at = expires_at or datetime(2100, 1, 1, tzinfo=UTC)
    return PlaceHold(id=command_id("hold", hold), hold_id=hold, amount=amount, expires_at=expires_at, open_limit=open_limit)


def capture(hold: HoldId, amount: int) -> Capture:
    return Capture(id=command_id("capture", hold), hold_id=hold, amount=amount)


def release(hold: HoldId) -> Release:
    return Release(id=command_id("release", hold), hold_id=hold)


def expire(hold: HoldId) -> Expire:
    return Expire(id=command_id("expire", hold), hold_id=hold)


def sweep() -> Sweep:
    return Sweep(id=command_id("sweep", new_id()))


async def say(store: Store, wallet: WalletId, command: Command) -> Recorded:
    """One command in a transaction of its own."""
    async with store.transaction() as tx:
        return await tell(tx, wallet, command)


async def said(store: Store, wallet: WalletId, command: Command) -> Recorded | str:
    """As `say`, but a refusal is answered by its name."""
    try:
        return await say(store, wallet, command)
    except DomainError as refusal:
        return refusal.problem()


async def numbers(queries: Queries, wallet: WalletId) -> tuple[int, int, int]:
    """Available, held, debt."""
    row = await queries.credits(wallet)
    return row.available, row.held, row.debt


async def statement(queries: Queries, wallet: WalletId) -> list[TransferRow]:
    """Every line, oldest first."""
    return list(await queries.transfers(wallet, TransferFilter(), None, 10_000))[::-1]


def a_request(n: int = 1, **more: Any) -> PictureRequest:
    return PictureRequest("gpt-image-2", "a lighthouse", n, Size(1024, 1024), Quality.LOW, PictureFormat.PNG, **more)


def a_generation(
    caller: Caller, now: datetime, *, request: PictureRequest | None = None, unit: int = 3, **more: Any
) -> Generation:
    """Queued at `now`, with an hour to start in; not in any store yet."""
    request = request or a_request()
    deadline = more.pop("deadline", now + TIMING.longest_queue)
    return Generation(
        id=GenerationId(new_id()),
        account_id=caller.account_id,
        wallet_id=caller.wallet_id,
        key_id=caller.key_id,
        mode=caller.mode,
        kind=more.pop("kind", Kind.EDIT if request.references else Kind.GENERATE),
        model=request.model,
        request=request,
        n=request.n,
        unit=unit,
        priority=more.pop("priority", 10),
        created_at=now,
        deadline=deadline,
        hold_expires_at=TIMING.hold_expiry(deadline),
        **more,
    )


async def place(tx: Transaction, generation: Generation) -> None:
    """Record a generation with the hold on its price, as a request does."""
    hold = a_hold(generation.price, HoldId(generation.id), expires_at=generation.hold_expires_at)
    await tell(tx, generation.wallet_id, hold)
    tx.generations.add(generation)


async def queued(store: Store, caller: Caller, **more: Any) -> Generation:
    """A new generation waiting in the store, without a wake-up."""
    async with store.transaction() as tx:
        generation = a_generation(caller, await tx.now(), **more)
        await place(tx, generation)
    return generation


async def running(store: Store, caller: Caller, owner: int = 1, **more: Any) -> tuple[Generation, Lease]:
    """A new generation with a call out."""
    waiting, lease = await queued(store, caller, **more), Lease(new_id())
    async with store.transaction() as tx:
        generation = await tx.generations.lock(waiting.id)
        assert generation.claim(lease, owner, await tx.now(), TIMING)
        tx.generations.save(generation)
    return generation, lease


async def parked(store: Store, caller: Caller, until: timedelta, **more: Any) -> Generation:
    generation, lease = await running(store, caller, **more)
    async with store.transaction() as tx:
        generation = await tx.generations.lock(generation.id)
        generation.park(lease, await tx.now() + until)
        tx.generations.save(generation)
    return generation


async def cancelled(store: Store, generation: Generation) -> Generation:
    """Ended at once, hold and all: only for one that is queued or parked."""
    async with store.transaction() as tx:
        generation = await tx.generations.lock(generation.id)
        generation.cancel(await tx.now())
        await tell(tx, generation.wallet_id, generation.hold_command())
        tx.generations.save(generation)
    return generation


async def loaded(store: Store, generation: GenerationId) -> Generation:
    async with store.transaction() as tx:
        return await tx.generations.lock(generation)


async def now(store: Store) -> datetime:
    async with store.transaction() as tx:
        return await tx.now()


def an_upload(caller: Caller, at: datetime, kind: AssetKind = AssetKind.REFERENCE, **more: Any) -> Asset:
    return Asset(
        AssetId(new_id()), caller.account_id, caller.mode, kind, PictureFormat.PNG, 640, 480, 12_345, "ab" * 32, True, at, **more
    )


async def uploaded(store: Store, caller: Caller, kind: AssetKind = AssetKind.REFERENCE) -> Asset:
    async with store.transaction() as tx:
        asset = an_upload(caller, await tx.now(), kind)
        tx.assets.add(asset)
    return asset


def soon(work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
    return asyncio.create_task(work)


async def waits(work: asyncio.Task[Any], seconds: float = 0.03) -> None:
    """It is held up: it does not end while we look. (Longer looks would see no more; shorter ones might miss a defect, never
    report one.)"""
    done, _ = await asyncio.wait([work], timeout=seconds)
    assert not done, "it did not wait"


def an_output(generation: Generation, attempt: int, index: int) -> Asset:
    assert generation.finished_at
    return Asset(
        id=AssetId(new_id()),
        account_id=generation.account_id,
        mode=generation.mode,
        kind=AssetKind.OUTPUT,
        format=PictureFormat.PNG,
        width=8,
        height=8,
        bytes=7,
        sha256="ab" * 32,
        has_alpha=False,
        created_at=generation.finished_at,
        generation_id=generation.id,
        attempt=attempt,
        index=index,
    )
