"""Requests whose answer nobody has got yet."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0029"
down_revision: str | None = "0028"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "undelivered",
        sa.Column("generation_id", sa.Uuid(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("tries", sa.SmallInteger(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("abandoned", sa.Boolean(), nullable=False),
        sa.CheckConstraint("tries >= 0", name=op.f("undelivered_tries_not_negative_ck")),
        sa.ForeignKeyConstraint(["generation_id"], ["generations.id"], name=op.f("undelivered_generation_id_fk")),
        sa.PrimaryKeyConstraint("generation_id", name=op.f("undelivered_pk")),
    )
    op.create_index("undelivered_digest", "undelivered", ["digest"], unique=False)
    op.create_index("undelivered_asked_at", "undelivered", ["asked_at"], unique=False)


def downgrade() -> None:
    op.drop_table("undelivered")
