"""Words lead to generations, and every combination of filters has its newest first."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0031"
down_revision: str | None = "0030"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "libraries",
        sa.Column("id", sa.Integer(), sa.Identity(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("packed_to", sa.DateTime(timezone=True), nullable=True),
        sa.Column("missing", sa.Integer(), nullable=False),
        sa.CheckConstraint("mode IN ('live', 'test')", name=op.f("libraries_mode_ck")),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("libraries_account_id_fk")),
        sa.PrimaryKeyConstraint("id", name=op.f("libraries_pk")),
        sa.UniqueConstraint("account_id", "mode", name=op.f("libraries_account_id_uq")),
        postgresql_with={"fillfactor": "70"},
    )
    op.create_index("libraries_due", "libraries", ["missing"], unique=False, postgresql_where=sa.text("missing <= 0"))
    op.create_table(
        "search_words",
        sa.Column("library", sa.Integer(), nullable=False),
        sa.Column("word", sa.Text(), nullable=False),
        sa.Column("first", sa.BigInteger(), nullable=False),
        sa.Column("times", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["library"], ["libraries.id"], name=op.f("search_words_library_fk")),
        sa.PrimaryKeyConstraint("library", "word", "first", name=op.f("search_words_pk")),
    )
    op.drop_index("generations_history", "generations")
    newest_first: list[str | sa.TextClause] = [sa.text("created_at DESC"), sa.text("id DESC")]
    indexes: dict[str, tuple[list[str | sa.TextClause], str]] = {
        "history": (["account_id", "mode", *newest_first], "trashed_at IS NULL"),
        "in_trash": (["account_id", "mode", *newest_first], "trashed_at IS NOT NULL"),
        "shelves": (
            ["account_id", "mode", "model", "kind", "state", "favourite", *newest_first],
            "trashed_at IS NULL AND finished_at IS NOT NULL",
        ),
    }
    for name, (columns, where) in indexes.items():
        where = f"request IS NOT NULL AND {where}"
        op.create_index(f"generations_{name}", "generations", columns, unique=False, postgresql_where=sa.text(where))


def downgrade() -> None:
    op.drop_index("generations_shelves", "generations")
    op.drop_index("generations_in_trash", "generations")
    op.drop_index("generations_history", "generations")
    op.create_index(
        "generations_history",
        "generations",
        ["account_id", "mode", sa.text("created_at DESC"), sa.text("id DESC")],
        unique=False,
        postgresql_where=sa.text("request IS NOT NULL"),
    )
    op.drop_table("search_words")
    op.drop_table("libraries")
