"""The tables of webhooks: endpoints, what is on its way to them, and how each try went."""

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    Uuid,
)
from sqlalchemy.dialects.postgresql import ARRAY

from adapters.postgres.columns import Time, classified, metadata, never_negative, one_of
from domain import privacy
from domain.accounts import Mode
from domain.webhook_deliveries import DeliveryState, Reason
from domain.webhook_endpoints import DisabledFor, WebhookEventKind

_endpoint, _secret, _delivery = classified(privacy.ENDPOINT), classified(privacy.ACCESS), classified(privacy.SUPPORT)

webhook_endpoints = Table(
    "webhook_endpoints",
    metadata,
    _endpoint("id", Uuid, primary_key=True),
    _endpoint("account_id", Uuid, ForeignKey("accounts.id")),
    _endpoint("mode", Text),
    _endpoint("url", Text),
    _endpoint("events", ARRAY(Text)),
    _secret("secret", LargeBinary),
    _endpoint("created_at", Time),
    _secret("old_secret", LargeBinary, nullable=True),
    _endpoint("old_until", Time, nullable=True),
    _endpoint("disabled_at", Time, nullable=True),
    _endpoint("disabled_for", Text, nullable=True),
    _endpoint("failing_since", Time, nullable=True),
    Index("webhook_endpoints_account", "account_id", "mode"),
    one_of("mode", Mode),
    one_of("disabled_for", DisabledFor),
    CheckConstraint("(disabled_at IS NULL) = (disabled_for IS NULL)", name="disabled_for_a_reason"),
    CheckConstraint("(old_secret IS NULL) = (old_until IS NULL)", name="old_secret_for_a_time"),
)

# Without a key to the endpoints: whoever tells of something never waits for who removes one.
webhook_deliveries = Table(
    "webhook_deliveries",
    metadata,
    _delivery("id", Uuid),
    _delivery("endpoint_id", Uuid),
    _delivery("kind", Text),
    _delivery("subject", Uuid),
    _delivery("state", Text),
    _delivery("at", Time, index=True),
    _delivery("outcome", Text),
    _delivery("tries", SmallInteger),
    _delivery("resume_at", Time, nullable=True),
    PrimaryKeyConstraint("endpoint_id", "id"),
    one_of("kind", WebhookEventKind),
    one_of("outcome", DeliveryState),
    CheckConstraint("(outcome = 'waiting') = (resume_at IS NOT NULL)", name="waiting_until_some_time"),
    *never_negative("tries"),
    postgresql_with={"fillfactor": "80"},
)
_d = webhook_deliveries.c
Index("webhook_deliveries_due", _d.resume_at, _d.id, postgresql_where=_d.resume_at.is_not(None))
Index("webhook_deliveries_log", _d.endpoint_id, _d.at.desc(), _d.id.desc())

webhook_tries = Table(
    "webhook_tries",
    metadata,
    _delivery("endpoint_id", Uuid),
    _delivery("delivery_id", Uuid),
    _delivery("number", Integer),
    _delivery("at", Time),
    _delivery("milliseconds", Integer),
    _delivery("reason", Text),
    _delivery("status", SmallInteger, nullable=True),
    PrimaryKeyConstraint("endpoint_id", "delivery_id", "number"),
    ForeignKeyConstraint(
        ["endpoint_id", "delivery_id"], ["webhook_deliveries.endpoint_id", "webhook_deliveries.id"], ondelete="CASCADE"
    ),
    one_of("reason", Reason),
    *never_negative("milliseconds"),
)
