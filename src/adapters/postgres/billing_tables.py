"""The tables of money: who pays, what was bought, subscriptions, top-ups, and hints of the provider's. Of its events and objects
only what stands here is kept, never a body."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    Uuid,
    literal_column,
)

from adapters.postgres.columns import Time, classified, metadata, never_negative, one_of
from domain import privacy
from domain.billing import PurchaseKind, PurchaseState, SubscriptionState
from domain.refunds import RefundState
from domain.top_up import TopUpOutcome

_books, _payment, _hint = classified(privacy.BOOKS), classified(privacy.PAYMENT), classified(privacy.HINT)
_machinery = classified(privacy.MACHINERY)

customers = Table(
    "customers",
    metadata,
    _payment("id", Text, primary_key=True),
    _payment("account_id", Uuid, ForeignKey("accounts.id"), unique=True),
)

purchases = Table(
    "purchases",
    metadata,
    _books("kind", Text),
    _books("id", Text),
    _books("ticket", Integer),
    _books("applied_ticket", Integer, server_default="0"),
    _books("wallet_id", Uuid, ForeignKey("wallets.id"), nullable=True),
    _books("paid", BigInteger, server_default="0"),
    _books("reversed", BigInteger, server_default="0"),
    _books("currency", Text, nullable=True),
    _books("state", Text, nullable=True),
    _payment("receipt_url", Text, nullable=True),
    _books("at", Time, nullable=True, index=True),
    PrimaryKeyConstraint("kind", "id"),
    one_of("kind", PurchaseKind),
    one_of("state", PurchaseState),
    *never_negative("paid", "reversed"),
    Index("purchases_history", "wallet_id", "at"),
    postgresql_with={"fillfactor": "70"},
)

refunds = Table(
    "refunds",
    metadata,
    _books("id", Uuid, primary_key=True),
    _books("kind", Text),
    _books("purchase", Text),
    _books("amount", BigInteger),
    _books("before", BigInteger),
    _books("staff", Uuid),
    _books("at", Time),
    _books("resume_at", Time),
    _books("attempts", SmallInteger),
    _books("state", Text),
    _books("code", Text, nullable=True),
    _books("ended_at", Time, nullable=True),
    ForeignKeyConstraint(["kind", "purchase"], ["purchases.kind", "purchases.id"]),
    one_of("state", RefundState),
    *never_negative("amount", "before", "attempts"),
    postgresql_with={"fillfactor": "70"},
)
_is_open = refunds.c.state == literal_column("'intended'")
Index("refunds_open", refunds.c.kind, refunds.c.purchase, unique=True, postgresql_where=_is_open)
Index("refunds_due", refunds.c.resume_at, refunds.c.id, postgresql_where=_is_open)

subscriptions = Table(
    "subscriptions",
    metadata,
    _payment("id", Text, primary_key=True),
    _payment("ticket", Integer),
    _payment("applied_ticket", Integer, server_default="0"),
    _payment("account_id", Uuid, ForeignKey("accounts.id"), nullable=True, index=True),
    *(_payment(name, Text, nullable=True) for name in ("plan", "state", "entitled_plan")),
    *(_payment(time, Time, nullable=True) for time in ("period_end", "cancel_at", "paid_until", "review_at")),
    _payment("pay_url", Text, nullable=True),
    one_of("state", SubscriptionState),
    postgresql_with={"fillfactor": "70"},
)
Index("subscriptions_due", subscriptions.c.review_at, postgresql_where=subscriptions.c.review_at.is_not(None))

promotions = Table(
    "promotions",
    metadata,
    _machinery("code", Text, primary_key=True),
    _machinery("redeemed", Integer, server_default="0"),
    *never_negative("redeemed"),
)

redemptions = Table(
    "redemptions",
    metadata,
    _payment("promotion", Text),
    _payment("account_id", Uuid, ForeignKey("accounts.id"), index=True),
    _payment("credits", BigInteger),
    _payment("at", Time),
    _payment("expires_at", Time),
    PrimaryKeyConstraint("promotion", "account_id"),
)

payment_hints = Table(
    "payment_hints",
    metadata,
    _hint("id", Text, primary_key=True),
    _hint("type", Text),
    _hint("created", Time, index=True),
    _hint("object_kind", Text),
    _hint("object_id", Text),
    _hint("received_at", Time),
    _hint("resume_at", Time),
    _hint("attempts", SmallInteger, server_default="0"),
    _hint("error", Text, nullable=True),
    _hint("handled_at", Time, nullable=True),
    *never_negative("attempts"),
    postgresql_with={"fillfactor": "70"},
)
Index("payment_hints_due", payment_hints.c.resume_at, payment_hints.c.id, postgresql_where=payment_hints.c.handled_at.is_(None))

top_ups = Table(
    "top_ups",
    metadata,
    _payment("account_id", Uuid, ForeignKey("accounts.id"), primary_key=True),
    _payment("enabled", Boolean),
    _payment("pack", Text, nullable=True),
    *(_payment(name, Integer) for name in ("below", "monthly_cap", "notify_below")),
    _payment("is_low", Boolean),
    _payment("declined", Text, nullable=True),
    _payment("resume_at", Time, nullable=True),
    _payment("said_at", Time, nullable=True),
    *never_negative("below", "monthly_cap", "notify_below"),
    postgresql_with={"fillfactor": "70"},
)

top_up_attempts = Table(
    "top_up_attempts",
    metadata,
    _payment("id", Uuid, primary_key=True),
    _payment("account_id", Uuid, ForeignKey("accounts.id")),
    _payment("pack", Text),
    _payment("price", Integer),
    _payment("at", Time),
    _payment("outcome", Text, nullable=True),
    _payment("ended_at", Time, nullable=True),
    _payment("code", Text, nullable=True),
    one_of("outcome", TopUpOutcome),
    *never_negative("price"),
    Index("top_up_attempts_account", "account_id", "at"),
)
Index("top_up_attempts_open", top_up_attempts.c.account_id, unique=True, postgresql_where=top_up_attempts.c.outcome.is_(None))
