"""The payment provider's end of a webhook: requests go out when they are due, whether or not the ones before were answered, each
on a connection that is free by then. A process of its own, and lean: every byte is made beforehand.

Reads a `Delivery` from standard input and prints `[milliseconds, statuses]` as JSON. Standard library and uvloop only.
"""

import asyncio
import hmac
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from time import perf_counter

import uvloop

_LEAD_SECONDS = 0.5
"""Between the making of all requests and the first of them."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """So many events, `per_second` (0: all at once), whose ids begin with `name`, which no other delivery may bear."""

    name: str
    port: int
    path: str
    secret: str
    events: int
    per_second: float


@dataclass(slots=True)
class Line:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def post(self, request: bytes) -> bytes:
        """The status. The answer's body is empty, unless it is refused."""
        self.writer.write(request)
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = next((int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0)
        await self.reader.readexactly(length)
        return head[9:12]


async def deliver(delivery: Delivery) -> tuple[list[float], dict[str, int]]:
    """Milliseconds from when each was due to its answer, and how often each status came."""
    requests = list(_requests(delivery))
    statuses, times, free = Counter[str](), list[float](), list[Line]()
    opened = 1 if delivery.per_second else delivery.events
    for _ in range(opened):
        free.append(Line(*await asyncio.open_connection("127.0.0.1", delivery.port)))
    first = perf_counter() + _LEAD_SECONDS

    async def one(request: bytes, due: float) -> None:
        await asyncio.sleep(due - perf_counter())
        line = free.pop() if free else Line(*await asyncio.open_connection("127.0.0.1", delivery.port))
        statuses[(await line.post(request)).decode()] += 1
        times.append((perf_counter() - due) * 1000)
        free.append(line)

    pause = 1 / delivery.per_second if delivery.per_second else 0.0
    await asyncio.gather(*(one(request, first + number * pause) for number, request in enumerate(requests)))
    return times, dict(statuses)


def _requests(delivery: Delivery) -> Iterator[bytes]:
    now = int(time.time())
    for number in range(delivery.events):
        about = {"id": f"in_{delivery.name}_{number}", "object": "invoice", "lines": {"data": [{"description": "x" * 300}] * 8}}
        event = {"id": f"evt_{delivery.name}_{number}", "object": "event", "type": "invoice.paid", "created": now}
        body = json.dumps(event | {"data": {"object": about}}).encode()
        proof = hmac.new(delivery.secret.encode(), b"%d.%s" % (now, body), "sha256").hexdigest()
        head = f"POST {delivery.path} HTTP/1.1\r\nHost: 127.0.0.1:{delivery.port}\r\nContent-Type: application/json\r\n"
        yield f"{head}Stripe-Signature: t={now},v1={proof}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


if __name__ == "__main__":
    print(json.dumps(uvloop.run(deliver(Delivery(**json.load(sys.stdin))))))
