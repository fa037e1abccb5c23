"""`admin generations`: how a generation went, without what was asked for."""

from collections.abc import Sequence
from dataclasses import asdict
from uuid import UUID

import click
from dishka import AsyncContainer
from rich.table import Table

from application.staff_queries import AttemptRow, GenerationPage, HoldRow, StaffQueries
from domain.generations import GenerationId
from entrypoints.answers import answer, facts, lines_table, run, table, with_json


@click.group()
def generations() -> None:
    """Look at generations."""


@generations.command()
@click.argument("generation", type=click.UUID)
@with_json
def show(generation: UUID, as_json: bool) -> None:
    """One generation: its record, its calls of the model, its hold and what it moved; never the prompt or the pictures."""

    async def work(parts: AsyncContainer) -> GenerationPage:
        queries: StaffQueries = await parts.get(StaffQueries)
        return await queries.generation(GenerationId(generation))

    page = run(work)
    own = asdict(page.generation)
    if why := page.generation.failure:
        own["failure"] = f"{why.failure_class} while {why.stage}: {why.code} {why.request_id or ''}"
    answer(
        as_json,
        page,
        facts("Generation", own),
        _attempts(page.attempts),
        *_hold(page.hold),
        lines_table(page.transfers),
    )


def _attempts(attempts: Sequence[AttemptRow]) -> Table:
    columns = ("number", "started", "outcome", "decided", "finality", "why", "booked", "cost", "request")
    rows = []
    for a in attempts:
        why = a.failure.code if a.failure else None
        rows.append((a.number, a.started_at, a.outcome, a.decided_at, a.finality, why, a.booked, a.cost, a.request_id))
    return table("Attempts", columns, rows)


def _hold(hold: HoldRow | None) -> tuple[Table | str, ...]:
    if not hold:
        return ("It has no hold.",)
    said = {"state": hold.state, "amount": hold.amount, "captured": hold.captured, "expires": hold.expires_at}
    lots = [(a.lot_id, a.source, a.amount, a.consumed) for a in hold.allocations]
    return facts("Hold", said), table("Drawn from", ("lot", "source", "amount", "consumed"), lots)
