"""Where pictures come from: whether each says so, what uploads carried, and a log of what we made."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0022"
down_revision: str | None = "0021"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

_MARKINGS = "('unmarked', 'upstream', 'signed', 'pending')"


def upgrade() -> None:
    op.add_column("assets", sa.Column("marking", sa.Text(), server_default="unmarked", nullable=False))
    op.add_column("assets", sa.Column("credentials", postgresql.JSONB(astext_type=sa.Text()), nullable=True))
    op.create_check_constraint(op.f("assets_marking_ck"), "assets", f"marking IN {_MARKINGS}")
    op.create_index("assets_pending", "assets", ["created_at"], unique=False, postgresql_where=sa.text("marking = 'pending'"))
    op.create_table(
        "provenance_log",
        sa.Column("asset_id", sa.Uuid(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("marking", sa.Text(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("pdq", postgresql.BIT(256), nullable=True),
        sa.Column("looked_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("mode IN ('live', 'test')", name=op.f("provenance_log_mode_ck")),
        sa.CheckConstraint(f"marking IN {_MARKINGS}", name=op.f("provenance_log_marking_ck")),
        sa.PrimaryKeyConstraint("asset_id", name=op.f("provenance_log_pk")),
    )
    op.create_index(op.f("provenance_log_sha256"), "provenance_log", ["sha256"], unique=False)
    op.create_index(op.f("provenance_log_made_at"), "provenance_log", ["made_at"], unique=False)
    op.create_index(
        "provenance_log_unseen", "provenance_log", ["made_at"], unique=False, postgresql_where=sa.text("looked_at IS NULL")
    )


def downgrade() -> None:
    op.drop_table("provenance_log")
    op.drop_index("assets_pending", "assets")
    op.drop_column("assets", "credentials")
    op.drop_column("assets", "marking")
