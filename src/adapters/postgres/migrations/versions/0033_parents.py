"""What came of a generation is found by an index."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0033"
down_revision: str | None = "0032"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    where = sa.text("parent IS NOT NULL")
    op.create_index("generations_children", "generations", ["parent", "id"], unique=False, postgresql_where=where)


def downgrade() -> None:
    op.drop_index("generations_children", "generations")
