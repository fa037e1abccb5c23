"""Identities and sessions, names and caps of keys, frozen accounts; a generation need not come from a key."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0006"
down_revision: str | None = "0005"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "identities",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("linked_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("identities_account_id_fk")),
        sa.PrimaryKeyConstraint("id", name=op.f("identities_pk")),
        sa.UniqueConstraint("provider", "subject", name=op.f("identities_provider_uq")),
    )
    op.create_index(op.f("identities_account_id"), "identities", ["account_id"], unique=False)
    op.create_table(
        "sessions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("signed_in_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("sessions_account_id_fk")),
        sa.PrimaryKeyConstraint("id", name=op.f("sessions_pk")),
        sa.UniqueConstraint("token_hash", name=op.f("sessions_token_hash_uq")),
    )
    op.create_index("sessions_account", "sessions", ["account_id", "signed_in_at"], unique=False)
    op.alter_column("generations", "key_id", existing_type=sa.Uuid(), nullable=True)
    op.create_table(
        "trials",
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("kid", sa.Text(), nullable=False),
        sa.Column("granted_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("trials_pk")),
    )
    op.create_table(
        "invitations",
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("invitations_pk")),
    )
    op.add_column("accounts", sa.Column("frozen_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("api_keys", sa.Column("name", sa.Text(), nullable=True))
    op.add_column("api_keys", sa.Column("spend_cap", sa.BigInteger(), nullable=True))
    op.add_column("api_keys", sa.Column("spent_month", sa.Date(), nullable=True))
    op.add_column("api_keys", sa.Column("spent", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("api_keys", sa.Column("used_on", sa.Date(), nullable=True))
    op.create_check_constraint("spend_cap_not_negative", "api_keys", "spend_cap >= 0")
    op.create_check_constraint("spent_not_negative", "api_keys", "spent >= 0")


def downgrade() -> None:
    for name in ("used_on", "spent", "spent_month", "spend_cap", "name"):
        op.drop_column("api_keys", name)
    op.drop_column("accounts", "frozen_at")
    op.alter_column("generations", "key_id", existing_type=sa.Uuid(), nullable=False)
    op.drop_table("invitations")
    op.drop_table("trials")
    op.drop_table("sessions")
    op.drop_table("identities")
