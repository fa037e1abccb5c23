"""What is told of a generation while it goes on: its events, and the number of the last."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0027"
down_revision: str | None = "0026"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

_WHOLE = "(kind = 'partial_image') = (num_nonnulls(\"index\", attempt, format) = 3)"


def upgrade() -> None:
    op.add_column("generations", sa.Column("last_event", sa.Integer(), server_default="0", nullable=False))
    op.create_table(
        "generation_events",
        sa.Column("generation_id", sa.Uuid(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.Text(), nullable=True),
        sa.Column("index", sa.SmallInteger(), nullable=True),
        sa.Column("attempt", sa.SmallInteger(), nullable=True),
        sa.Column("format", sa.Text(), nullable=True),
        sa.CheckConstraint("kind IN ('state', 'partial_image')", name=op.f("generation_events_kind_ck")),
        sa.CheckConstraint(
            "state IN ('queued', 'running', 'succeeded', 'failed', 'refused', 'cancelled')",
            name=op.f("generation_events_state_ck"),
        ),
        sa.CheckConstraint("format IN ('png', 'jpeg', 'webp', 'gif', 'avif', 'heic')", name=op.f("generation_events_format_ck")),
        sa.CheckConstraint("sequence > 0", name=op.f("generation_events_sequence_ck")),
        sa.CheckConstraint("(kind = 'state') = (state IS NOT NULL)", name=op.f("generation_events_state_has_its_state_ck")),
        sa.CheckConstraint(_WHOLE, name=op.f("generation_events_partial_image_is_whole_ck")),
        sa.ForeignKeyConstraint(["generation_id"], ["generations.id"], name=op.f("generation_events_generation_id_fk")),
        sa.PrimaryKeyConstraint("generation_id", "sequence", name=op.f("generation_events_pk")),
    )
    op.create_index("generation_events_at", "generation_events", ["at"], unique=False)


def downgrade() -> None:
    op.drop_table("generation_events")
    op.drop_column("generations", "last_event")
