"""The table of what is told of a generation while it goes on."""

from sqlalchemy import CheckConstraint, ForeignKey, Index, Integer, PrimaryKeyConstraint, SmallInteger, Table, Text, Uuid

from adapters.postgres.columns import Time, classified, metadata, one_of
from domain import privacy
from domain.events import EventKind, GenerationState
from domain.media import PictureFormat

_progress = classified(privacy.PROGRESS)

generation_events = Table(
    "generation_events",
    metadata,
    _progress("generation_id", Uuid, ForeignKey("generations.id")),
    _progress("sequence", Integer),
    _progress("kind", Text),
    _progress("at", Time),
    _progress("state", Text, nullable=True),
    _progress("index", SmallInteger, nullable=True),
    _progress("attempt", SmallInteger, nullable=True),
    _progress("format", Text, nullable=True),
    PrimaryKeyConstraint("generation_id", "sequence"),
    one_of("kind", [kind for kind in EventKind if kind.is_kept]),
    one_of("state", GenerationState),
    one_of("format", PictureFormat),
    CheckConstraint("sequence > 0", name="sequence"),
    CheckConstraint("(kind = 'state') = (state IS NOT NULL)", name="state_has_its_state"),
    CheckConstraint("(kind = 'partial_image') = (num_nonnulls(\"index\", attempt, format) = 3)", name="partial_image_is_whole"),
)
Index("generation_events_at", generation_events.c.at)
