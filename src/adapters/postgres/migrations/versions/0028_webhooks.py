"""Webhook endpoints, what is on its way to them, and how each try went."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0028"
down_revision: str | None = "0027"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

_WAITS = sa.text("resume_at IS NOT NULL")
_EVENTS = "'generation.finished', 'credits.low', 'subscription.changed', 'endpoint.test'"
_REASONS = (
    "'delivered', 'status', 'redirect', 'gone', 'timeout', 'name_unknown', 'address_not_public', 'unreachable', 'tls', 'broken'"
)


def upgrade() -> None:
    op.create_table(
        "webhook_endpoints",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("events", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("old_secret", sa.LargeBinary(), nullable=True),
        sa.Column("old_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("disabled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("disabled_for", sa.Text(), nullable=True),
        sa.Column("failing_since", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("mode IN ('live', 'test')", name=op.f("webhook_endpoints_mode_ck")),
        sa.CheckConstraint("disabled_for IN ('owner', 'gone', 'failing')", name=op.f("webhook_endpoints_disabled_for_ck")),
        sa.CheckConstraint(
            "(disabled_at IS NULL) = (disabled_for IS NULL)", name=op.f("webhook_endpoints_disabled_for_a_reason_ck")
        ),
        sa.CheckConstraint("(old_secret IS NULL) = (old_until IS NULL)", name=op.f("webhook_endpoints_old_secret_for_a_time_ck")),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("webhook_endpoints_account_id_fk")),
        sa.PrimaryKeyConstraint("id", name=op.f("webhook_endpoints_pk")),
    )
    op.create_index("webhook_endpoints_account", "webhook_endpoints", ["account_id", "mode"], unique=False)
    op.create_table(
        "webhook_deliveries",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("endpoint_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject", sa.Uuid(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("tries", sa.SmallInteger(), nullable=False),
        sa.Column("resume_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(f"kind IN ({_EVENTS})", name=op.f("webhook_deliveries_kind_ck")),
        sa.CheckConstraint("outcome IN ('waiting', 'delivered', 'failed')", name=op.f("webhook_deliveries_outcome_ck")),
        sa.CheckConstraint(
            "(outcome = 'waiting') = (resume_at IS NOT NULL)", name=op.f("webhook_deliveries_waiting_until_some_time_ck")
        ),
        sa.CheckConstraint("tries >= 0", name=op.f("webhook_deliveries_tries_not_negative_ck")),
        sa.PrimaryKeyConstraint("endpoint_id", "id", name=op.f("webhook_deliveries_pk")),
        postgresql_with={"fillfactor": "80"},
    )
    op.create_index(op.f("webhook_deliveries_at"), "webhook_deliveries", ["at"], unique=False)
    op.create_index("webhook_deliveries_due", "webhook_deliveries", ["resume_at", "id"], unique=False, postgresql_where=_WAITS)
    op.create_index(
        "webhook_deliveries_log", "webhook_deliveries", ["endpoint_id", sa.text("at DESC"), sa.text("id DESC")], unique=False
    )
    op.create_table(
        "webhook_tries",
        sa.Column("endpoint_id", sa.Uuid(), nullable=False),
        sa.Column("delivery_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("milliseconds", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("status", sa.SmallInteger(), nullable=True),
        sa.CheckConstraint(f"reason IN ({_REASONS})", name=op.f("webhook_tries_reason_ck")),
        sa.CheckConstraint("milliseconds >= 0", name=op.f("webhook_tries_milliseconds_not_negative_ck")),
        sa.ForeignKeyConstraint(
            ["endpoint_id", "delivery_id"],
            ["webhook_deliveries.endpoint_id", "webhook_deliveries.id"],
            name=op.f("webhook_tries_endpoint_id_fk"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("endpoint_id", "delivery_id", "number", name=op.f("webhook_tries_pk")),
    )


def downgrade() -> None:
    op.drop_table("webhook_tries")
    op.drop_table("webhook_deliveries")
    op.drop_table("webhook_endpoints")
