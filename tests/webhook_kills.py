"""Where workers are killed while they send webhooks: what was committed for endpoints, and what a receiver got."""

import asyncio
import random
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from application.generations import CancelGeneration
from application.webhook_endpoints import AddEndpoint
from domain.accounts import Caller, Mode
from domain.webhook_endpoints import CHOSEN, WebhookEvent, WebhookEventKind
from tests.contract.postgres_harness import PostgresHarness, on_postgres
from tests.contract.store_contract import customer, new_id, queued
from tests.forks import Fork, Forks

RECEIVERS, CALLERS = 4, 8
PATIENCE_SECONDS = 1.0
BAD = 0.03
"""How often the receiver breaks the line off without a word, so that the schedule's second try comes into play."""
POINTS = tuple(
    f"SendWebhooks/{call}#{{number}}:{side}"
    for call in (
        "WebhookPost.post",
        "Store.commit",
        "WebhookDeliveries.put_off",
        "WebhookDeliveries.note",
        "WebhookDeliveries.take",
    )
    for side in ("before", "after")
)
"""Around every step between what was committed and what was written down of it."""


PASSING = """UPDATE webhook_deliveries SET resume_at = now() WHERE resume_at > now() + interval '10 seconds' RETURNING 1"""
"""Minutes of the schedule pass: a starved machine may let two tries fail by their time."""


@dataclass
class Inbox:
    """`got`: bodies by the id of their message."""

    draw: random.Random
    bad: float = BAD
    got: dict[str, list[bytes]] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)
    urls: list[str] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            fields = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
            body = await reader.readexactly(int(fields["content-length"]))
            await asyncio.sleep(self.draw.uniform(0, 0.05))
            is_first = fields["webhook-id"] not in self.seen
            self.seen.add(fields["webhook-id"])
            if not is_first or self.draw.random() >= self.bad:
                self.got.setdefault(fields["webhook-id"], []).append(body)
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
                await writer.drain()
        writer.close()


@dataclass
class Killing:
    forks: Forks
    folder: Path
    harness: PostgresHarness
    connection: psycopg.AsyncConnection[Any]
    inbox: Inbox
    draw: random.Random
    callers: list[Caller]
    passed: set[str] = field(default_factory=set)
    """Deliveries that were on their way when a worker was killed."""
    counts: Counter[str] = field(default_factory=Counter)

    async def rows(self, statement: str, *parameters: object) -> list[Any]:
        return await (await self.connection.execute(statement.encode(), parameters)).fetchall()

    async def commit(self, times: int) -> None:
        """So many events; one in ten with a generation that really ends."""
        for _ in range(times):
            caller = self.draw.choice(self.callers)
            if self.draw.random() < 0.1:
                generation = await queued(self.harness.store, caller)
                await CancelGeneration(self.harness.store)(caller, generation.id)
                continue
            async with self.harness.store.transaction() as tx:
                kind, now = WebhookEventKind.CREDITS_LOW, await tx.now()
                tx.announcements.announce(WebhookEvent.of(kind, new_id(), caller.account_id, now, "low", caller.mode))

    def worker(self, crash_at: str = "") -> Fork:
        said = {"DATABASE_URL": self.harness.url, "WEBHOOK_SECONDS": str(PATIENCE_SECONDS / 2), "CRASH_AT": crash_at}
        return self.forks.start("worker", self.folder, said)

    async def open(self) -> set[str]:
        """Deliveries that wait for their next try, in this process' eyes or another's."""
        return {str(id) for (id,) in await self.rows("SELECT id FROM webhook_deliveries WHERE outcome = 'waiting'")}

    async def kill_once(self, crash_at: str = "") -> None:
        """A worker that dies at this point, or at any moment after its first message; a point it never reaches is any moment."""
        worker, seen = self.worker(crash_at), sum(map(len, self.inbox.got.values()))
        until, moment = time.monotonic() + 60, self.draw.uniform(0, 0.5)
        while not worker.has_ended and time.monotonic() < until:
            if not crash_at and sum(map(len, self.inbox.got.values())) > seen:
                await asyncio.sleep(moment)
                break
            if crash_at and not await self.open():
                break
            await asyncio.sleep(0.01)
        self.counts["kills at a point" if worker.has_ended else "kills at any moment"] += 1
        worker.signal(signal.SIGKILL)
        worker.kill()
        self.passed |= await self.open()

    async def arrive(self) -> None:
        """Everything that was committed, by a worker that lives."""
        worker = self.worker()
        try:
            until = time.monotonic() + 120
            while left := await self.open():
                await self.rows(PASSING)
                assert time.monotonic() < until, f"{len(left)} deliveries do not arrive\n{worker.last_words}"
                await asyncio.sleep(0.1)
        finally:
            worker.kill()

    async def check(self) -> None:
        """Each at least once, under one id and with one body, and nothing that was not committed."""
        committed = {str(id) for (id,) in await self.rows("SELECT id FROM webhook_deliveries")}
        ended = await self.rows("SELECT outcome, count(*) FROM webhook_deliveries GROUP BY 1")
        assert dict(ended) == {"delivered": len(committed)}, ended
        assert committed == self.inbox.got.keys(), f"{len(committed - self.inbox.got.keys())} were never sent"
        assert all(len(set(bodies)) == 1 for bodies in self.inbox.got.values()), "a message changed between its tries"
        told = await self.rows(
            "SELECT count(*) FROM generations g WHERE NOT EXISTS (SELECT 1 FROM webhook_deliveries d WHERE d.subject = g.id)"
        )
        assert told == [(0,)], "a generation ended untold"
        self.counts["webhooks"] = len(committed)
        self.counts["webhooks that passed a kill"] = len(self.passed)
        self.counts["sent twice or more"] = sum(len(bodies) > 1 for bodies in self.inbox.got.values())


@asynccontextmanager
async def killing(forks: Forks, url: str, folder: Path, seed: int, bad: float = BAD) -> AsyncIterator[Killing]:
    draw = random.Random(seed)
    inbox = Inbox(draw, bad)
    folder.mkdir(parents=True, exist_ok=True)
    servers = [await asyncio.start_server(inbox.serve, "127.0.0.1", 0) for _ in range(RECEIVERS)]
    inbox.urls = [f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/in" for server in servers]
    try:
        async with on_postgres(url) as harness, await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
            callers = [await customer(harness.store, 1_000_000, Mode.TEST) for _ in range(CALLERS)]
            add = AddEndpoint(harness.store, new_id, bytes, allow_private=True)
            for number, caller in enumerate(callers):
                await add(caller.account_id, caller.mode, inbox.urls[number % RECEIVERS], CHOSEN)
            yield Killing(forks, folder, harness, connection, inbox, draw, callers)
    finally:
        for server in servers:
            server.close()


def point(draw: random.Random) -> str:
    return draw.choice(POINTS).format(number=draw.randint(1, 12))
