"""A scripted world for the paid call: a model that answers when told, a storage that fails when told, workers that die when told.

Nothing here sleeps or guesses: a test waits for what happens (`called`, `reached`), and moves the store's clock by hand. Waits
have a time limit only so that a broken test fails instead of hanging.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from application.attempts import PerformGeneration
from application.calls import CallModel
from application.echoes import FindEchoes
from application.generations import CancelGeneration, DeleteGeneration
from application.housekeeping import KeepHouse, SweepObjects
from application.marking import MarkPictures
from application.moderation import PartialModes
from application.partials import ShowPartials
from application.ports import ImageModel, ModelCall, PictureIntake
from application.provenance import Provenance
from application.store import Store, StoreUnavailable, Transaction
from domain.accounts import Caller, Mode
from domain.attempts import CallResult, Executed, Picture, Timing, Usage
from domain.errors import BrokenImage
from domain.gates import GateRules
from domain.generations import Generation, GenerationId
from domain.media import AssetKind, CleanPicture, Likeness, PictureFormat
from domain.objects import ObjectKey
from tests.contract.harnesses import StoreHarness
from tests.contract.store_contract import TIMING, a_request, customer, loaded, new_id, queued
from tests.scripted_provenance import ScriptedProvenance
from tests.scripted_storage import ScriptedStorage, patiently

QUICK = replace(TIMING, back_off=timedelta(milliseconds=5), come_back=timedelta(milliseconds=20))
"""As TIMING, with pauses between tries that a test can wait for."""


def pictures(n: int, cost: int = 40_000) -> Executed:
    made = tuple(Picture(b"picture %d" % index, PictureFormat.PNG, 8, 8, has_alpha=False) for index in range(n))
    return Executed(made, "req_1", Usage(10, 20), cost)


async def until(condition: Callable[[], bool]) -> None:
    """Until something the test cannot wait for otherwise has happened."""
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.001)


@dataclass(slots=True)
class LeapingClock:
    """The event loop's clock, which a test can move forward: every timer due by then goes off."""

    real: Callable[[], float]
    ahead: float = 0.0

    def __call__(self) -> float:
        return self.real() + self.ahead


@dataclass(slots=True)
class OutCall:
    """A call that is out. `paid` is the provider's own truth, whatever the caller comes to know of it."""

    generation: GenerationId
    attempt: int
    call: ModelCall
    answer: "asyncio.Future[CallResult]"
    paid: bool = True

    def finish(self, result: CallResult, *, paid: bool | None = None) -> None:
        self.paid = isinstance(result, Executed) if paid is None else paid
        if not self.answer.done():
            self.answer.set_result(result)


class ScriptedModel(ImageModel):
    """Answers a call when the test finishes it. A call's `subject` names the generation and the attempt."""

    def __init__(self) -> None:
        self.calls: list[OutCall] = []
        self._new: asyncio.Queue[OutCall] = asyncio.Queue()

    async def examine(self) -> str | None:
        return None

    async def make(self, call: ModelCall) -> CallResult:
        generation, attempt = call.subject.split("/")
        answer: asyncio.Future[CallResult] = asyncio.get_running_loop().create_future()
        out = OutCall(GenerationId(UUID(generation)), int(attempt), call, answer)
        self.calls.append(out)
        self._new.put_nowait(out)
        return await answer

    async def called(self) -> OutCall:
        """The next call, once it is made."""
        return await patiently(self._new.get())

    def count(self, generation: GenerationId) -> int:
        return sum(out.generation == generation for out in self.calls)


class ScriptedIntake(PictureIntake):
    """All pictures are alike."""

    async def clean(self, content: bytes, kind: AssetKind) -> CleanPicture:
        raise NotImplementedError

    async def describe(self, content: bytes) -> Picture:
        return Picture(content, PictureFormat.PNG, 8, 8, has_alpha=False)

    async def fingerprint(self, content: bytes) -> str:
        return content.hex()

    async def redraw(self, content: bytes) -> Picture:
        """Whatever cannot be drawn says so."""
        if b"cannot be drawn" in content:
            raise BrokenImage("a picture cannot be decoded")
        return Picture(b"drawn: " + content, PictureFormat.PNG, 8, 8, has_alpha=False)

    async def likeness(self, content: bytes) -> Likeness:
        return Likeness("0" * 64, 0, ("0" * 64,) * 8)


class ShakyStore(Store):
    """A store one of whose transactions may be lost, the next or the one after `skip` more: `failed`, it did not commit;
    `answer lost`, it did, and nobody heard. `meanwhile` is awaited before that is known."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.fault: str | None = None
        self.skip = 0
        self.meanwhile: Callable[[], Awaitable[None]] | None = None

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        async with self._store.transaction() as tx:
            yield tx
            fault = None if self.skip else self.fault
            self.skip, self.fault = max(0, self.skip - 1), self.fault if self.skip else None
            if fault and self.meanwhile:
                await self.meanwhile()
            if fault == "failed":
                raise StoreUnavailable
        if fault:
            raise StoreUnavailable


class World:
    """Two wallets' worth of customers, any number of workers, one model, one storage, over the store of a harness."""

    def __init__(self, harness: StoreHarness, timing: Timing = TIMING) -> None:
        self.harness, self.timing, self.gate_rules = harness, timing, GateRules()
        self.model, self.storage = ScriptedModel(), ScriptedStorage()
        self.provenance: Provenance | None = None
        self.partials = PartialModes(frozenset(Mode))
        self.intake: PictureIntake = ScriptedIntake()
        self.callers: list[tuple[Caller, int]] = []
        self.generations: list[Generation] = []
        self.living: set[int] = set()

    @property
    def store(self) -> Store:
        return self.harness.store

    async def customer(self, credits: int = 100) -> Caller:
        caller = await customer(self.store, credits)
        self.callers.append((caller, credits))
        return caller

    async def ask(self, n: int = 2, caller: Caller | None = None, **asked: Any) -> Generation:
        """A new generation of `n` pictures at 3 credits each."""
        generation = await queued(self.store, caller or await self.customer(), request=a_request(n, **asked))
        self.generations.append(generation)
        return generation

    async def worker(self, owner: int = 1, store: Store | None = None) -> PerformGeneration:
        """One process, alive until it is killed."""
        if owner not in self.living:
            self.living.add(owner)
            await self.harness.alive(owner)
        return PerformGeneration(
            store or self.store,
            self.storage,
            ScriptedIntake(),
            CallModel(store or self.store, self.storage, dict.fromkeys(Mode, self.model), lambda g: f"{g.id}/{len(g.attempts)}"),
            FindEchoes(store or self.store, self.storage, ScriptedIntake()),
            self.timing,
            self.gate_rules,
            lambda: owner,
            new_id,
            mark=MarkPictures(store or self.store, self.storage, self.provenance, self.intake) if self.provenance else None,
            partials=ShowPartials(store or self.store, self.storage, self.provenance or ScriptedProvenance(), self.partials),
        )

    async def work(self, owner: int = 1) -> bool:
        """One wake-up, acted on to its end."""
        return await patiently((await self.worker(owner))())

    async def start(self, owner: int = 1, store: Store | None = None) -> "asyncio.Task[bool]":
        return asyncio.create_task((await self.worker(owner, store))())

    async def call_out(self, owner: int = 1) -> tuple["asyncio.Task[bool]", OutCall]:
        """A worker that has called the model."""
        task = await self.start(owner)
        return task, await self.model.called()

    async def kill(self, task: "asyncio.Task[bool]", owner: int = 1) -> None:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        self.living.discard(owner)
        await self.harness.die(owner)

    async def leap(self, span: timedelta) -> None:
        """Time passes for all: the store's clock and the workers' own. (`lapse` and `act_over` move the store's alone, as if the
        workers had been stopped.)"""
        loop = asyncio.get_running_loop()
        if not isinstance(loop.time, LeapingClock):
            loop.time = LeapingClock(loop.time)  # type: ignore[method-assign]  # the clock is replaced on purpose
        loop.time.ahead += span.total_seconds()
        await self.harness.advance(span.total_seconds())

    async def lapse(self) -> None:
        """Every lease runs out."""
        await self.harness.advance(self.timing.lease.total_seconds())

    async def act_over(self) -> None:
        """Every attempt's time is over."""
        await self.harness.advance(self.timing.act.total_seconds())

    async def renewed(self, generation: Generation) -> None:
        """The lease as its owner keeps it."""
        async with self.store.transaction() as tx:
            kept = await tx.generations.lock(generation.id)
            assert kept.lease
            assert await tx.generations.renew(kept.id, kept.lease, await tx.now() + self.timing.lease)

    async def see(self, generation: Generation) -> Generation:
        return await loaded(self.store, generation.id)

    async def cancel(self, generation: Generation) -> None:
        await CancelGeneration(self.store)(self._caller(generation), generation.id)

    async def purge(self, generation: Generation) -> None:
        await DeleteGeneration(self.store, self.storage)(self._caller(generation), generation.id, purge=True)

    async def keep_house(self) -> None:
        await KeepHouse(self.store, self.storage)()

    async def sweep(self) -> int:
        return await SweepObjects(self.store, self.storage, self.harness.queries)()

    def _caller(self, generation: Generation) -> Caller:
        return next(caller for caller, _ in self.callers if caller.account_id == generation.account_id)


def key_of(generation: Generation, attempt: int, index: int) -> ObjectKey:
    return ObjectKey.picture(generation.account_id, generation.id, attempt, index)


def manifest_of(generation: Generation, attempt: int) -> ObjectKey:
    return ObjectKey.manifest(generation.account_id, generation.id, attempt)
