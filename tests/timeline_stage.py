"""Where random timelines are played: every port call of every process waits at a gate until the play lets it go on.

So the play alone decides who goes next, what fails, whose answer is lost, and who is killed where; between two gates nothing else
happens. Time is the play's too: the store's clock and the event loop's move together, and only when it says so.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from application.attempts import PerformGeneration
from application.calls import CallModel
from application.echoes import FindEchoes
from application.ports import ImageModel, ModelCall, ObjectStorage, PutLink, StorageUnavailable, StoredObject
from application.store import Store, StoreUnavailable, Transaction
from domain.accounts import Mode
from domain.attempts import CallResult
from domain.generations import GenerationId
from domain.media import FileFormat
from domain.objects import ObjectKey
from tests.contract.store_contract import new_id
from tests.protocol import OutCall, ScriptedIntake, World

GO, FAIL, LOSE = "go", "fail", "lose"
"""What the play says at a gate: it works; it does not; it does, and the answer is lost."""

SPINS = 6
"""Turns of the event loop in which everyone who was let go reaches the next gate, with some to spare."""


class Killed(BaseException):
    """The process is dead; nothing that it still tries has any effect."""


@dataclass(eq=False, slots=True)
class Ticket:
    """Someone standing at a gate."""

    process: "Process"
    gate: str
    verdict: "asyncio.Future[Any]"


@dataclass(eq=False, slots=True)
class Process:
    """One process with its tasks. Killed as a whole: none of its tasks has any effect any more."""

    stage: "Stage"
    owner: int
    name: str
    tasks: "list[asyncio.Task[Any]]" = field(default_factory=list)
    dead: bool = False
    since: float = 0.0
    """When the oldest of its tasks began, or earlier."""

    def do(self, work: Coroutine[Any, Any, Any]) -> None:
        if not self.tasks:
            self.since = self.stage.clock.now
        self.tasks.append(asyncio.create_task(work))

    async def gate(self, name: str) -> Any:
        if self.dead:
            raise Killed
        ticket = Ticket(self, name, asyncio.get_running_loop().create_future())
        self.stage.tickets.append(ticket)
        try:
            return await ticket.verdict
        finally:
            self.stage.tickets.remove(ticket)


@dataclass(slots=True)
class Stage:
    world: World
    clock: "PlayClock"
    tickets: list[Ticket] = field(default_factory=list)
    processes: list[Process] = field(default_factory=list)
    gone: set[int] = field(default_factory=set)
    """Owners that are dead."""
    owners: int = 0
    begun: list[tuple[GenerationId, int, str]] = field(default_factory=list)
    """Calls begun and puts done since the last step: of which generation, which attempt, and what."""
    told: deque[str] = field(default_factory=lambda: deque(maxlen=60))
    """The last things that happened, for whoever must find out why."""

    async def spin(self) -> None:
        for _ in range(SPINS):
            await asyncio.sleep(0)
        for process in self.processes:
            for task in [task for task in process.tasks if task.done()]:
                process.tasks.remove(task)
                self._look_at(task)

    def _look_at(self, task: "asyncio.Task[Any]") -> None:
        """Only what the ports announce may come out of a use case."""
        error = None if task.cancelled() else task.exception()
        if error and not isinstance(error, (Killed, StoreUnavailable, StorageUnavailable)):
            raise error

    async def hire(self, name: str) -> Process:
        self.owners += 1
        process = Process(self, self.owners, name)
        self.processes.append(process)
        await self.world.harness.alive(process.owner)
        return process

    async def kill(self, process: Process) -> None:
        process.dead = True
        for task in process.tasks:
            task.cancel()
        self.processes.remove(process)
        await asyncio.sleep(0)
        for task in process.tasks:
            await asyncio.wait([task])
        self.gone.add(process.owner)
        await self.world.harness.die(process.owner)

    async def pass_time(self, seconds: float) -> None:
        self.clock.now += seconds
        await self.world.harness.advance(seconds)

    def performing(self, process: Process) -> PerformGeneration:
        store, storage = GatedStore(process), GatedStorage(process)
        return PerformGeneration(
            store,
            storage,
            ScriptedIntake(),
            CallModel(store, storage, dict.fromkeys(Mode, GatedModel(process)), lambda g: f"{g.id}/{len(g.attempts)}"),
            FindEchoes(store, storage, ScriptedIntake()),
            self.world.timing,
            self.world.gate_rules,
            lambda: process.owner,
            new_id,
        )


@dataclass(slots=True)
class PlayClock:
    """The event loop's clock while a play is on."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now

    @asynccontextmanager
    async def ruling(self) -> AsyncIterator[None]:
        loop = asyncio.get_running_loop()
        real = loop.time
        self.now = real()
        loop.time = self  # type: ignore[method-assign]  # the clock is replaced on purpose
        try:
            yield
        finally:
            loop.time = real  # type: ignore[method-assign]  # the clock is replaced on purpose


class GatedStore(Store):
    def __init__(self, process: Process) -> None:
        self._process = process

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        process = self._process
        if await process.gate("begin") == FAIL:
            raise StoreUnavailable
        async with process.stage.world.store.transaction() as tx:
            yield tx
            said = await process.gate("commit")
            if said == FAIL or process.dead:
                raise StoreUnavailable
        await process.gate("committed")
        if said == LOSE:
            raise StoreUnavailable


class GatedStorage(ObjectStorage):
    def __init__(self, process: Process) -> None:
        self._process = process
        self._objects = process.stage.world.storage

    async def _come(self, verb: str) -> Any:
        said = await self._process.gate(verb)
        if said == FAIL or self._objects.down:
            raise StorageUnavailable
        return said

    async def put(self, key: ObjectKey, content: bytes, content_type: str) -> None:
        said = await self._come("put")
        self._objects.objects[str(key)] = content
        self._process.stage.begun.append((GenerationId(key.owner), int(key.path[0]), "put"))
        await self._process.gate("put done")
        if said == LOSE:
            raise StorageUnavailable

    async def put_new(self, key: ObjectKey, content: bytes, content_type: str) -> bool:
        raise NotImplementedError

    async def put_file(self, key: ObjectKey, path: Path, content_type: str) -> None:
        raise NotImplementedError

    async def get(self, key: ObjectKey, at_most: int | None = None) -> bytes:
        await self._come("get")
        return await self._objects.get(key, at_most)

    async def delete(self, key: ObjectKey) -> None:
        await self._come("delete")
        self._objects.objects.pop(str(key), None)

    async def list(self, prefix: str) -> AsyncIterator[StoredObject]:
        await self._come("list")
        async for found in self._objects.list(prefix):
            yield found

    def link(self, key: ObjectKey, *, format: FileFormat, file_name: str, expires_at: datetime) -> str:
        raise NotImplementedError

    def link_to_put(self, key: ObjectKey, *, content_type: str, bytes: int, expires_at: datetime) -> PutLink:
        raise NotImplementedError

    async def clear_remnants(self, before: datetime) -> int:
        return 0


class GatedModel(ImageModel):
    """The play's verdict at `answer` is the call's result, with the provider's own truth."""

    def __init__(self, process: Process) -> None:
        self._process = process

    async def examine(self) -> str | None:
        return None

    async def make(self, call: ModelCall) -> CallResult:
        generation, attempt = GenerationId(UUID(call.subject[:36])), int(call.subject[37:])
        self._process.stage.begun.append((generation, attempt, "call"))
        await self._process.gate("call")
        out = OutCall(generation, attempt, call, asyncio.get_running_loop().create_future())
        self._process.stage.world.model.calls.append(out)
        result, out.paid = await self._process.gate(f"answer {call.request.n}")
        return result  # type: ignore[no-any-return]  # its shape is checked where it is used
