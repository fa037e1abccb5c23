"""Whoever puts a picture late puts nothing over what was signed meanwhile. On each store, audited."""

import asyncio
import hashlib

import pytest

from application.ports import StorageUnavailable
from application.recording import RecordOutputs
from domain.objects import ObjectKey
from domain.provenance import Marking
from tests.contract.harnesses import StoreHarness, each_store
from tests.protocol import QUICK, ScriptedIntake, World, key_of, pictures
from tests.protocol_audit import ProtocolAudit
from tests.scripted_provenance import ScriptedProvenance
from tests.scripted_storage import ScriptedStorage, patiently

pytestmark = pytest.mark.anyio
__all__ = ["each_store"]


class LosesAnswers(ScriptedStorage):
    """It takes the first picture, and says that it did not. Who puts the same once more waits until they `may`."""

    def __init__(self) -> None:
        super().__init__()
        self.may = asyncio.Event()

    async def put(self, key: ObjectKey, content: bytes, content_type: str) -> None:
        is_first = not self.objects
        if self.objects.get(str(key)) == content:
            await self.may.wait()
        await super().put(key, content, content_type)
        if is_first:
            raise StorageUnavailable


async def test_a_put_whose_answer_was_lost_is_not_repeated_over_a_signature(harness: StoreHarness) -> None:
    world, signer = World(harness, QUICK), ScriptedProvenance(refuses={b"picture 0"})
    world.provenance, world.storage = signer, (storage := LosesAnswers())
    generation = await world.ask(1)
    slow, call = await world.call_out()
    call.finish(pictures(1))
    key = str(key_of(generation, 1, 0))
    while key not in world.storage.objects:
        await asyncio.sleep(0.001)
    await world.lapse()
    await world.work(2)  # if it still waits for whoever made it, another finds it and delivers it
    signer.refuses = set()
    recording = RecordOutputs(world.store, world.storage, signer, ScriptedIntake(), harness.provenance)
    async with asyncio.timeout(10):
        while not (await recording())["pictures_signed"]:
            await asyncio.sleep(0.01)
    storage.may.set()
    await patiently(slow)
    async with world.store.transaction() as tx:
        [asset] = await tx.assets.of_generation(generation.id)
    content = world.storage.objects[key]
    assert content.startswith(b"ours")
    assert (asset.marking, asset.sha256) == (Marking.SIGNED, hashlib.sha256(content).hexdigest())
    await ProtocolAudit(world)()
