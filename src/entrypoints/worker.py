"""The worker: performs generations as wake-ups come, and keeps house beside it."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress

import structlog

from application.attempts import PerformGeneration
from application.housekeeping import KeepHouse, SweepObjects
from application.ports import StorageUnavailable
from application.store import StoreUnavailable
from entrypoints.settings import Settings
from entrypoints.wiring import Jobs, Owner, Pool, container

log = structlog.get_logger()


async def work(settings: Settings) -> None:
    """Work until told to stop (SIGTERM, SIGINT); then take nothing new and finish the calls that are out."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    async with container(settings) as parts:
        owner = await parts.get(Owner)
        perform = await parts.get(PerformGeneration)
        keep_house = await parts.get(KeepHouse)
        sweep_objects = await parts.get(SweepObjects)
        pool = await parts.get(Pool)
        jobs = Jobs(pool, perform, concurrency=settings.worker_concurrency, graceful_seconds=settings.graceful_seconds)
        tasks = [
            asyncio.create_task(_every(settings.sweep_seconds, keep_house)),
            asyncio.create_task(_every(settings.object_sweep_seconds, sweep_objects)),
            asyncio.create_task(_give_up_when(owner.lost)),
        ]
        working = asyncio.create_task(_keep_working(jobs))
        log.info("working", pid=os.getpid())
        await stop.wait()
        working.cancel()
        with suppress(asyncio.CancelledError):
            await working
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _keep_working(jobs: Jobs) -> None:
    """The engine ends by itself, and without an error, when the database goes away: start it again."""
    while True:
        try:
            await jobs.work()
        except Exception as error:
            log.warning("engine_stopped", error=type(error).__name__)
        await asyncio.sleep(0.5)


async def _every(seconds: float, act: Callable[[], Awaitable[object]]) -> None:
    while True:
        try:
            done = await act()
            if isinstance(done, Mapping) and any(done.values()):
                log.info("kept_house", **done)
            elif isinstance(done, int) and done:
                log.info("swept_objects", swept=done)
        except (StoreUnavailable, StorageUnavailable) as error:
            log.warning("sweep_failed", error=type(error).__name__)
        except Exception as error:
            log.error("sweep_failed", error=type(error).__name__)
        await asyncio.sleep(seconds)


async def _give_up_when(lost: asyncio.Event) -> None:
    """Without proof of life others may take this process for dead and buy its pictures again: close every socket at once."""
    await lost.wait()
    log.error("proof_of_life_lost", pid=os.getpid())
    os._exit(1)
