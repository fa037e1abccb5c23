"""A paid picture that cannot be signed as it is is drawn anew; one that can never be is no picture. On each store, audited."""

import asyncio
import hashlib
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from uuid import UUID

import pytest

from domain.generations import GenerationId
from domain.media import Asset
from domain.provenance import Act, Marking
from tests.contract.harnesses import each_store
from tests.contract.test_marking import agree, answered, assets, recording, signer, waiting, world
from tests.protocol import World, manifest_of
from tests.scripted_provenance import ScriptedProvenance

pytestmark = pytest.mark.anyio
__all__ = ["each_store", "signer", "world"]
SIGNED = Marking.SIGNED


async def test_what_cannot_be_signed_as_it_is_is_drawn_anew_before_it_is_put(world: World, signer: ScriptedProvenance) -> None:
    signer.never = {b"flawed"}
    generation, found = await answered(world, b"bare", b"flawed")
    assert (generation.delivered, [asset.marking for asset in found]) == (2, [SIGNED, SIGNED])
    assert world.storage.objects[str(found[1].key)].endswith(b": drawn: flawed")
    assert signer.asked[-1][1].acts == (Act.CREATED, Act.TRANSCODED)
    agree(world, *found)


async def test_what_can_never_be_signed_is_no_picture_and_costs_nothing(world: World, signer: ScriptedProvenance) -> None:
    signer.never = {b"cannot be drawn"}
    generation, found = await answered(world, b"cannot be drawn", b"bare")
    assert (generation.delivered, generation.captured, len(found)) == (1, 3, 1)
    agree(world, *found)
    generation, found = await answered(world, b"cannot be drawn")
    assert (generation.state, generation.captured, found) == ("failed", 0, [])
    assert generation.failure
    assert generation.failure.code == "unusable"


async def test_what_waits_and_cannot_be_signed_as_it_is_is_drawn_anew_by_a_worker(
    world: World, signer: ScriptedProvenance
) -> None:
    """One who dies before the row knows of the other format is no harm."""
    generation = await waiting(world, signer)
    signer.never = {b"picture 0"}
    gate = world.storage.gate("get", manifest_of(generation, 1))
    dies = asyncio.ensure_future(recording(world)())
    await gate.wait()
    dies.cancel()
    with suppress(asyncio.CancelledError):
        await dies
    assert (await recording(world)())["pictures_signed"] == 1
    (asset,) = await assets(world, generation)
    assert world.storage.objects[str(asset.key)].endswith(b": drawn: picture 0")
    agree(world, asset)


async def test_what_waits_and_can_never_be_signed_is_told_once_and_tried_ever_more_seldom(
    world: World, signer: ScriptedProvenance
) -> None:
    signer.refuses = {b"picture 0, which cannot be drawn"}
    generation, _ = await answered(world, b"picture 0, which cannot be drawn")
    signer.never = signer.refuses
    rounds = [await recording(world)() for _ in range(2)]
    assert [done["pictures_unsignable"] for done in rounds] == [1, 0]
    tried = []
    for hour in range(100):
        before = len(signer.asked)
        await world.harness.advance(3600)
        assert (await recording(world)())["pictures_unsignable"] == 0
        tried += [hour] * (len(signer.asked) > before)
    pauses = [later - earlier for earlier, later in pairwise(tried)]
    assert pauses == sorted(pauses)
    assert (pauses[0] <= 2, pauses[-1], len(tried) < 12) == (True, 24, True)
    signer.never = signer.refuses = set()
    await world.harness.advance(86_400)
    assert (await recording(world)())["pictures_signed"] == 1
    agree(world, *await assets(world, generation))


async def unmarked(world: World, *contents: bytes) -> list[Asset]:
    """As what was made before all were signed: shown, and in no log."""
    generation, found = await answered(world, *(b"theirs" for _ in contents))
    for asset, content in zip(found, contents, strict=True):
        old = replace(asset, marking=Marking.UNMARKED, sha256=hashlib.sha256(content).hexdigest(), bytes=len(content))
        world.storage.objects[str(asset.key)] = content
        async with world.store.transaction() as tx:
            tx.assets.save(replace(old, pdq=None))
            await tx.provenance.forget(await tx.now() + timedelta(days=1), 10)
    return await assets(world, generation)


async def test_what_was_made_before_all_were_signed_is_signed_by_and_by_the_oldest_first(
    world: World, signer: ScriptedProvenance
) -> None:
    older = await unmarked(world, b"old 1", b"theirs: old 2")
    await world.harness.advance(60)
    (newer,) = await unmarked(world, b"new")
    sign = replace(recording(world), batch=2)
    assert (await sign())["pictures_signed"] == 2
    assert newer.generation_id
    now = [asset for each in (older[0], newer) for asset in await assets_of(world, each)]
    assert [asset.marking for asset in now] == [SIGNED, Marking.UPSTREAM, Marking.UNMARKED]
    assert (await sign())["pictures_signed"] == 1
    assert not (await sign())["pictures_signed"]
    now = [asset for each in (older[0], newer) for asset in await assets_of(world, each)]
    agree(world, *now)
    for asset in now:
        (match,) = await world.harness.provenance.matches(asset.sha256, None, 31, 10)
        assert (match.same_bytes, match.marking, match.made_at) == (True, asset.marking, asset.created_at)


async def test_an_old_picture_that_cannot_be_signed_is_shown_as_before_and_keeps_no_other_waiting(
    world: World, signer: ScriptedProvenance
) -> None:
    signer.never, signer.refuses = {b"cannot be drawn"}, {b"not now"}
    (first, second, third) = await unmarked(world, b"cannot be drawn", b"not now", b"old")
    done = [await replace(recording(world), batch=1)() for _ in range(4)]
    assert [each["pictures_signed"] for each in done] == [0, 0, 1, 0]
    found = await assets_of(world, first)
    assert [asset.marking for asset in found] == [Marking.UNMARKED, Marking.UNMARKED, SIGNED]
    assert found[:2] == [first, second]
    assert found[0].marking.may_be_handed_out
    signer.refuses = set()
    await world.harness.advance(86_400)
    assert (await recording(world)())["pictures_signed"] == 1
    agree(world, (await assets_of(world, third))[1])


async def assets_of(world: World, asset: Asset) -> list[Asset]:
    async with world.store.transaction() as tx:
        return list(await tx.assets.of_generation(GenerationId(asset.generation_id or UUID(int=0))))
