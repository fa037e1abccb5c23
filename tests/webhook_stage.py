"""Where webhooks are played: a Postgres whose clock is moved by hand, accounts with endpoints, and a scripted post."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from adapters.postgres.pool import open_pool
from adapters.postgres.webhook_queries import PostgresWebhookQueries
from application.generations import CancelGeneration
from application.webhook_deliveries import Answer, SendWebhooks, WebhookPost
from application.webhook_endpoints import AddEndpoint
from application.webhooks import DeliveryRow
from domain.accounts import Caller, Mode
from domain.generations import GenerationId
from domain.webhook_deliveries import Reason
from domain.webhook_endpoints import CHOSEN, WebhookEndpoint, WebhookEndpointId, WebhookEventKind
from tests.contract.postgres_harness import PostgresHarness
from tests.contract.store_contract import customer, new_id, now, queued

URL = "https://hooks.example/in"
ARRIVED = Answer(Reason.DELIVERED, 200)


@dataclass(frozen=True, slots=True)
class Sent:
    url: str
    headers: Mapping[str, str]
    body: bytes
    at: datetime

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]


@dataclass
class Post(WebhookPost):
    """Answers what `act` says by the URL; what hangs, once `gate` is set."""

    harness: PostgresHarness
    sent: list[Sent] = field(default_factory=list)
    act: Callable[[str], Answer] = lambda _: ARRIVED
    hangs: Callable[[str], bool] = lambda _: False
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    gates: dict[str, asyncio.Event] = field(default_factory=dict)
    """Of URLs with one of their own."""
    out: list[str] = field(default_factory=list)
    """URLs with a try under way."""
    most: dict[str, int] = field(default_factory=dict)

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        self.out.append(url)
        self.most[url] = max(self.most.get(url, 0), self.out.count(url))
        try:
            if self.hangs(url):
                await self.gates.get(url, self.gate).wait()
            self.sent.append(Sent(url, headers, body, await now(self.harness.store)))
            return self.act(url)
        finally:
            self.out.remove(url)


@dataclass
class Hooks:
    harness: PostgresHarness
    post: Post = field(init=False)
    luck: float = 0.0
    secrets: dict[WebhookEndpointId, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.post = Post(self.harness)

    async def caller(self, mode: Mode = Mode.LIVE) -> Caller:
        return await customer(self.harness.store, 1_000, mode)

    async def hook(
        self, caller: Caller, url: str = URL, events: Sequence[WebhookEventKind] = CHOSEN, mode: Mode | None = None
    ) -> WebhookEndpoint:
        add = AddEndpoint(self.harness.store, new_id, bytes)
        made, secret = await add(caller.account_id, mode or caller.mode, url, events)
        self.secrets[made.id] = secret
        return made

    async def finish(self, caller: Caller) -> GenerationId:
        """A generation of this caller ends."""
        generation = await queued(self.harness.store, caller)
        await CancelGeneration(self.harness.store)(caller, generation.id)
        return generation.id

    @property
    def send(self) -> SendWebhooks:
        return SendWebhooks(self.harness.store, self.post, lambda: self.luck)

    async def sent(self) -> list[Sent]:
        """What goes out now."""
        before = len(self.post.sent)
        await self.send()
        return self.post.sent[before:]

    async def log(self, endpoint: WebhookEndpoint) -> list[DeliveryRow]:
        async with open_pool(self.harness.url, size=1) as pool:
            return list(await PostgresWebhookQueries(pool).deliveries(endpoint.account_id, endpoint.id, None, 100))

    async def known(self, endpoint: WebhookEndpoint) -> WebhookEndpoint:
        async with self.harness.store.transaction() as tx:
            return await tx.endpoints.lock(endpoint.id)

    async def later(self, wait: timedelta) -> None:
        await self.harness.advance(wait.total_seconds())

    async def dies_sending(self, url: str = URL) -> None:
        """A worker takes what is due for this URL and dies before an answer comes."""
        self.post.hangs = lambda asked: asked == url
        work: asyncio.Task[Any] = asyncio.ensure_future(self.send())
        async with asyncio.timeout(20):
            while url not in self.post.out:
                await asyncio.sleep(0.001)
        work.cancel()
        await asyncio.sleep(0)
        work.cancel()  # it is given no time to part
        with suppress(asyncio.CancelledError):
            await work
        self.post.hangs = lambda _: False
