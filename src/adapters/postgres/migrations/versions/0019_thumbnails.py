"""Which pictures have a thumbnail, and who is making one."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0019"
down_revision: str | None = "0018"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("assets", sa.Column("thumbnail", sa.Text(), nullable=True))
    op.add_column("assets", sa.Column("blurhash", sa.Text(), nullable=True))
    op.add_column("assets", sa.Column("looks", sa.SmallInteger(), server_default="0", nullable=False))
    op.add_column("assets", sa.Column("look_due", sa.DateTime(timezone=True), nullable=True))
    op.create_check_constraint(op.f("assets_thumbnail_ck"), "assets", "thumbnail IN ('made', 'impossible')")
    op.create_index(
        "assets_unsketched",
        "assets",
        ["looks", "created_at", "id"],
        unique=False,
        postgresql_where=sa.text("thumbnail IS NULL"),
    )


def downgrade() -> None:
    op.drop_index("assets_unsketched", table_name="assets")
    op.drop_constraint(op.f("assets_thumbnail_ck"), "assets", type_="check")
    for column in ("look_due", "looks", "blurhash", "thumbnail"):
        op.drop_column("assets", column)
