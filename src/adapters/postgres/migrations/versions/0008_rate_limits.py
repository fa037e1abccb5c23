"""Buckets of the rate limits, shared by all processes."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0008"
down_revision: str | None = "0007"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "rate_buckets",
        sa.Column("subject", sa.LargeBinary(), nullable=False),
        sa.Column("parts", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("parts >= 0", name=op.f("rate_buckets_parts_not_negative_ck")),
        sa.PrimaryKeyConstraint("subject", name=op.f("rate_buckets_pk")),
        prefixes=["UNLOGGED"],
        postgresql_with={"fillfactor": "50"},
    )


def downgrade() -> None:
    op.drop_table("rate_buckets")
