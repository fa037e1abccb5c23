"""Favourites, collections, and an index for the owner's statistics."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0030"
down_revision: str | None = "0029"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("generations", sa.Column("favourite", sa.Boolean(), server_default="false", nullable=False))
    op.create_index(
        "generations_delivered",
        "generations",
        ["account_id", "mode", "finished_at"],
        unique=False,
        postgresql_where=sa.text("state = 'succeeded'"),
    )
    op.create_table(
        "collections",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("cover", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("items", sa.Integer(), server_default="0", nullable=False),
        sa.Column("last_place", sa.BigInteger(), server_default="0", nullable=False),
        sa.CheckConstraint("mode IN ('live', 'test')", name=op.f("collections_mode_ck")),
        sa.CheckConstraint("items >= 0", name=op.f("collections_items_not_negative_ck")),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("collections_account_id_fk")),
        sa.PrimaryKeyConstraint("id", name=op.f("collections_pk")),
        postgresql_with={"fillfactor": "80"},
    )
    op.create_index("collections_account", "collections", ["account_id", "mode", "created_at", "id"], unique=False)
    op.create_table(
        "collection_items",
        sa.Column("generation_id", sa.Uuid(), nullable=False),
        sa.Column("collection_id", sa.Uuid(), nullable=False),
        sa.Column("place", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["generation_id"], ["generations.id"], name=op.f("collection_items_generation_id_fk")),
        sa.ForeignKeyConstraint(["collection_id"], ["collections.id"], name=op.f("collection_items_collection_id_fk")),
        sa.PrimaryKeyConstraint("generation_id", "collection_id", name=op.f("collection_items_pk")),
        postgresql_with={"fillfactor": "80"},
    )
    op.create_index("collection_items_order", "collection_items", ["collection_id", "place", "generation_id"], unique=False)
    op.create_index(
        "collection_items_newest",
        "collection_items",
        ["collection_id", sa.text("created_at DESC"), sa.text("generation_id DESC")],
        unique=False,
    )


def downgrade() -> None:
    op.drop_table("collection_items")
    op.drop_table("collections")
    op.drop_index("generations_delivered", "generations")
    op.drop_column("generations", "favourite")
