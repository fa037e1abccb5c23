"""Where the payment of a subscription waits for its payer."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0012"
down_revision: str | None = "0011"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("subscriptions", sa.Column("pay_url", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("subscriptions", "pay_url")
