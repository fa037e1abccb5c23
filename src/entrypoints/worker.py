"""The worker: performs generations and follows hints as wake-ups come, and keeps house beside it."""

import asyncio
import logging
import os
import signal
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

import structlog

from application.attempts import PerformGeneration
from application.gates import TryKeyAgain
from application.hints import HandleHints
from application.staff_queries import StaffQueries
from application.store import StoreUnavailable
from entrypoints.draining import Drain
from entrypoints.heap import keep_memory_quiet
from entrypoints.loops import every, follow, loops
from entrypoints.settings import Settings
from entrypoints.vitals import Vitals, served
from entrypoints.wiring import Jobs, LiveModel, Owner, Pool, container

log = structlog.get_logger()
HINTS_IN_A_ROW = 10
"""Before it is counted how they ended, and looked whether the worker stops."""


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
        hints, pool = await parts.get(HandleHints), await parts.get(Pool)
        try_again, live = await parts.get(TryKeyAgain), await parts.get(LiveModel)
        table = await loops(parts, settings)
        in_a_row, places = replace(hints, batch=HINTS_IN_A_ROW), max(1, settings.worker_concurrency // 2)
        wake = Wake(perform, lambda: follow(in_a_row), drain, asyncio.Semaphore(places))
        jobs = Jobs(
            pool, wake, concurrency=settings.worker_concurrency, graceful_seconds=settings.graceful_seconds, failed=_failed
        )
        vitals = Vitals(await parts.get(StaffQueries), owner, drain)
        async with served(vitals, settings.worker_port, settings.operations_fd) as address:
            acts = [every(seconds, act) for seconds, act in table]
            first = [_try_key(try_again, live), _give_up_when(owner.lost)]
            tasks = [asyncio.create_task(each) for each in (*first, *acts)]
            keep_memory_quiet()
            working = asyncio.create_task(_keep_working(jobs, drain))
            log.info("working", pid=os.getpid(), address=address)
            await drain.begins()
            working.cancel()
            await asyncio.wait([working])
            await _end(tasks)
    if drain.handing_back:  # whoever says so twice does not wait for a thread that a dead disk holds
        os._exit(0)


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


async def _give_up_when(lost: asyncio.Event) -> None:
    """Without proof of life others may take this process for dead and buy its pictures again: close every socket at once."""
    await lost.wait()
    log.error("proof_of_life_lost", pid=os.getpid())
    os._exit(1)
