"""What a picture looks like: its PDQ hash as 64 hexadecimal digits, so that `('x' || pdq)::bit(256)` can be compared."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0017"
down_revision: str | None = "0016"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("assets", sa.Column("pdq", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("assets", "pdq")
