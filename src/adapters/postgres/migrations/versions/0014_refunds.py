"""Refunds that staff decided on, and promotions that were redeemed."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0014"
down_revision: str | None = "0013"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "refunds",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("purchase", sa.Text(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("before", sa.BigInteger(), nullable=False),
        sa.Column("staff", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("resume_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempts", sa.SmallInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("state IN ('intended', 'done', 'refused')", name=op.f("refunds_state_ck")),
        sa.CheckConstraint("amount >= 0", name=op.f("refunds_amount_not_negative_ck")),
        sa.CheckConstraint("before >= 0", name=op.f("refunds_before_not_negative_ck")),
        sa.CheckConstraint("attempts >= 0", name=op.f("refunds_attempts_not_negative_ck")),
        sa.ForeignKeyConstraint(["kind", "purchase"], ["purchases.kind", "purchases.id"], name=op.f("refunds_kind_fk")),
        sa.PrimaryKeyConstraint("id", name=op.f("refunds_pk")),
        postgresql_with={"fillfactor": "70"},
    )
    op.create_index("refunds_open", "refunds", ["kind", "purchase"], unique=True, postgresql_where=sa.text("state = 'intended'"))
    op.create_index("refunds_due", "refunds", ["resume_at", "id"], unique=False, postgresql_where=sa.text("state = 'intended'"))
    op.create_table(
        "promotions",
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("redeemed", sa.Integer(), server_default="0", nullable=False),
        sa.CheckConstraint("redeemed >= 0", name=op.f("promotions_redeemed_not_negative_ck")),
        sa.PrimaryKeyConstraint("code", name=op.f("promotions_pk")),
    )
    op.create_table(
        "redemptions",
        sa.Column("promotion", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("credits", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("redemptions_account_id_fk")),
        sa.PrimaryKeyConstraint("promotion", "account_id", name=op.f("redemptions_pk")),
    )
    op.create_index(op.f("redemptions_account_id"), "redemptions", ["account_id"], unique=False)


def downgrade() -> None:
    for table in ("redemptions", "promotions", "refunds"):
        op.drop_table(table)
