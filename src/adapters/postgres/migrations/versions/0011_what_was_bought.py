"""Customers, purchases, subscriptions, and hints of the payment provider."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0011"
down_revision: str | None = "0010"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "payment_hints",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.Column("object_kind", sa.Text(), nullable=False),
        sa.Column("object_id", sa.Text(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("resume_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempts", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("handled_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("attempts >= 0", name=op.f("payment_hints_attempts_not_negative_ck")),
        sa.PrimaryKeyConstraint("id", name=op.f("payment_hints_pk")),
        postgresql_with={"fillfactor": "70"},
    )
    op.create_index(op.f("payment_hints_created"), "payment_hints", ["created"], unique=False)
    op.create_index(
        "payment_hints_due", "payment_hints", ["resume_at", "id"], unique=False, postgresql_where=sa.text("handled_at IS NULL")
    )
    op.create_table(
        "customers",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("customers_account_id_fk")),
        sa.PrimaryKeyConstraint("id", name=op.f("customers_pk")),
        sa.UniqueConstraint("account_id", name=op.f("customers_account_id_uq")),
    )
    op.create_table(
        "subscriptions",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("ticket", sa.Integer(), nullable=False),
        sa.Column("applied_ticket", sa.Integer(), server_default="0", nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=True),
        sa.Column("plan", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), nullable=True),
        sa.Column("entitled_plan", sa.Text(), nullable=True),
        sa.Column("period_end", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cancel_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("paid_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("review_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "state IN ('incomplete', 'incomplete_expired', 'trialing', 'active', 'past_due', 'unpaid', 'paused', 'canceled')",
            name=op.f("subscriptions_state_ck"),
        ),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("subscriptions_account_id_fk")),
        sa.PrimaryKeyConstraint("id", name=op.f("subscriptions_pk")),
        postgresql_with={"fillfactor": "70"},
    )
    op.create_index(op.f("subscriptions_account_id"), "subscriptions", ["account_id"], unique=False)
    op.create_index(
        "subscriptions_due", "subscriptions", ["review_at"], unique=False, postgresql_where=sa.text("review_at IS NOT NULL")
    )
    op.create_table(
        "purchases",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("ticket", sa.Integer(), nullable=False),
        sa.Column("applied_ticket", sa.Integer(), server_default="0", nullable=False),
        sa.Column("wallet_id", sa.Uuid(), nullable=True),
        sa.Column("paid", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("reversed", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("currency", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), nullable=True),
        sa.Column("receipt_url", sa.Text(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("kind IN ('invoice', 'checkout')", name=op.f("purchases_kind_ck")),
        sa.CheckConstraint(
            "state IN ('pending', 'paid', 'disputed', 'partly_reversed', 'reversed')", name=op.f("purchases_state_ck")
        ),
        sa.CheckConstraint("paid >= 0", name=op.f("purchases_paid_not_negative_ck")),
        sa.CheckConstraint("reversed >= 0", name=op.f("purchases_reversed_not_negative_ck")),
        sa.ForeignKeyConstraint(["wallet_id"], ["wallets.id"], name=op.f("purchases_wallet_id_fk")),
        sa.PrimaryKeyConstraint("kind", "id", name=op.f("purchases_pk")),
        postgresql_with={"fillfactor": "70"},
    )
    op.create_index(op.f("purchases_at"), "purchases", ["at"], unique=False)
    op.create_index("purchases_history", "purchases", ["wallet_id", "at"], unique=False)


def downgrade() -> None:
    for table in ("purchases", "subscriptions", "customers", "payment_hints"):
        op.drop_table(table)
