"""The job engine's own schema, without the trigger that notifies at each insert.

Two NOTIFYs per job inside the request's transaction halve what the database can take; one coalesced NOTIFY after the commit does.
"""

from collections.abc import Sequence

from alembic import op
from procrastinate.schema import SchemaManager

revision: str = "0003"
down_revision: str | None = "0002"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

INSERT_TRIGGER = "procrastinate_jobs_notify_queue_job_inserted_v1"


def upgrade() -> None:
    op.get_bind().exec_driver_sql(SchemaManager.get_schema().replace("%", "%%"))
    op.execute(f"DROP TRIGGER {INSERT_TRIGGER} ON procrastinate_jobs")
    # Successful jobs are deleted at once: without this the table rots and fetching slows down fivefold.
    op.execute("ALTER TABLE procrastinate_jobs SET (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 500)")
