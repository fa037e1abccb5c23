"""The picture workers of a real API process frozen and killed while pictures are brought in; and many brought in at once."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path

import pytest

from adapters.intake import LEAST_SECONDS
from domain.errors import TooHeavy, Truncated
from tests.hostile import blank_png, encode
from tests.hostile_files import BOUNDARY, form
from tests.http_house import House
from tests.pictures import corners
from tests.processes import tree_of
from tests.service import Customer
from tests.soak_uploads import api_process
from tests.upload_line import Line

AT_ONCE = 32
WITHIN_SECONDS = 3.0
"""Of the worker's death, or the end of its time, the answer comes: one, and two for a machine that is busy with tests."""
pytestmark = pytest.mark.anyio


@pytest.fixture
async def lines(served: House, buyer: Customer) -> AsyncIterator[Callable[[], Line]]:
    opened = list[Line]()

    def one_more() -> Line:
        port = served.client.base_url.port
        assert port
        opened.append(Line("127.0.0.1", port, buyer.key))
        return opened[-1]

    yield one_more
    for line in opened:
        await line.close()


def picture_worker(served: House) -> int:
    port = served.client.base_url.port
    assert port
    (worker,) = tree_of(api_process(port))[1:]
    return worker


def busy_seconds(pid: int) -> float:
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, words[11:13])) / os.sysconf("SC_CLK_TCK")


async def is_at_work(worker: int) -> None:
    """Until it has a picture in hand that takes a while."""
    before = busy_seconds(worker)
    async with asyncio.timeout(30):
        while busy_seconds(worker) < before + 0.05:
            await asyncio.sleep(0.005)


async def test_an_upload_whose_worker_is_killed_is_refused_within_a_second_and_its_neighbour_is_not(
    served: House, buyer: Customer, lines: Callable[[], Line]
) -> None:
    before, worker = served.left(buyer), picture_worker(served)
    doomed = asyncio.create_task(lines().upload(form(blank_png(8_000, 6_000)), BOUNDARY))
    await is_at_work(worker)
    neighbour = asyncio.create_task(lines().upload(form(encode(corners(), "PNG")), BOUNDARY))
    os.kill(worker, signal.SIGKILL)
    since = time.monotonic()
    answer = await doomed
    seconds = time.monotonic() - since
    assert (answer.status, answer.problem) == (422, Truncated.problem())
    assert seconds < WITHIN_SECONDS
    assert (await neighbour).status == 201
    after = served.left(buyer)
    assert (after.assets, after.objects) == (before.assets + 1, before.objects + 1)


async def test_an_upload_whose_worker_hangs_is_refused_when_its_time_is_over(
    served: House, buyer: Customer, lines: Callable[[], Line]
) -> None:
    """It does not even take the file, which is more than lies in a socket."""
    worker, small = picture_worker(served), encode(corners(), "PNG")
    os.kill(worker, signal.SIGSTOP)
    try:
        since = time.monotonic()
        answer = await lines().upload(form(small.ljust(3_000_000, b"\0")), BOUNDARY)
        seconds = time.monotonic() - since
    finally:
        with suppress(ProcessLookupError):
            os.kill(worker, signal.SIGCONT)
    assert (answer.status, answer.problem) == (422, TooHeavy.problem())
    assert LEAST_SECONDS <= seconds < LEAST_SECONDS + WITHIN_SECONDS
    assert (await lines().upload(form(small), BOUNDARY)).status == 201


async def test_as_many_at_once_as_may_be_are_all_answered(served: House, lines: Callable[[], Line]) -> None:
    content = form(encode(corners().resize((600, 400)), "JPEG"))
    answers = await asyncio.gather(*(lines().upload(content, BOUNDARY) for _ in range(AT_ONCE)))
    assert {answer.status for answer in answers} == {201}
