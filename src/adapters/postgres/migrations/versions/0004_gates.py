"""Gates of the models, what a call used, and what the brake on free refusals counts."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0004"
down_revision: str | None = "0003"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "model_gates",
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("closed_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("on_trial", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("closings", sa.Integer(), server_default="0", nullable=False),
        sa.Column("capacity", sa.Integer(), nullable=True),
        sa.Column("spare", sa.Double(), server_default="0", nullable=False),
        sa.Column("per_second", sa.Double(), server_default="0", nullable=False),
        sa.Column("calls", sa.Double(), server_default="0", nullable=False),
        sa.Column("unknowns", sa.Double(), server_default="0", nullable=False),
        sa.Column("filled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("judged_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "reason IN ('allowance', 'rate_limit', 'unreachable', 'key_refused', 'unknown_outcomes')",
            name=op.f("model_gates_reason_ck"),
        ),
        sa.PrimaryKeyConstraint("model", name=op.f("model_gates_pk")),
        postgresql_with={"fillfactor": "50"},
    )
    op.add_column("attempts", sa.Column("usage", postgresql.JSONB(astext_type=sa.Text()), nullable=True))
    op.create_index(
        "generations_braked",
        "generations",
        ["account_id", "finished_at"],
        unique=False,
        postgresql_where=sa.text("state = 'refused' OR state = 'cancelled' AND failure->>'code' = 'refunded'"),
    )


def downgrade() -> None:
    op.drop_index("generations_braked", table_name="generations")
    op.drop_column("attempts", "usage")
    op.drop_table("model_gates")
