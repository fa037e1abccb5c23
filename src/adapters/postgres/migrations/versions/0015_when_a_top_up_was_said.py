"""When an account said what it says of top-ups: money that went back since stops them."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0015"
down_revision: str | None = "0014"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("top_ups", sa.Column("said_at", sa.DateTime(timezone=True), nullable=True))
    op.execute("UPDATE top_ups SET said_at = now()")


def downgrade() -> None:
    op.drop_column("top_ups", "said_at")
