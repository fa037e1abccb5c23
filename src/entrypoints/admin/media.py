"""`admin media`: rows and stored objects, compared both ways, and what staff takes away."""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from uuid import UUID

import click
from dishka import AsyncContainer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from application.housekeeping import SweepObjects
from application.object_checks import Fault, VerifyObjects, Wrong
from application.object_rows import ObjectRows
from application.ports import StoredObject
from application.purging import PurgeMedia, SweepByHand
from domain.accounts import Act
from domain.generations import GenerationId
from domain.media import AssetId
from entrypoints.admin.quarantine import quarantine
from entrypoints.answers import Signature, answer, authorized, run, signed, table, with_json

SHOWN = 1_000
"""Of each list; the rest is counted."""


@click.group()
def media() -> None:
    """Compare rows with stored objects, sweep what nobody speaks of, take pictures away. None is ever shown."""


@media.command()
@with_json
def orphans(as_json: bool) -> None:
    """Objects that no row speaks of, and that the rule of their class keeps no longer. Nothing is deleted."""

    async def work(parts: AsyncContainer) -> _Found:
        return await _gathered((await parts.get(SweepObjects)).orphans())

    _tell(as_json, run(work), "spoken of by no row")


@media.command()
@signed(Act.SWEEP)
@with_json
def sweep(signature: Signature, as_json: bool) -> None:
    """Delete what `orphans` shows, at once. Workers do the same by themselves."""

    async def work(parts: AsyncContainer) -> _Found:
        signer = await authorized(parts, signature)
        return await _gathered((await parts.get(SweepByHand))(signer))

    _tell(as_json, run(work), "deleted")


@dataclass(slots=True)
class _Found:
    """`shown` are the first of them."""

    shown: list[StoredObject] = field(default_factory=list)
    objects: Counter[str] = field(default_factory=Counter)
    bytes: Counter[str] = field(default_factory=Counter)


async def _gathered(batches: AsyncIterator[Sequence[StoredObject]]) -> _Found:
    made = _Found()
    async for found in batches:
        made.shown += found[: SHOWN - len(made.shown)]
        for each in found:
            made.objects[each.key.object_class.value] += 1
            made.bytes[each.key.object_class.value] += each.bytes
    return made


def _tell(as_json: bool, found: _Found, said: str) -> None:
    rows = [{"key": str(each.key), "bytes": each.bytes, "modified": each.modified} for each in found.shown]
    classes = {kind: {"objects": found.objects[kind], "bytes": found.bytes[kind]} for kind in sorted(found.objects)}
    answer(
        as_json,
        {"classes": classes, "objects": rows},
        *([table("Objects", ("key", "bytes", "modified"), [tuple(row.values()) for row in rows])] if rows else []),
        f"{found.objects.total()} objects of {found.bytes.total()} bytes are {said}",
    )


@media.command()
@click.option("--hashes", is_flag=True, help="Read every picture and compare its SHA-256 too.")
@with_json
def verify(hashes: bool, as_json: bool) -> None:
    """Whether each row's object is there and of the size that the row says. Exit code 1 when one is not."""

    async def work(parts: AsyncContainer) -> tuple[list[Wrong], Counter[Fault], int]:
        check: VerifyObjects = await parts.get(VerifyObjects)
        rows: ObjectRows = await parts.get(ObjectRows)
        shown, faults, looked = list[Wrong](), Counter[Fault](), 0
        with _progress(await rows.count(), hidden=as_json) as told:

            def count(more: int) -> None:
                nonlocal looked
                looked += more
                told(looked)

            async for each in check(hashes=hashes, told=count):
                faults[each.fault] += 1
                shown += [each][: SHOWN - len(shown)]
        return shown, faults, looked

    shown, faults, looked = run(work)
    rows = [{"key": str(each.key), "fault": each.fault} for each in shown]
    counted = {fault.value: faults[fault] for fault in Fault}
    said = ", ".join(f"{times} {fault.replace('_', ' ')}" for fault, times in counted.items())
    answer(
        as_json,
        {"rows": looked, "hashes": hashes, **counted, "objects": rows},
        *([table("Wrong", ("key", "fault"), [tuple(row.values()) for row in rows])] if rows else []),
        f"{looked} rows: {said}",
    )
    if faults:
        raise SystemExit(1)


@contextmanager
def _progress(total: int, *, hidden: bool) -> Iterator[Callable[[int], None]]:
    """On standard error, and only where somebody looks on."""
    columns = (TextColumn("rows"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=hidden) as shown:
        task = shown.add_task("rows", total=total)
        yield lambda done: shown.update(task, completed=done)


@media.command()
@click.argument("assets", metavar="[ASSET]...", type=click.UUID, nargs=-1)
@click.option("--generation", type=click.UUID, metavar="ID", help="All pictures of this generation, and its prompt.")
@signed(Act.PURGE)
@with_json
def purge(assets: Sequence[UUID], generation: UUID | None, signature: Signature, as_json: bool) -> None:
    """Take pictures away for good: rows, bytes and every copy. Refused while an unfinished generation needs one.

    Each is taken away by itself: what was before one that is refused is gone.
    """
    if bool(assets) == bool(generation):
        raise click.UsageError("name assets, or one --generation")

    async def work(parts: AsyncContainer) -> None:
        signer = await authorized(parts, signature)
        take: PurgeMedia = await parts.get(PurgeMedia)
        if generation:
            await take.generation(signer, GenerationId(generation))
        for asset in assets:
            await take.asset(signer, AssetId(asset))

    run(work)
    gone = [str(each) for each in (generation, *assets) if each]
    answer(as_json, {"purged": gone}, f"purged: {', '.join(gone)}")


media.add_command(quarantine)
