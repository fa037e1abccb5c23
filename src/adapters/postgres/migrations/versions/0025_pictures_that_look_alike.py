"""An index by which pictures of similar looks are found. No row is written anew: what is logged already is in it at once."""

from collections.abc import Sequence

from alembic import op

revision: str = "0025"
down_revision: str | None = "0024"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

# Each sixteenth of a hash, told apart from the other fifteen by what is added to it.
_CHUNKS = ", ".join(f"pg_catalog.substring(pdq, {16 * place + 1}, 16)::integer + {place << 16}" for place in range(16))
_PURE = "IMMUTABLE STRICT PARALLEL SAFE"


def upgrade() -> None:
    op.execute(f"CREATE FUNCTION pdq_chunks(pdq bit) RETURNS integer[] LANGUAGE sql {_PURE} RETURN ARRAY[{_CHUNKS}]")
    op.execute("CREATE INDEX provenance_log_alike ON provenance_log USING gin (pdq_chunks(pdq))")


def downgrade() -> None:
    op.execute("DROP INDEX provenance_log_alike")
    op.execute("DROP FUNCTION pdq_chunks(bit)")
