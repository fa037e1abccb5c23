"""A known picture is recognized wherever it turns up, and held where nobody sees it. On every store, books audited."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import uuid5

import pytest

from domain.archives import Archive, ArchiveId, ArchiveState
from domain.errors import NotFound
from domain.generations import Generation
from domain.objects import ObjectClass, ObjectKey
from domain.quarantine import Origin
from tests.contract.harnesses import StoreHarness, each_store
from tests.contract.store_contract import new_id
from tests.judged_world import JudgedWorld
from tests.protocol import pictures, until
from tests.protocol_audit import ProtocolAudit
from tests.scripted_storage import patiently

pytestmark = pytest.mark.anyio
__all__ = ["each_store"]

KNOWN = b"picture 1"


@pytest.fixture
async def world(harness: StoreHarness) -> AsyncIterator[JudgedWorld]:
    yield (world := JudgedWorld(harness))
    await ProtocolAudit(world)()


async def ended(world: JudgedWorld, generation: Generation) -> tuple[str, str, str, str, int]:
    seen = await world.see(generation)
    assert seen.failure
    return seen.state.value, seen.failure.failure_class.value, seen.failure.stage.value, seen.failure.code, seen.captured


def held(world: JudgedWorld) -> list[bytes]:
    """Bytes in quarantine."""
    return [content for key, content in world.storage.objects.items() if key.startswith(f"{ObjectClass.QUARANTINE}/")]


async def test_a_reference_that_became_known_is_never_sent_and_taken_out(world: JudgedWorld) -> None:
    generation = await world.edit(KNOWN)
    world.hashes.listed = {KNOWN}
    assert await world.work()
    assert world.model.calls == []
    assert world.moderator.asked == [], "it is shown to nobody"
    assert await ended(world, generation) == ("refused", "moderation", "input", "forbidden", 0)
    [row] = world.quarantine.rows.values()
    assert (row.account_id, row.origin, row.distance) == (generation.account_id, Origin.REFERENCE, 3)
    assert row.sha256 == hashlib.sha256(KNOWN).hexdigest()
    assert held(world) == [KNOWN]
    assert [key for key in world.storage.objects if key.startswith("uploads/")] == []
    assert generation.request
    with pytest.raises(NotFound):
        async with world.store.transaction() as tx:
            await tx.assets.pin(generation.request.references, generation.account_id, generation.mode)
    assert world.logged == ["picture_quarantined {'where': 'reference'}"]


async def test_an_output_that_is_known_is_refused_and_no_sweep_takes_it(world: JudgedWorld) -> None:
    generation = await world.ask()
    world.hashes.listed = {KNOWN}
    task, call = await world.call_out()
    call.finish(pictures(2))
    await patiently(task)
    assert await ended(world, generation) == ("refused", "moderation", "output", "forbidden", 0)
    assert world.viewer.asked == [], "it is shown to nobody"
    await world.sweep()
    assert held(world) == list(world.storage.objects.values()) == [KNOWN]
    assert [row.origin for row in world.quarantine.rows.values()] == [Origin.OUTPUT]


def place_of(generation: Generation) -> ObjectKey:
    """Where the second picture of the first attempt is held."""
    return ObjectKey.quarantined(generation.account_id, uuid5(generation.id, "1/1"))


async def test_a_worker_that_dies_while_it_puts_it_aside_is_followed_by_one_that_does(world: JudgedWorld) -> None:
    generation = await world.ask()
    world.hashes.listed = {KNOWN}
    putting = world.storage.gate("put", place_of(generation))
    first, call = await world.call_out()
    call.finish(pictures(2))
    await putting.wait()
    manifest = ObjectKey.manifest(generation.account_id, generation.id, 1)
    await until(lambda: str(manifest) in world.storage.objects)
    await world.kill(first)
    await world.lapse()
    assert await world.work(2)
    assert await ended(world, generation) == ("refused", "moderation", "output", "forbidden", 0)
    assert (len(world.quarantine.rows), held(world)) == (1, [KNOWN])


async def test_while_storage_does_not_take_it_nothing_is_delivered(world: JudgedWorld) -> None:
    generation = await world.ask()
    world.hashes.listed = {KNOWN}
    world.storage.broken = {place_of(generation)}
    task, call = await world.call_out()
    call.finish(pictures(2))
    await patiently(task)
    assert (await world.see(generation)).state.value == "running"
    world.storage.broken = set()
    await world.harness.advance(5)
    assert await world.work()
    assert (await ended(world, generation))[0] == "refused"
    assert held(world) == [KNOWN]


async def test_a_reference_that_cannot_be_looked_at_is_tried_again(world: JudgedWorld) -> None:
    generation = await world.edit(KNOWN)
    world.hashes.listed = {KNOWN}
    [reference] = generation.request.references if generation.request else ()
    world.storage.broken = {ObjectKey.quarantined(generation.account_id, reference)}
    assert await world.work()
    assert ((await world.see(generation)).state.value, world.model.calls) == ("queued", [])
    world.storage.broken = set()
    await world.harness.advance(5)
    assert await world.work()
    assert (await ended(world, generation))[0] == "refused"


async def test_an_archive_that_becomes_ready_in_the_very_moment_keeps_none_of_it(world: JudgedWorld) -> None:
    generation = await world.edit(KNOWN)
    assert generation.request
    account, mode, named = generation.account_id, generation.mode, generation.request.references
    world.hashes.listed = {KNOWN}
    async with world.store.transaction() as tx:
        now = await tx.now()
        archive = Archive(ArchiveId(new_id()), account, mode, named, now, now, ArchiveState.RUNNING, attempt=1)
        tx.archives.add(archive)
    async with world.store.transaction() as tx:
        await tx.assets.pin(named, account, mode)
        archive = await tx.archives.lock(archive.id)
        seizing = asyncio.create_task(world.work())
        await asyncio.wait({seizing}, timeout=0.3)
        archive.finish(1, now, timedelta(days=1))
        tx.archives.save(archive)
    assert await patiently(seizing)
    assert (await ended(world, generation))[0] == "refused"
    assert (await world.harness.queries.archive(archive.id, account, mode)).state is ArchiveState.FAILED
