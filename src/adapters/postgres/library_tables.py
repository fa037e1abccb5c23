"""The tables of collections: named sets of an account's generations, in the order their owner gave them."""

from sqlalchemy import BigInteger, ForeignKey, Index, Integer, PrimaryKeyConstraint, Table, Text, Uuid

from adapters.postgres.columns import Time, classified, metadata, never_negative, one_of
from domain import privacy
from domain.accounts import Mode

_own, _words = classified(privacy.SHELF), classified(privacy.PROMPT)

# `items` counts what is in it, the trash included; `last_place` is where the last one was put that came to the end.
collections = Table(
    "collections",
    metadata,
    _own("id", Uuid, primary_key=True),
    _own("account_id", Uuid, ForeignKey("accounts.id")),
    _own("mode", Text),
    _words("name", Text),
    _own("cover", Uuid, nullable=True),
    _own("created_at", Time),
    _own("items", Integer, server_default="0"),
    _own("last_place", BigInteger, server_default="0"),
    Index("collections_account", "account_id", "mode", "created_at", "id"),
    one_of("mode", Mode),
    *never_negative("items"),
    postgresql_with={"fillfactor": "80"},
)

# `created_at` is the generation's, which never changes: with it the newest are found without a look at the generations. Places
# leave gaps, so that moving one item writes one row; equal places would only be ordered by the generation's id.
collection_items = Table(
    "collection_items",
    metadata,
    _own("generation_id", Uuid, ForeignKey("generations.id")),
    _own("collection_id", Uuid, ForeignKey("collections.id")),
    _own("place", BigInteger),
    _own("created_at", Time),
    PrimaryKeyConstraint("generation_id", "collection_id"),
    postgresql_with={"fillfactor": "80"},
)
_i = collection_items.c
Index("collection_items_order", _i.collection_id, _i.place, _i.generation_id)
Index("collection_items_newest", _i.collection_id, _i.created_at.desc(), _i.generation_id.desc())
