"""Notices that are to be sent."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0007"
down_revision: str | None = "0006"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "notices",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("facts", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("tries", sa.SmallInteger(), nullable=False),
        sa.Column("resume_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "kind IN ('welcome', 'new_sign_in', 'sign_in_changed', 'key_made', 'signed_out_everywhere')",
            name=op.f("notices_kind_ck"),
        ),
        sa.CheckConstraint("tries >= 0", name=op.f("notices_tries_not_negative_ck")),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("notices_account_id_fk")),
        sa.PrimaryKeyConstraint("id", name=op.f("notices_pk")),
    )
    op.create_index(op.f("notices_account_id"), "notices", ["account_id"], unique=False)
    op.create_index("notices_due", "notices", ["resume_at", "id"], unique=False)


def downgrade() -> None:
    op.drop_table("notices")
