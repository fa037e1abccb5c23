"""Each step of the engine finds its job by an index, whatever the statistics say.

The job table lives near empty and is rewritten all day, so its statistics, and the plans a connection keeps, are of another hour.
By them one fetch compares all that wait with each other, and reads what was deleted since the last vacuum: a millisecond, then
tens of them. Only the walk along the index of priorities stops at the first job, and takes dead entries out as it meets them.
"""

from collections.abc import Sequence

from alembic import op

revision: str = "0005"
down_revision: str | None = "0004"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

STEPS = {
    "procrastinate_defer_jobs_v1(procrastinate_job_to_defer_v1[])": ("enable_seqscan",),
    "procrastinate_fetch_job_v2(character varying[], bigint)": ("enable_seqscan", "enable_bitmapscan", "enable_sort"),
    "procrastinate_finish_job_v1(bigint, procrastinate_job_status, boolean)": ("enable_seqscan",),
}
"""Each with what its plans do without. The rows of events that triggers and foreign keys touch are found within them."""


def upgrade() -> None:
    for step, ways in STEPS.items():
        for way in ways:
            op.execute(f"ALTER FUNCTION {step} SET {way} = off")


def downgrade() -> None:
    for step in STEPS:
        op.execute(f"ALTER FUNCTION {step} RESET ALL")
