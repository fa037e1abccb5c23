"""A paid picture that cannot be signed as it is is drawn anew; one that can never be is no picture. On each store, audited."""

import asyncio
from contextlib import suppress
from itertools import pairwise

import pytest

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
