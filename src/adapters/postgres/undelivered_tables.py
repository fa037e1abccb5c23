"""The table of requests whose answer nobody has got yet."""

from sqlalchemy import Boolean, ForeignKey, SmallInteger, Table, Text, Uuid

from adapters.postgres.columns import Time, classified, metadata, never_negative
from domain import privacy

_repeats = classified(privacy.REPEATS)

undelivered = Table(
    "undelivered",
    metadata,
    _repeats("generation_id", Uuid, ForeignKey("generations.id"), primary_key=True),
    _repeats("digest", Text, index=True),
    _repeats("tries", SmallInteger),
    _repeats("asked_at", Time, index=True),
    _repeats("abandoned", Boolean),
    *never_negative("tries"),
)
