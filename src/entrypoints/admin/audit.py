"""`admin audit`: what staff changed, and whether somebody changed the record of it."""

from collections.abc import Sequence
from datetime import UTC, datetime

import click
from dishka import AsyncContainer

from application.audit_chain import AuditTrail, ChainReport, VerifyAudit
from domain.audit_chain import Link
from entrypoints.answers import answer, run, table, with_json


@click.group()
def audit() -> None:
    """Read the audit records, and verify that they are what they were."""


@audit.command()
@click.option("--day", type=click.DateTime(["%Y-%m-%d"]), metavar="DATE", help="Only those of this day (UTC).")
@click.option("--limit", type=click.IntRange(1, 1_000), default=50, show_default=True)
@with_json
def show(day: datetime | None, limit: int, as_json: bool) -> None:
    """What staff changed, the newest first: who, what, on what, and why."""

    async def work(parts: AsyncContainer) -> Sequence[Link]:
        trail: AuditTrail = await parts.get(AuditTrail)
        return await trail.newest(limit, day.replace(tzinfo=UTC).date() if day else None)

    found = run(work)
    columns = ("day", "number", "at", "staff", "action", "subject", "reason", "hash")
    rows = [
        (str(each.day), each.number, own.at, own.staff, own.action, own.subject, own.reason, each.hash[:12])
        for each in found
        for own in [each.record]
    ]
    answer(as_json, {"records": found}, table(f"{len(found)} audit records", columns, rows))


@audit.command()
@with_json
def verify(as_json: bool) -> None:
    """Recompute the chain of audit records, and compare it with every signed head outside the database.

    Exit code 1 when a record was edited, removed or moved, or a head is missing or not ours.
    """

    async def work(parts: AsyncContainer) -> ChainReport:
        return await (await parts.get(VerifyAudit))()

    report = run(work)
    found = [(each.flaw, str(each.day or "-"), each.number, each.says) for each in report.findings]
    seen = f"{report.records} records, {report.heads} heads, {len(found)} findings{' and more' if report.cut else ''}"
    verdict = "the records are what they were" if report.is_clean else "the records are NOT what they were"
    answer(
        as_json,
        {"clean": report.is_clean, "records": report.records, "heads": report.heads, "unsigned": report.unsigned}
        | {"findings": report.findings, "cut": report.cut},
        *([table("Findings", ("flaw", "day", "number", "says"), found)] if found else []),
        f"{seen}: {verdict}; {report.unsigned} records came after the last head of their day",
    )
    if not report.is_clean:
        raise SystemExit(1)
