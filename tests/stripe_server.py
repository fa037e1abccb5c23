"""The process of the pretended Stripe: its API on a port of 127.0.0.1, and a side channel on its standard input and output.

    python -m tests.stripe_server [--port N] [--mark LETTERS]

It prints its port. Each line it then reads is an order, `{"do": NAME, "with": {...}}`, and is answered by one line of its own,
`{"answer": ...}`, `{"refused": error}` or `{"wrong": ...}`. Orders are the acts of stripe_acts and those of `Server.orders`. It
ends when its input does.
"""

import argparse
import asyncio
import json
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.provider_wire import Line
from tests.stripe_acts import ACTS
from tests.stripe_api import ask
from tests.stripe_delivery import Endpoint, Postman
from tests.stripe_gate import FAULTS, Fault, Gate, Request
from tests.stripe_moments import Moments
from tests.stripe_params import Refused, operations
from tests.stripe_timelines import play
from tests.stripe_world import World

BEGIN = 1_800_000_000
"""The clock of a new world: 15 January 2027."""


@dataclass(slots=True)
class Server:
    """`mark` stands in every id, so that two processes of different marks share none. `latency`: seconds each answer takes."""

    port: int = 0
    mark: str = ""
    latency: float = 0.0
    world: World = field(default_factory=lambda: World(BEGIN))
    gate: Gate = field(init=False)
    postman: Postman = field(init=False)
    _lines: set[Line] = field(default_factory=set)
    _worlds: int = 0
    _recorded: dict[str, Moments] = field(default_factory=dict)
    _listening: asyncio.Server | None = None
    _delivering: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Serve until standard input ends."""
        operations()  # read before the port is told, so that the first request is not the slow one
        self.fresh()
        await self.up()
        print(self.port, flush=True)
        reader = asyncio.StreamReader(limit=1 << 24)
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        while order := await reader.readline():
            print(json.dumps(await self._obey(json.loads(order))), flush=True)

    async def _obey(self, order: dict[str, Any]) -> dict[str, Any]:
        name, given = order["do"], order.get("with", {})
        try:
            if name in ("up", "down"):
                await (self.up() if name == "up" else self.down())
                return {"answer": None}
            orders = self.orders()
            answer = orders[name](**given) if name in orders else ACTS[name](self.world, **given)
            self.postman.wake()
            return {"answer": answer}
        except Refused as refused:
            return {"refused": refused.error}
        except Exception:
            return {"wrong": traceback.format_exc()}

    def orders(self) -> dict[str, Callable[..., Any]]:
        """What can be ordered besides the acts, by name."""
        return {
            "as_it_was": self.as_it_was,
            "ask": lambda verb, path, params=None: ask(self.world, verb, path, params),
            "calls": lambda: self.gate.calls,
            "deliveries": lambda: self.postman.log,
            "endpoint": lambda **said: self.postman.endpoints.append(
                Endpoint(**said | {"types": tuple(said.get("types", ("*",)))})
            ),
            "events": lambda: self.world.events,
            "fault": self.fault,
            "fresh": self.fresh,
            "let_go": lambda: self.gate.let_go.set(),
            "latency": lambda seconds: setattr(self, "latency", seconds),
            "now": lambda: self.world.now,
            "served": lambda: len(self.gate.calls),
            "play": lambda name: play(name, self.world).as_data(),
            "record": self.record,
            "unfinished": lambda: self.postman.unfinished(),
        }

    def fault(self, name: str, verb: str = "", path: str = "/v1/", times: int = 1, after: int = 0) -> None:
        """The next requests (`after` so many) of this verb and of paths that begin so go wrong; see stripe_gate.FAULTS."""
        assert name in FAULTS, name
        self.gate.let_go.clear()
        self.gate.faults.append(Fault(name, verb.lower(), path, times, after))

    def fresh(self, now: int = BEGIN) -> None:
        """An empty world, whose ids are others than those of any before it in this process."""
        if self._delivering:
            self._delivering.cancel()
            self.gate.let_go.set()
        self._worlds += 1
        self.world = World(now, mark=f"{self.mark}{self._worlds:03d}x")
        self.gate, self.postman = Gate(self.world), Postman(self.world)
        self.world.heard.append(self.postman.hear)
        self._delivering = asyncio.get_running_loop().create_task(self.postman.run())

    def record(self, name: str) -> dict[str, Any]:
        """Play a timeline in a world of its own: its customer, its events, and its moments, each the time and how many events
        had happened by then."""
        self.fresh()
        moments = self._recorded[name] = Moments(self.world)
        play(name, self.world)
        told = [(moment.now, moment.events) for moment in moments.kept]
        return {"customer": self.world.all("customer")[0]["id"], "events": self.world.events, "moments": told}

    def as_it_was(self, name: str, moment: int) -> None:
        """From now on the API answers as it did then."""
        self.gate.world = self._recorded[name].world(moment)

    async def up(self) -> None:
        """Listen, at the port of before."""
        if self._listening is None:
            self._listening = await asyncio.start_server(self._connected, "127.0.0.1", self.port, backlog=512)
            self.port = self._listening.sockets[0].getsockname()[1]

    async def down(self) -> None:
        """Take no connection any more, and drop those there are; what is known stays known."""
        if self._listening is not None:
            self._listening.close()
            self._listening = None
            for line in list(self._lines):
                line.reset()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = Line(reader, writer)
        self._lines.add(line)
        try:
            while request := await _request(line):
                await asyncio.sleep(self.latency)
                answer = await self.gate.answer(request)
                self.postman.wake()
                if answer.line == "reset":
                    return line.reset()
                if answer.line == "silent":
                    return await line.hold()
                said = answer.headers | {"content-type": "application/json"}
                await line.answer(answer.status, said, json.dumps(answer.body).encode())
        finally:
            self._lines.discard(line)
            await line.hang_up()


async def _request(line: Line) -> Request | None:
    """The next request, whole; None when the client has gone."""
    try:
        raw = await line.reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError):
        return None
    first, *rest = raw.decode("latin-1").split("\r\n")
    verb, target, _ = first.split(" ", 2)
    headers = {name.strip().lower(): value.strip() for name, _, value in (each.partition(":") for each in rest if each)}
    body = await line.body(headers)
    if body is None:
        return None
    path, _, query = target.partition("?")
    return Request(verb, path, headers, body.decode() if verb == "POST" else query)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.stripe_server")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--mark", default="")
    said = parser.parse_args()
    asyncio.run(Server(said.port, said.mark).run())


if __name__ == "__main__":
    main()
