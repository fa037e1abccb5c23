"""Where workers are killed: databases, files and callers of their own for many kills at once, and what a kill left behind."""

import asyncio
import io
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import AbstractContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
from dishka import Provider as Parts
from dishka import Scope, provide
from PIL import Image

from adapters.picture_pool import PicturePool, picture_pool, warm
from adapters.postgres.audit import audit
from adapters.postgres.embedded import EmbeddedPostgres
from adapters.postgres.pool import open_pool
from application.generations import RequestGeneration
from application.housekeeping import SweepObjects
from application.media import AdmitUpload
from application.ports import ObjectStorage
from application.store import IdempotencyKey, StoreUnavailable
from domain.accounts import Caller, Mode
from domain.attempts import Finality, Outcome
from domain.generations import GenerationId, GenerationState
from domain.media import AssetId, AssetKind
from domain.objects import ObjectClass, ObjectKey
from domain.requests import Asked, Sandbox
from entrypoints.wiring_pictures import PatientPool
from tests.clusters import migrated_postgres
from tests.forks import Fork, Forks
from tests.kill_ends import Left
from tests.provider import Provider
from tests.weed import Weed
from tests.world import World, world

CREDITS, TRIES = 100_000_000, 20
LIVE_SIZE, TALL_SIZE, TEST_SIZE = "1024x1024", "1024x1536", "64x64"
FREELY = {
    "BREAKER_UNKNOWNS": "1000000",
    "REFUSALS_PER_HOUR": "1000000",
    "REFUNDS_PER_HOUR": "1000000",
    "OPEN_GENERATIONS": "100000",
    "SETTLE_MARGIN_SECONDS": "20",
    "GRACEFUL_SECONDS": "40",
}
"""Whoever kills workers on purpose loses answers on purpose: the breaker is somebody else's subject."""


class Counted:
    """The provider's own record of its calls, the only one that counts, read as it grows. It judges tall pictures to be bad."""

    def __init__(self, provider: Provider) -> None:
        self.environment = {"OPENAI_API_KEY": "sk-soak", "OPENAI_BASE_URL": provider.url}
        self.let_go = provider.let_go
        provider.judges("[tall-pictures: violence]")
        self._record, self._read = provider.record, 0
        self._tags: dict[int, str] = {}
        self._seen: dict[str, Counter[str]] = {}

    def calls(self, tag: str) -> int:
        """How many with this tag have arrived, whatever became of them."""
        return self.outcomes(tag)["received"]

    def outcomes(self, tag: str) -> Counter[str]:
        self._read_on()
        return self._seen.get(tag, Counter())

    def perhaps_paid(self) -> Counter[str]:
        """By tag: calls that were made, or are still out."""
        self._read_on()
        free = ("refused", "limited", "failed")
        return Counter({tag: seen["received"] - sum(seen[each] for each in free) for tag, seen in self._seen.items()})

    def _read_on(self) -> None:
        if not self._record.exists():
            return
        with self._record.open("rb") as record:
            record.seek(self._read)
            written = record.read()
        whole = written[: written.rfind(b"\n") + 1]
        self._read += len(whole)
        for line in whole.splitlines():
            said = json.loads(line)
            if said["outcome"] == "received":
                self._tags[said["call"]] = said["tag"] or ""
            if said["call"] in self._tags:
                self._seen.setdefault(self._tags[said["call"]], Counter())[said["outcome"]] += 1


async def together(*work: Coroutine[Any, Any, object]) -> None:
    """All of it, at once. The first failure ends the rest, and is raised when the rest is over."""
    try:
        async with asyncio.TaskGroup() as group:
            for each in work:
                group.create_task(each)
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from failed.exceptions[0].__cause__


class OnePool(Parts):
    """The picture workers of all worlds of this process."""

    scope = Scope.APP

    def __init__(self, pool: PicturePool) -> None:
        super().__init__()
        self._pool = pool

    @provide(override=True)
    def picture_workers(self) -> PicturePool:
        return self._pool

    @provide(override=True)
    def patient(self) -> PatientPool:
        return PatientPool(self._pool)


def new_tag() -> str:
    """Letters alone: digits by chance look like a payment card's, which no prompt may hold."""
    return uuid4().hex.translate(str.maketrans("0123456789", "ghijklmnop"))


def roomy_postgres(home: Path) -> AbstractContextManager[EmbeddedPostgres]:
    """With connections for dozens of processes."""
    return migrated_postgres(home, max_connections="600")


@asynccontextmanager
async def shared_pictures() -> AsyncIterator[OnePool]:
    pool = picture_pool(1)
    try:
        await warm(pool)
        yield OnePool(pool)
    finally:
        pool.stop()


@dataclass
class Lane:
    """A deployment for one kill after the other: nothing but the generation at hand is open in it."""

    forks: Forks
    url: str
    folder: Path
    provider: Counted | None
    service: World
    connection: psycopg.AsyncConnection[Any]
    callers: dict[Mode, Caller]
    references: dict[Mode, AssetId]
    storage: Mapping[str, str] = field(default_factory=dict)
    """What its parts are told of where objects lie; nothing: in its folder."""
    starts: Counter[str] = field(default_factory=Counter)

    def worker(self, points: Path, crash_at: str = "", **environment: str) -> Fork:
        said = FREELY | (self.provider.environment if self.provider else {}) | dict(self.storage) | environment
        said |= {"DATABASE_URL": self.url, "CRASH_POINTS": str(points), "CRASH_AT": crash_at}
        return self.forks.start("worker", self.folder, said)

    async def ask(
        self,
        mode: Mode,
        prompt: str,
        *,
        n: int = 1,
        edit: bool = False,
        latency_ms: int = 0,
        by: Caller | None = None,
        size: str = LIVE_SIZE,
        partials: int = 0,
    ) -> GenerationId:
        """`by`: somebody else than the caller of all other requests. `size`: of live pictures. Whose answer is lost asks again,
        with the same key."""
        asked = Asked(
            prompt=prompt,
            size=size if mode is Mode.LIVE else TEST_SIZE,
            quality="low",
            n=n,
            partial_images=partials,
            images=(self.references[mode],) if edit else (),
            sandbox=Sandbox(latency_ms=latency_ms) if latency_ms and mode is Mode.TEST else None,
        )
        caller, request = by or self.callers[mode], await self.service.parts.get(RequestGeneration)
        once = (IdempotencyKey(caller.account_id, mode, "lane", new_tag()), "")
        for _ in range(TRIES):
            with suppress(StoreUnavailable):
                return (await request(caller, asked, idempotency=once))[0]
            await asyncio.sleep(0.2)
        raise AssertionError("the database did not take a request")

    async def rows(self, statement: str, *parameters: object) -> list[Any]:
        return await (await self.connection.execute(statement.encode(), parameters)).fetchall()

    async def is_open(self, generation: GenerationId) -> bool:
        return (await self.rows("SELECT finished_at IS NULL FROM generations WHERE id = %s", generation))[0][0]  # type: ignore[no-any-return]  # a boolean column

    async def becomes_ended(self, generation: GenerationId, seconds: float, what: str) -> None:
        until = time.monotonic() + seconds
        while await self.is_open(generation):
            assert time.monotonic() < until, f"not ended after {seconds:.0f} s: {what}"
            await asyncio.sleep(0.05)

    async def balance(self, mode: Mode) -> tuple[int, int]:
        wallet = self.callers[mode].wallet_id
        return (await self.rows("SELECT available, held FROM wallets WHERE id = %s", wallet))[0]  # type: ignore[no-any-return]  # two integers

    async def left(self, generation: GenerationId) -> Left:
        """What rows and keys say of it now."""
        row = await self.rows(
            "SELECT account_id, state, n, cancel_requested_at IS NOT NULL, delivered FROM generations WHERE id = %s", generation
        )
        account, state, n, cancelled, delivered = row[0]
        attempts = await self.rows("SELECT outcome, finality FROM attempts WHERE generation_id = %s ORDER BY number", generation)
        storage = await self.service.parts.get(ObjectStorage)
        pictures, manifests = Counter[int](), set[int]()
        for attempt in range(1, len(attempts) + 1):
            async for stored in storage.list(f"{ObjectKey.of_generation(account, generation)[0]}{attempt}/"):
                if stored.key.is_manifest:
                    manifests.add(attempt)
                else:
                    pictures[attempt] += 1
        said = [(Outcome(outcome), Finality(finality) if finality else None) for outcome, finality in attempts]
        return Left(GenerationState(state), n, said, pictures, frozenset(manifests), cancelled, delivered)

    async def check_books(self) -> None:
        """The audit is clean, no hold is open, everybody paid for what was delivered and nothing else, and one sweep leaves no
        object without its row."""
        async with open_pool(self.url, size=2) as pool:
            report = await audit(pool)
        assert report.is_clean, report.findings
        assert await self.rows("SELECT count(*) FROM holds WHERE state = 'open'") == [(0,)], "a hold is open"
        unequal = """SELECT w.id, w.available, w.held, w.debt, l.granted, g.paid FROM wallets w
            CROSS JOIN LATERAL (SELECT coalesce(sum(granted), 0) AS granted FROM lots WHERE wallet_id = w.id) l
            CROSS JOIN LATERAL (SELECT coalesce(sum(unit * delivered), 0) AS paid FROM generations WHERE wallet_id = w.id) g
            WHERE (w.available, w.held, w.debt) IS DISTINCT FROM (l.granted - g.paid, 0, 0)"""
        assert not (wrong := await self.rows(unequal)), f"credits do not add up: {wrong}"
        storage, spoken = await self.service.parts.get(ObjectStorage), set[str]()
        for account, generation in await self.rows("SELECT account_id, id FROM generations WHERE started_at IS NOT NULL LIMIT 1"):
            await storage.put(ObjectKey.picture(account, generation, 1, 9), b"late", "image/png")  # so that there is one to sweep
        await (await self.service.parts.get(SweepObjects))()
        for generation, attempt, index in await self.rows('SELECT generation_id, attempt, "index" FROM assets'):
            spoken |= {f"{generation}/{attempt}/{index}", f"{generation}/{attempt}/manifest"}
        found = {str(stored.key) async for stored in storage.list(f"{ObjectClass.OUTPUTS}/")}
        orphans = [key for key in found if key.split("/", 2)[2] not in spoken]
        assert not orphans, f"orphans are left after a sweep: {orphans[:3]}"


@asynccontextmanager
async def lane(
    forks: Forks, url: str, folder: Path, pictures: OnePool, provider: Counted | None, s3: Weed | None = None
) -> AsyncIterator[Lane]:
    """`s3`: where objects lie, in a bucket of the lane's own."""
    storage = dict(s3.bucket(f"lane-{folder.name}")) if s3 else {}
    at = {name.lower(): value for name, value in storage.items() if name.startswith("S3_")}
    freely = {"open_generations": 100_000, "refusals_per_hour": 1_000_000, "refunds_per_hour": 1_000_000}
    async with (
        world(url, folder, pictures, database_connections=2, **freely, **at) as service,
        await psycopg.AsyncConnection.connect(url, autocommit=True) as connection,
    ):
        callers = {mode: await service.caller(credits=CREDITS, mode=mode) for mode in Mode}
        upload = await service.parts.get(AdmitUpload)
        references = {mode: (await upload(caller, a_png(), AssetKind.REFERENCE))[0].id for mode, caller in callers.items()}
        assert (folder / "objects").exists() is not bool(s3), "objects lie where they should not"
        yield Lane(forks, url, folder, provider, service, connection, callers, references, storage)


def points_of(record: Path) -> dict[int, list[str]]:
    """The points each process passed, the first process first."""
    passed: dict[int, list[str]] = {}
    for line in record.read_text().splitlines() if record.exists() else ():
        pid, point = line.split(" ", 1)
        passed.setdefault(int(pid), []).append(point)
    return passed


def calls_begun(passed: dict[int, list[str]]) -> int:
    """Calls of a model inside the worker: each that was begun, but for one at whose very beginning the process died."""
    begun = [point for points in passed.values() for point in points if point.startswith("ImageModel.make#")]
    last = [points[-1] for points in passed.values()]
    died = sum(point.startswith("ImageModel.make#") and point.endswith(":before") for point in last)
    return sum(point.endswith(":before") for point in begun) - died


def a_png() -> bytes:
    content = io.BytesIO()
    Image.new("RGB", (64, 64), "red").save(content, "PNG")
    return content.getvalue()
