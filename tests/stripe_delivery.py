"""How the pretended Stripe tells an endpoint of events: signed, many at once, at least once, again and again until it is heard.

A delivery is tried when its event happens, and after each failure later by the clock of the world. The signature is made by the
SDK's own function. Its time is that of the machine, because the receiver compares it with that, unless a test says otherwise.
"""

import asyncio
import json
import time
from dataclasses import dataclass, field
from fnmatch import fnmatch
from typing import Any

import httpx
from stripe import WebhookSignature

from tests import plain_http
from tests.stripe_shapes import Obj
from tests.stripe_world import World

RETRIES = (300, 1800, 7200, 18_000, 36_000, 36_000, 43_200, 43_200, 43_200)
"""Seconds between tries; about three days in all."""
AT_ONCE = 16
SECONDS = 10.0
"""How long an answer is waited for."""


def signed(event: Obj, secret: str, *, at: int | None = None, **changed: object) -> tuple[bytes, str]:
    """The body and the header Stripe-Signature. `at`: Unix seconds of the signature; `changed`: fields of the event that differ,
    as `api_version` or `type`."""
    body = json.dumps(event | changed)
    return body.encode(), WebhookSignature.generate_signature_header(body, secret, int(time.time()) if at is None else at)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """`types`: of events, with wildcards. `repeats`: how often each event is delivered again though it was taken."""

    url: str
    secret: str
    types: tuple[str, ...] = ("*",)
    repeats: int = 0


@dataclass(slots=True)
class Delivery:
    event: Obj
    endpoint: Endpoint
    due: int
    tries: int = 0
    taken: int = 0


@dataclass(slots=True)
class Postman:
    """`log`: of each try, the event's id and type and the status of the answer, 0 for none."""

    world: World
    endpoints: list[Endpoint] = field(default_factory=list)
    waiting: list[Delivery] = field(default_factory=list)
    log: list[dict[str, Any]] = field(default_factory=list)
    out: int = 0
    _woken: asyncio.Event = field(default_factory=asyncio.Event)

    def hear(self, event: Obj) -> None:
        """Something happened: whoever wants to know of it is told."""
        for endpoint in self.endpoints:
            if any(fnmatch(event["type"], each) for each in endpoint.types):
                self.waiting.append(Delivery(event, endpoint, self.world.now))
                event["pending_webhooks"] += 1
                self.world.undelivered.add(event["id"])
        self.wake()

    def wake(self) -> None:
        """Something new happened, or the clock moved."""
        self._woken.set()

    def unfinished(self) -> int:
        """How many deliveries are on their way, or due by now."""
        return self.out + sum(each.due <= self.world.now for each in self.waiting)

    async def run(self) -> None:
        """Deliver until cancelled."""
        async with plain_http.AsyncClient(timeout=SECONDS, trust_env=False) as client, asyncio.TaskGroup() as sending:
            free = asyncio.Semaphore(AT_ONCE)
            while True:
                await self._woken.wait()
                self._woken.clear()
                due = [each for each in self.waiting if each.due <= self.world.now]
                self.waiting = [each for each in self.waiting if each.due > self.world.now]
                for each in due:
                    self.out += 1
                    sending.create_task(self._send(client, free, each))

    async def _send(self, client: httpx.AsyncClient, free: asyncio.Semaphore, delivery: Delivery) -> None:
        event, endpoint = delivery.event, delivery.endpoint
        async with free:
            body, signature = signed(event, endpoint.secret)
            headers = {"content-type": "application/json; charset=utf-8", "stripe-signature": signature}
            try:
                status = (await client.post(endpoint.url, content=body, headers=headers)).status_code
            except httpx.HTTPError:
                status = 0
        self.log.append({"event": event["id"], "type": event["type"], "status": status})
        self.out -= 1
        delivery.tries += 1
        if 200 <= status < 300:
            delivery.taken += 1
            self.world.undelivered.discard(event["id"])
            event["pending_webhooks"] -= delivery.taken == 1
            if delivery.taken <= endpoint.repeats:
                self.waiting.append(delivery)
                self.wake()
        elif delivery.tries <= len(RETRIES):
            delivery.due = self.world.now + RETRIES[delivery.tries - 1]
            self.waiting.append(delivery)
