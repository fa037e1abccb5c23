"""The worker: performs generations and follows hints as wake-ups come, and keeps house beside it."""

import asyncio
import ctypes
import gc
import logging
import os
import signal
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta

import structlog

from application.attempts import PerformGeneration
from application.audit_chain import SignHeads
from application.gates import TryKeyAgain
from application.hints import HandleHints
from application.housekeeping import ForgetAccess, KeepHouse, SweepObjects
from application.notices import SendNotices
from application.payments import PaymentsUnavailable
from application.ports import Clock, StorageUnavailable
from application.rate_limits import ForgetRates
from application.reconciliation import PollPayments
from application.refunds import FinishRefunds
from application.staff_queries import StaffQueries
from application.store import StoreUnavailable
from application.top_up import WatchCredits
from entrypoints.draining import Drain
from entrypoints.metrics import count_hints, count_notices, count_top_ups, count_unexplained
from entrypoints.settings import Settings
from entrypoints.vitals import Vitals, served
from entrypoints.wiring import Jobs, LiveModel, Owner, Pool, container
from entrypoints.wiring_payments import Deliver, SandboxPayments

log = structlog.get_logger()
HEAD_LOOK_SECONDS = 60.0
"""How soon a day's end is noticed."""
HINTS_IN_A_ROW = 10
"""Before it is counted how they ended, and looked whether the worker stops."""
COMPARED = timedelta(days=3)
"""How far back each poll compares purchases with the books; `gpt-image admin billing reconcile` goes as far as it is told."""

_MMAP_THRESHOLD, _LARGE_BYTES = -3, 1 << 20
"""The first as glibc's malloc.h has it."""


@dataclass(frozen=True, slots=True)
class Wake:
    """What a token leads to: it says that there is work, and not which. `places`: so many follow hints at once, and no more,
    however many there are and however slow the payment provider is; pictures have the rest to themselves."""

    perform: Callable[[], Awaitable[bool]]
    follow: Callable[[], Awaitable[Mapping[str, int]]]
    drain: Drain
    places: asyncio.Semaphore

    async def __call__(self) -> None:
        """Whoever follows hints goes on until none is due, so that tokens which find no place can go."""
        if await self.perform() or self.places.locked():
            return
        async with self.places:
            while any((await self.follow()).values()) and not self.drain.stopping:
                pass


async def work(settings: Settings) -> None:
    """Work until told to stop (SIGTERM, SIGINT); then take nothing new and finish the calls that are out. Told again: give back
    what has not called yet."""
    async with container(settings) as parts:
        drain = await parts.get(Drain)
        for name in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(name, _told, drain)
        try:
            owner = await parts.get(Owner)
        except StoreUnavailable as error:
            log.error("database_away", error=str(error))
            raise SystemExit(1) from None
        perform = await parts.get(PerformGeneration)
        keep_house = await parts.get(KeepHouse)
        sweep_objects = await parts.get(SweepObjects)
        send_notices = await parts.get(SendNotices)
        sign_heads = await parts.get(SignHeads)
        hints = await parts.get(HandleHints)
        poll, clock = await parts.get(PollPayments), await parts.get(Clock)
        credits = await parts.get(WatchCredits)
        pool = await parts.get(Pool)

        in_a_row, places = replace(hints, batch=HINTS_IN_A_ROW), max(1, settings.worker_concurrency // 2)
        wake = Wake(perform, lambda: _follow(in_a_row), drain, asyncio.Semaphore(places))
        jobs = Jobs(
            pool, wake, concurrency=settings.worker_concurrency, graceful_seconds=settings.graceful_seconds, failed=_failed
        )
        vitals = Vitals(await parts.get(StaffQueries), owner, drain)
        async with served(vitals, settings.worker_port, settings.operations_fd) as address:
            tasks = [
                asyncio.create_task(_try_key(await parts.get(TryKeyAgain), await parts.get(LiveModel))),
                asyncio.create_task(_every(settings.sweep_seconds, keep_house)),
                asyncio.create_task(_every(settings.object_sweep_seconds, sweep_objects)),
                asyncio.create_task(_every(settings.sweep_seconds, lambda: _send(send_notices))),
                asyncio.create_task(_every(settings.object_sweep_seconds, await parts.get(ForgetRates))),
                asyncio.create_task(_every(settings.object_sweep_seconds, await parts.get(ForgetAccess))),
                asyncio.create_task(_every(min(settings.audit_head_seconds, HEAD_LOOK_SECONDS), sign_heads)),
                asyncio.create_task(_every(settings.sweep_seconds, lambda: _follow(hints))),
                asyncio.create_task(_every(settings.sweep_seconds, await parts.get(FinishRefunds))),
                asyncio.create_task(_every(settings.payments_poll_seconds, lambda: _poll(poll, clock))),
                asyncio.create_task(_every(settings.credit_watch_seconds, lambda: _watch(credits))),
                asyncio.create_task(_give_up_when(owner.lost)),
            ]
            keep_memory_quiet()
            if not settings.stripe_secret_key:
                sandbox, deliver = await parts.get(SandboxPayments), await parts.get(Deliver)
                tasks.append(asyncio.create_task(_every(settings.sweep_seconds, lambda: _deliver(sandbox, deliver))))
            working = asyncio.create_task(_keep_working(jobs, drain))
            log.info("working", pid=os.getpid(), address=address)
            await drain.begins()
            working.cancel()
            await asyncio.wait([working])
            await _end(tasks)
    if drain.handing_back:  # whoever says so twice does not wait for a thread that a dead disk holds
        os._exit(0)


def keep_memory_quiet() -> None:
    """Once everything is built: no housekeeping of memory holds up the event loop for tens of milliseconds.

    What was built stays, so it is not looked through again. A large block has pages of its own: nothing is copied as an answer
    grows, and no heap is trimmed when it goes. Left to itself, glibc stops doing so after the first such block is freed.
    """
    gc.freeze()
    with suppress(AttributeError):  # another C library
        ctypes.CDLL(None).mallopt(_MMAP_THRESHOLD, _LARGE_BYTES)


async def _end(tasks: Collection["asyncio.Task[None]"]) -> None:
    """Cancelled until they are gone: a wait for a connection of the pool may swallow one cancellation."""
    left = {task for task in tasks if not task.done()}
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=1)


def _told(drain: Drain) -> None:
    drain.tell()
    log.info("handing_back" if drain.handing_back else "stopping", pid=os.getpid())


def _failed(error: Exception) -> None:
    log.log(
        logging.WARNING if isinstance(error, StoreUnavailable) else logging.ERROR, "wake_up_failed", error=type(error).__name__
    )


async def _keep_working(jobs: Jobs, drain: Drain) -> None:
    """The engine ends by itself, and without an error, when the database goes away: start it again."""
    while not drain.stopping:
        try:
            await jobs.work()
        except Exception as error:
            log.warning("engine_stopped", error=type(error).__name__)
        await asyncio.sleep(0.5)


async def _try_key(try_again: TryKeyAgain, live: LiveModel) -> None:
    """The key may be a new one: whoever waits because of the old one waits no longer. Say so if it is no better."""
    if not live.model:
        return
    with suppress(StoreUnavailable):  # then the gates open by themselves, in minutes
        await try_again()
    if wrong := await live.model.examine():
        log.error("provider_refused", error=wrong, where="start")


async def _send(send_notices: SendNotices) -> Mapping[str, int]:
    ends = await send_notices()
    count_notices(ends)
    return ends


async def _follow(hints: HandleHints) -> Mapping[str, int]:
    ends = dict(await hints())
    followed = {outcome: ends.pop(outcome) for outcome in ("handled", "put_off")}
    count_hints(followed)
    for remark, times in ends.items():
        log.warning("payment_remark", remark=remark, times=times)
    return followed


async def _watch(credits: WatchCredits) -> Mapping[str, int]:
    ends = await credits()
    count_top_ups({outcome: ends[outcome] for outcome in ends if outcome != "told"})
    return ends


async def _deliver(sandbox: SandboxPayments, deliver: Deliver) -> None:
    await sandbox.deliver(deliver)


async def _poll(poll: PollPayments, clock: Clock) -> None:
    """What the books could not explain is for an operator, who finds the same by `gpt-image admin billing reconcile`."""
    found = await poll(clock() - COMPARED)
    if found.hints or found.healed:
        log.info("payments_healed", hints=found.hints, purchases=len(found.healed))
    count_unexplained(Counter(each.remark for each in found.unexplained))
    for each in found.unexplained:
        log.error("payment_unexplained", remark=each.remark.value, where=each.about)


async def _every(seconds: float, act: Callable[[], Awaitable[object]]) -> None:
    while True:
        try:
            done = await act()
            if isinstance(done, Mapping) and any(done.values()):
                log.info("kept_house", **done)
            elif isinstance(done, int) and done:
                log.info("swept_objects", swept=done)
        except (StoreUnavailable, StorageUnavailable, PaymentsUnavailable) as error:
            log.warning("sweep_failed", error=type(error).__name__)
        except Exception as error:
            log.error("sweep_failed", error=type(error).__name__)
        await asyncio.sleep(seconds)


async def _give_up_when(lost: asyncio.Event) -> None:
    """Without proof of life others may take this process for dead and buy its pictures again: close every socket at once."""
    await lost.wait()
    log.error("proof_of_life_lost", pid=os.getpid())
    os._exit(1)
