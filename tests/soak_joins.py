"""OpenAI's own client, with its default retries, while API processes and clients are killed under its calls.

Whatever dies, there are as many generations as were asked for on purpose, each charged once, and every picture is in the history.
"""

import asyncio
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from openai import AsyncOpenAI

from tests import plain_http
from tests.clusters import migrated_postgres, new_database
from tests.forks import ROOT, Fork
from tests.processes import forks, part
from tests.service import Customer, customer
from tests.soak_promises import API_GONE, CLIENT_GONE, Broken, promised
from tests.world import world

CREDITS = 100_000
PATIENCE = 60.0
SLOWLY = {"X-Sandbox-Fault": "latency_ms=400"}
_ENDED = "SELECT count(*), count(*) FILTER (WHERE state = 'succeeded' AND delivered = n) FROM generations WHERE account_id = %s"
_PAID = """SELECT w.available, w.held,
    (SELECT coalesce(sum(unit * delivered), 0) FROM generations WHERE account_id = w.account_id),
    (SELECT count(*) FROM holds WHERE wallet_id = w.id AND state = 'captured') FROM wallets w WHERE id = %s"""


@dataclass
class Joins:
    """One API process at a time at one address: the listener is the test's, so whoever asks meanwhile waits for the next."""

    url: str
    folder: Path
    buyer: Customer
    listener: socket.socket
    counts: Counter[str] = field(default_factory=Counter)
    api: Fork | None = None
    intents: int = 0

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.listener.getsockname()[1]}"

    def start(self) -> None:
        said = {"DATABASE_URL": self.url, "PORT": self.address.rpartition(":")[2], "OPEN_GENERATIONS": "10000"}
        self.api = forks().start("api", self.folder, said, self.listener)

    def kill_api(self) -> None:
        assert self.api
        self.api.kill()

    async def under_an_api_that_dies(self, draw: random.Random) -> None:
        """Some of the requests of a round are equal, on purpose."""
        client = AsyncOpenAI(api_key=self.buyer.key, base_url=f"{self.address}/v1")
        tag, equal = f"{self.intents}-{draw.getrandbits(24):x}", draw.random() < 0.5
        prompts = [f"a boat {tag} {0 if equal else number}" for number in range(draw.randint(1, 4))]
        async with client, asyncio.timeout(PATIENCE):
            calls = [asyncio.create_task(self._buy(client, prompt)) for prompt in prompts]
            self.intents += len(prompts)
            if draw.random() < 0.8:  # else at any moment, before there is anything perhaps
                await self._asked(self.intents - len(prompts) + 1)
            await asyncio.sleep(draw.uniform(0, 0.4))
            under_way = sum(not call.done() for call in calls)
            self.kill_api()
            self.start()
            made = await asyncio.gather(*calls)
        assert len(set(made)) == len(made), f"equal requests were answered alike: {made}"
        self.counts["API kills"] += under_way > 0
        self.counts["intents"] += len(prompts)

    async def _buy(self, client: AsyncOpenAI, prompt: str) -> str:
        said = await client.images.with_raw_response.generate(prompt=prompt, size="64x64", quality="low", extra_headers=SLOWLY)
        data = said.parse().data
        assert data
        assert [bool(picture.b64_json) for picture in data] == [True]
        return str(said.headers["x-generation-id"])

    async def with_clients_that_die(self, draw: random.Random, clients: "subprocess.Popen[str]", count: int) -> None:
        assert clients.stdin
        assert clients.stdout
        for number in range(count):
            clients.stdin.write(f"a ship {self.intents + number}-{draw.getrandbits(24):x}\n")
        clients.stdin.flush()
        pids = [int(await asyncio.to_thread(clients.stdout.readline)) for _ in range(count)]
        self.intents += count
        await self._asked(self.intents)
        await asyncio.sleep(draw.uniform(0, 0.5))
        for pid in pids:
            with suppress(ProcessLookupError):  # it had its answer already
                os.kill(pid, signal.SIGKILL)
                self.counts["client kills"] += 1

    async def _asked(self, count: int) -> None:
        """There are so many generations by now."""
        async with asyncio.timeout(PATIENCE):
            while (await self._row(_ENDED, self.buyer.account))[0] < count:
                await asyncio.sleep(0.02)

    async def _row(self, statement: str, id: object) -> Any:
        async with await psycopg.AsyncConnection.connect(self.url) as connection:
            return await (await connection.execute(statement.encode(), (id,))).fetchone()

    async def check(self) -> None:
        """As many generations as intents, all made, each charged once, all in the history."""
        async with asyncio.timeout(PATIENCE):
            while (await self._row(_ENDED, self.buyer.account)) != (self.intents, self.intents):
                found = await self._row(_ENDED, self.buyer.account)
                assert found[0] <= self.intents, f"{found[0]} generations of {self.intents} intents"
                await asyncio.sleep(0.1)
        available, held, price, captured = await self._row(_PAID, self.buyer.wallet)
        assert (available, held, captured) == (CREDITS - price, 0, self.intents)
        seen = list[Any]()
        async with plain_http.AsyncClient(base_url=self.address, headers=self.buyer.headers, timeout=PATIENCE) as client:
            page: dict[str, Any] = {"next": None}
            while not seen or page["next"]:
                after = {"after": page["next"]} if page["next"] else {}
                page = (await client.get("/v1/generations", params={"limit": "100", **after})).json()
                seen += page["data"]
        assert len(seen) == self.intents
        assert all(len(generation["assets"]) == 1 for generation in seen)


@asynccontextmanager
async def joins(url: str, folder: Path) -> AsyncIterator[Joins]:
    """An API process and a worker over this database, and a customer who buys."""
    folder.mkdir(exist_ok=True)
    async with world(url, folder, picture_workers=1) as service:
        buyer = await customer(service, CREDITS)
        with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
            on = Joins(url, folder, buyer, listener)
            port = on.address.rpartition(":")[2]
            with part("worker", folder, DATABASE_URL=url, PORT=port, WORKER_CONCURRENCY="8"):
                on.start()
                try:
                    yield on
                finally:
                    on.kill_api()


@asynccontextmanager
async def killable_clients(on: Joins) -> AsyncIterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-m", "tests.sdk_client", on.address, on.buyer.key]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as clients:
        try:
            yield clients
        finally:
            clients.kill()


async def soak_joins(seed: int, deadline: float, folder: Path) -> dict[str, int]:
    draw = random.Random(seed)
    with migrated_postgres(folder) as postgres:
        async with joins(new_database(postgres), folder / "joins") as on, killable_clients(on) as clients:
            try:
                while True:
                    with promised(API_GONE):
                        await on.under_an_api_that_dies(draw)
                        await on.under_an_api_that_dies(draw)
                    with promised(CLIENT_GONE):
                        await on.with_clients_that_die(draw, clients, 3)
                    if time.monotonic() >= deadline:
                        break
                with promised(API_GONE):
                    await on.check()
            except Broken as error:
                words = on.api.last_words if on.api else ""
                raise Broken(error.promise, f"{words}\nseed {seed}: {error}") from error
    return dict(on.counts)
