"""The tables of people: accounts, the ways into them, what they are to be told, and the record of what staff did to them."""

from sqlalchemy import (
    BigInteger,
    Date,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from adapters.postgres.columns import Time, classified, metadata, never_negative, one_of
from domain import privacy
from domain.accounts import Mode, Role
from domain.notices import NoticeKind

_profile, _account = classified(privacy.PROFILE), classified(privacy.ACCOUNT_RECORD)
_abuse, _machinery = classified(privacy.TRIAL), classified(privacy.MACHINERY)
_access, _audit = classified(privacy.ACCESS), classified(privacy.AUDIT)
_notice = classified(privacy.NOTICE)

accounts = Table(
    "accounts",
    metadata,
    _account("id", Uuid, primary_key=True),
    _account("role", Text),
    _account("plan", Text),
    _account("created_at", Time),
    _profile("name", Text, nullable=True),
    _profile("email", Text, nullable=True),
    _account("frozen_at", Time, nullable=True),
    one_of("role", Role),
)

api_keys = Table(
    "api_keys",
    metadata,
    _account("id", Uuid, primary_key=True),
    _account("account_id", Uuid, ForeignKey("accounts.id"), index=True),
    _account("mode", Text),
    _account("scopes", ARRAY(Text)),
    _access("secret_hash", LargeBinary, unique=True),
    _access("hint", Text),
    _account("created_at", Time),
    _account("revoked_at", Time, nullable=True),
    _account("name", Text, nullable=True),
    _account("spend_cap", BigInteger, nullable=True),
    _account("spent_month", Date, nullable=True),
    _account("spent", BigInteger, server_default="0"),
    _access("used_on", Date, nullable=True),
    *never_negative("spend_cap", "spent"),
    one_of("mode", Mode),
)

identities = Table(
    "identities",
    metadata,
    _profile("id", Uuid, primary_key=True),
    _profile("account_id", Uuid, ForeignKey("accounts.id"), index=True),
    _profile("provider", Text),
    _profile("subject", Text),
    _profile("email", Text),
    _profile("linked_at", Time),
    UniqueConstraint("provider", "subject"),
)

sessions = Table(
    "sessions",
    metadata,
    _access("id", Uuid, primary_key=True),
    _access("account_id", Uuid, ForeignKey("accounts.id")),
    _access("token_hash", LargeBinary, unique=True),
    _access("provider", Text),
    _access("signed_in_at", Time),
    _access("seen_at", Time),
    _access("authenticated_at", Time, nullable=True),
    Index("sessions_account", "account_id", "signed_in_at"),
)

trials = Table(
    "trials",
    metadata,
    _abuse("digest", LargeBinary, primary_key=True),
    _abuse("kid", Text),
    _abuse("granted_at", Time),
)

invitations = Table(
    "invitations",
    metadata,
    _machinery("digest", LargeBinary, primary_key=True),
    _machinery("until", Time),
)

notices = Table(
    "notices",
    metadata,
    _notice("id", Uuid, primary_key=True),
    _notice("account_id", Uuid, ForeignKey("accounts.id"), index=True),
    _notice("kind", Text),
    _notice("address", Text),
    _notice("at", Time),
    _notice("facts", JSONB),
    _notice("tries", SmallInteger),
    _notice("resume_at", Time),
    Index("notices_due", "resume_at", "id"),
    one_of("kind", NoticeKind),
    *never_negative("tries"),
)

audit_records = Table(
    "audit_records",
    metadata,
    _audit("id", Uuid, primary_key=True),
    _audit("at", Time),
    _audit("staff", Uuid),
    _audit("action", Text),
    _audit("subject", Text),
    _audit("reason", Text),
    _audit("day", Date),
    _audit("number", Integer),
    _audit("hash", Text),
    UniqueConstraint("day", "number"),
    Index("audit_records_subject", "subject", "at"),
)
