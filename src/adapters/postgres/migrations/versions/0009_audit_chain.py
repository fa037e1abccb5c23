"""Audit records become a chain; those that are there already become its first links, in the order they were made."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from domain.accounts import AccountId, AuditRecord
from domain.audit_chain import Tip, follow

revision: str = "0009"
down_revision: str | None = "0008"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

PLACE = (("day", sa.Date()), ("number", sa.Integer()), ("hash", sa.Text()))


def upgrade() -> None:
    for name, kind in PLACE:
        op.add_column("audit_records", sa.Column(name, kind, nullable=True))
    op.execute("ALTER TABLE audit_records DISABLE TRIGGER audit_records_only_grow")
    _chain_what_is_there()
    op.execute("ALTER TABLE audit_records ENABLE TRIGGER audit_records_only_grow")
    for name, kind in PLACE:
        op.alter_column("audit_records", name, existing_type=kind, nullable=False)
    op.create_unique_constraint(op.f("audit_records_day_uq"), "audit_records", ["day", "number"])


def downgrade() -> None:
    op.drop_constraint(op.f("audit_records_day_uq"), "audit_records")
    for name, _ in PLACE:
        op.drop_column("audit_records", name)


def _chain_what_is_there() -> None:
    connection, tip = op.get_bind(), None
    rows = connection.execute(sa.text("SELECT id, at, staff, action, subject, reason FROM audit_records ORDER BY at, id"))
    change = sa.text("UPDATE audit_records SET day = :day, number = :number, hash = :hash WHERE id = :id")
    for id, at, staff, action, subject, reason in rows.all():
        link = follow(tip, AuditRecord(id, at, AccountId(staff), action, subject, reason))
        connection.execute(change, {"day": link.day, "number": link.number, "hash": link.hash, "id": id})
        tip = Tip(link.day, link.number, link.hash)
