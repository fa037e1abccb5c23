"""Archives: many pictures as one file."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0018"
down_revision: str | None = "0017"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "archives",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("assets", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("done", sa.SmallInteger(), nullable=False),
        sa.Column("attempt", sa.SmallInteger(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=True),
        sa.Column("failure", sa.Text(), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("mode IN ('live', 'test')", name=op.f("archives_mode_ck")),
        sa.CheckConstraint("state IN ('waiting', 'running', 'ready', 'failed')", name=op.f("archives_state_ck")),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("archives_account_id_fk")),
        sa.PrimaryKeyConstraint("id", name=op.f("archives_pk")),
    )
    op.create_index(op.f("archives_account_id"), "archives", ["account_id"], unique=False)
    op.create_index(
        "archives_due", "archives", ["due_at"], unique=False, postgresql_where=sa.text("state IN ('waiting', 'running')")
    )
    op.create_index("archives_expiry", "archives", ["expires_at"], unique=False)


def downgrade() -> None:
    op.drop_table("archives")
