"""Pictures of one kind have an index of their own order; those of all kinds are merged from it."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0032"
down_revision: str | None = "0031"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

NEWEST_FIRST = (sa.text("created_at DESC"), sa.text("id DESC"))


def upgrade() -> None:
    op.drop_index("assets_history", "assets")
    op.create_index("assets_of_kind", "assets", ["account_id", "mode", "kind", *NEWEST_FIRST], unique=False)


def downgrade() -> None:
    op.drop_index("assets_of_kind", "assets")
    op.create_index("assets_history", "assets", ["account_id", "mode", *NEWEST_FIRST], unique=False)
