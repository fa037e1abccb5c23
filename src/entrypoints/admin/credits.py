"""`admin credits`: grants and corrections, a wallet's statement, and whether the books agree with themselves."""

import re
from datetime import datetime
from uuid import UUID

import click
from dishka import AsyncContainer

from application.credits import AdjustCredits, GrantCredits
from application.queries import AuditReport, BooksAudit, CreditsRow, Queries, TransferFilter, TransferRow
from domain.accounts import Act, Mode
from domain.commands import Recorded
from domain.ledger import LotId, LotSource
from domain.limits import MAX_INTEGER
from entrypoints.answers import (
    AMOUNT,
    Signature,
    answer,
    authorized,
    facts,
    lines_table,
    run,
    signed,
    table,
    wallet_of,
    with_json,
    with_mode,
)

GIVEN = [source.value for source in LotSource if not source.is_purchase]
"""A bought lot comes from its purchase alone."""


class Fact(click.ParamType[str]):
    """What a grant is for, as a key: it stays in the books for ten years, where no words and no addresses belong."""

    name = "key"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if not re.fullmatch(r"[A-Za-z0-9._:/#-]{1,100}", value):
            self.fail("a fact is a key of at most 100 letters, digits and ._:/#-, like ticket-4711", param, ctx)
        return value


class Instant(click.ParamType[datetime]):
    """RFC 3339 with an offset."""

    name = "instant"

    def convert(self, value: str | datetime, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        try:
            instant = value if isinstance(value, datetime) else datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value} is not an instant like 2026-12-24T18:00:00Z", param, ctx)
        if instant.tzinfo is None or not 2000 <= instant.year < 9000:
            self.fail(f"{value} needs an offset such as Z, and a year we may live to see", param, ctx)
        return instant


@click.group()
def credits() -> None:
    """Grant and adjust credits, read statements, audit the books."""


@credits.command()
@click.argument("account", type=click.UUID)
@click.argument("amount", type=AMOUNT)
@with_mode
@click.option("--fact", type=Fact(), help="What it is for: the same fact is granted to this wallet once, however often asked.")
@click.option("--source", type=click.Choice(GIVEN), default=LotSource.STAFF.value, show_default=True)
@click.option("--expires-at", type=Instant(), help="When what is left lapses; never if not given.")
@click.option("--priority", type=click.IntRange(0, 1_000), default=100, show_default=True, help="Smaller is spent first.")
@signed(Act.GRANT_CREDITS)
@with_json
def grant(
    account: UUID,
    amount: int,
    mode: str,
    fact: str | None,
    source: str,
    expires_at: datetime | None,
    priority: int,
    signature: Signature,
    as_json: bool,
) -> None:
    """Grant AMOUNT credits to ACCOUNT."""

    async def work(parts: AsyncContainer) -> tuple[Recorded, bool, CreditsRow]:
        signer = await authorized(parts, signature)
        wallet, queries = await wallet_of(parts, account, mode), await parts.get(Queries)
        last = await queries.transfers(wallet, TransferFilter(), None, 1)
        give = await parts.get(GrantCredits)
        # The wallet is part of the fact: the books know a fact once, and two customers may have the same ticket.
        named = f"{wallet}:{fact}" if fact else None
        terms = {"fact": named, "source": LotSource(source), "expires_at": expires_at, "priority": priority}
        recorded = await give(signer, wallet, amount, **terms)  # type: ignore[arg-type]  # mypy takes them for one type
        is_new = recorded.first_version > (last[0].version if last else 0)
        return recorded, is_new, await queries.credits(wallet)

    recorded, is_new, wallet = run(work)
    said = "granted" if is_new else "had been granted before, nothing was changed:"
    answer(
        as_json,
        {"lot": recorded.subject, "amount": recorded.amount, "at": recorded.at, "new": is_new, "wallet": wallet},
        f"{said} {recorded.amount} credits, lot {recorded.subject}; {wallet.available} are available, {wallet.debt} owed",
    )


@credits.command()
@click.argument("account", type=click.UUID)
@click.argument("lot", type=click.UUID)
@click.argument("amount", type=AMOUNT)
@with_mode
@signed(Act.ADJUST_CREDITS)
@with_json
def adjust(account: UUID, lot: UUID, amount: int, mode: str, signature: Signature, as_json: bool) -> None:
    """Take back AMOUNT of what remains of LOT, which was not bought. (Up is a grant.)"""

    async def work(parts: AsyncContainer) -> tuple[Recorded, CreditsRow]:
        signer = await authorized(parts, signature)
        wallet = await wallet_of(parts, account, mode)
        recorded = await (await parts.get(AdjustCredits))(signer, wallet, LotId(lot), amount)
        return recorded, await (await parts.get(Queries)).credits(wallet)

    recorded, wallet = run(work)
    done = {"lot": recorded.subject, "amount": recorded.amount, "at": recorded.at, "wallet": wallet}
    answer(as_json, done, f"took back {recorded.amount} credits of lot {lot}; {wallet.available} are available")


@credits.command()
@click.argument("account", type=click.UUID)
@with_mode
@click.option("--limit", type=click.IntRange(1, 1_000), default=50, show_default=True)
@click.option("--before", type=click.IntRange(1, MAX_INTEGER), metavar="VERSION", help="Lines older than this version.")
@with_json
def statement(account: UUID, mode: str, limit: int, before: int | None, as_json: bool) -> None:
    """ACCOUNT's wallet, its lots, and its lines, newest first."""

    async def work(parts: AsyncContainer) -> tuple[CreditsRow, list[TransferRow]]:
        queries, wallet = await parts.get(Queries), await wallet_of(parts, account, mode)
        return await queries.credits(wallet), list(await queries.transfers(wallet, TransferFilter(), before, limit))

    wallet, lines = run(work)
    older = lines[-1].version if len(lines) == limit and lines[-1].version > 1 else None
    answer(
        as_json,
        {"account": account, "wallet": wallet, "lines": lines, "next": older},
        facts("Wallet", {"mode": Mode(mode), "available": wallet.available, "held": wallet.held, "debt": wallet.debt}),
        table(
            "Lots",
            ("id", "source", "granted", "remaining", "held", "priority", "expires"),
            [(lot.id, lot.source, lot.granted, lot.remaining, lot.held, lot.priority, lot.expires_at) for lot in wallet.lots],
        ),
        lines_table(lines),
        *([f"older lines: --before {older}"] if older else []),
    )


@credits.command()
@with_json
def audit(as_json: bool) -> None:
    """Recompute every wallet, lot and hold from the lines alone, and name each row that does not agree."""

    async def work(parts: AsyncContainer) -> AuditReport:
        examine: BooksAudit = await parts.get(BooksAudit)
        return await examine()

    report = run(work)
    rows = sum(report.examined.values())
    said = "the books agree" if report.is_clean else "nothing was there to examine" if not rows else "the books do NOT agree"
    answer(
        as_json,
        {"clean": report.is_clean, "rows": rows, "examined": report.examined, "findings": report.findings, "cut": report.cut},
        table("Rows examined", ("table", "rows"), list(report.examined.items())),
        *(
            [table("Findings", ("table", "key", "says"), [(f.table, f.key, f.says) for f in report.findings])]
            * (not report.is_clean)
        ),
        f"{rows} rows examined, {len(report.findings)} findings{' and more' if report.cut else ''}: {said}",
    )
    if not report.is_clean:
        raise SystemExit(1)
