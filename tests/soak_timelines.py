"""Random timelines of the paid call: workers that die anywhere, lost answers, lapsing leases, a storage that comes and goes.

Then the faults stop, and every generation must end (RULES §4, 13). Each timeline enables its own mixture of faults, so that
every mixture is tried, none at all included.
"""

import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from application.generations import CancelGeneration, DeleteGeneration
from application.housekeeping import KeepHouse, SweepObjects
from domain.accounts import Caller
from domain.attempts import CallResult, Executed, Failure, FailureClass, Finality, NotExecuted, Unknown, Usage
from domain.attempts import Stage as At
from domain.errors import NotFinished, NotFound
from domain.generations import Generation, GenerationState
from tests.contract.harnesses import MemoryHarness, StoreHarness
from tests.contract.store_contract import TIMING, a_request, queued
from tests.protocol import World, pictures
from tests.protocol_audit import ProtocolAudit
from tests.timeline_audit import TimelineAudit
from tests.timeline_stage import FAIL, GO, LOSE, GatedStorage, GatedStore, PlayClock, Process, Stage, Ticket

MakeHarness = Callable[[], AbstractAsyncContextManager[StoreHarness]]
FAULTS = ("kill", "store", "storage", "model", "cancel", "purge", "jump")
ACT, CALL = TIMING.act.total_seconds(), TIMING.call.total_seconds()


@asynccontextmanager
async def in_memory() -> AsyncIterator[StoreHarness]:
    yield MemoryHarness()


async def soak_timelines(seed: int, deadline: float, harness_factory: MakeHarness = in_memory) -> dict[str, int]:
    """Play timelines until `time.monotonic()` reaches `deadline`; what was done. AssertionError with the seed on a violation."""
    timelines = steps = 0
    while time.monotonic() < deadline:
        steps += await play(seed, timelines, harness_factory)
        timelines += 1
    return {"timelines": timelines, "steps": steps}


async def play(seed: int, number: int, harness_factory: MakeHarness = in_memory) -> int:
    """The `number`-th timeline of a seed, always the same; how many steps it took."""
    dice = random.Random(f"{seed}:{number}")
    clock = PlayClock()
    async with harness_factory() as harness, clock.ruling():
        timeline = Timeline(dice, Stage(World(harness, TIMING), clock))
        try:
            await timeline.play()
        except Exception as error:
            told = "\n".join(timeline.stage.told)
            raise AssertionError(
                f"seed {seed}, timeline {number} ({', '.join(sorted(timeline.faults))}): {error}\nlast steps:\n{told}"
            ) from error
        finally:
            await timeline.stop()
    return timeline.steps


@dataclass(slots=True)
class Timeline:
    dice: random.Random
    stage: Stage
    faults: frozenset[str] = frozenset()
    steps: int = 0
    calm: bool = False
    audit: TimelineAudit = field(init=False)

    def __post_init__(self) -> None:
        self.faults = frozenset(fault for fault in FAULTS if self.dice.random() < 0.4)
        self.audit = TimelineAudit(self.stage)

    async def play(self) -> None:
        await self.stage.world.customer(200)
        self.audit.step()
        for _ in range(2):
            await self.stage.hire("worker")
        for _ in range(self.dice.randint(1, 3)):
            await self._step("ask")
        for _ in range(self.dice.randint(20, 160)):
            await self._step(self._choose())
        await self._calm_down()
        self.audit.end()
        await ProtocolAudit(self.stage.world)()
        if not self.faults:
            self._nothing_was_lost()

    async def stop(self) -> None:
        for process in list(self.stage.processes):
            await self.stage.kill(process)

    async def _step(self, deed: str) -> None:
        self.steps += 1
        self.stage.told.append(f"{deed} ({len(self.stage.tickets)} at gates)")
        await getattr(self, f"_{deed}")()
        await self.stage.spin()
        self.audit.step()

    def _choose(self) -> str:
        if not self.stage.world.generations:
            return "let_go"
        deeds = {"let_go": 60, "wake_up": 12, "wait": 12, "keep_house": 2, "sweep": 2, "ask": 1}
        rare = {"kill": 3, "cancel": 2, "purge": 2, "jump": 2, "storage": 3}
        deeds |= {name if name != "storage" else "switch_storage": weight for name, weight in rare.items() if name in self.faults}
        return self.dice.choices(list(deeds), list(deeds.values()))[0]

    # Deeds

    async def _let_go(self) -> None:
        if not (tickets := [ticket for ticket in self.stage.tickets if not ticket.verdict.done()]):
            return
        ticket = self.dice.choice(tickets)
        verdict = self._verdict(ticket)
        said = verdict if isinstance(verdict, str) else type(verdict[0]).__name__
        self.stage.told[-1] = f"{ticket.process.name} {ticket.process.owner}: {ticket.gate} {said}"
        ticket.verdict.set_result(verdict)

    def _verdict(self, ticket: Ticket) -> Any:
        if ticket.gate.startswith("answer"):
            return self._answer(int(ticket.gate.split()[1]))
        kind = "store" if ticket.gate in ("begin", "commit") else "storage"
        if self.calm or kind not in self.faults or ticket.gate in ("call", "committed", "put done"):
            return GO
        return self.dice.choices((GO, FAIL, LOSE), (10, 1, 1))[0]

    def _answer(self, n: int) -> tuple[CallResult, bool]:
        """What the model says, and whether the provider bills it."""
        if self.calm or "model" not in self.faults or self.dice.random() < 0.3:
            return pictures(n), True
        busy = Failure(FailureClass.PROVIDER, At.CALL, "busy", "Busy")
        refused = Failure(FailureClass.MODERATION, At.INPUT, "safety", "Refused")
        answers: list[tuple[CallResult, bool]] = [
            (pictures(max(1, n - 1)), True),
            (Executed((), "req_0", Usage(), 9), True),
            *[(Unknown("reset"), self.dice.random() < 0.5)] * 4,
            (NotExecuted(busy, Finality.RETRYABLE, self.dice.choice((None, 40))), False),
            (NotExecuted(busy, Finality.RETRYABLE), False),
            (NotExecuted(refused, Finality.REFUSED), False),
            (NotExecuted(busy, Finality.FINAL), False),
        ]
        return self.dice.choice(answers)

    async def _wake_up(self) -> None:
        process = self.dice.choice([process for process in self.stage.processes if process.name == "worker"])
        if len(process.tasks) < 3:
            process.do(self.stage.performing(process)())

    async def _wait(self) -> None:
        seconds = self.dice.choice((0.5, 2.0, 6.0, 11.0, 31.0))
        if self.faults or not self._would_be_late(seconds):
            await self.stage.pass_time(seconds)

    def _would_be_late(self, seconds: float) -> bool:
        """Whether someone's time to call would run out: no lapse of a lease alone does that."""
        late = self.stage.clock.now + seconds + 1
        return any(process.since + CALL <= late for process in self.stage.processes if process.tasks)

    async def _jump(self) -> None:
        await self.stage.pass_time(self.dice.choice((ACT / 2, ACT, ACT + 25, 700.0, 3700.0)))

    async def _kill(self) -> None:
        process = self.dice.choice(self.stage.processes)
        self.stage.told[-1] = f"kill {process.name} {process.owner}"
        await self.stage.kill(process)
        if process.name == "worker":
            await self.stage.hire("worker")

    async def _switch_storage(self) -> None:
        self.stage.world.storage.down = not self.stage.world.storage.down

    async def _keep_house(self) -> None:
        process = await self._passer_by("keeper")
        process.do(KeepHouse(GatedStore(process), GatedStorage(process))())

    async def _sweep(self) -> None:
        process = await self._passer_by("sweeper")
        process.do(SweepObjects(GatedStore(process), GatedStorage(process), self.stage.world.harness.queries)())

    async def _cancel(self) -> None:
        process, (caller, generation) = await self._passer_by("user"), self._any()
        cancel = CancelGeneration(GatedStore(process))

        async def try_to() -> None:
            with suppress(NotFound):
                await cancel(caller, generation.id)

        process.do(try_to())

    async def _purge(self) -> None:
        process, (caller, generation) = await self._passer_by("user"), self._any()
        delete = DeleteGeneration(GatedStore(process), GatedStorage(process))
        purge = self.dice.random() < 0.7

        async def try_to() -> None:
            with suppress(NotFinished, NotFound):
                await delete(caller, generation.id, purge=purge)

        process.do(try_to())

    def _any(self) -> tuple[Caller, Generation]:
        generation = self.dice.choice(self.stage.world.generations)
        return next(caller for caller, _ in self.stage.world.callers if caller.account_id == generation.account_id), generation

    async def _passer_by(self, name: str) -> Process:
        idle = [process for process in self.stage.processes if process.name == name and not process.tasks]
        return idle[0] if idle else await self.stage.hire(name)

    async def _ask(self) -> None:
        """A request, gated like everyone else: it too may wait for a wallet, be killed, or never hear that it was heard."""
        if len(self.stage.world.generations) < 5:
            process, (caller, _) = await self._passer_by("user"), self.stage.world.callers[0]
            process.do(queued(GatedStore(process), caller, request=a_request(self.dice.randint(1, 3))))

    # The end

    async def _calm_down(self) -> None:
        """The faults stop: whoever is at work goes on, wake-ups come, time passes, and all must end."""
        self.calm, self.stage.world.storage.down = True, False
        self.stage.told.append("-- calm --")
        for _ in range(40):
            await self._drain()
            if not any(generation.state.is_open for generation in self.audit.seen.values()):
                break
            await self._step("wait")
            for deed in ("keep_house", "wake_up", "wake_up"):
                await self._step(deed)
        else:
            raise AssertionError("it does not end")
        await self._step("sweep")
        await self._drain()

    async def _drain(self) -> None:
        while self.stage.tickets:
            await self._step("let_go")

    def _nothing_was_lost(self) -> None:
        """Invariant 12: leases that lapse while their owners live cost no picture and no second call."""
        for generation in self.audit.seen.values():
            assert generation.state is GenerationState.SUCCEEDED, generation.failure
            assert generation.delivered == generation.n, "a picture was lost"
            assert self.stage.world.model.count(generation.id) == 1, "a call was paid twice"
