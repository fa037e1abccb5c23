"""Wake-ups on procrastinate: the token commits with the rows it speaks of, and a bell rings once for many.

The engine only delivers tokens. It does not fence, and its jobs may be lost or doubled; the generation row is the truth and the
sweep heals what the engine loses.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress

import psycopg
from procrastinate import App, PsycopgConnector, RetryStrategy
from procrastinate.worker import Worker
from psycopg import AsyncConnection

from adapters.postgres.session import Pool
from adapters.postgres.writes import QUEUE, TASK
from domain.privacy import ENGINE, MACHINERY, Classification

CHANNEL = f"procrastinate_queue_v1#{QUEUE}"
TOLD = '{"type":"job_inserted","job_id":0}'

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


class Bell:
    """Tells the workers of every process that tokens wait: at most one NOTIFY each five milliseconds, after the commit. What it
    loses is found by polling."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._rung = asyncio.Event()

    def ring(self) -> None:
        self._rung.set()

    @asynccontextmanager
    async def hung(self) -> AsyncIterator[None]:
        """The bell works inside this block."""
        ringing = asyncio.create_task(self._keep_ringing())
        try:
            yield
        finally:
            ringing.cancel()
            with suppress(asyncio.CancelledError):
                await ringing

    async def _keep_ringing(self) -> None:
        while True:
            with suppress(psycopg.Error, OSError):
                async with await AsyncConnection.connect(self._url, autocommit=True) as connection:
                    while True:
                        await self._rung.wait()
                        self._rung.clear()
                        await connection.execute("SELECT pg_notify(%s, %s)", (CHANNEL, TOLD))
                        await asyncio.sleep(0.005)
            await asyncio.sleep(0.5)


class Jobs:
    """The engine's side of a worker: each token calls `wake` once."""

    def __init__(self, pool: Pool, wake: Callable[[], Awaitable[object]], *, concurrency: int, graceful_seconds: float) -> None:
        self._pool = pool
        self._concurrency = concurrency
        self._graceful_seconds = graceful_seconds
        self._app = App(connector=PsycopgConnector())
        # A retry strategy on every task: without one a job caught by a shutdown ends as aborted, for ever.
        retry = RetryStrategy(max_attempts=1_000, wait=1)

        @self._app.task(queue=QUEUE, name=TASK, retry=retry)
        async def _wake() -> None:
            await wake()

        for task in self._app.tasks.values():  # the engine's own are there too
            task.retry_strategy = retry

    @property
    def retries(self) -> Mapping[str, bool]:
        """Each task of the engine's, and whether it is tried again."""
        return {name: task.retry_strategy is not None for name, task in self._app.tasks.items()}

    async def work(self) -> None:
        """Work until cancelled, then finish what is at hand. Returns by itself when the database goes away: start again."""
        await self._app.connector.open_async(self._pool)
        engine = Worker(
            app=self._app,
            queues=[QUEUE],
            concurrency=self._concurrency,
            fetch_job_polling_interval=0.25,
            listen_notify=True,
            delete_jobs="successful",
            install_signal_handlers=False,
            shutdown_graceful_timeout=self._graceful_seconds,
            update_heartbeat_interval=5,
            stalled_worker_timeout=20,
        )
        # Told rather than cancelled: while the engine starts it waits in places that swallow a cancellation.
        working = asyncio.create_task(engine.run())  # type: ignore[no-untyped-call]  # the library says nothing
        try:
            await asyncio.shield(working)
        except asyncio.CancelledError:
            engine.stop()  # type: ignore[no-untyped-call]  # the library says nothing
            await working
            raise
