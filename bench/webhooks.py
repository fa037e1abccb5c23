"""The webhook, and what follows from it: how soon events are answered, and how fast one worker follows a heap of them.

Answers: one API process without a worker, over a Postgres that keeps what it commits; events come when they are due, as from a
provider who does not wait. Following: an inbox that was filled before the worker began, about purchases at a server process that
stands for Stripe, which answers at once or after a time. Each purchase is told of many times, as it is in life.
"""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg

from adapters.payments.stripe_payments import StripePayments
from application.hints import TakeHint
from bench.books import BooksWrong, audit_whole
from bench.figures import Figure, Promise, percentile
from bench.gauges import Memory, cpu_seconds, yardstick
from bench.stage import durable_postgres, running, wait_until_ready
from bench.webhook_client import Delivery
from domain.accounts import Mode
from domain.billing import Hint
from entrypoints.wiring import Bell
from entrypoints.wiring_payments import WEBHOOK
from tests.offer import CATALOGUE
from tests.processes import until
from tests.service import free_port
from tests.stripe_process import KEY, StripeProcess, stripe_process
from tests.world import world

SECRET = "whsec_bench"
PER_SECOND, BURST = 100, 200
P99 = Promise(100, 100, at_most=True)
EVENTS, FEW, PURCHASES, CUSTOMERS = 10_000, 1_000, 300, 100
PACK, CREDITS, SHOP = "small", 400, "https://shop.example/"
LATENCIES = (0, 50)
"""Milliseconds that the provider takes for each answer."""
GROWTH_MB = Promise(16, 16, at_most=True)
AT_ONCE = 8
PATIENCE = 1_200.0

_ENDED = """
SELECT count(handled_at), extract(epoch FROM max(handled_at) - min(handled_at))::float8
FROM payment_hints WHERE starts_with(id, %s)
"""
_GRANTED = "SELECT coalesce(sum(granted), 0)::bigint FROM lots WHERE source = 'pack'"


def measure(folder: Path, rounds: int, seconds: float, share: float) -> list[Figure]:
    with durable_postgres(folder / "postgres") as postgres, stripe_process() as stripe:
        postgres.create_database("followed", template="gpt_image")
        figures = _answers(folder, postgres.url, stripe, rounds, seconds)
        return figures + asyncio.run(_following(folder, postgres.url_for("followed"), stripe, share))


def _settings(stripe: StripeProcess) -> dict[str, str]:
    said = {"STRIPE_SECRET_KEY": KEY, "STRIPE_WEBHOOK_SECRETS": SECRET, "STRIPE_BASE_URL": stripe.url}
    return said | {"PUBLIC_URL": "http://127.0.0.1:1"}


# How soon events are answered


def _answers(folder: Path, database_url: str, stripe: StripeProcess, rounds: int, seconds: float) -> list[Figure]:
    port, steady, bursts = free_port(), list[list[float]](), list[list[float]]()
    cpu, yardsticks = list[float](), list[float]()
    with running("api", folder / "service", database_url, PORT=str(port), **_settings(stripe)) as api:
        wait_until_ready(api, port)
        delivery = Delivery("warm", port, WEBHOOK, SECRET, 100, PER_SECOND)
        _delivered(delivery)
        for number in range(rounds):
            yardsticks.append(yardstick())
            used, events = cpu_seconds(api.process.pid), int(PER_SECOND * seconds)
            steady.append(_delivered(replace(delivery, name=f"steady{number}", events=events)))
            cpu.append((cpu_seconds(api.process.pid) - used) / events * 1000)
            bursts.append(_delivered(replace(delivery, name=f"burst{number}", events=BURST, per_second=0)))
    with psycopg.connect(database_url) as connection:
        rows, tokens = (_number(connection, f"SELECT count(*) FROM {table}") for table in ("payment_hints", "procrastinate_jobs"))
    told = 100 + sum(map(len, (*steady, *bursts)))
    if not rows == tokens == told:
        raise BooksWrong(f"{told} events were answered 200; there are {rows} hints and {tokens} wake-ups")
    return [
        _times(f"webhook at {PER_SECOND} events a second, p99", steady, P99),
        _times(f"webhook, {BURST} at once, p99", bursts, None),
        Figure("server CPU per event", cpu, "ms"),
        Figure("yardstick: CPU of a fixed piece of Python", yardsticks, "ms"),
    ]


def _delivered(delivery: Delivery) -> list[float]:
    """Sorted milliseconds. Raises BooksWrong unless every answer is 200."""
    command = [sys.executable, "-m", "bench.webhook_client"]
    said = json.dumps(asdict(delivery))
    done = subprocess.run(command, input=said, capture_output=True, text=True, check=False, timeout=PATIENCE)
    if done.returncode:
        raise RuntimeError(f"the client failed: {done.stderr[-1500:]}")
    times, statuses = json.loads(done.stdout)
    if statuses != {"200": delivery.events}:
        raise BooksWrong(f"not every event was taken: {statuses}")
    return sorted(times)


def _times(name: str, rounds: Sequence[Sequence[float]], promise: Promise | None) -> Figure:
    p50, most = ([f"{percentile(times, percent):.0f}" for times in rounds] for percent in (50, 100))
    note = f"p50 {', '.join(p50)}; most {', '.join(most)} ms"
    return Figure(name, [percentile(times, 99) for times in rounds], "ms", promise, note)


# How fast they are followed


@dataclass(frozen=True, slots=True)
class Followed:
    """`calls`: what the provider was asked; `worker`, `busy`: the part of a core that the worker took, and the provider's
    process; megabytes of the worker when it began and at most."""

    events: int
    seconds: float
    calls: int
    worker: float
    busy: float
    before: float
    peak: float

    @property
    def note(self) -> str:
        asked = f"{self.events:,} events, {self.calls / self.events:.1f} questions each"
        return f"{asked}; of a core the worker took {self.worker:.2f} and the provider's process {self.busy:.2f}"


async def _following(folder: Path, database_url: str, stripe: StripeProcess, share: float) -> list[Figure]:
    found: dict[int, tuple[Followed, Followed]] = {}
    async with _purchases(folder, database_url, stripe, int(PURCHASES * share) or 1) as (hints, take):
        for latency in LATENCIES:
            stripe.do("latency", seconds=latency / 1000)
            few, many = [
                await _follow(folder, f"{name}{latency}", int(events * share), hints, take, database_url, stripe)
                for name, events in (("few", FEW), ("many", EVENTS))
            ]
            found[latency] = few, many
        stripe.do("latency", seconds=0)
    await audit_whole(database_url)
    with psycopg.connect(database_url) as connection:
        granted, due = _number(connection, _GRANTED), (int(PURCHASES * share) or 1) * CREDITS
    if granted != due:
        raise BooksWrong(f"{due} credits were bought, and {granted} granted")
    rates = [
        Figure(f"events followed, provider takes {latency} ms", [many.events / many.seconds], "/s", note=many.note)
        for latency, (_, many) in found.items()
    ]
    growth = [
        Figure(
            f"memory growth from {few.events:,} to {many.events:,} events, provider takes {latency} ms",
            [many.peak - few.peak],
            "MB",
            GROWTH_MB,
            f"{few.before:.0f} MB when it began, at most {few.peak:.0f} and then {many.peak:.0f}",
        )
        for latency, (few, many) in found.items()
    ]
    return rates + growth


@asynccontextmanager
async def _purchases(
    folder: Path, database_url: str, stripe: StripeProcess, count: int
) -> AsyncIterator[tuple[list[Hint], TakeHint]]:
    """So many packs bought at the provider, its hints of them, and how ours are taken."""
    began = datetime.fromtimestamp(stripe.do("now"), UTC)
    async with (
        world(database_url, folder / "producer") as service,
        StripePayments.opened(KEY, (SECRET,), base_url=stripe.url) as pay,
    ):
        await pay.offer(CATALOGUE)
        for number in range(count):
            if number < CUSTOMERS:
                caller = await service.caller(mode=Mode.LIVE)
                customer = await pay.add_customer(caller.account_id, f"{number}@mail.example")
            page = await pay.check_out(customer, PACK, SHOP, SHOP, key=f"buy {number}")
            stripe.do("pay", session=page.id)
        await service.parts.get(Bell)
        yield [hint async for hint in pay.hints(began)], await service.parts.get(TakeHint)


async def _follow(
    folder: Path, name: str, events: int, hints: Sequence[Hint], take: TakeHint, database_url: str, stripe: StripeProcess
) -> Followed:
    """A worker begins when its inbox is full: each hint has come under ever other ids."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        asked = stripe.do("served")

        def ended() -> tuple[int, float]:
            row: Any = connection.execute(_ENDED, (f"{name}_",)).fetchone()
            return row[0], row[1]

        for first in range(0, events, AT_ONCE):
            numbers = range(first, min(first + AT_ONCE, events))
            await asyncio.gather(*(take(replace(hints[n % len(hints)], id=f"{name}_{n}")) for n in numbers))
        with running("worker", folder / name, database_url, **_settings(stripe)) as worker:
            await asyncio.to_thread(until, lambda: ended()[0] > 0, "the first to be followed", PATIENCE)
            pids, began = (worker.process.pid, stripe.process.pid), time.monotonic()
            rest, used = Memory.of(pids[0]).own, [cpu_seconds(pid) for pid in pids]
            await asyncio.to_thread(until, lambda: ended()[0] == events, "all to be followed", PATIENCE)
            took = time.monotonic() - began
            busy = [(cpu_seconds(pid) - cpu) / took for pid, cpu in zip(pids, used, strict=True)]
            peak = _peak(pids[0])
            worker.stop()
        return Followed(events, ended()[1], stripe.do("served") - asked, busy[0], busy[1], rest, peak)


def _peak(pid: int) -> float:
    """The most megabytes that were ever resident in the process."""
    (line,) = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1]) / 1024


def _number(connection: "psycopg.Connection[Any]", statement: str) -> int:
    row = connection.execute(statement.encode()).fetchone()
    assert row
    return int(row[0])
