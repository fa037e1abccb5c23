"""Generations, their attempts, and pictures."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0002"
down_revision: str | None = "0001"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "generations",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("wallet_id", sa.Uuid(), nullable=False),
        sa.Column("key_id", sa.Uuid(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("request", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("n", sa.SmallInteger(), nullable=False),
        sa.Column("unit", sa.BigInteger(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("deadline", sa.DateTime(timezone=True), nullable=False),
        sa.Column("hold_expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("parent", sa.Uuid(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("lease", sa.Uuid(), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("resume_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cancel_requested_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("trashed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failure", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("delivered", sa.SmallInteger(), nullable=False),
        sa.Column("metadata", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.CheckConstraint(
            "(finished_at IS NULL) = (state IN ('queued', 'running'))", name=op.f("generations_finished_means_ended_ck")
        ),
        sa.CheckConstraint(
            "(state = 'succeeded') = (delivered > 0) AND delivered <= n", name=op.f("generations_delivered_means_succeeded_ck")
        ),
        sa.CheckConstraint("lease IS NULL OR state = 'running'", name=op.f("generations_leased_means_running_ck")),
        sa.CheckConstraint("mode IN ('live', 'test')", name=op.f("generations_mode_ck")),
        sa.CheckConstraint(
            "state IN ('queued', 'running', 'succeeded', 'failed', 'refused', 'cancelled')", name=op.f("generations_state_ck")
        ),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("generations_account_id_fk")),
        sa.PrimaryKeyConstraint("id", name=op.f("generations_pk")),
        postgresql_with={"fillfactor": "80"},
    )
    op.create_index(
        "generations_history",
        "generations",
        ["account_id", "mode", sa.literal_column("created_at DESC"), sa.literal_column("id DESC")],
        unique=False,
        postgresql_where=sa.text("request IS NOT NULL"),
    )
    op.create_index(
        "generations_queued", "generations", ["account_id", "id"], unique=False, postgresql_where=sa.text("state = 'queued'")
    )
    op.create_index(
        "generations_running",
        "generations",
        ["account_id", "lease_until"],
        unique=False,
        postgresql_where=sa.text("state = 'running'"),
    )
    op.create_index(
        "generations_trash",
        "generations",
        ["trashed_at"],
        unique=False,
        postgresql_where=sa.text("trashed_at IS NOT NULL AND request IS NOT NULL"),
    )
    op.create_table(
        "assets",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("format", sa.Text(), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("has_alpha", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("generation_id", sa.Uuid(), nullable=True),
        sa.Column("attempt", sa.SmallInteger(), nullable=True),
        sa.Column("index", sa.SmallInteger(), nullable=True),
        sa.CheckConstraint("kind IN ('reference', 'mask', 'output')", name=op.f("assets_kind_ck")),
        sa.CheckConstraint("mode IN ('live', 'test')", name=op.f("assets_mode_ck")),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("assets_account_id_fk")),
        sa.ForeignKeyConstraint(["generation_id"], ["generations.id"], name=op.f("assets_generation_id_fk")),
        sa.PrimaryKeyConstraint("id", name=op.f("assets_pk")),
        sa.UniqueConstraint("generation_id", "index", name=op.f("assets_generation_id_uq")),
    )
    op.create_index(
        "assets_history",
        "assets",
        ["account_id", "mode", sa.literal_column("created_at DESC"), sa.literal_column("id DESC")],
        unique=False,
    )
    op.create_table(
        "attempts",
        sa.Column("generation_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.SmallInteger(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("act_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("owner", sa.BigInteger(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finality", sa.Text(), nullable=True),
        sa.Column("failure", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("booked", sa.Boolean(), nullable=False),
        sa.Column("cost", sa.BigInteger(), nullable=True),
        sa.Column("request_id", sa.Text(), nullable=True),
        sa.Column("written_by_caller", sa.Boolean(), nullable=False),
        sa.CheckConstraint("NOT booked OR outcome = 'executed'", name=op.f("attempts_booked_means_executed_ck")),
        sa.CheckConstraint("outcome IN ('intended', 'executed', 'not_executed', 'unknown')", name=op.f("attempts_outcome_ck")),
        sa.ForeignKeyConstraint(["generation_id"], ["generations.id"], name=op.f("attempts_generation_id_fk")),
        sa.PrimaryKeyConstraint("generation_id", "number", name=op.f("attempts_pk")),
    )
    op.create_index("attempts_booked", "attempts", ["generation_id"], unique=True, postgresql_where=sa.text("booked"))
