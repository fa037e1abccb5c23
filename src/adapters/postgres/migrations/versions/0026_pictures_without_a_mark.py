"""An index by which pictures that were made before all were signed are found, the oldest first."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0026"
down_revision: str | None = "0025"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

_UNMARKED = sa.text("kind = 'output' AND marking = 'unmarked'")


def upgrade() -> None:
    op.create_index("assets_unmarked", "assets", ["created_at"], unique=False, postgresql_where=_UNMARKED)


def downgrade() -> None:
    op.drop_index("assets_unmarked", "assets")
