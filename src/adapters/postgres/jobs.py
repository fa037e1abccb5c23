"""Wake-ups on procrastinate: the token commits with the rows it speaks of.

The engine only delivers tokens. It does not fence, and its jobs may be lost or doubled; the generation row is the truth and the
sweep heals what the engine loses.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from procrastinate import App, PsycopgConnector, RetryStrategy
from procrastinate.worker import Worker

from adapters.postgres.session import Pool
from adapters.postgres.writes import QUEUE, TASK
from domain.privacy import ENGINE, MACHINERY, Classification

_AHEAD = 4
"""Tokens fetched at a time, and held while no place is free; others wait for whoever is free."""

FOREIGN_COLUMNS: dict[str, tuple[Classification, frozenset[str]]] = {
    "procrastinate_jobs": (
        ENGINE,
        frozenset({"id", "queue_name", "task_name", "priority", "lock", "queueing_lock", "args", "status", "scheduled_at"})
        | {"attempts", "abort_requested", "worker_id"},
    ),
    "procrastinate_events": (ENGINE, frozenset({"id", "job_id", "type", "at"})),
    "procrastinate_periodic_defers": (ENGINE, frozenset({"id", "task_name", "defer_timestamp", "job_id", "periodic_id"})),
    "procrastinate_workers": (MACHINERY, frozenset({"id", "last_heartbeat"})),
    "alembic_version": (MACHINERY, frozenset({"version_num"})),
}
"""Columns that are not ours, classified all the same."""


class Jobs:
    """The engine's side of a worker: each token calls `wake` once, at most `concurrency` at a time; `failed` hears of its errors.

    What is under way belongs to this worker, not to the engine: an engine that ends, as it does whenever the database fails it,
    is replaced at once, and the calls that are out go on meanwhile.
    """

    def __init__(
        self,
        pool: Pool,
        wake: Callable[[], Awaitable[object]],
        *,
        concurrency: int,
        graceful_seconds: float,
        failed: Callable[[Exception], None] = lambda error: None,
    ) -> None:
        self._pool, self._act, self._failed = pool, wake, failed
        self._graceful_seconds = graceful_seconds
        self._free = asyncio.Semaphore(concurrency)
        self._under_way = set[asyncio.Task[None]]()
        self._app = App(connector=PsycopgConnector())
        # A retry strategy on every task: without one a job caught by a shutdown ends as aborted, for ever.
        retry = RetryStrategy(max_attempts=1_000, wait=1)

        @self._app.task(queue=QUEUE, name=TASK, retry=retry)
        async def _wake() -> None:
            await self._free.acquire()
            acting = asyncio.create_task(self._wake())
            self._under_way.add(acting)
            acting.add_done_callback(self._under_way.discard)

        for task in self._app.tasks.values():  # the engine's own are there too
            task.retry_strategy = retry

    @property
    def retries(self) -> Mapping[str, bool]:
        """Each task of the engine's, and whether it is tried again."""
        return {name: task.retry_strategy is not None for name, task in self._app.tasks.items()}

    async def _wake(self) -> None:
        """What fails here is found by the sweep."""
        try:
            await self._act()
        except Exception as error:
            self._failed(error)
        finally:
            self._free.release()

    async def work(self) -> None:
        """Work until cancelled, then finish what is under way. Returns or raises by itself when the database goes away: start
        again."""
        await self._app.connector.open_async(self._pool)
        engine = Worker(
            app=self._app,
            queues=[QUEUE],
            concurrency=_AHEAD,
            fetch_job_polling_interval=0.25,
            listen_notify=True,
            delete_jobs="successful",
            install_signal_handlers=False,
            shutdown_graceful_timeout=0.2,  # for tokens that wait for a place; they go back
            update_heartbeat_interval=5,
            stalled_worker_timeout=20,
        )
        # Told rather than cancelled: while the engine starts it waits in places that swallow a cancellation.
        working = asyncio.create_task(engine.run())  # type: ignore[no-untyped-call]  # the library says nothing
        try:
            await asyncio.shield(working)
        except asyncio.CancelledError:
            engine.stop()  # type: ignore[no-untyped-call]  # the library says nothing
            await asyncio.wait([working])
            await self._finish()
            raise

    async def _finish(self) -> None:
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=self._graceful_seconds)
        left = list(self._under_way)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
