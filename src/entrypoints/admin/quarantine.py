"""`admin media quarantine`: rows of pictures that must not be here. No picture is ever shown."""

from collections.abc import Sequence
from uuid import UUID

import click
from dishka import AsyncContainer

from application.quarantine import ListImpounded, ReleaseImpounded
from domain.accounts import Act
from domain.quarantine import Impounded, ImpoundedId
from entrypoints.answers import Signature, answer, authorized, run, signed, table, with_json


@click.group()
def quarantine() -> None:
    """List pictures that were recognized and put aside, and let go of one. Both are recorded; no picture is shown."""


@quarantine.command(name="list")
@click.option("--released", is_flag=True, help="Those that were released too.")
@click.option("--limit", type=click.IntRange(1, 1_000), default=100, show_default=True)
@signed(Act.LIST_IMPOUNDED)
@with_json
def list_impounded(released: bool, limit: int, signature: Signature, as_json: bool) -> None:
    """What is held, newest first: whose, since when, like which entry of the list. Bytes lie at quarantine/ACCOUNT/ID."""

    async def work(parts: AsyncContainer) -> Sequence[Impounded]:
        signer = await authorized(parts, signature)
        return await (await parts.get(ListImpounded))(signer, limit, released=released)

    found = run(work)
    rows = [(q.id, q.at, q.account_id, q.origin, q.distance, q.matched, q.sha256, q.released_at) for q in found]
    columns = ("id", "at", "account", "from", "distance", "listed hash", "sha256", "released")
    answer(as_json, {"impounded": found}, table(f"{len(found)} pictures", columns, rows))


@quarantine.command()
@click.argument("impounded", type=click.UUID)
@signed(Act.RELEASE_IMPOUNDED)
@with_json
def release(impounded: UUID, signature: Signature, as_json: bool) -> None:
    """End the hold on IMPOUNDED: its bytes are deleted for good, the row stays. Its owner does not get it back."""

    async def work(parts: AsyncContainer) -> Impounded:
        signer = await authorized(parts, signature)
        return await (await parts.get(ReleaseImpounded))(signer, ImpoundedId(impounded))

    released = run(work)
    answer(as_json, released, f"{released.id} is released; its bytes are deleted")
