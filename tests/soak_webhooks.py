"""The webhook under attack: what comes there is taken exactly when its provider signed it within minutes and it is a whole hint.

First through the whole application in this process, then as bytes on a socket, where a body may be cut, chunked or said to have
another length. An oracle of its own decides; afterwards the inbox must hold what was taken and nothing else.
"""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import structlog
from dishka import Provider, Scope, make_async_container
from litestar import Litestar
from stripe import StripeClient

from adapters.payments.hints import read_hint
from adapters.payments.stripe_payments import StripePayments
from application.hints import HearWebhook, TakeHint
from application.payments import Payments
from application.rate_limits import RateLimits
from application.store import Store
from domain.billing import Hint
from domain.rate_limits import Policy, Rate
from entrypoints.http.app import HttpConfig, create_app
from tests.contract.harnesses import StoreHarness
from tests.raw_http import answers
from tests.shared_buckets import InMemory, Process
from tests.soak_timelines import MakeHarness, in_memory
from tests.webhook_attacks import AT, SANDBOX, SANDBOX_SECRETS, STRIPE, STRIPE_SECRETS, Post, Target, attacks
from tests.webhook_truth import truth
from tests.wire import Wire, wired

NOW = datetime.fromtimestamp(AT, UTC)
RAW_PART = 0.2
"""Of the time, on a socket."""
AT_ONCE = 8
PATIENCE = 60.0
"""Seconds after which a request that hangs fails the test."""
FORGED, SIGNED = "forged: ", "signed: "


async def soak_webhooks(seed: int, deadline: float, harness_factory: MakeHarness = in_memory) -> dict[str, int]:
    """Attack until `time.monotonic()` reaches `deadline`; requests by kind. AssertionError with the seed on a violation."""
    raw_from = deadline - (deadline - time.monotonic()) * RAW_PART
    with quiet():
        async with harness_factory() as harness:
            house = WebhookHouse(harness)
            stream = attacks(seed)
            try:
                while time.monotonic() < raw_from:
                    await house.hear(*next(stream))
                await house.hear_raw(seed, deadline)
                await house.check()
            except Exception as error:
                raise AssertionError(f"seed {seed}: {error}") from error
    return dict(house.counts)


class SandboxReader:
    """The sandbox, as far as a webhook asks it."""

    def read_hint(self, body: bytes, signature: str | None, now: datetime) -> Hint:
        return read_hint(body, signature, now, SANDBOX_SECRETS)


READERS: Mapping[str, Any] = {
    STRIPE.name: StripePayments(StripeClient("sk_test_x"), STRIPE_SECRETS),
    SANDBOX.name: SandboxReader(),
}


def app_of(reader: Payments, store: Store) -> Litestar:
    """The whole application, of which only the webhook works. Its clock stands at NOW, and an address may ask once a minute."""
    provider = Provider(scope=Scope.APP)
    hear = HearWebhook(reader, TakeHint(store), lambda: NOW)
    limits = Process(InMemory(), {Policy.ADDRESS: Rate(1)}).limits
    provider.provide(lambda: hear, provides=HearWebhook)
    provider.provide(lambda: limits, provides=RateLimits)
    return create_app(make_async_container(provider), HttpConfig("1"))


@dataclass(slots=True)
class WebhookHouse:
    """An application for each reader over one store. `taken`: what the inbox must hold, by the event's id."""

    harness: StoreHarness
    apps: dict[str, Litestar] = field(init=False)
    taken: dict[str, Hint] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.apps = {name: app_of(reader, self.harness.store) for name, reader in READERS.items()}

    async def hear(self, target: Target, post: Post) -> None:
        said = await tell(self.apps[target.name], post)
        self._judge(target, post, [said.status])

    def _judge(self, target: Target, post: Post, statuses: list[int]) -> None:
        said = f"{statuses} to {target.name} for {post.kind}: {_shown(post)}"
        may = truth(target, post)
        assert all(100 <= status < 500 for status in statuses), said
        is_taken = 200 in statuses
        if is_taken:
            assert may, f"taken though it is none: {said}"
            self.taken[may.id] = may
        assert is_taken or not post.is_genuine, f"refused though it is genuine: {said}"
        self.counts[(SIGNED if may else FORGED) + post.kind] += 1

    async def check(self) -> None:
        """The inbox holds what was taken, as it was said, and nothing else: each new hint has woken somebody up."""
        async with self.harness.store.transaction() as tx:
            for id, hint in self.taken.items():
                kept = await tx.inbox.find(id)
                assert kept, f"{id} was taken and is not there"
                assert kept.hint == hint
        woken = sum(queue.waiting for queue in await self.harness.queries.queues())
        assert woken == len(self.taken), f"{len(self.taken)} were taken, and {woken} are there"

    # On a socket

    async def hear_raw(self, seed: int, until: float) -> None:
        """At least one each, however late it is."""
        chance, stream = random.Random(seed), attacks(seed, "raw_")
        async with wired(self.apps[STRIPE.name]) as stripe, wired(self.apps[SANDBOX.name]) as sandbox:
            wires = {STRIPE.name: stripe, SANDBOX.name: sandbox}

            async def one() -> None:
                for target, post in stream:
                    await self._one_raw(chance, wires[target.name], target, post)
                    if time.monotonic() >= until:
                        return

            async with asyncio.TaskGroup() as group:
                for _ in range(AT_ONCE):
                    group.create_task(one())

    async def _one_raw(self, chance: random.Random, wire: Wire, target: Target, post: Post) -> None:
        whole, framed = written(chance, post)
        if framed:
            self._judge(target, post, statuses_of(await wire.say(whole)))
            return
        statuses = await answers("127.0.0.1", wire.port, whole, hang_up=chance.random() < 0.5)
        assert all(status != 200 and status < 500 for status in statuses), f"{statuses} for {whole[:2_000]!r}"
        self.counts[FORGED + "no HTTP"] += 1


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Mapping[bytes, bytes]
    body: bytes


async def tell(app: Any, post: Post, *, whole: bool = True) -> Answer:
    """What comes back when it arrives in two pieces, or (not `whole`) when the second never comes."""
    half = len(post.body) // 2
    pieces = [(post.body[:half], True), (post.body[half:], False)][: 1 + whole] if half else [(post.body, False)]
    came = list[Any]()

    async def receive() -> Any:
        if not pieces:
            await asyncio.Event().wait()
        body, more = pieces.pop(0)
        return {"type": "http.request", "body": body, "more_body": more}

    async def note(message: Any) -> None:
        came.append(message)

    scope: Any = {"type": "http", "http_version": "1.1", "method": post.method, "scheme": "http", "root_path": "", "state": {}}
    scope |= {"path": post.path, "raw_path": post.path.encode(), "query_string": post.query, "headers": list(post.headers)}
    await asyncio.wait_for(app(scope | {"client": ("203.0.113.7", 1), "server": ("x", 80)}, receive, note), PATIENCE)
    return Answer(came[0]["status"], dict(came[0]["headers"]), b"".join(message.get("body", b"") for message in came[1:]))


def written(chance: random.Random, post: Post) -> tuple[bytes, bool]:
    """As bytes, and whether they are what they say of themselves. Only what HTTP can carry is sent as it is."""
    headers = [b"%s: %s" % header for header in post.headers if header[0] != b"content-length"]
    target = post.path.encode() + (b"?" + post.query if post.query else b"")
    can_be = post.method.isalpha() and post.method.isupper() and target.startswith(b"/") and not post.path.startswith("//")
    can_be = can_be and "?" not in post.path  # there it would be a query
    can_be = can_be and all(_is_plain(header) for header in headers) and _is_plain(target) and len(b"".join(headers)) < 8_000
    length = b"Content-Length: %d" % len(post.body)
    chunks = b"%x\r\n%s\r\n0\r\n\r\n" % (len(post.body), post.body) if post.body else b"0\r\n\r\n"
    if can_be and post.method == "POST" and len(target) < 500 and chance.random() < 0.8:
        framing, body = chance.choice(((length, post.body), (b"Transfer-Encoding: chunked", chunks)))
        return _joined(post.method, target, [*headers, framing, b"Connection: close"], body), True
    size, broken = len(post.body), chance.randrange(6)
    framing, body = (
        (b"Content-Length: %d" % (size + 1 + chance.randrange(9)), post.body),
        (b"Content-Length: %d" % max(0, size - 1 - chance.randrange(9)), post.body),
        (b"Content-Length: %d\r\nTransfer-Encoding: chunked" % size, post.body),
        (b"Transfer-Encoding: chunked", post.body),
        (b"Transfer-Encoding: chunked", chunks[: chance.randrange(len(chunks) - 4)]),
        (b"Content-Length: %d\r\nContent-Length: %d" % (size, size + 1), post.body),
    )[broken]
    return _joined(post.method, target, [*headers, framing], body), False


def statuses_of(came: bytes) -> list[int]:
    return [int(line[9:12]) for line in came.split(b"\r\n") if line.startswith(b"HTTP/1.1 ")]


def _joined(method: str, target: bytes, headers: list[bytes], body: bytes) -> bytes:
    return b"\r\n".join([method.encode() + b" " + target + b" HTTP/1.1", b"Host: x", *headers, b"", b""]) + body


def _is_plain(line: bytes) -> bool:
    return all(32 <= byte < 127 for byte in line) and b" :" not in line


def _shown(post: Post) -> str:
    return f"{post.method} {post.path[:200]} {[(name, value[:300]) for name, value in post.headers]} {post.body[:600]!r}"


@contextmanager
def quiet() -> Iterator[None]:
    """Each request leaves its line, as in the service, but nobody reads it here."""
    structlog.configure(processors=[structlog.processors.JSONRenderer()], logger_factory=structlog.ReturnLoggerFactory())
    try:
        yield
    finally:
        structlog.reset_defaults()
