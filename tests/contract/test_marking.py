"""Nobody gets a picture that does not say where it comes from, and none that was paid is lost for it. On each store, audited."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import pytest

from application.recording import RecordOutputs
from domain.attempts import Executed, Manifest, Picture, Usage
from domain.generations import Generation
from domain.media import Asset, Likeness, PictureFormat
from domain.provenance import LOG_KEPT, Act, Made, Marking, SourceType
from tests.contract.harnesses import StoreHarness, each_store
from tests.contract.store_contract import a_request, queued, uploaded
from tests.protocol import QUICK, ScriptedIntake, World, key_of, manifest_of, pictures
from tests.protocol_audit import ProtocolAudit
from tests.scripted_provenance import ScriptedProvenance
from tests.scripted_storage import patiently

pytestmark = pytest.mark.anyio
__all__ = ["each_store"]
SIGNED, UPSTREAM, PENDING = Marking.SIGNED, Marking.UPSTREAM, Marking.PENDING


@pytest.fixture
def signer() -> ScriptedProvenance:
    return ScriptedProvenance()


@pytest.fixture
async def world(harness: StoreHarness, signer: ScriptedProvenance) -> AsyncIterator[World]:
    world = World(harness, QUICK)
    world.provenance = signer
    yield world
    await ProtocolAudit(world)()


def brought(*contents: bytes) -> Executed:
    made = tuple(Picture(content, PictureFormat.PNG, 8, 8, has_alpha=False) for content in contents)
    return Executed(made, "req_1", Usage(10, 20), 40_000)


async def answered(world: World, *contents: bytes) -> tuple[Generation, list[Asset]]:
    generation = await world.ask(len(contents))
    task, call = await world.call_out()
    call.finish(brought(*contents))
    await patiently(task)
    return await world.see(generation), await assets(world, generation)


async def assets(world: World, generation: Generation) -> list[Asset]:
    async with world.store.transaction() as tx:
        return list(await tx.assets.of_generation(generation.id))


def recording(world: World, intake: ScriptedIntake | None = None) -> RecordOutputs:
    assert world.provenance
    provenance, queries = world.provenance, world.harness.provenance
    return RecordOutputs(world.store, world.storage, provenance, intake or ScriptedIntake(), queries)


def agree(world: World, *found: Asset) -> None:
    """Row, object and manifest say the same of each."""
    for asset in found:
        content = world.storage.objects[str(asset.key)]
        assert (asset.sha256, asset.bytes) == (hashlib.sha256(content).hexdigest(), len(content))
        assert asset.generation_id
        assert asset.attempt
        manifest = replace(asset.key, path=(str(asset.attempt), "manifest"))
        told = Manifest.read(world.storage.objects[str(manifest)])
        (picture,) = [each for each in told.pictures if each.index == asset.index]
        assert (picture.sha256, picture.bytes, picture.marking) == (asset.sha256, asset.bytes, asset.marking)


async def test_what_a_model_did_not_sign_is_signed_before_it_is_put(world: World, signer: ScriptedProvenance) -> None:
    generation, (first, second) = await answered(world, b"bare", b"theirs, whole")
    assert (generation.state, generation.captured) == ("succeeded", 6)
    assert (first.marking, second.marking) == (SIGNED, UPSTREAM)
    assert world.storage.objects[str(second.key)] == b"theirs, whole", "credentials of the model's own stay untouched"
    assert world.storage.objects[str(first.key)] == b"ours 1: bare"
    agree(world, first, second)
    assert [said[1] for said in signer.asked] == [Made((Act.CREATED,), SourceType.GENERATED, "gpt-image-2")]


async def test_credentials_that_do_not_hold_stay_to_be_seen(world: World, signer: ScriptedProvenance) -> None:
    _, (asset,) = await answered(world, b"broken, or too old")
    assert asset.marking is SIGNED
    ((content, made, parent, _),) = signer.asked
    assert (parent and parent.content, made.acts) == (content, (Act.PUBLISHED,))


async def test_an_edit_names_the_first_reference_as_its_parent_and_the_others_as_inputs(
    world: World, signer: ScriptedProvenance
) -> None:
    caller = await world.customer()
    given = [await uploaded(world.store, caller) for _ in range(3)]
    for number, reference in enumerate(given):
        await world.storage.put(reference.key, b"reference %d" % number, "image/png")
    request = a_request(1, references=tuple(each.id for each in given))
    world.generations.append(await queued(world.store, caller, request=request))
    task, call = await world.call_out()
    call.finish(pictures(1))
    await patiently(task)
    ((_, made, parent, inputs),) = signer.asked
    assert made == Made((Act.EDITED,), SourceType.EDITED, "gpt-image-2")
    assert parent
    assert [each.content for each in (parent, *inputs)] == [b"reference 0", b"reference 1", b"reference 2"]


async def test_what_cannot_be_signed_is_paid_and_kept_and_signed_later(world: World, signer: ScriptedProvenance) -> None:
    signer.refuses = {b"picture 1"}
    generation, (first, second) = await answered(world, b"picture 0", b"picture 1")
    assert (generation.state, generation.captured) == ("succeeded", 6)
    assert (first.marking, second.marking) == (SIGNED, PENDING)
    assert not second.marking.may_be_handed_out
    assert (await recording(world)())["pictures_unsigned"] == 1
    assert await assets(world, generation) == [first, second]
    signer.refuses = set()
    assert (await recording(world)())["pictures_signed"] == 1
    first, second = await assets(world, generation)
    assert (first.marking, second.marking) == (SIGNED, SIGNED)
    agree(world, first, second)
    assert not (await recording(world)())["pictures_signed"]


async def test_a_signer_who_hangs_holds_no_picture_up(world: World, signer: ScriptedProvenance) -> None:
    signer.hangs = True
    generation = await world.ask(1)
    task, call = await world.call_out()
    call.finish(pictures(1))
    while not signer.asked:
        await asyncio.sleep(0)
    await world.leap(timedelta(seconds=6))
    await patiently(task)
    (asset,) = await assets(world, generation)
    assert (asset.marking, world.storage.objects[str(asset.key)]) == (PENDING, b"picture 0")


async def test_a_signer_who_breaks_loses_no_picture_and_buys_none_twice(world: World, signer: ScriptedProvenance) -> None:
    signer.breaks = {b"picture 0"}
    generation, (asset,) = await answered(world, b"picture 0")
    assert (generation.state, asset.marking) == ("succeeded", PENDING)
    assert world.model.count(generation.id) == 1


async def test_what_takes_long_to_sign_is_signed_later_all_the_same(world: World, signer: ScriptedProvenance) -> None:
    generation = await waiting(world, signer)
    gate = world.storage.gate("get", key_of(generation, 1, 0))
    slow = asyncio.ensure_future(recording(world)())
    await gate.wait()
    await world.leap(timedelta(seconds=30))
    await asyncio.sleep(0)
    gate.open()
    assert (await patiently(slow))["pictures_signed"] == 1
    agree(world, *await assets(world, generation))


async def test_those_that_cannot_be_signed_keep_no_other_waiting(world: World, signer: ScriptedProvenance) -> None:
    never, soon = b"picture 0", b"picture 1"
    signer.refuses = {never, soon}
    _, pending = await answered(world, never)
    _, (other,) = await answered(world, soon)
    signer.refuses, signer.breaks = set(), {never}
    one_at_a_time = replace(recording(world), batch=1)
    signed = [(await one_at_a_time())["pictures_signed"] for _ in range(60)]
    assert (sum(signed), [each.marking for each in pending]) == (1, [PENDING])
    async with world.store.transaction() as tx:
        assert (await tx.assets.find(other.id)).marking is SIGNED


async def test_a_reference_that_cannot_be_read_now_keeps_an_edit_waiting(world: World, signer: ScriptedProvenance) -> None:
    """And one that was deleted since does not: then it is an edit of something that nobody has any more."""
    caller = await world.customer()
    reference = await uploaded(world.store, caller)
    await world.storage.put(reference.key, b"a reference", "image/png")
    generation = await queued(world.store, caller, request=a_request(1, references=(reference.id,)))
    world.generations.append(generation)
    task, call = await world.call_out()
    await world.storage.delete(reference.key)
    call.finish(pictures(1))
    await patiently(task)
    assert ([asset.marking for asset in await assets(world, generation)], signer.asked) == ([PENDING], [])
    assert (await recording(world)())["pictures_signed"] == 1
    assert [asset.marking for asset in await assets(world, generation)] == [SIGNED]
    assert signer.asked[0][1:] == (Made((Act.CREATED,), SourceType.EDITED, "gpt-image-2"), None, ())


async def test_whoever_finds_signed_pictures_without_a_manifest_knows_them(world: World) -> None:
    generation = await world.ask(2)
    task, call = await world.call_out()
    gate = world.storage.gate("put", manifest_of(generation, 1))
    call.finish(brought(b"theirs", b"bare"))
    await gate.wait()
    await world.kill(task)
    await world.lapse()
    await world.work(2)
    first, second = await assets(world, generation)
    assert (first.marking, second.marking) == (UPSTREAM, SIGNED)
    assert (await world.see(generation)).delivered == 2
    assert world.model.count(generation.id) == 1


async def waiting(world: World, signer: ScriptedProvenance) -> Generation:
    """Its one picture waits for a signature that is now to be had."""
    signer.refuses = {b"picture 0"}
    generation = (await answered(world, b"picture 0"))[0]
    signer.refuses = set()
    return generation


async def test_a_death_between_the_bytes_and_the_row_is_healed_without_another_signature(
    world: World, signer: ScriptedProvenance
) -> None:
    generation = await waiting(world, signer)
    gate = world.storage.gate("get", manifest_of(generation, 1))
    dies = asyncio.ensure_future(recording(world)())
    await gate.wait()
    dies.cancel()
    with suppress(asyncio.CancelledError):
        await dies
    signatures = len(signer.asked)
    assert world.storage.objects[str(key_of(generation, 1, 0))].startswith(b"ours")
    assert [asset.marking for asset in await assets(world, generation)] == [PENDING]
    assert (await recording(world)())["pictures_signed"] == 1
    agree(world, *await assets(world, generation))
    assert len(signer.asked) == signatures


@pytest.mark.parametrize("verb", ["put", "get"])
async def test_two_who_sign_the_same_picture_end_with_one_truth(world: World, signer: ScriptedProvenance, verb: str) -> None:
    """The slower one stands before it puts its bytes, or before it corrects the manifest, until the other is done."""
    generation = await waiting(world, signer)
    key = key_of(generation, 1, 0) if verb == "put" else manifest_of(generation, 1)
    gate = world.storage.gate(verb, key)
    slow = asyncio.ensure_future(recording(world)())
    await gate.wait()
    assert (await recording(world)())["pictures_signed"] == 1
    gate.open()
    await patiently(slow)
    agree(world, *await assets(world, generation))


async def test_whoever_put_first_and_writes_last_looks_again(world: World, signer: ScriptedProvenance) -> None:
    generation = await waiting(world, signer)
    before_put = world.storage.gate("put", key_of(generation, 1, 0))
    puts_last = asyncio.ensure_future(recording(world)())
    await before_put.wait()
    before_row = world.storage.gate("get", manifest_of(generation, 1))
    writes_last = asyncio.ensure_future(recording(world)())
    await before_row.wait()
    before_put.open()
    assert (await patiently(puts_last))["pictures_signed"] == 1
    before_row.open()
    await patiently(writes_last)
    agree(world, *await assets(world, generation))


async def test_a_picture_deleted_while_it_is_signed_stays_deleted(world: World, signer: ScriptedProvenance) -> None:
    generation = await waiting(world, signer)
    gate = world.storage.gate("get", manifest_of(generation, 1))
    signing = asyncio.ensure_future(recording(world)())
    await gate.wait()
    await world.purge(generation)
    gate.open()
    assert (await patiently(signing))["pictures_signed"] == 0
    await world.sweep()
    assert not [key for key in world.storage.objects if key.startswith("outputs/")]


class Seeing(ScriptedIntake):
    """Every picture looks like this."""

    pdq = "f0" * 32

    async def likeness(self, content: bytes) -> Likeness:
        return Likeness(self.pdq, 90, (self.pdq,) * 8)


async def test_what_we_made_is_known_by_its_bytes_at_once_and_by_its_looks_soon_even_when_it_is_gone(world: World) -> None:
    generation, (asset,) = await answered(world, b"picture 0")
    known = world.harness.provenance
    (match,) = await known.matches(asset.sha256, None, 31, 10)
    assert (match.same_bytes, match.mode, match.model, match.marking) == (True, asset.mode, "gpt-image-2", SIGNED)
    assert (await recording(world, Seeing())())["pictures_seen"] == 1
    assert (await assets(world, generation))[0].pdq == Seeing.pdq
    await world.purge(generation)
    nearly = f"{int(Seeing.pdq, 16) ^ 0b111:064x}"
    (match,) = await known.matches("0" * 64, nearly, 31, 10)
    assert (match.same_bytes, match.distance) == (False, 3)
    assert await known.matches("0" * 64, f"{int(Seeing.pdq, 16) ^ (1 << 32) - 1:064x}", 31, 10) == []
    assert not (await recording(world, Seeing())())["pictures_seen"]


async def test_what_is_gone_or_tells_nothing_is_looked_at_once(world: World) -> None:
    await world.purge((await answered(world, b"picture 0"))[0])
    await answered(world, b"picture 1")
    assert (await recording(world)())["pictures_seen"] == 2
    assert not (await recording(world)())["pictures_seen"]


async def test_what_its_thumbnail_has_told_is_not_drawn_again(world: World) -> None:
    _, (asset,) = await answered(world, b"picture 0")
    async with world.store.transaction() as tx:
        tx.assets.save(replace(await tx.assets.lock(asset.id), pdq="a5" * 32))
    await recording(world, Seeing())()
    assert await world.harness.provenance.matches("0" * 64, "a5" * 32, 0, 10)


async def test_the_log_forgets_after_two_years(world: World) -> None:
    _, (asset,) = await answered(world, b"picture 0")
    await recording(world)()
    await world.harness.advance((LOG_KEPT - timedelta(minutes=5)).total_seconds())
    assert (await recording(world)())["pictures_forgotten"] == 0
    await world.harness.advance(600)
    assert (await recording(world)())["pictures_forgotten"] == 1
    assert await world.harness.provenance.matches(asset.sha256, None, 31, 10) == []
