"""Where use cases are played one at a time on a store of either kind: by processes that may die at any port call, before a model
that answers when told, under a clock that stands still until it is moved.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Protocol, TypeVar

import psycopg

from application.ports import ObjectStorage
from application.queries import AuditReport
from application.store import Store
from domain.attempts import CallResult
from domain.errors import DomainError
from domain.generations import Lease
from tests.clusters import empty
from tests.contract.harnesses import Clock, MemoryHarness, StoreHarness
from tests.contract.still_postgres import on_still_postgres
from tests.mortal import Breath, Died, MortalStorage, MortalStore, bury
from tests.protocol import OutCall, World
from tests.wallet_rows import ReadWallet, from_memory, from_postgres

T = TypeVar("T")


class StillHarness(StoreHarness, Protocol):
    @property
    def clock(self) -> Clock: ...


@dataclass(eq=False, slots=True)
class Worker:
    """One wake-up being acted on, its call out."""

    owner: int
    task: "asyncio.Task[bool]"
    call: OutCall
    breath: Breath
    lease: Lease | None = None
    """As it was when the call began."""


@dataclass(slots=True)
class UseCaseStage:
    loop: asyncio.Runner
    harness: StillHarness
    read: ReadWallet
    examine: Callable[[], Coroutine[Any, Any, AuditReport]] | None = None
    """The audit that comes with the store."""
    world: World = field(init=False)
    breath: Breath = field(default_factory=Breath)
    """Of the process at work: how many more port calls it makes."""
    out: list[Worker] = field(default_factory=list)
    """Whoever waits for the model, the earliest first."""
    dead: set[int] = field(default_factory=set)
    """Processes that died. Each has a number of its own."""

    def __post_init__(self) -> None:
        self.world = World(self.harness)

    @property
    def now(self) -> datetime:
        return self.harness.clock()

    @property
    def store(self) -> Store:
        return MortalStore(self.harness.store, self.breath)

    @property
    def storage(self) -> ObjectStorage:
        return MortalStorage(self.world.storage, self.breath)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run(work)

    def do(self, use_case: Callable[[Store, ObjectStorage], Coroutine[Any, Any, T]], last: int | None) -> T | Died | DomainError:
        """Run a use case in a process that dies after that many port calls: what it answers, or its refusal."""
        self.breath = Breath(last)

        async def to_its_end() -> T | Died | DomainError:
            try:
                return await self.breath.live(asyncio.ensure_future(use_case(self.store, self.storage)))
            except DomainError as refusal:
                return refusal

        return self.run(to_its_end())

    # Performing

    def owner(self, which: int) -> int:
        """The process in this place: the one that came after those that died."""
        return which + 2 * sum(dead % 2 == which for dead in self.dead)

    def perform(self, which: int, last: int | None) -> "Worker | bool | Died":
        """One wake-up in a worker that dies after that many port calls: until its call is out, or to its end."""
        self.breath = breath = Breath(last)
        owner = self.owner(which)

        async def until_called() -> Worker | bool | Died:
            performing = await self.world.worker(owner, self.store)
            task = asyncio.ensure_future(replace(performing, storage=self.storage)())
            called, over = asyncio.ensure_future(self.world.model.called()), asyncio.ensure_future(breath.over.wait())
            await asyncio.wait({task, called, over}, return_when=asyncio.FIRST_COMPLETED)
            over.cancel()
            if called.done():
                worker = Worker(owner, task, called.result(), breath)
                self.out.append(worker)
                return worker
            called.cancel()
            if task.done():
                return task.result()
            await bury(task)
            return Died()

        ended = self.run(until_called())
        if isinstance(ended, Died):
            self.kill(owner)
        return ended

    def answer(self, worker: Worker, result: CallResult, *, paid: bool, last: int | None) -> bool:
        """The model answers, and its caller goes on to its end, or dies after that many port calls: whether it lives."""
        self.out.remove(worker)
        worker.breath.last(last)
        worker.call.finish(result, paid=paid)
        ended = self.run(worker.breath.live(worker.task))
        if isinstance(ended, Died):
            self.kill(worker.owner)
        return not isinstance(ended, Died)

    def kill(self, owner: int) -> None:
        """The process dies, with whatever else it had under way."""
        for worker in [worker for worker in self.out if worker.owner == owner]:
            self.out.remove(worker)
            self.run(bury(worker.task))
        self.dead.add(owner)
        self.world.living.discard(owner)
        self.run(self.harness.die(owner))

    def close(self) -> None:
        for owner in {worker.owner for worker in self.out} | set(self.world.living):
            self.kill(owner)


MakeStage = Callable[[], UseCaseStage]


@contextmanager
def in_memory() -> Iterator[MakeStage]:
    with asyncio.Runner() as loop:

        def make() -> UseCaseStage:
            harness = MemoryHarness()
            return UseCaseStage(loop, harness, from_memory(harness.store))

        yield make


@contextmanager
def in_postgres(url: str) -> Iterator[MakeStage]:
    with asyncio.Runner() as loop, psycopg.connect(url, autocommit=True, options="-c timezone=UTC") as connection:
        stack = AsyncExitStack()
        loop.run(stack.__aenter__())
        harness = loop.run(stack.enter_async_context(on_still_postgres(url)))

        def make() -> UseCaseStage:
            empty(connection)
            harness.clock.now = Clock().now
            return UseCaseStage(loop, harness, from_postgres(connection), harness.audit)

        try:
            yield make
        finally:
            loop.run(stack.aclose())
