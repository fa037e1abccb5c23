"""The tables in which words lead to generations. What they hold is made of prompts, and can be made anew from them."""

from sqlalchemy import (
    BigInteger,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
)

from adapters.postgres.columns import Time, classified, metadata, one_of
from domain import privacy
from domain.accounts import Mode

_found_by = classified(privacy.FOUND_BY)

# One for each account and mode that has generations. All that were created until `packed_to` are in the index; `missing`: so many
# more must come before the next are brought in.
libraries = Table(
    "libraries",
    metadata,
    _found_by("id", Integer, Identity(), primary_key=True),
    _found_by("account_id", Uuid, ForeignKey("accounts.id")),
    _found_by("mode", Text),
    _found_by("packed_to", Time, nullable=True),
    _found_by("missing", Integer),
    UniqueConstraint("account_id", "mode"),
    one_of("mode", Mode),
    postgresql_with={"fillfactor": "70"},
)
Index("libraries_due", libraries.c.missing, postgresql_where=libraries.c.missing <= 0)

# A chunk: when the generations were created that have this word, in rising order. Each instant is six bytes, microseconds since
# `first`, which is microseconds since 1970. An account's chunks of one word do not overlap.
search_words = Table(
    "search_words",
    metadata,
    _found_by("library", Integer, ForeignKey("libraries.id")),
    _found_by("word", Text),
    _found_by("first", BigInteger),
    _found_by("times", LargeBinary),
    PrimaryKeyConstraint("library", "word", "first"),
)
