"""The tables of pictures: what is kept of them beside their bytes."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    ForeignKey,
    Index,
    Integer,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    and_,
    func,
)
from sqlalchemy.dialects.postgresql import BIT, JSONB

from adapters.postgres.columns import Time, classified, metadata, one_of
from domain import privacy
from domain.accounts import Mode
from domain.archives import ArchiveState
from domain.media import AssetKind, Thumbnail
from domain.provenance import Marking
from domain.quarantine import Origin
from domain.renditions import RenditionFormat

_media = classified(privacy.MEDIA)
_origin = classified(privacy.ORIGIN)
_copy = classified(privacy.COPY)

assets = Table(
    "assets",
    metadata,
    _media("id", Uuid, primary_key=True),
    _media("account_id", Uuid, ForeignKey("accounts.id")),
    _media("mode", Text),
    _media("kind", Text),
    _media("format", Text),
    _media("width", Integer),
    _media("height", Integer),
    _media("bytes", BigInteger),
    _media("sha256", Text),
    _media("has_alpha", Boolean),
    _media("created_at", Time),
    _media("generation_id", Uuid, ForeignKey("generations.id"), nullable=True),
    _media("attempt", SmallInteger, nullable=True),
    _media("index", SmallInteger, nullable=True),
    _media("pdq", Text, nullable=True),
    _media("thumbnail", Text, nullable=True),
    _media("blurhash", Text, nullable=True),
    _media("looks", SmallInteger, server_default="0"),
    _media("look_due", Time, nullable=True),
    _media("marking", Text, server_default="unmarked"),
    _media("credentials", JSONB, nullable=True),
    _media("sign_due", Time, nullable=True),
    UniqueConstraint("generation_id", "index"),
    one_of("mode", Mode),
    one_of("kind", AssetKind),
    one_of("thumbnail", Thumbnail),
    one_of("marking", Marking),
)
Index("assets_unsketched", assets.c.looks, assets.c.created_at, assets.c.id, postgresql_where=assets.c.thumbnail.is_(None))
Index("assets_pending", assets.c.created_at, postgresql_where=assets.c.marking == "pending")
Index("assets_unmarked", assets.c.created_at, postgresql_where=and_(assets.c.kind == "output", assets.c.marking == "unmarked"))
Index("assets_of_kind", assets.c.account_id, assets.c.mode, assets.c.kind, assets.c.created_at.desc(), assets.c.id.desc())

provenance_log = Table(
    "provenance_log",
    metadata,
    _origin("asset_id", Uuid, primary_key=True),
    _origin("mode", Text),
    _origin("model", Text),
    _origin("sha256", Text, index=True),
    _origin("marking", Text),
    _origin("made_at", Time, index=True),
    _origin("pdq", BIT(256), nullable=True),
    _origin("looked_at", Time, nullable=True),
    one_of("mode", Mode),
    one_of("marking", Marking),
)
"""No key leads from here to an asset, which may be gone."""
Index("provenance_log_alike", func.pdq_chunks(provenance_log.c.pdq), postgresql_using="gin")
Index("provenance_log_unseen", provenance_log.c.made_at, postgresql_where=provenance_log.c.looked_at.is_(None))

renditions = Table(
    "renditions",
    metadata,
    _copy("id", Uuid, primary_key=True),
    _copy("asset_id", Uuid, ForeignKey("assets.id")),
    _copy("account_id", Uuid, ForeignKey("accounts.id"), index=True),
    _copy("format", Text),
    _copy("width", Integer),
    _copy("label", Boolean),
    _copy("bytes", BigInteger),
    _copy("sha256", Text),
    _copy("created_at", Time),
    _copy("used_at", Time, index=True),
    UniqueConstraint("asset_id", "format", "width", "label"),
    one_of("format", RenditionFormat),
)

archives = Table(
    "archives",
    metadata,
    _copy("id", Uuid, primary_key=True),
    _copy("account_id", Uuid, ForeignKey("accounts.id"), index=True),
    _copy("mode", Text),
    _copy("assets", JSONB),
    _copy("created_at", Time),
    _copy("due_at", Time),
    _copy("state", Text),
    _copy("done", SmallInteger),
    _copy("attempt", SmallInteger),
    _copy("bytes", BigInteger, nullable=True),
    _copy("failure", Text, nullable=True),
    _copy("expires_at", Time, nullable=True),
    one_of("mode", Mode),
    one_of("state", ArchiveState),
)
Index("archives_due", archives.c.due_at, postgresql_where=archives.c.state.in_(("waiting", "running")))
Index("archives_expiry", archives.c.expires_at)

_held = classified(privacy.HELD)

quarantine = Table(
    "quarantine",
    metadata,
    _held("id", Uuid, primary_key=True),
    _held("account_id", Uuid, ForeignKey("accounts.id"), index=True),
    _held("origin", Text),
    _held("sha256", Text),
    _held("matched", Text),
    _held("distance", SmallInteger),
    _held("at", Time),
    _held("released_at", Time, nullable=True),
    one_of("origin", Origin),
)
