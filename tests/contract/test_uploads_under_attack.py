"""The picture workers of a real API process frozen and killed while pictures are brought in; many brought in at once; and large
files, of which nothing stays in its memory."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from adapters.intake import LEAST_SECONDS
from adapters.postgres.embedded import EmbeddedPostgres
from domain.errors import TooHeavy, Truncated, UnsupportedFormat
from tests.clusters import new_database
from tests.hostile import blank_png, encode
from tests.hostile_files import BOUNDARY, form
from tests.pictures import corners
from tests.processes import busy_seconds, until
from tests.service import Customer, customer
from tests.shipped import Shipped, shipped_api
from tests.soak_uploads import resident_bytes
from tests.upload_line import Answer, Line
from tests.world import world

AT_ONCE = 32
WITHIN_SECONDS = 3.0
"""Of the worker's death, or the end of its time, the answer comes: one, and two for a machine that is busy with tests."""
LARGE_BYTES, LARGER_BYTES = 16_000_000, 24_000_000
KEPT_BYTES = 6_000_000
"""What an API may have more of after large files than before."""
SMALL = encode(corners(), "PNG")
pytestmark = pytest.mark.anyio


@dataclass(frozen=True, slots=True)
class Attacked:
    api: Shipped
    who: Customer
    database_url: str
    folder: Path

    async def upload(self, content: bytes) -> Answer:
        line = Line("127.0.0.1", self.api.port, self.who.key)
        try:
            return await line.upload(form(content), BOUNDARY)
        finally:
            await line.close()

    @property
    def left(self) -> tuple[int, int]:
        """Rows and objects."""
        with psycopg.connect(self.database_url) as connection:
            rows = connection.execute("SELECT count(*) FROM assets").fetchall()
        return rows[0][0], len(list((self.folder / "objects").rglob("*.object")))


@pytest.fixture(scope="module")
async def attacked(postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Attacked]:
    url, folder = new_database(postgres), tmp_path_factory.mktemp("attacked")
    async with world(url, folder) as service:
        who = await customer(service, 0)
    with shipped_api(url, folder) as api:
        yield Attacked(api, who, url, folder)


async def is_at_work(worker: int) -> None:
    """Until it has a picture in hand that takes a while."""
    before = busy_seconds(worker)
    async with asyncio.timeout(30):
        while busy_seconds(worker) < before + 0.05:
            await asyncio.sleep(0.005)


async def the_one_at_work(workers: Sequence[int]) -> int:
    """Who has a picture in hand that takes a while."""
    before = {worker: busy_seconds(worker) for worker in workers}
    async with asyncio.timeout(30):
        while True:
            for worker in workers:
                if busy_seconds(worker) > before[worker] + 0.05:
                    return worker
            await asyncio.sleep(0.005)


async def test_an_upload_whose_worker_hangs_is_refused_when_its_time_is_over(attacked: Attacked) -> None:
    """One does not even take the file, which is more than lies in a socket; one takes it and falls silent. This is the first test
    here, so that both workers have started."""
    before, workers = attacked.left, attacked.api.picture_workers
    for worker in workers:
        os.kill(worker, signal.SIGSTOP)
    try:
        since = time.monotonic()
        answers = await asyncio.gather(attacked.upload(SMALL.ljust(3_000_000, b"\0")), attacked.upload(SMALL))
        seconds = time.monotonic() - since
    finally:
        for worker in workers:
            with suppress(ProcessLookupError):
                os.kill(worker, signal.SIGCONT)
    assert [(answer.status, answer.problem) for answer in answers] == [(422, TooHeavy.problem())] * 2
    assert LEAST_SECONDS <= seconds < LEAST_SECONDS + WITHIN_SECONDS
    assert (await attacked.upload(SMALL)).status == 201
    assert attacked.left == (before[0] + 1, before[1] + 1)


async def test_an_upload_whose_worker_is_killed_is_refused_at_once_and_its_neighbours_are_not(attacked: Attacked) -> None:
    before = attacked.left
    doomed = asyncio.create_task(attacked.upload(blank_png(8_000, 6_000)))
    worker = await the_one_at_work(attacked.api.picture_workers)
    neighbours = [asyncio.create_task(attacked.upload(SMALL)) for _ in range(3)]
    os.kill(worker, signal.SIGKILL)
    since = time.monotonic()
    answer = await doomed
    seconds = time.monotonic() - since
    assert (answer.status, answer.problem) == (422, Truncated.problem())
    assert seconds < WITHIN_SECONDS
    assert [(await neighbour).status for neighbour in neighbours] == [201] * 3
    assert attacked.left == (before[0] + 3, before[1] + 3)


async def test_as_many_at_once_as_may_be_are_all_answered(attacked: Attacked) -> None:
    content = encode(corners().resize((600, 400)), "JPEG")
    answers = await asyncio.gather(*(attacked.upload(content) for _ in range(AT_ONCE)))
    assert {answer.status for answer in answers} == {201}


async def test_memory_that_large_files_took_is_given_back(attacked: Attacked) -> None:
    """The first is for the C library to learn from: left to itself, it keeps what takes no more than that."""
    await attacked.upload(bytes(LARGE_BYTES))
    before = resident_bytes(attacked.api.pid)
    for size in (LARGER_BYTES, LARGE_BYTES, LARGE_BYTES, LARGE_BYTES):
        assert (await attacked.upload(bytes(size))).problem == UnsupportedFormat.problem()
    most = before + KEPT_BYTES
    until(lambda: resident_bytes(attacked.api.pid) < most, f"the API's memory to fall below {most:,} bytes", 10)
