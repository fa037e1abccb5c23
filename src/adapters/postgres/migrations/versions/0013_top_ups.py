"""Top-ups, and notices about money."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0013"
down_revision: str | None = "0012"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

_BEFORE = "kind IN ('welcome', 'new_sign_in', 'sign_in_changed', 'key_made', 'signed_out_everywhere'"
_ADDED = "'low_credits', 'top_up_failed', 'payment_needed'"


def upgrade() -> None:
    op.create_table(
        "top_ups",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("pack", sa.Text(), nullable=True),
        sa.Column("below", sa.Integer(), nullable=False),
        sa.Column("monthly_cap", sa.Integer(), nullable=False),
        sa.Column("notify_below", sa.Integer(), nullable=False),
        sa.Column("is_low", sa.Boolean(), nullable=False),
        sa.Column("declined", sa.Text(), nullable=True),
        sa.Column("resume_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("below >= 0", name=op.f("top_ups_below_not_negative_ck")),
        sa.CheckConstraint("monthly_cap >= 0", name=op.f("top_ups_monthly_cap_not_negative_ck")),
        sa.CheckConstraint("notify_below >= 0", name=op.f("top_ups_notify_below_not_negative_ck")),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("top_ups_account_id_fk")),
        sa.PrimaryKeyConstraint("account_id", name=op.f("top_ups_pk")),
        postgresql_with={"fillfactor": "70"},
    )
    op.create_table(
        "top_up_attempts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("pack", sa.Text(), nullable=False),
        sa.Column("price", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("code", sa.Text(), nullable=True),
        sa.CheckConstraint("outcome IN ('paid', 'declined', 'given_up')", name=op.f("top_up_attempts_outcome_ck")),
        sa.CheckConstraint("price >= 0", name=op.f("top_up_attempts_price_not_negative_ck")),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("top_up_attempts_account_id_fk")),
        sa.PrimaryKeyConstraint("id", name=op.f("top_up_attempts_pk")),
    )
    op.create_index("top_up_attempts_account", "top_up_attempts", ["account_id", "at"], unique=False)
    op.create_index(
        "top_up_attempts_open", "top_up_attempts", ["account_id"], unique=True, postgresql_where=sa.text("outcome IS NULL")
    )
    op.drop_constraint(op.f("notices_kind_ck"), "notices")
    op.create_check_constraint(op.f("notices_kind_ck"), "notices", f"{_BEFORE}, {_ADDED})")


def downgrade() -> None:
    op.execute(f"DELETE FROM notices WHERE kind IN ({_ADDED})")
    op.drop_constraint(op.f("notices_kind_ck"), "notices")
    op.create_check_constraint(op.f("notices_kind_ck"), "notices", f"{_BEFORE})")
    for table in ("top_up_attempts", "top_ups"):
        op.drop_table(table)
