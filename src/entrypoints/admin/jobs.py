"""`admin jobs`: how the queues stand."""

import click
from dishka import AsyncContainer

from application.queries import Queries, QueueRow
from entrypoints.answers import answer, run, table, with_json


@click.group()
def jobs() -> None:
    """Look at the queues."""


@jobs.command()
@with_json
def status(as_json: bool) -> None:
    """Each queue: tokens waiting, running and failed, and how long the oldest has waited."""

    async def work(parts: AsyncContainer) -> list[QueueRow]:
        return list(await (await parts.get(Queries)).queues())

    found = run(work)
    columns = ("queue", "waiting", "running", "failed", "oldest, seconds")
    rows = [(each.queue, each.waiting, each.running, each.failed, round(each.oldest_seconds, 1)) for each in found]
    answer(as_json, {"queues": found}, table("Queues", columns, rows))
