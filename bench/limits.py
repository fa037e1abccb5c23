"""What the limits add to a request: one route in one process with them and without, in turn, over a real Postgres.

The route is guarded, so that three subjects count, and its own work is a stage's: what is left is the same in both.
"""

import asyncio
from pathlib import Path
from time import perf_counter
from typing import Any

from litestar import Litestar

from adapters.keyring import Keyring
from adapters.postgres.pool import open_pool
from adapters.postgres.rate_limits import PostgresSharedBuckets
from application.rate_limits import RateLimits
from bench.books import BooksWrong
from bench.figures import Figure, Promise, percentile
from bench.stage import durable_postgres
from domain.rate_limits import Policy, Rate
from entrypoints.http.app import HttpConfig, create_app
from tests.http_stage import BEARER, Stage

CALLS = 5_000
RATE = Rate(40_000, 1)
"""A slice lasts some seconds, so draws are among what is measured."""


def measure(folder: Path, rounds: int, share: float) -> list[Figure]:
    with durable_postgres(folder / "postgres") as postgres:
        return asyncio.run(_measure(postgres.url, rounds, int(CALLS * share)))


async def _measure(database_url: str, rounds: int, calls: int) -> list[Figure]:
    async with open_pool(database_url, size=2) as pool:
        keys = Keyring.parse(Keyring.generate()).purpose("rate limits")
        limits = RateLimits(PostgresSharedBuckets(pool), dict.fromkeys(Policy, RATE), lambda who: keys.sign(who)[1])
        stage = Stage(limits=limits)
        apps = [create_app(stage.container(), HttpConfig("1", limited=limited)) for limited in (True, False)]
        for app in apps:
            await _times(app, calls // 10)
        found = [[await _times(app, calls) for app in apps] for _ in range(rounds)]
    added = [percentile(with_them, 50) - percentile(without, 50) for with_them, without in found]
    return [
        Figure("what limits add to a request, p50", added, "ms", Promise(0.2, 0.2, at_most=True)),
        Figure("  with them", [percentile(with_them, 50) for with_them, _ in found], "ms"),
        Figure("  without", [percentile(without, 50) for _, without in found], "ms"),
        Figure("  with them, p99.9", [percentile(with_them, 99.9) for with_them, _ in found], "ms"),
    ]


async def _times(app: Litestar, calls: int) -> list[float]:
    """Milliseconds of each call, sorted."""
    headers = [(b"host", b"x"), (b"authorization", BEARER["Authorization"].encode())]
    path = "/v1/credits"
    times, statuses = list[float](), set[int]()

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            statuses.add(message["status"])

    for _ in range(calls):
        scope: Any = {
            "type": "http",
            "method": "GET",
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": b"",
        }
        scope |= {"headers": headers, "scheme": "http", "state": {}, "http_version": "1.1", "client": ("203.0.113.7", 1)}
        began = perf_counter()
        await app(scope, receive, send)
        times.append((perf_counter() - began) * 1000)
    if statuses != {200}:
        raise BooksWrong(f"not every answer was 200: {statuses}")
    return sorted(times)
