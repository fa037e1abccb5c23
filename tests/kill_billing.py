"""kill -9 of whoever hears the payment provider's webhook, and of whoever follows it, at every point where they touch the world.

A recorded run of each timeline lists the points. At each a process kills itself; the provider repeats what was not answered,
another process takes over, and the ledger must be the one reckoned by hand, to the last number that of the run without a death.
"""

import asyncio
import socket
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psycopg

from adapters.postgres.audit import audit
from adapters.postgres.pool import open_pool
from adapters.postgres.store import PostgresStore
from domain.accounts import Caller
from domain.billing import CustomerId
from domain.ledger import LedgerAccount
from entrypoints.wiring_payments import WEBHOOK
from tests import plain_http
from tests.clusters import empty
from tests.contract.store_contract import customer
from tests.forks import Fork, Forks
from tests.kill_stage import new_tag, points_of
from tests.payments_house import SECRET
from tests.stripe_delivery import signed
from tests.stripe_process import KEY, StripeProcess
from tests.timeline_ledgers import LEDGERS, PLANS
from tests.wallet_rows import from_postgres

SCENARIOS = ("half refunded then disputed and won", "first subscription")
"""Timelines whose plan does not hang on the day, as these processes live today."""
SECONDS, AFTERWARDS_SECONDS = 60.0, 0.3
NUMBERS = ("granted", "remaining", "expired", "reversed", "owed", "reversal")
OPEN = "SELECT count(*) FROM payment_hints WHERE handled_at IS NULL"
DUE = "UPDATE payment_hints SET resume_at = received_at WHERE handled_at IS NULL"
"""As if the wait after an attempt that nobody heard of were over."""


@dataclass(frozen=True, slots=True)
class Ledger:
    """`lots`: all numbers of each; `accounts`: what the lines come to."""

    plan: str
    lots: tuple[tuple[int, ...], ...]
    accounts: Mapping[str, int]

    def check(self, name: str) -> None:
        by_hand = LEDGERS[name]
        assert (self.plan, tuple((lot[0], lot[-1]) for lot in self.lots)) == (by_hand.plan, by_hand.lots), f"{name}: {self}"


@dataclass(frozen=True, slots=True)
class Kill:
    """`died`: whether the process came to the point; `passed`: the points that it passed."""

    scenario: str
    point: str
    died: bool
    passed: list[str]
    ledger: Ledger


@dataclass
class BillingLane:
    """A deployment for one kill after the other, each on an emptied database."""

    forks: Forks
    url: str
    folder: Path
    stripe: StripeProcess
    connection: psycopg.Connection[Any]
    store: PostgresStore
    listener: socket.socket
    """Of an API that stays."""

    def start(self, name: str, points: Path, crash_at: str = "", listener: socket.socket | None = None) -> Fork:
        said = {
            "DATABASE_URL": self.url,
            "DATABASE_CONNECTIONS": "3",
            "CATALOGUE_PLANS": str(self.folder / "plans.toml"),
            "PUBLIC_URL": "http://127.0.0.1:8000",
            "STRIPE_SECRET_KEY": KEY,
            "STRIPE_WEBHOOK_SECRETS": SECRET,
            "STRIPE_BASE_URL": self.stripe.url,
            "CRASH_POINTS": str(points),
            "CRASH_AT": crash_at,
        }
        return self.forks.start(name, self.folder, said, listener)

    async def play(self, name: str) -> tuple[Caller, Sequence[Mapping[str, Any]]]:
        """A new account whose customer's timeline it is, and what there is to tell of it from its first payment on."""
        empty(self.connection)
        self.stripe.do("fresh")
        self.stripe.do("play", name=name)
        (payer,) = self.stripe.do("ask", verb="get", path="/v1/customers")["data"]
        caller = await customer(self.store)
        async with self.store.transaction() as tx:
            await tx.customers.add(CustomerId(payer["id"]), caller.account_id)
        told = self.stripe.events()
        return caller, told[[event["type"] for event in told].index("customer.created") + 1 :]

    def open_hints(self) -> int:
        row = self.connection.execute(OPEN.encode()).fetchone()
        assert row
        return int(row[0])

    async def follow(self, points: Path, crash_at: str = "") -> tuple[Fork, bool]:
        """A worker that has followed all hints, or has died; whether it died at `crash_at`."""
        worker = self.start("worker", points, crash_at)
        until = time.monotonic() + SECONDS
        try:
            while self.open_hints() and not worker.has_ended:
                assert time.monotonic() < until, f"at {crash_at or 'no point'}: hints are left\n{worker.last_words}"
                await asyncio.sleep(0.02)
            if crash_at:
                with suppress(TimeoutError):
                    await asyncio.wait_for(worker.ended(), AFTERWARDS_SECONDS)
        finally:
            worker.kill()
        return worker, points_of(points).get(worker.pid, [""])[-1] == crash_at

    async def finish(self, points: Path) -> None:
        """By heirs, as a supervisor starts them, until no hint is left."""
        until = time.monotonic() + SECONDS
        while self.open_hints():
            assert time.monotonic() < until, "hints are left"
            self.connection.execute(DUE.encode())
            await self.follow(points)

    async def ledger(self, caller: Caller) -> Ledger:
        async with self.store.transaction() as tx:
            plan = (await tx.accounts.find(caller.account_id)).plan
        books, accounts = from_postgres(self.connection)(caller.wallet_id).books, Counter[str](dict.fromkeys(LedgerAccount, 0))
        for line in books.transfers:
            accounts[line.debit] -= line.amount
            accounts[line.credit] += line.amount
        lots = sorted(tuple(getattr(lot, name) for name in NUMBERS) for lot in books.lots.values())
        async with open_pool(self.url, size=1) as pool:
            report = await audit(pool)
        assert report.is_clean, report.findings
        return Ledger(plan, tuple(sorted(lots, key=lambda lot: (lot[0], lot[-1]))), dict(accounts))


@asynccontextmanager
async def billing_lane(forks: Forks, url: str, folder: Path, stripe: StripeProcess) -> AsyncIterator[BillingLane]:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "plans.toml").write_text(PLANS)
    with psycopg.connect(url, autocommit=True) as connection:
        async with open_pool(url, size=2) as pool:
            with socket.create_server(("127.0.0.1", 0)) as listener:
                lane = BillingLane(forks, url, folder, stripe, connection, PostgresStore(pool), listener)
                api = lane.start("api", folder / "points", listener=listener)
                try:
                    yield lane
                finally:
                    api.kill()


async def kill_worker(lane: BillingLane, scenario: str, crash_at: str = "") -> Kill:
    """Only the last event was told, and no poll comes to its help; a worker dies at the point, and others finish."""
    points = lane.folder / f"points-{new_tag()}"
    caller, events = await lane.play(scenario)
    lane.stripe.do("fault", name="error", verb="get", path="/v1/events", times=1_000_000)
    await deliver(lane.listener, events[-1:])
    assert lane.open_hints() == 1
    doomed, died = await lane.follow(points, crash_at)
    await lane.finish(points)
    return Kill(scenario, crash_at, died, points_of(points).get(doomed.pid, []), await _ended(lane, scenario, caller))


async def kill_api(lane: BillingLane, scenario: str, crash_at: str = "") -> Kill:
    """An API process dies at the point; the provider repeats to another what was not answered, and a worker follows."""
    points = lane.folder / f"points-{new_tag()}"
    caller, events = await lane.play(scenario)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        doomed = lane.start("api", points, crash_at, listener)
        try:
            unanswered = await deliver(listener, events, until_death=bool(crash_at))
            died = bool(unanswered)
        finally:
            doomed.kill()
    await deliver(lane.listener, [*unanswered, *events[:1]])
    assert lane.open_hints() == len(events), f"{scenario}, killed at {crash_at}: a hint is lost, or there twice"
    await lane.finish(points)
    return Kill(scenario, crash_at, died, points_of(points).get(doomed.pid, []), await _ended(lane, scenario, caller))


async def _ended(lane: BillingLane, scenario: str, caller: Caller) -> Ledger:
    ledger = await lane.ledger(caller)
    ledger.check(scenario)
    return ledger


async def deliver(
    listener: socket.socket, events: Sequence[Mapping[str, Any]], *, until_death: bool = False
) -> Sequence[Mapping[str, Any]]:
    """One after the other, each answered; those that were not, where the API may die."""
    address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    async with plain_http.AsyncClient(base_url=address, timeout=SECONDS) as client:
        for number, event in enumerate(events):
            body, signature = signed(dict(event), SECRET)
            try:
                answer = await client.post(WEBHOOK, content=body, headers={"stripe-signature": signature})
            except (httpx.NetworkError, httpx.RemoteProtocolError):
                assert until_death, "the API is gone"
                return events[number:]
            assert answer.status_code == 200, answer.text
    return []
