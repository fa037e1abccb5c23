"""Copies of pictures in another format or size, and when each was last used."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0023"
down_revision: str | None = "0022"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "renditions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("asset_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("format", sa.Text(), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("label", sa.Boolean(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("format IN ('png', 'jpeg', 'webp', 'avif')", name=op.f("renditions_format_ck")),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("renditions_account_id_fk")),
        sa.ForeignKeyConstraint(["asset_id"], ["assets.id"], name=op.f("renditions_asset_id_fk")),
        sa.PrimaryKeyConstraint("id", name=op.f("renditions_pk")),
        sa.UniqueConstraint("asset_id", "format", "width", "label", name=op.f("renditions_asset_id_uq")),
    )
    op.create_index(op.f("renditions_account_id"), "renditions", ["account_id"], unique=False)
    op.create_index(op.f("renditions_used_at"), "renditions", ["used_at"], unique=False)


def downgrade() -> None:
    op.drop_table("renditions")
