"""The tables: types, constraints, and the privacy classification of every column. Columns bear the names of the domain's fields.

The database keeps the rules a program could forget: the books only grow, a hold resolves once, one attempt is booked.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
)
from sqlalchemy.dialects.postgresql import JSONB

from adapters.postgres import (
    account_tables,
    billing_tables,
    event_tables,
    library_tables,
    media_tables,
    search_tables,
    undelivered_tables,
    webhook_tables,
)
from adapters.postgres.columns import Time, classified, never_negative, one_of
from adapters.postgres.columns import metadata as metadata
from domain import privacy
from domain.accounts import Mode
from domain.attempts import REFUNDED, Outcome
from domain.credits import HoldState
from domain.gates import ClosedFor
from domain.generations import GenerationState
from domain.ledger import LedgerAccount

_account = classified(privacy.ACCOUNT_RECORD)
_books, _skeleton, _prompt = classified(privacy.BOOKS), classified(privacy.SKELETON), classified(privacy.PROMPT)
_protocol, _shelved = classified(privacy.PROTOCOL), classified(privacy.SHELF)
_repeats, _machinery = classified(privacy.REPEATS), classified(privacy.MACHINERY)
_rates = classified(privacy.RATES)

accounts, api_keys, audit_records = account_tables.accounts, account_tables.api_keys, account_tables.audit_records
identities, sessions, notices = account_tables.identities, account_tables.sessions, account_tables.notices
customers, purchases, refunds = billing_tables.customers, billing_tables.purchases, billing_tables.refunds
promotions, redemptions = billing_tables.promotions, billing_tables.redemptions
subscriptions, payment_hints = billing_tables.subscriptions, billing_tables.payment_hints
archives = media_tables.archives
quarantine = media_tables.quarantine
generation_events = event_tables.generation_events
libraries, search_words = search_tables.libraries, search_tables.search_words
undelivered = undelivered_tables.undelivered
collections, collection_items = library_tables.collections, library_tables.collection_items
assets, provenance_log = media_tables.assets, media_tables.provenance_log
webhook_endpoints, webhook_deliveries = webhook_tables.webhook_endpoints, webhook_tables.webhook_deliveries
top_ups, top_up_attempts = billing_tables.top_ups, billing_tables.top_up_attempts

wallets = Table(
    "wallets",
    metadata,
    _books("id", Uuid, primary_key=True),
    _account("account_id", Uuid, ForeignKey("accounts.id")),
    _books("mode", Text),
    _books("available", BigInteger, server_default="0"),
    _books("held", BigInteger, server_default="0"),
    _books("debt", BigInteger, server_default="0"),
    _books("version", BigInteger, server_default="0"),
    _books("open_holds", Integer, server_default="0"),
    _books("last_at", Time, nullable=True),
    _books("closed_at", Time, nullable=True),
    UniqueConstraint("account_id", "mode"),
    one_of("mode", Mode),
    *never_negative("available", "held", "debt", "version", "open_holds"),
    CheckConstraint("debt = 0 OR available = 0", name="debt_is_collected"),
    postgresql_with={"fillfactor": "70"},
)

lots = Table(
    "lots",
    metadata,
    _books("id", Uuid, primary_key=True),
    _books("wallet_id", Uuid, ForeignKey("wallets.id")),
    _books("source", Text),
    _books("source_ref", Text),
    _books("priority", Integer),
    _books("expires_at", Time, nullable=True),
    *(_books(number, BigInteger) for number in ("granted", "remaining", "held", "consumed", "expired")),
    *(_books(number, BigInteger) for number in ("reversed", "repaid", "owed", "reversal")),
    UniqueConstraint("source", "source_ref"),
    *never_negative("remaining", "held", "consumed", "expired", "reversed", "repaid", "owed", "reversal"),
    CheckConstraint("granted = remaining + held + consumed + expired + reversed + repaid", name="every_credit_is_somewhere"),
    CheckConstraint("reversal <= granted", name="reversal_within_grant"),
    postgresql_with={"fillfactor": "70"},
)
# Lots a command may change without naming them; the rest are inert.
Index(
    "lots_in_play",
    lots.c.wallet_id,
    postgresql_where=(lots.c.remaining > 0) | (lots.c.held > 0) | (lots.c.reversal > 0) | (lots.c.repaid > 0),
)
Index("lots_wallet", lots.c.wallet_id)

holds = Table(
    "holds",
    metadata,
    _books("id", Uuid, primary_key=True),
    _books("wallet_id", Uuid, ForeignKey("wallets.id")),
    _books("amount", BigInteger),
    _books("captured", BigInteger),
    _books("state", Text),
    _books("expires_at", Time),
    one_of("state", HoldState),
    CheckConstraint("amount > 0", name="amount"),
    CheckConstraint("captured BETWEEN 0 AND amount", name="captured_within_amount"),
    CheckConstraint("(captured > 0) = (state = 'captured')", name="captured_means_captured"),
    postgresql_with={"fillfactor": "80"},
)
Index("holds_open", holds.c.wallet_id, postgresql_where=holds.c.state == HoldState.OPEN.value)

hold_allocations = Table(
    "hold_allocations",
    metadata,
    _books("hold_id", Uuid, ForeignKey("holds.id")),
    _books("ordinal", SmallInteger),
    _books("lot_id", Uuid, ForeignKey("lots.id")),
    _books("amount", BigInteger),
    _books("consumed", BigInteger),
    PrimaryKeyConstraint("hold_id", "ordinal"),
    CheckConstraint("amount > 0 AND consumed BETWEEN 0 AND amount", name="consumed_within_amount"),
    postgresql_with={"fillfactor": "80"},
)

wallet_commands = Table(
    "wallet_commands",
    metadata,
    _books("id", Uuid, primary_key=True),
    _books("wallet_id", Uuid, ForeignKey("wallets.id")),
    _books("kind", Text),
    _books("fingerprint", Text),
    _books("subject", Uuid, nullable=True),
    _books("amount", BigInteger, nullable=True),
    _books("first_version", BigInteger),
    _books("last_version", BigInteger),
    _books("at", Time),
)

transfers = Table(
    "transfers",
    metadata,
    _books("wallet_id", Uuid, ForeignKey("wallets.id")),
    _books("version", BigInteger),
    _books("command_id", Uuid, ForeignKey("wallet_commands.id")),
    _books("line", SmallInteger),
    _books("debit", Text),
    _books("credit", Text),
    _books("amount", BigInteger),
    _books("lot_id", Uuid),
    _books("hold_id", Uuid, nullable=True),
    _books("at", Time),
    *(_books(number, BigInteger) for number in ("available_after", "held_after", "debt_after")),
    PrimaryKeyConstraint("wallet_id", "version"),
    UniqueConstraint("command_id", "line"),
    one_of("debit", LedgerAccount),
    one_of("credit", LedgerAccount),
    CheckConstraint("amount > 0 AND debit <> credit", name="moves_something"),
    *never_negative("available_after", "held_after", "debt_after"),
)
Index("transfers_hold", transfers.c.hold_id, postgresql_where=transfers.c.hold_id.is_not(None))

lot_reversals = Table(
    "lot_reversals",
    metadata,
    _books("command_id", Uuid, ForeignKey("wallet_commands.id")),
    _books("lot_id", Uuid, ForeignKey("lots.id"), index=True),
    _books("wallet_id", Uuid),
    _books("reversal", BigInteger),
    _books("at", Time),
    PrimaryKeyConstraint("command_id", "lot_id"),
)

generations = Table(
    "generations",
    metadata,
    _skeleton("id", Uuid, primary_key=True),
    _skeleton("account_id", Uuid, ForeignKey("accounts.id")),
    _skeleton("wallet_id", Uuid),
    _skeleton("key_id", Uuid, nullable=True),
    _skeleton("mode", Text),
    _skeleton("kind", Text),
    _skeleton("model", Text),
    _prompt("request", JSONB, nullable=True),
    _skeleton("n", SmallInteger),
    _skeleton("unit", BigInteger),
    _protocol("priority", Integer),
    _skeleton("created_at", Time),
    _protocol("deadline", Time),
    _protocol("hold_expires_at", Time),
    _skeleton("parent", Uuid, nullable=True),
    _skeleton("state", Text),
    _protocol("lease", Uuid, nullable=True),
    *(_protocol(time, Time, nullable=True) for time in ("lease_until", "resume_at", "cancel_requested_at")),
    *(_skeleton(time, Time, nullable=True) for time in ("started_at", "finished_at", "trashed_at")),
    _skeleton("failure", JSONB, nullable=True),
    _skeleton("delivered", SmallInteger),
    _prompt("metadata", JSONB),
    _protocol("last_event", Integer, server_default="0"),
    _shelved("favourite", Boolean, server_default="false"),
    one_of("mode", Mode),
    one_of("state", GenerationState),
    CheckConstraint("(state = 'succeeded') = (delivered > 0) AND delivered <= n", name="delivered_means_succeeded"),
    CheckConstraint("lease IS NULL OR state = 'running'", name="leased_means_running"),
    CheckConstraint("(finished_at IS NULL) = (state IN ('queued', 'running'))", name="finished_means_ended"),
    postgresql_with={"fillfactor": "80"},
)
_g = generations.c
counts_for_brake = (_g.state == GenerationState.REFUSED.value) | (
    (_g.state == GenerationState.CANCELLED.value) & (_g.failure["code"].astext == REFUNDED.code)
)
_kept, _live = _g.request.is_not(None), _g.request.is_not(None) & _g.trashed_at.is_(None)
_newest_first = _g.created_at.desc(), _g.id.desc()
Index("generations_history", _g.account_id, _g.mode, *_newest_first, postgresql_where=_live)
Index("generations_in_trash", _g.account_id, _g.mode, *_newest_first, postgresql_where=_kept & _g.trashed_at.is_not(None))
# Only what has ended is on a shelf: a request pays nothing for it, and few are open.
_shelf = _g.model, _g.kind, _g.state, _g.favourite
Index(
    "generations_shelves",
    _g.account_id,
    _g.mode,
    *_shelf,
    *_newest_first,
    postgresql_where=_live & _g.finished_at.is_not(None),
)
Index("generations_queued", _g.account_id, _g.id, postgresql_where=_g.state == GenerationState.QUEUED.value)
Index("generations_running", _g.account_id, _g.lease_until, postgresql_where=_g.state == GenerationState.RUNNING.value)
Index("generations_braked", _g.account_id, _g.finished_at, postgresql_where=counts_for_brake)
Index(
    "generations_delivered", _g.account_id, _g.mode, _g.finished_at, postgresql_where=_g.state == GenerationState.SUCCEEDED.value
)
Index("generations_children", _g.parent, _g.id, postgresql_where=_g.parent.is_not(None))
Index("generations_trash", _g.trashed_at, postgresql_where=_g.trashed_at.is_not(None) & _g.request.is_not(None))

attempts = Table(
    "attempts",
    metadata,
    _protocol("generation_id", Uuid, ForeignKey("generations.id")),
    _protocol("number", SmallInteger),
    _protocol("started_at", Time),
    _protocol("act_until", Time),
    _protocol("owner", BigInteger),
    _skeleton("outcome", Text),
    _skeleton("decided_at", Time, nullable=True),
    _protocol("finality", Text, nullable=True),
    _skeleton("failure", JSONB, nullable=True),
    _protocol("booked", Boolean),
    _protocol("cost", BigInteger, nullable=True),
    _protocol("usage", JSONB, nullable=True),
    _protocol("request_id", Text, nullable=True),
    _protocol("written_by_caller", Boolean),
    PrimaryKeyConstraint("generation_id", "number"),
    one_of("outcome", Outcome),
    CheckConstraint("NOT booked OR outcome = 'executed'", name="booked_means_executed"),
)
Index("attempts_booked", attempts.c.generation_id, unique=True, postgresql_where=attempts.c.booked)

model_gates = Table(
    "model_gates",
    metadata,
    _machinery("model", Text, primary_key=True),
    _machinery("closed_until", Time, nullable=True),
    _machinery("reason", Text, nullable=True),
    _machinery("on_trial", Boolean, server_default="false"),
    _machinery("closings", Integer, server_default="0"),
    _machinery("capacity", Integer, nullable=True),
    *(_machinery(number, Double, server_default="0") for number in ("spare", "per_second", "calls", "unknowns")),
    *(_machinery(time, Time, nullable=True) for time in ("filled_at", "judged_at")),
    one_of("reason", ClosedFor),
    postgresql_with={"fillfactor": "50"},
)

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    _repeats("digest", Text, primary_key=True),
    _repeats("account_id", Uuid, ForeignKey("accounts.id")),
    _repeats("mode", Text),
    _repeats("fingerprint", Text),
    _repeats("thing", Uuid),
    _repeats("created_at", Time, index=True),
    one_of("mode", Mode),
)

turns = Table(
    "turns",
    metadata,
    _machinery("name", Text, primary_key=True),
    _machinery("holder", Uuid),
    _machinery("due", Time),
    _machinery("place", Text, nullable=True),
)

rate_buckets = Table(
    "rate_buckets",
    metadata,
    _rates("subject", LargeBinary, primary_key=True),
    _rates("parts", BigInteger),
    _rates("at", Time),
    *never_negative("parts"),
    prefixes=["UNLOGGED"],  # a crash may forget it: then every bucket is full again
    postgresql_with={"fillfactor": "50"},
)
