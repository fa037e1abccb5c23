"""A client of OpenAI's image API: so many connections, each sending its next request when the last is answered whole. A process
of its own, and lean: an answer's bytes are counted, not kept.

Reads an `Order` from standard input and prints a `Tally`, both as JSON. Standard library and uvloop only.
"""

import asyncio
import json
import re
import sys
from dataclasses import asdict, dataclass, field
from time import perf_counter
from typing import cast

import uvloop

LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_BEGINNING = 2_000
"""Bytes of an answer that are kept, for what it says of itself."""


@dataclass(frozen=True, slots=True)
class Order:
    """Ask until `seconds` are over, and at least `least` times on each connection. Connections take the keys in turn."""

    port: int
    keys: list[str]
    body: str
    connections: int
    seconds: float
    least: int = 1


@dataclass(slots=True)
class Tally:
    """`size`: bytes of the largest answer. `odd`: the first that was no 200."""

    seconds: float = 0.0
    milliseconds: list[float] = field(default_factory=list)
    size: int = 0
    odd: str = ""


class Caller(asyncio.Protocol):
    def __init__(self, request: bytes, order: Order, tally: Tally, until: float) -> None:
        self._request, self._tally, self._until, self._left = request, tally, until, order.least
        self.finished: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._ask()

    def _ask(self) -> None:
        self._head, self._came, self._wanted = bytearray(), 0, 0
        self._left -= 1
        self._began = perf_counter()
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._came += len(data)
        if len(self._head) < _BEGINNING:
            self._head += data[:_BEGINNING]
        if not self._wanted:
            blank = self._head.find(b"\r\n\r\n")
            length = LENGTH.search(self._head, 0, blank + 2) if blank >= 0 else None
            self._wanted = blank + 4 + int(length[1]) if length else 0
        if self._wanted and self._came >= self._wanted:
            self._answered()

    def _answered(self) -> None:
        now = perf_counter()
        self._tally.milliseconds.append((now - self._began) * 1000)
        self._tally.size = max(self._tally.size, self._came)
        if self._head[9:12] != b"200" and not self._tally.odd:
            self._tally.odd = self._head.decode(errors="replace")
        if not self._tally.odd and (now < self._until or self._left > 0):
            self._ask()
        else:
            self._transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        if self._came < (self._wanted or 1):
            self._tally.odd = self._tally.odd or f"a connection was lost after {self._came} bytes: {error}"
        self.finished.set_result(None)


async def ask(order: Order) -> Tally:
    tally, loop = Tally(), asyncio.get_running_loop()
    began = perf_counter()
    callers = []
    for number in range(order.connections):
        request = _request(order, order.keys[number % len(order.keys)])
        caller = Caller(request, order, tally, began + order.seconds)
        await loop.create_connection(lambda caller=caller: caller, "127.0.0.1", order.port)  # type: ignore[misc]  # mypy cannot type this lambda
        callers.append(caller)
    await asyncio.gather(*(caller.finished for caller in callers))
    tally.seconds = perf_counter() - began
    return tally


def _request(order: Order, key: str) -> bytes:
    return (
        f"POST /v1/images/generations HTTP/1.1\r\nHost: 127.0.0.1:{order.port}\r\nAuthorization: Bearer {key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(order.body.encode())}\r\n\r\n{order.body}"
    ).encode()


if __name__ == "__main__":
    print(json.dumps(asdict(uvloop.run(ask(Order(**json.load(sys.stdin)))))))
