"""Two thousand who follow their generations: what each costs a process while nothing happens, and how soon all of them hear.

The API processes are those that ship; the streams are sockets of this process. What happens is written straight into the rows, in
one statement, and told as a commit tells it.
"""

import asyncio
import resource
from collections.abc import Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any
from uuid import UUID

import psycopg

from application.generations import RequestGeneration
from bench.books import BooksWrong
from bench.figures import Figure, Promise
from bench.gauges import Memory, cpu_seconds
from bench.stage import Part, durable_postgres, running, wait_until_ready
from domain.accounts import Caller, Mode, Scope
from domain.generations import GenerationId
from domain.limits import LIMITS
from domain.requests import Asked
from entrypoints.wiring import Bell
from tests.service import Customer, customer, free_port
from tests.world import World, world

CLIENTS = 2_000
AT_ONCE = 50
IDLE_SECONDS = 20.0
"""More than a beat: each has been looked up, and given a sign of life."""
PATIENCE_SECONDS = 60.0
_END = "state = 'cancelled', finished_at = clock_timestamp(), last_event = 3"
_CLONES = """
INSERT INTO generations SELECT (json_populate_record(g, json_build_object('id', gen_random_uuid()))).*
FROM generations g, generate_series(2, %s) WHERE g.id = %s RETURNING id
"""


@dataclass(slots=True)
class Client(asyncio.Protocol):
    """`begun` when the first event has come, `heard` when the last has, on the clock of the loop."""

    begun: "asyncio.Future[None]"
    heard: float = 0.0
    signs: int = 0
    _end: bytes = b""
    transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        said = self._end + data
        if not self.begun.done() and b"event: state" in said:
            self.begun.set_result(None)
        if not self.heard and b"event: done" in said:
            self.heard = perf_counter()
        self.signs += said.count(b"\n:\n") - self._end.count(b"\n:\n")
        self._end = said[-20:]


@dataclass(slots=True)
class Crowd:
    """Who follows what, at which port."""

    ports: Sequence[int]
    clients: list[Client] = field(default_factory=list)

    async def follow(self, places: Sequence[tuple[Customer, GenerationId]]) -> None:
        gate = asyncio.Semaphore(AT_ONCE)

        async def one(number: int, who: Customer, generation: GenerationId) -> None:
            async with gate:
                loop = asyncio.get_running_loop()
                _, client = await loop.create_connection(
                    lambda: Client(loop.create_future()), "127.0.0.1", self.ports[number % len(self.ports)]
                )
                head = f"GET /v1/generations/{generation}/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {who.key}\r\n\r\n"
                client.transport.write(head.encode())
                async with asyncio.timeout(PATIENCE_SECONDS):
                    await client.begun
                self.clients.append(client)

        await asyncio.gather(*(one(number, *place) for number, place in enumerate(places)))

    async def all_heard(self) -> float:
        """When the last of them had."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not all(client.heard for client in self.clients):
                await asyncio.sleep(0.02)
        return max(client.heard for client in self.clients)

    def leave(self) -> None:
        for client in self.clients:
            client.transport.abort()
        self.clients.clear()


def measure(folder: Path, share: float) -> list[Figure]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 3 * CLIENTS)), hard))  # the processes inherit it
    with durable_postgres(folder / "postgres") as postgres:
        return asyncio.run(_measure(folder, postgres.url, int(CLIENTS * share)))


async def _measure(folder: Path, url: str, clients: int) -> list[Figure]:
    async with _stage(folder, url) as stage:
        with ExitStack() as stack:
            first, second = [(port, _api(stack, folder, url, port)) for port in (free_port(), free_port())]
            crowd, pid = Crowd([first[0]]), first[1].process.pid
            await crowd.follow(await stage.places(AT_ONCE, each_own=True))
            crowd.leave()
            own, before = await stage.places(clients, each_own=True), Memory.of(pid).own
            await crowd.follow(own)
            busy = cpu_seconds(pid)
            await asyncio.sleep(IDLE_SECONDS)
            busy = (cpu_seconds(pid) - busy) / IDLE_SECONDS
            kept = (Memory.of(pid).own - before) * 1024 / clients
            if not all(client.signs for client in crowd.clients):
                raise BooksWrong("not every stream gave a sign of life")
            took = [await stage.end(own, crowd)]
            crowd.leave()
            few = await stage.places(clients, each_own=False)
            await crowd.follow(few)
            shared = [await stage.end(few, crowd)]
            crowd.leave()
            both = Crowd([first[0], second[0]])
            own = await stage.places(clients, each_own=True)
            await both.follow(own)
            spread = [await stage.end(own, both)]
            both.leave()
        soon, small = Promise(1.0, 1.0, at_most=True), Promise(32, 32, at_most=True)
        return [
            Figure(f"memory of an idle stream, of {clients}", [kept], "KB", small),
            Figure("an event of its own to each, one process: the last hears after", took, "s", soon),
            Figure(f"an event to {LIMITS['streams']} each, one process: the last hears after", shared, "s", soon),
            Figure("an event of its own to each, two processes: the last hears after", spread, "s", soon),
            Figure("  a process that holds them all, idle", [busy], "cores"),
        ]


@dataclass(slots=True)
class Stage:
    service: World
    bell: Bell
    url: str

    async def places(self, clients: int, *, each_own: bool) -> list[tuple[Customer, GenerationId]]:
        """Queued generations for so many, of accounts that follow as many as they may."""
        ask, made = await self.service.parts.get(RequestGeneration), list[tuple[Customer, GenerationId]]()
        while len(made) < clients:
            who = await customer(self.service, 100)
            caller = Caller(who.account, None, Mode.TEST, frozenset(Scope), "free", who.wallet)
            first, _ = await ask(caller, Asked(prompt="a boat", size="64x64", quality="low"))
            of_account = min(LIMITS["streams"], clients - len(made))
            made += [(who, generation) for generation in await self._clones(first, of_account, each_own=each_own)]
        return made

    async def _clones(self, first: GenerationId, number: int, *, each_own: bool) -> list[GenerationId]:
        if not each_own:
            return [first] * number
        async with await psycopg.AsyncConnection.connect(self.url, autocommit=True) as connection:
            rows = await (await connection.execute(_CLONES, (number, first))).fetchall()
        return [first, *(GenerationId(UUID(str(row[0]))) for row in rows)]

    async def end(self, places: Sequence[tuple[Customer, GenerationId]], crowd: Crowd) -> float:
        """Seconds from the commit until everybody has heard."""
        ids = list({generation for _, generation in places})
        async with await psycopg.AsyncConnection.connect(self.url, autocommit=True) as connection:
            await connection.execute(f"UPDATE generations SET {_END} WHERE id = ANY(%s)".encode(), (ids,))
        began = perf_counter()
        self.bell.tell(ids)
        return await crowd.all_heard() - began


@asynccontextmanager
async def _stage(folder: Path, url: str) -> Any:
    async with world(url, folder / "customers", picture_workers=1) as service:
        yield Stage(service, await service.parts.get(Bell), url)


def _api(stack: ExitStack, folder: Path, url: str, port: int) -> Part:
    api = stack.enter_context(running("api", folder / f"api-{port}", url, PORT=str(port)))
    wait_until_ready(api, port)
    return api
