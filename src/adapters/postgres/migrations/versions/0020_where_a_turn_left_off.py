"""Where a walk through everything goes on, whoever has the turn next."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0020"
down_revision: str | None = "0019"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("turns", sa.Column("place", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("turns", "place")
