"""The callers: so many connections, each sending its next request when the last is answered. A process of its own, and lean:
every byte but the idempotency key is made beforehand, and of an answer only status and length are read.

Reads an `Order` from standard input and prints a `Tally`, both as JSON. Standard library and uvloop only.
"""

import asyncio
import json
import random
import re
import sys
from dataclasses import asdict, dataclass, field
from time import perf_counter
from typing import cast

import uvloop

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Order:
    """Ask until `seconds` are over. Idempotency keys begin with `name`, which no other order may bear."""

    name: str
    port: int
    connections: int
    seconds: float
    secrets: list[str]
    body: str


@dataclass(slots=True)
class Tally:
    seconds: float = 0.0
    milliseconds: list[float] = field(default_factory=list)
    statuses: dict[str, int] = field(default_factory=dict)
    odd: str = ""
    """The first answer that was no 202."""

    def count(self, status: str) -> None:
        self.statuses[status] = self.statuses.get(status, 0) + 1


class Caller(asyncio.Protocol):
    def __init__(self, order: Order, number: int, heads: list[bytes], tally: Tally, until: float) -> None:
        self._name = f"{order.name}-{number}-".encode()
        self._tail = b"\r\n\r\n" + order.body.encode()
        self._heads, self._tally, self._until = heads, tally, until
        self._sent, self._began, self._received = 0, 0.0, b""
        self.finished: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._ask()

    def _ask(self) -> None:
        self._sent += 1
        key = self._name + b"%d" % self._sent
        self._began = perf_counter()
        self._transport.write(random.choice(self._heads) + key + self._tail)

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, blank, body = self._received.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        if not blank or not length or len(body) < int(length[1]):
            return
        now = perf_counter()
        status = head[9:12].decode()
        self._tally.milliseconds.append((now - self._began) * 1000)
        self._tally.count(status)
        if status != "202" and not self._tally.odd:
            self._tally.odd = self._received.decode(errors="replace")[:600]
        self._received = b""
        if now < self._until:
            self._ask()
        else:
            self._transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        if perf_counter() < self._until:
            self._tally.count("lost")
        self.finished.set_result(None)


async def ask(order: Order) -> Tally:
    tally, loop = Tally(), asyncio.get_running_loop()
    heads = [_head(order, secret) for secret in order.secrets]
    began = perf_counter()
    callers = []
    for number in range(order.connections):
        caller = Caller(order, number, heads, tally, began + order.seconds)
        await loop.create_connection(lambda caller=caller: caller, "127.0.0.1", order.port)  # type: ignore[misc]  # mypy cannot type this lambda
        callers.append(caller)
    await asyncio.gather(*(caller.finished for caller in callers))
    tally.seconds = perf_counter() - began
    return tally


def _head(order: Order, secret: str) -> bytes:
    return (
        f"POST /v1/generations HTTP/1.1\r\nHost: 127.0.0.1:{order.port}\r\nAuthorization: Bearer {secret}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(order.body.encode())}\r\nIdempotency-Key: "
    ).encode()


if __name__ == "__main__":
    print(json.dumps(asdict(uvloop.run(ask(Order(**json.load(sys.stdin)))))))
