"""Traffic on a deployment whose parts are killed, frozen and cut off: nothing that was acknowledged is lost or doubled."""

import asyncio
import hashlib
import logging
import os
import random
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import psycopg

from adapters.postgres.audit import audit
from adapters.postgres.pool import open_pool
from application.housekeeping import SweepObjects
from application.ports import ObjectStorage
from application.queries import Queries
from application.store import Store
from domain.objects import ObjectKey
from domain.requests import Fault
from tests import plain_http
from tests.fault_stage import ACT, Deployment, Faults, deployment
from tests.kill_matrix import a_png
from tests.service import Customer, customer
from tests.world import World, world

PER_SECOND = 10.0
CREDITS, POOR = 1_000_000, 40
CALM_SECONDS = 5.0
ENDING_SECONDS = 60.0 + 2 * ACT
RESERVED_SECONDS = 20.0
"""Of a slice, for what is still under way to end and for the accounts."""


async def soak_faults(seed: int, deadline: float, folder: Path) -> dict[str, int]:
    """What was asked, hurt and made. Raises AssertionError naming the seed."""
    draw = random.Random(seed)
    logging.getLogger("psycopg.pool").setLevel(logging.ERROR)  # that connections are lost is the point
    async with (
        deployment(folder) as running,
        world(running.url, folder, picture_workers=1) as service,
        plain_http.AsyncClient(timeout=15) as client,
    ):
        rich = [await customer(service, CREDITS) for _ in range(4)]
        traffic = Traffic(running, client, draw, rich, await customer(service, POOR))
        try:
            await ready(running)
            await traffic.bring_references()
            faults = Faults(running, seed)
            until = max(deadline - RESERVED_SECONDS, time.monotonic() + 15)
            await asyncio.gather(traffic.until(until), faults.until(until))
            await ready(running)
            await asyncio.wait_for(traffic.answered(), ENDING_SECONDS)
            await everything_ended(running)
            for kept in running.kept:
                kept.part.kill()
            ends = await check_ends(running, service, traffic)
        except (AssertionError, TimeoutError, ExceptionGroup) as error:
            words = "\n".join(f"{kept.kind}: {kept.last_words}" for kept in running.kept)
            raise AssertionError(f"{words}\nseed {seed}: {error!r}") from error
    return {**{f"faults: {name}": count for name, count in faults.counts.items()}, **traffic.counts, **ends}


@dataclass
class Traffic:
    """Callers who ask until they are answered, each request under a key of its own. What they ask is drawn from the seed; when
    they are answered, and so what comes next, is up to the machine."""

    on: Deployment
    client: httpx.AsyncClient
    draw: random.Random
    rich: list[Customer]
    poor: Customer
    counts: Counter[str] = field(default_factory=Counter)
    acknowledged: dict[str, str] = field(default_factory=dict)
    _references: dict[str, str] = field(default_factory=dict)
    _open: set[asyncio.Task[None]] = field(default_factory=set)
    _failed: list[BaseException] = field(default_factory=list)

    async def bring_references(self) -> None:
        for buyer in self.rich:
            form = {"files": {"file": ("a.png", a_png())}}
            answer = await self._until_answered(buyer, "POST", "/v1/media", **form)
            self._references[buyer.key] = answer.json()["id"]

    async def until(self, deadline: float) -> None:
        while time.monotonic() < deadline:
            buyer = self.poor if self.draw.random() < 0.05 else self.draw.choice(self.rich)
            task = asyncio.create_task(self._one(buyer, self._body(buyer), self.draw.random()))
            self._open.add(task)
            task.add_done_callback(self._done)
            if self._failed:
                raise self._failed[0]
            await asyncio.sleep(self.draw.expovariate(PER_SECOND))

    async def answered(self) -> None:
        while self._open:
            await asyncio.wait(self._open)
        if self._failed:
            raise self._failed[0]

    def _done(self, task: asyncio.Task[None]) -> None:
        self._open.discard(task)
        if not task.cancelled() and (error := task.exception()):
            self._failed.append(error)

    def _body(self, buyer: Customer) -> dict[str, Any]:
        draw = self.draw
        body: dict[str, Any] = {
            "prompt": "a boat",
            "size": draw.choice(("16x16", "32x32")),
            "quality": "low",
            "n": draw.choice((1, 1, 2)),
        }
        if buyer in self.rich and draw.random() < 0.2:
            body["images"] = [self._references[buyer.key]]
        fault = draw.choice(list(Fault)) if draw.random() < 0.15 else None
        body["sandbox"] = {"fault": fault, "latency_ms": draw.choice((0, 0, 300, 1_500))}
        return body

    async def _one(self, buyer: Customer, body: dict[str, Any], chance: float) -> None:
        key = uuid4().hex
        headers = {"Idempotency-Key": key}
        answer = await self._until_answered(buyer, "POST", "/v1/generations", headers=headers, json=body)
        self.counts[f"answers {answer.status_code}"] += 1
        if answer.status_code == 402 and buyer is self.poor:
            return
        assert answer.status_code in (201, 202), f"{answer.status_code}: {answer.text}"
        made = answer.json()["id"]
        self.acknowledged[key] = made
        if chance < 0.1:
            again = await self._until_answered(buyer, "POST", "/v1/generations", headers=headers, json=body)
            assert again.json().get("id") == made, f"a repeat of {made} was answered with {again.status_code} {again.text[:100]}"
            self.counts["repeats"] += 1
        elif chance < 0.15:
            cancelled = await self._until_answered(buyer, "POST", f"/v1/generations/{made}/cancel")
            assert cancelled.status_code == 200, cancelled.text
            self.counts["cancels"] += 1

    async def _until_answered(self, buyer: Customer, method: str, path: str, **said: Any) -> httpx.Response:
        """A request whose answer was lost, or was "not now", is sent again as it was."""
        headers = buyer.headers | said.pop("headers", {})
        while True:
            self.counts["requests"] += 1
            api = self.draw.choice(self.on.of("api"))
            try:
                answer = await self.client.request(method, api.address + path, headers=headers, **said)
            except httpx.TransportError:
                self.counts["lost answers"] += 1
                await asyncio.sleep(0.3)
                continue
            if answer.status_code < 500:
                return answer
            assert answer.status_code == 503, f"{method} {path}: {answer.status_code} {answer.text}"
            assert self.on.calm_seconds < CALM_SECONDS, f"503 after {self.on.calm_seconds:.1f} s of calm: {method} {path}"
            self.counts["answers 503"] += 1
            await asyncio.sleep(0.5)


async def ready(running: Deployment) -> None:
    until = time.monotonic() + ENDING_SECONDS
    async with plain_http.AsyncClient(timeout=5) as client:
        for api in running.of("api"):
            while True:
                try:
                    if (await client.get(f"{api.address}/health/ready")).status_code == 200:
                        break
                except httpx.TransportError:
                    pass
                assert time.monotonic() < until, "an API process does not come back"
                await asyncio.sleep(0.1)


async def everything_ended(running: Deployment) -> None:
    """Now that nothing is hurt any more, every generation ends."""
    until = time.monotonic() + ENDING_SECONDS
    while left := _rows(running, "SELECT id, state, lease_until, resume_at FROM generations WHERE finished_at IS NULL"):
        assert time.monotonic() < until, f"{len(left)} generations do not end: {left[:3]}"
        await asyncio.sleep(0.2)


def _rows(running: Deployment, statement: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(running.url) as connection:
        return connection.execute(statement.encode()).fetchall()


async def check_ends(running: Deployment, service: World, traffic: Traffic) -> dict[str, int]:
    made = {str(id) for (id,) in _rows(running, "SELECT id FROM generations")}
    acknowledged = list(traffic.acknowledged.values())
    assert len(set(acknowledged)) == len(acknowledged), "two requests were answered with the same generation"
    assert made == set(acknowledged), f"lost {set(acknowledged) - made}, never acknowledged {made - set(acknowledged)}"
    await _check_books(running)
    calls = _check_calls(running)
    return {"generations": len(made), "orphans swept": await _check_objects(running, service), **calls}


async def _check_books(running: Deployment) -> None:
    async with open_pool(running.url, size=2) as pool:
        report = await audit(pool)
    assert report.is_clean, report.findings
    assert not _rows(running, "SELECT id FROM holds WHERE state = 'open'"), "a hold is open"
    unequal = """SELECT w.id, w.available, w.held, w.debt, l.granted, g.paid FROM wallets w
        CROSS JOIN LATERAL (SELECT coalesce(sum(granted), 0) AS granted FROM lots WHERE wallet_id = w.id) l
        CROSS JOIN LATERAL (SELECT coalesce(sum(unit * delivered), 0) AS paid FROM generations WHERE wallet_id = w.id) g
        WHERE (w.available, w.held, w.debt) IS DISTINCT FROM (l.granted - g.paid, 0, 0)"""
    assert not (wrong := _rows(running, unequal)), f"credits do not add up: {wrong}"


def _check_calls(running: Deployment) -> dict[str, int]:
    """Each call was written down before it went out; of those that may have been paid there are two at most."""
    points = (running.folder / "points").read_text().splitlines()
    calls = sum(" ImageModel.make#" in point and point.endswith(":before") for point in points)
    attempts = Counter(outcome for (outcome,) in _rows(running, "SELECT outcome FROM attempts"))
    assert calls <= attempts.total(), f"{calls} calls, but {attempts.total()} attempts"
    perhaps = "SELECT count(*) FROM attempts WHERE outcome <> 'not_executed' GROUP BY generation_id"
    paid = [count for (count,) in _rows(running, perhaps)]
    assert max(paid, default=0) <= 2, "a third call"
    return {"calls": calls, "second calls": sum(count == 2 for count in paid)}


async def _check_objects(running: Deployment, service: World) -> int:
    """After one sweep every object has its row and every row its object."""
    storage, queries = await service.parts.get(ObjectStorage), await service.parts.get(Queries)
    long_ago = time.time() - 7_200  # an upload without a row is left alone for an hour
    for file in (running.folder / "objects").rglob("*"):
        os.utime(file, (long_ago, long_ago))
    swept = await SweepObjects(await service.parts.get(Store), storage, queries)()
    found = {str(stored.key) async for stored in storage.list("") if stored.key.object_class.is_swept}
    spoken = set[str]()
    rows = _rows(running, 'SELECT id, account_id, generation_id, attempt, "index", sha256 FROM assets')
    for asset, account, generation, attempt, index, digest in rows:
        key = ObjectKey.picture(account, generation, attempt, index) if generation else ObjectKey.upload(account, asset)
        assert hashlib.sha256(await storage.get(key)).hexdigest() == digest, f"{key} is not what its row says"
        spoken |= {str(key), str(ObjectKey.thumbnail(account, asset))} | (
            {str(ObjectKey.manifest(account, generation, attempt))} if generation else set()
        )
    assert found <= spoken, f"orphans: {found - spoken}"
    return swept
