"""Accounts, their keys, and the books."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0001"
down_revision: str | None = None
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

LEDGER_ACCOUNTS = (
    "'issued:trial', 'issued:subscription', 'issued:pack', 'issued:promotion', 'issued:staff', 'issued:goodwill', "
    "'available', 'held', 'debt', 'consumed', 'expired', 'reversed'"
)


def upgrade() -> None:
    op.execute(REFUSE_CHANGE)
    op.create_table(
        "accounts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("plan", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("email", sa.Text(), nullable=True),
        sa.CheckConstraint("role IN ('user', 'support', 'admin')", name=op.f("accounts_role_ck")),
        sa.PrimaryKeyConstraint("id", name=op.f("accounts_pk")),
    )
    op.create_table(
        "audit_records",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("staff", sa.Uuid(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("audit_records_pk")),
    )
    op.create_index("audit_records_subject", "audit_records", ["subject", "at"], unique=False)
    op.create_table(
        "api_keys",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("scopes", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("secret_hash", sa.LargeBinary(), nullable=False),
        sa.Column("hint", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("mode IN ('live', 'test')", name=op.f("api_keys_mode_ck")),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("api_keys_account_id_fk")),
        sa.PrimaryKeyConstraint("id", name=op.f("api_keys_pk")),
        sa.UniqueConstraint("secret_hash", name=op.f("api_keys_secret_hash_uq")),
    )
    op.create_index(op.f("api_keys_account_id"), "api_keys", ["account_id"], unique=False)
    op.create_table(
        "idempotency_keys",
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("thing", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("mode IN ('live', 'test')", name=op.f("idempotency_keys_mode_ck")),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("idempotency_keys_account_id_fk")),
        sa.PrimaryKeyConstraint("digest", name=op.f("idempotency_keys_pk")),
    )
    op.create_index(op.f("idempotency_keys_created_at"), "idempotency_keys", ["created_at"], unique=False)
    op.create_table(
        "wallets",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("available", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("held", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("debt", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("version", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("open_holds", sa.Integer(), server_default="0", nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("mode IN ('live', 'test')", name=op.f("wallets_mode_ck")),
        sa.CheckConstraint("available >= 0", name=op.f("wallets_available_not_negative_ck")),
        sa.CheckConstraint("debt = 0 OR available = 0", name=op.f("wallets_debt_is_collected_ck")),
        sa.CheckConstraint("debt >= 0", name=op.f("wallets_debt_not_negative_ck")),
        sa.CheckConstraint("held >= 0", name=op.f("wallets_held_not_negative_ck")),
        sa.CheckConstraint("open_holds >= 0", name=op.f("wallets_open_holds_not_negative_ck")),
        sa.CheckConstraint("version >= 0", name=op.f("wallets_version_not_negative_ck")),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("wallets_account_id_fk")),
        sa.PrimaryKeyConstraint("id", name=op.f("wallets_pk")),
        sa.UniqueConstraint("account_id", "mode", name=op.f("wallets_account_id_uq")),
        postgresql_with={"fillfactor": "70"},
    )
    op.create_table(
        "holds",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("wallet_id", sa.Uuid(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("captured", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("(captured > 0) = (state = 'captured')", name=op.f("holds_captured_means_captured_ck")),
        sa.CheckConstraint("state IN ('open', 'captured', 'released', 'expired')", name=op.f("holds_state_ck")),
        sa.CheckConstraint("amount > 0", name=op.f("holds_amount_ck")),
        sa.CheckConstraint("captured BETWEEN 0 AND amount", name=op.f("holds_captured_within_amount_ck")),
        sa.ForeignKeyConstraint(["wallet_id"], ["wallets.id"], name=op.f("holds_wallet_id_fk")),
        sa.PrimaryKeyConstraint("id", name=op.f("holds_pk")),
        postgresql_with={"fillfactor": "80"},
    )
    op.create_index("holds_open", "holds", ["wallet_id"], unique=False, postgresql_where=sa.text("state = 'open'"))
    op.create_table(
        "lots",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("wallet_id", sa.Uuid(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("source_ref", sa.Text(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("granted", sa.BigInteger(), nullable=False),
        sa.Column("remaining", sa.BigInteger(), nullable=False),
        sa.Column("held", sa.BigInteger(), nullable=False),
        sa.Column("consumed", sa.BigInteger(), nullable=False),
        sa.Column("expired", sa.BigInteger(), nullable=False),
        sa.Column("reversed", sa.BigInteger(), nullable=False),
        sa.Column("repaid", sa.BigInteger(), nullable=False),
        sa.Column("owed", sa.BigInteger(), nullable=False),
        sa.Column("reversal", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("consumed >= 0", name=op.f("lots_consumed_not_negative_ck")),
        sa.CheckConstraint("expired >= 0", name=op.f("lots_expired_not_negative_ck")),
        sa.CheckConstraint(
            "granted = remaining + held + consumed + expired + reversed + repaid", name=op.f("lots_every_credit_is_somewhere_ck")
        ),
        sa.CheckConstraint("held >= 0", name=op.f("lots_held_not_negative_ck")),
        sa.CheckConstraint("owed >= 0", name=op.f("lots_owed_not_negative_ck")),
        sa.CheckConstraint("remaining >= 0", name=op.f("lots_remaining_not_negative_ck")),
        sa.CheckConstraint("repaid >= 0", name=op.f("lots_repaid_not_negative_ck")),
        sa.CheckConstraint("reversal <= granted", name=op.f("lots_reversal_within_grant_ck")),
        sa.CheckConstraint("reversal >= 0", name=op.f("lots_reversal_not_negative_ck")),
        sa.CheckConstraint("reversed >= 0", name=op.f("lots_reversed_not_negative_ck")),
        sa.ForeignKeyConstraint(["wallet_id"], ["wallets.id"], name=op.f("lots_wallet_id_fk")),
        sa.PrimaryKeyConstraint("id", name=op.f("lots_pk")),
        sa.UniqueConstraint("source", "source_ref", name=op.f("lots_source_uq")),
        postgresql_with={"fillfactor": "70"},
    )
    op.create_index(
        "lots_in_play",
        "lots",
        ["wallet_id"],
        unique=False,
        postgresql_where=sa.text("remaining > 0 OR held > 0 OR reversal > 0 OR repaid > 0"),
    )
    op.create_index("lots_wallet", "lots", ["wallet_id"], unique=False)
    op.create_table(
        "wallet_commands",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("wallet_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("subject", sa.Uuid(), nullable=True),
        sa.Column("amount", sa.BigInteger(), nullable=True),
        sa.Column("first_version", sa.BigInteger(), nullable=False),
        sa.Column("last_version", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["wallet_id"], ["wallets.id"], name=op.f("wallet_commands_wallet_id_fk")),
        sa.PrimaryKeyConstraint("id", name=op.f("wallet_commands_pk")),
    )
    op.create_table(
        "hold_allocations",
        sa.Column("hold_id", sa.Uuid(), nullable=False),
        sa.Column("ordinal", sa.SmallInteger(), nullable=False),
        sa.Column("lot_id", sa.Uuid(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("consumed", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "amount > 0 AND consumed BETWEEN 0 AND amount", name=op.f("hold_allocations_consumed_within_amount_ck")
        ),
        sa.ForeignKeyConstraint(["hold_id"], ["holds.id"], name=op.f("hold_allocations_hold_id_fk")),
        sa.ForeignKeyConstraint(["lot_id"], ["lots.id"], name=op.f("hold_allocations_lot_id_fk")),
        sa.PrimaryKeyConstraint("hold_id", "ordinal", name=op.f("hold_allocations_pk")),
        postgresql_with={"fillfactor": "80"},
    )
    op.create_table(
        "lot_reversals",
        sa.Column("command_id", sa.Uuid(), nullable=False),
        sa.Column("lot_id", sa.Uuid(), nullable=False),
        sa.Column("wallet_id", sa.Uuid(), nullable=False),
        sa.Column("reversal", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["command_id"], ["wallet_commands.id"], name=op.f("lot_reversals_command_id_fk")),
        sa.ForeignKeyConstraint(["lot_id"], ["lots.id"], name=op.f("lot_reversals_lot_id_fk")),
        sa.PrimaryKeyConstraint("command_id", "lot_id", name=op.f("lot_reversals_pk")),
    )
    op.create_index(op.f("lot_reversals_lot_id"), "lot_reversals", ["lot_id"], unique=False)
    op.create_table(
        "transfers",
        sa.Column("wallet_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("command_id", sa.Uuid(), nullable=False),
        sa.Column("line", sa.SmallInteger(), nullable=False),
        sa.Column("debit", sa.Text(), nullable=False),
        sa.Column("credit", sa.Text(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("lot_id", sa.Uuid(), nullable=False),
        sa.Column("hold_id", sa.Uuid(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("available_after", sa.BigInteger(), nullable=False),
        sa.Column("held_after", sa.BigInteger(), nullable=False),
        sa.Column("debt_after", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            f"credit IN ({LEDGER_ACCOUNTS})",
            name=op.f("transfers_credit_ck"),
        ),
        sa.CheckConstraint(
            f"debit IN ({LEDGER_ACCOUNTS})",
            name=op.f("transfers_debit_ck"),
        ),
        sa.CheckConstraint("amount > 0 AND debit <> credit", name=op.f("transfers_moves_something_ck")),
        sa.CheckConstraint("available_after >= 0", name=op.f("transfers_available_after_not_negative_ck")),
        sa.CheckConstraint("debt_after >= 0", name=op.f("transfers_debt_after_not_negative_ck")),
        sa.CheckConstraint("held_after >= 0", name=op.f("transfers_held_after_not_negative_ck")),
        sa.ForeignKeyConstraint(["command_id"], ["wallet_commands.id"], name=op.f("transfers_command_id_fk")),
        sa.ForeignKeyConstraint(["wallet_id"], ["wallets.id"], name=op.f("transfers_wallet_id_fk")),
        sa.PrimaryKeyConstraint("wallet_id", "version", name=op.f("transfers_pk")),
        sa.UniqueConstraint("command_id", "line", name=op.f("transfers_command_id_uq")),
    )
    op.create_index("transfers_hold", "transfers", ["hold_id"], unique=False, postgresql_where=sa.text("hold_id IS NOT NULL"))
    for table in ("transfers", "wallet_commands", "lot_reversals", "audit_records"):
        op.execute(
            f"CREATE TRIGGER {table}_only_grow BEFORE UPDATE OR DELETE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )
        op.execute(
            f"CREATE TRIGGER {table}_never_emptied BEFORE TRUNCATE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )


REFUSE_CHANGE = """
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'rows of % are never changed or deleted', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$
"""
