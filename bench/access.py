"""What knowing the caller adds to a request, and what the limits do: one route in one process without either, with its guard, and
with both, in turn call by call.

The key is known already, as it is to a process that met it within the second; limits draw on a real Postgres, and three subjects
count. The route's own work is a stage's: what is left is the same in all three.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import perf_counter
from typing import Any

import structlog
from litestar import Litestar

from adapters.keyring import Keyring
from adapters.postgres.pool import open_pool
from adapters.postgres.rate_limits import PostgresSharedBuckets
from application.api_keys import Authenticate
from application.rate_limits import RateLimits
from bench.books import BooksWrong
from bench.figures import Figure, Promise, percentile
from bench.stage import durable_postgres
from domain.rate_limits import Policy, Rate
from entrypoints.http.app import HttpConfig, create_app
from entrypoints.http.auth import Gate, routes
from tests.http_stage import BEARER, KEY, Stage

CALLS = 5_000
RATE = Rate(40_000, 1)
"""A slice lasts some seconds, so draws are among what is measured."""
PATH = "/v1/credits"


@dataclass(slots=True)
class Way:
    """One way to the route: how long each call took, in milliseconds, and how it was answered."""

    app: Litestar
    times: list[float] = field(default_factory=list)
    statuses: set[int] = field(default_factory=set)

    async def call(self, caller: Any, *, bears: bool = True) -> None:
        headers = [(b"host", b"x"), *([(b"authorization", BEARER["Authorization"].encode())] if bears else [])]
        scope: Any = {"type": "http", "http_version": "1.1", "method": "GET", "scheme": "http", "client": ("203.0.113.7", 1)}
        scope |= {"path": PATH, "raw_path": PATH.encode(), "root_path": "", "query_string": b""}
        scope |= {"headers": headers, "state": {}, "auth": caller}
        began = perf_counter()
        await self.app(scope, _nothing_more, self._send)
        self.times.append((perf_counter() - began) * 1000)

    async def _send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.statuses.add(message["status"])

    def over(self, *expected: int) -> list[float]:
        """The times so far, sorted, and begin anew. Raises BooksWrong."""
        if self.statuses != {*expected}:
            raise BooksWrong(f"not every answer was {expected}: {self.statuses}")
        times, self.times, self.statuses = sorted(self.times), [], set()
        return times


def measure(folder: Path, rounds: int, share: float) -> list[Figure]:
    # Each call leaves its line, as in the service, but nobody reads it here.
    structlog.configure(processors=[structlog.processors.JSONRenderer()], logger_factory=structlog.ReturnLoggerFactory())
    try:
        with durable_postgres(folder / "postgres") as postgres:
            return asyncio.run(_measure(postgres.url, rounds, int(CALLS * share)))
    finally:
        structlog.reset_defaults()


async def _measure(database_url: str, rounds: int, calls: int) -> list[Figure]:
    async with open_pool(database_url, size=2) as pool:
        keys = Keyring.parse(Keyring.generate()).purpose("rate limits")
        limits = RateLimits(PostgresSharedBuckets(pool), dict.fromkeys(Policy, RATE), lambda who: keys.sign(who)[1])
        stage = Stage(limits=limits)
        caller = await (await stage.container().get(Authenticate))(KEY)
        bare, guarded, limited = (
            Way(create_app(stage.container(), HttpConfig("1", limited=limited))) for limited in (False, False, True)
        )
        _open(bare.app)
        for way, status in ((bare, 200), (guarded, 401), (limited, 401)):
            await way.call(caller, bears=False)
            way.over(status)
        await _round((bare, guarded, limited), caller, calls // 10)
        found = [await _round((bare, guarded, limited), caller, calls) for _ in range(rounds)]
    p50 = [[percentile(times, 50) for times in each] for each in found]
    return [
        Figure("what a key adds to a request, p50", [b - a for a, b, _ in p50], "ms", Promise(0.3, 0.3, at_most=True)),
        Figure("what limits add to a request, p50", [c - b for _, b, c in p50], "ms", Promise(0.2, 0.2, at_most=True)),
        Figure("  with neither", [a for a, _, _ in p50], "ms"),
        Figure("  with a key that is known", [b for _, b, _ in p50], "ms"),
        Figure("  with both", [c for _, _, c in p50], "ms"),
        Figure("  with both, p99.9", [percentile(each[2], 99.9) for each in found], "ms"),
    ]


async def _round(ways: Sequence[Way], caller: Any, calls: int) -> list[list[float]]:
    for _ in range(calls):
        for way in ways:
            await way.call(caller)
    return [way.over(200) for way in ways]


def _open(app: Litestar) -> None:
    """Its guard lets everybody in, and the call itself says who it is."""
    for _, handler in routes(app):
        gate = handler.opt["gate"]
        assert isinstance(gate, Gate)
        handler.opt["gate"] = replace(gate, access=None)


async def _nothing_more() -> Any:
    return {"type": "http.request", "body": b"", "more_body": False}
