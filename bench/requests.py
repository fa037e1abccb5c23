"""Accepted requests through HTTP, over spread wallets and over one hot wallet, in turn with the floor."""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench import books
from bench.client import Order, Tally
from bench.customers import seed
from bench.figures import Figure, Promise, percentile
from bench.floor import Floor, find_pgbench
from bench.gauges import Memory, cpu_seconds, tree_cpu_seconds, yardstick
from bench.stage import durable_postgres, postmaster, running, wait_until_ready
from tests.service import free_port

CUSTOMERS = 2_000
CONNECTIONS = 16
REST_SECONDS = 5
RATES = "rate_buckets"
BODY: dict[str, Any] = {
    "prompt": "A lighthouse keeper's kitchen at dawn, copper pans above a blue tiled stove, rain on the window, soft light from "
    "the left, a cat asleep on a folded map; watercolour with fine ink lines",
    "model": "gpt-image-2",
    "n": 1,
    "size": "1024x1024",
    "quality": "medium",
    "output_format": "png",
    "metadata": {"order": "2026-11-0042", "scene": "kitchen"},
}


@dataclass(frozen=True, slots=True)
class Round:
    """One stretch of one kind. CPU in milliseconds per request; 0 where there is no server."""

    requests: int
    per_second: float
    server_cpu: float
    postgres_cpu: float
    p50: float = 0.0
    p99: float = 0.0


@dataclass(slots=True)
class Traffic:
    """The API under measurement, and all that was asked of it."""

    port: int
    api: int
    postmaster: int
    secrets: Sequence[str]
    answered: int = 0
    rounds: dict[str, list[Round]] = field(default_factory=dict)
    yardsticks: list[float] = field(default_factory=list)

    def ask(self, kind: str, seconds: float) -> Round:
        secrets = self.secrets[:1] if kind == "hot" else self.secrets
        name = f"{kind}-{self.answered}"
        order = Order(name, self.port, CONNECTIONS, seconds, list(secrets), json.dumps(BODY))
        server, postgres = cpu_seconds(self.api), tree_cpu_seconds(self.postmaster)
        tally = _call(order)
        server, postgres = cpu_seconds(self.api) - server, tree_cpu_seconds(self.postmaster) - postgres
        count = len(tally.milliseconds)
        if tally.statuses != {"202": count}:
            raise books.BooksWrong(f"not every answer was 202: {tally.statuses} {tally.odd}")
        self.answered += count
        times = sorted(tally.milliseconds)
        cpu = (server / count * 1000, postgres / count * 1000)
        return Round(count, count / tally.seconds, *cpu, percentile(times, 50), percentile(times, 99))


def _call(order: Order) -> Tally:
    said = json.dumps({name: getattr(order, name) for name in Order.__slots__})
    command, patience = [sys.executable, "-m", "bench.client"], order.seconds + 30
    done = subprocess.run(command, input=said, capture_output=True, text=True, check=False, timeout=patience)
    if done.returncode:
        raise RuntimeError(f"the client failed: {done.stderr[-1500:]}")
    return Tally(**json.loads(done.stdout))


def measure(folder: Path, rounds: int, seconds: float) -> list[Figure]:
    with durable_postgres(folder / "postgres") as postgres:
        pgbench = find_pgbench(postmaster(postgres))
        customers = asyncio.run(seed(postgres.url, CUSTOMERS))
        postgres.create_database("floor", template="gpt_image")
        floor = Floor(pgbench, postgres.url_for("floor"), CUSTOMERS, CONNECTIONS, folder / "floor.pgbench")
        books.forget_rows(postgres.url)
        port = free_port()
        many = {"PORT": str(port), "OPEN_GENERATIONS": str(10**9)}
        with running("api", folder / "service", postgres.url, **many) as api:
            wait_until_ready(api, port)
            traffic = Traffic(port, api.process.pid, postmaster(postgres), [customer.secret for customer in customers])
            traffic.ask("warm", min(seconds, 2))
            time.sleep(REST_SECONDS)
            memory = Memory.of(api.process.pid)
            floor.prepare(postgres.url)
            floored = floor.times(20).requests
            rows = _same_rows(books.rows_per_request(postgres.url, traffic.answered), floor, floored)
            for _ in range(rounds):
                traffic.yardsticks.append(yardstick())
                floored += _floor_round(traffic, floor, seconds)
                for kind in ("spread", "hot"):
                    traffic.rounds.setdefault(kind, []).append(traffic.ask(kind, seconds))
            api.stop()
        books.check(floor.database_url, floored)
        books.check(postgres.url, traffic.answered)
        lines, _ = asyncio.run(books.audit_whole(postgres.url))
    print(
        f"Rows per request, by HTTP and by pgbench alike: {rows}; by HTTP alone, at most once a second for each caller: {RATES}."
    )
    print(
        f"{traffic.answered:,} answers, all 202; {floored:,} by pgbench. Wallets, lots, holds, versions and counts agree in both;"
    )
    print(f"the audit found nothing wrong in {lines:,} lines of the service's books.")
    figures = _figures(traffic.rounds, memory)
    return [*figures, Figure("yardstick: CPU of a fixed piece of Python", traffic.yardsticks, "ms")]


def _same_rows(service: books.Rows, floor: Floor, floored: int) -> books.Rows:
    """A floor that writes less would be a lie. Rates are drawn by the second, into an unlogged table: no row of a request."""
    rows = books.rows_per_request(floor.database_url, floored)
    if rows != service.without(RATES):
        raise books.BooksWrong(f"the floor writes other rows.\n  HTTP: {service}\n  pgbench: {rows}")
    return rows


def _floor_round(traffic: Traffic, floor: Floor, seconds: float) -> int:
    postgres = tree_cpu_seconds(traffic.postmaster)
    rate = floor.seconds(seconds)
    postgres = tree_cpu_seconds(traffic.postmaster) - postgres
    round_ = Round(rate.requests, rate.per_second, 0.0, postgres / rate.requests * 1000)
    traffic.rounds.setdefault("floor", []).append(round_)
    return rate.requests


def _figures(rounds: dict[str, list[Round]], memory: Memory) -> list[Figure]:
    floor, spread, hot = rounds["floor"], rounds["spread"], rounds["hot"]
    ratios = [a.per_second / b.per_second for a, b in zip(spread, floor, strict=True)]
    hot_ratios = [a.per_second / b.per_second for a, b in zip(hot, spread, strict=True)]
    figures = [
        Figure("accepted requests by HTTP ÷ pgbench writing the same rows", ratios, "", Promise(0.15, 0.25)),
        Figure("server CPU per accepted request", [r.server_cpu for r in spread], "ms", Promise(2.5, 1.5, at_most=True)),
        Figure("one hot wallet ÷ spread wallets", hot_ratios, "", Promise(0.4, 0.6)),
    ]
    for name, kind in (("spread wallets", spread), ("hot wallet", hot)):
        figures.append(Figure(f"requests by HTTP, {name}", [r.per_second for r in kind], "/s"))
        figures.append(Figure(f"  latency p50, {name}", [r.p50 for r in kind], "ms"))
        figures.append(Figure(f"  latency p99, {name}", [r.p99 for r in kind], "ms"))
    figures += [
        Figure("requests by pgbench", [r.per_second for r in floor], "/s"),
        Figure("Postgres CPU per request by HTTP", [r.postgres_cpu for r in spread], "ms"),
        Figure("Postgres CPU per request by pgbench", [r.postgres_cpu for r in floor], "ms"),
        *memory_figures("API", memory),
    ]
    return figures


def memory_figures(name: str, memory: Memory) -> list[Figure]:
    with_children = f"memory of the {name} at rest, with its {memory.processes - 1} children (PSS)"
    return [Figure(f"memory of the {name} at rest (RSS)", [memory.own], "MB"), Figure(with_children, [memory.tree], "MB")]
