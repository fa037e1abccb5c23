"""A job table with a past: so many jobs enqueued, fetched, finished and deleted, each by the engine's own functions.

Two connections do it inside the database, committing after every step as a worker would (without waiting for the disk): a batch
is enqueued, then one job after the other is fetched and finished. Nothing is vacuumed by hand: what autovacuum, as the migrations
set it, has not cleared away by the end is what the next worker finds.
"""

import threading
from dataclasses import dataclass
from time import monotonic

import psycopg

from adapters.postgres.writes import QUEUE, TASK

CLIENTS = 2
BATCH = 1_000

_CHURN = f"""
CREATE OR REPLACE PROCEDURE churn(worker bigint, batch int) LANGUAGE plpgsql AS $$
DECLARE
    token CONSTANT procrastinate_job_to_defer_v1 := ROW('{QUEUE}', '{TASK}', 0, NULL, NULL, '{{}}', NULL);
    job bigint;
BEGIN
    PERFORM procrastinate_defer_jobs_v1(array_fill(token, ARRAY[batch]));
    COMMIT;
    FOR j IN 1..batch LOOP
        LOOP  -- the other connection can be ahead by a batch this one has not seen
            SELECT id INTO job FROM procrastinate_fetch_job_v2(ARRAY['{QUEUE}'], worker);
            COMMIT;
            EXIT WHEN job IS NOT NULL;
        END LOOP;
        PERFORM procrastinate_finish_job_v1(job, 'succeeded', true);
        COMMIT;
    END LOOP;
END $$
"""
_LEFT = """
SELECT pg_relation_size('procrastinate_jobs'), n_dead_tup, autovacuum_count, (SELECT count(*) FROM procrastinate_jobs)
FROM pg_stat_user_tables WHERE relname = 'procrastinate_jobs'
"""


@dataclass(frozen=True, slots=True)
class Past:
    jobs: int
    seconds: float
    megabytes: float
    dead: int
    vacuums: int

    def __str__(self) -> str:
        return (
            f"{self.jobs:,} jobs enqueued {BATCH:,} at a time, fetched, finished and deleted one by one by the engine's own "
            f"functions, over {CLIENTS} connections, in {self.seconds:.0f} s; left: {self.megabytes:.0f} MB of table, "
            f"{self.dead:,} dead rows; autovacuum came {self.vacuums} times"
        )


def age(url: str, jobs: int) -> Past:
    """Give the empty job table of this database a past of so many jobs. No worker may be at it meanwhile."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(_CHURN.encode())
        batches = max(1, jobs // BATCH // CLIENTS)
        began = monotonic()
        clients = [threading.Thread(target=_churn, args=(url, batches)) for _ in range(CLIENTS)]
        for client in clients:
            client.start()
        for client in clients:
            client.join()
        took = monotonic() - began
        left = connection.execute(_LEFT).fetchone()
        assert left
        size, dead, vacuums, rest = left
        if rest:
            raise RuntimeError(f"{rest} jobs are left")
    return Past(CLIENTS * batches * BATCH, took, size / 1e6, dead, vacuums)


def _churn(url: str, batches: int) -> None:
    with psycopg.connect(url, autocommit=True, options="-c synchronous_commit=off") as connection:
        worker = connection.execute("SELECT worker_id FROM procrastinate_register_worker_v1()").fetchone()
        assert worker
        for _ in range(batches):  # a call each, for what a call deletes is told to autovacuum when it ends
            connection.execute("CALL churn(%s, %s)", (*worker, BATCH))
        connection.execute("SELECT procrastinate_unregister_worker_v1(%s)", worker)
