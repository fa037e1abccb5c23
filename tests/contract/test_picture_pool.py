"""The picture workers: what happens in one of them touches nobody else, and none outlives the service."""

import asyncio
import contextlib
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.picture_pool import PicturePool, PoolStopped, WorkerDied, patient_pool, picture_pool, warm
from adapters.picture_worker import TaskFailed, say, understand
from domain.errors import LimitExceeded
from domain.media import AssetKind, CleanPicture, PictureFormat, check_mask
from tests import chores


@pytest.fixture(scope="module")
def shared() -> Iterator[PicturePool]:
    pool = picture_pool(2)
    yield pool
    pool.stop()


async def gone(pid: int, within: float = 10.0) -> bool:
    """Whether the process ended; a zombie has ended."""
    until = time.monotonic() + within
    while time.monotonic() < until:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        await asyncio.sleep(0.02)
    return False


@pytest.mark.anyio
async def test_a_result_comes_back(shared: PicturePool) -> None:
    assert await asyncio.wrap_future(shared.schedule(math.sqrt, (16.0,))) == 4.0


@pytest.mark.anyio
async def test_an_error_comes_back_with_its_facts(shared: PicturePool) -> None:
    with pytest.raises(ValueError, match="math domain"):
        await asyncio.wrap_future(shared.schedule(math.sqrt, (-1.0,)))
    with pytest.raises(Exception, match="a mask is a PNG") as caught:
        await asyncio.wrap_future(shared.schedule(check_mask, (PictureFormat.JPEG, True)))
    assert caught.value.facts == {"field": "file", "reason": "no_alpha"}  # type: ignore[attr-defined]  # told apart by the line before


@pytest.mark.anyio
async def test_facts_and_choices_of_the_domain_come_back_as_themselves(shared: PicturePool) -> None:
    assert await asyncio.wrap_future(shared.schedule(AssetKind, ("mask",))) is AssetKind.MASK


@pytest.mark.anyio
async def test_a_foreign_error_comes_back_as_its_text_only(shared: PicturePool) -> None:
    with pytest.raises(TaskFailed, match="UnidentifiedImageError: cannot identify it"):
        await asyncio.wrap_future(shared.schedule(chores.fail_as_a_library_would))


@pytest.mark.anyio
async def test_code_is_no_answer(shared: PicturePool) -> None:
    with pytest.raises(TypeError, match="cannot answer"):
        await asyncio.wrap_future(shared.schedule(chores.answer_with_code))


def test_what_is_said_is_understood_as_it_was_meant() -> None:
    picture = CleanPicture(b"\0", PictureFormat.WEBP, 1, 2, "", True, ("oriented",))
    for value in (
        None,
        True,
        -3,
        1.5,
        "é",
        b"\xff",
        [],
        [1, [b""]],
        (),
        ("list", [1]),
        {"a": (1,), 2: [None]},
        AssetKind.MASK,
        picture,
    ):
        understood = understand(say(value))
        assert (understood, type(understood)) == (value, type(value))
    error = understand(say(LimitExceeded("too large", field="file", limit=3)))
    assert (type(error), error.detail, error.facts) == (LimitExceeded, "too large", {"field": "file", "limit": 3})
    assert understand(say(OSError(28, "full"))).errno == 28


@given(
    st.recursive(
        st.none() | st.integers(-9, 9) | st.text() | st.binary(),
        lambda each: st.lists(each) | st.tuples(each) | st.dictionaries(st.text(), each),
    )
)
def test_every_plain_value_is_understood(value: object) -> None:
    assert understand(say(value)) == value


@pytest.mark.parametrize(
    "said",
    [
        *(["facts", "os", "system", []], ["error", "builtins", "eval", ["tuple", ["1"]], ["dict", []]]),
        *(["facts", "subprocess", "Popen", [["args", "true"]]], ["error", "builtins", "SystemExit", ["tuple", []], ["dict", []]]),
        *(["facts", "adapters.picture_pool", "PicturePool", []], ["choice", "domain.media", "Asset", "x"]),
        *(["facts", "domain.media", "LIMITS", []], ["facts", "domain.media", "PictureFormat.PNG", []]),
        *(["facts", "domain.generations", "Generation", []], ["choice", "domain.media", "PictureFormat", "exe"]),
        *(["list"], [], ["tuple", 3], ["other", []], [["list", []]], ["dict", [[["list", []], 1]]], ["error", 1, 2, 3, 4]),
    ],
)
def test_no_answer_of_a_hostile_worker_does_more_than_be_refused(said: object) -> None:
    with pytest.raises((ValueError, TypeError, AttributeError)):
        understand(msgspec.msgpack.encode(said))


@given(st.binary())
def test_noise_is_no_answer(said: bytes) -> None:
    with contextlib.suppress(Exception):
        assert understand(said) is None or isinstance(understand(said), bool | int | float | str | bytes | list | tuple | dict)


@pytest.mark.anyio
async def test_a_worker_knows_nothing_of_the_service(shared: PicturePool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    assert set(await asyncio.wrap_future(shared.schedule(chores.environment))) <= {
        "OPENBLAS_NUM_THREADS",
        "LD_LIBRARY_PATH",
        "LC_CTYPE",
    }
    assert await asyncio.wrap_future(shared.schedule(chores.open_files)) == []


@pytest.mark.anyio
async def test_nothing_a_worker_holds_can_reach_the_disk(shared: PicturePool, tmp_path: Path) -> None:
    with pytest.raises(OSError, match="File too large"):
        await asyncio.wrap_future(shared.schedule(chores.write_a_file, (str(tmp_path / "picture"),)))
    assert await asyncio.wrap_future(shared.schedule(chores.core_size)) == 0


@pytest.mark.anyio
async def test_a_greedy_task_runs_out_of_memory_and_its_worker_lives_on(shared: PicturePool) -> None:
    before = await chores.staff(shared)
    with pytest.raises(MemoryError):
        await asyncio.wrap_future(shared.schedule(chores.eat, (1100,)))
    assert set(shared.pids) == before
    assert await asyncio.wrap_future(shared.schedule(chores.eat, (500,))) == 500 * chores.MEGABYTE


@pytest.mark.anyio
async def test_a_task_that_takes_too_long_is_ended_and_the_next_one_works(shared: PicturePool) -> None:
    before = await chores.staff(shared)
    start = time.monotonic()
    spinning = [asyncio.wrap_future(shared.schedule(chores.spin, timeout=0.3)) for _ in range(2)]
    assert [type(error) for error in await asyncio.gather(*spinning, return_exceptions=True)] == [TimeoutError] * 2
    assert time.monotonic() - start < 5
    assert [await gone(pid) for pid in before] == [True, True]
    assert await asyncio.wrap_future(shared.schedule(math.sqrt, (4.0,))) == 2.0


@pytest.mark.anyio
async def test_a_worker_that_stops_in_the_middle_of_an_answer_is_late(shared: PicturePool) -> None:
    start = time.monotonic()
    with pytest.raises(TimeoutError):
        await asyncio.wrap_future(shared.schedule(chores.say_half, timeout=0.3))
    assert time.monotonic() - start < 5


@pytest.mark.anyio
async def test_a_worker_that_takes_nothing_is_late_too(shared: PicturePool) -> None:
    """It is frozen, and what it is to take is more than lies in a socket."""
    before = await chores.staff(shared)
    for pid in before:
        os.kill(pid, signal.SIGSTOP)
    start = time.monotonic()
    with pytest.raises(TimeoutError):
        await asyncio.wrap_future(shared.schedule(len, (bytes(5 * chores.MEGABYTE),), 0.3))
    assert time.monotonic() - start < 5
    chores.wake(before)
    assert await asyncio.wrap_future(shared.schedule(len, (b"x",), 10.0)) == 1


@pytest.mark.anyio
async def test_waiting_for_a_worker_does_not_count_as_time(shared: PicturePool) -> None:
    naps = [asyncio.wrap_future(shared.schedule(chores.nap, (0.5,), 1.8)) for _ in range(8)]
    assert len(set(await asyncio.gather(*naps))) == 2


@pytest.mark.anyio
async def test_a_cancelled_task_leaves_its_worker_at_once(shared: PicturePool) -> None:
    before = await chores.staff(shared)
    spinning = [asyncio.wrap_future(shared.schedule(chores.spin)) for _ in range(2)]
    waiting = asyncio.wrap_future(shared.schedule(chores.spin))
    await asyncio.sleep(0.1)
    for future in (*spinning, waiting):
        future.cancel()
    assert await asyncio.wrap_future(shared.schedule(math.sqrt, (4.0,))) == 2.0
    assert [await gone(pid) for pid in before] == [True, True]


@pytest.mark.anyio
async def test_when_a_worker_is_killed_only_its_task_fails(shared: PicturePool) -> None:
    victim, bystander = await chores.staff(shared)
    naps = [asyncio.wrap_future(shared.schedule(chores.nap, (0.5,))) for _ in range(6)]
    await asyncio.sleep(0.2)
    os.kill(victim, signal.SIGKILL)
    ends = await asyncio.gather(*naps, return_exceptions=True)
    assert [type(end) for end in ends if isinstance(end, BaseException)] == [WorkerDied]
    assert bystander in ends
    assert victim not in ends


@pytest.mark.anyio
async def test_workers_killed_while_idle_are_not_missed(shared: PicturePool) -> None:
    for pid in await chores.staff(shared):
        os.kill(pid, signal.SIGKILL)
        assert await gone(pid)
    roots = [asyncio.wrap_future(shared.schedule(math.sqrt, (4.0,))) for _ in range(4)]
    assert await asyncio.gather(*roots) == [2.0] * 4


@pytest.mark.anyio
async def test_kills_at_any_moment_never_wedge_the_pool(shared: PicturePool) -> None:
    """Twenty megabytes there and back, so that most kills fall into a transfer."""
    load, ends = bytes(20 * chores.MEGABYTE), []
    for number in range(5):
        victim = min(await chores.staff(shared))
        carried = [asyncio.wrap_future(shared.schedule(bytes, (load,), 10.0)) for _ in range(2)]
        await asyncio.sleep(0.01 * number)
        os.kill(victim, signal.SIGKILL)
        ends += [type(end) for end in await asyncio.gather(*carried, return_exceptions=True)]
        assert await gone(victim)
    assert set(ends) <= {bytes, WorkerDied}
    assert await asyncio.wrap_future(shared.schedule(math.sqrt, (4.0,))) == 2.0


@pytest.mark.anyio
async def test_a_worker_is_replaced_after_its_share_of_tasks() -> None:
    pool = picture_pool(1, tasks_each=2)
    try:
        pids = [await asyncio.wrap_future(pool.schedule(os.getpid)) for _ in range(3)]
    finally:
        await asyncio.to_thread(pool.stop)
    assert [pids.count(pid) for pid in dict.fromkeys(pids)] == [2, 1]


@pytest.mark.anyio
async def test_stopping_ends_every_process_and_answers_everyone() -> None:
    pool = picture_pool(2)
    pids = await chores.staff(pool)
    spinning = [asyncio.wrap_future(pool.schedule(chores.spin)) for _ in range(5)]
    await asyncio.to_thread(pool.stop)
    assert [type(end) for end in await asyncio.gather(*spinning, return_exceptions=True)] == [PoolStopped] * 5
    assert [await gone(pid, within=0.5) for pid in pids] == [True, True]
    with pytest.raises(PoolStopped):
        pool.schedule(os.getpid)


@pytest.mark.anyio
async def test_a_pool_that_cannot_start_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    pool = picture_pool(1)
    try:
        with pytest.raises(WorkerDied):
            await warm(pool)
        with pytest.raises(WorkerDied):
            await asyncio.wrap_future(pool.schedule(os.getpid))
    finally:
        await asyncio.to_thread(pool.stop)


def program(*words: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.programs", *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)


@pytest.mark.anyio
async def test_killing_the_service_leaves_no_worker_behind() -> None:
    with program("workers") as service:
        assert service.stdout is not None
        pids = [int(pid) for pid in service.stdout.readline().split()]
        service.kill()
    assert len(pids) == 2
    assert [await gone(pid) for pid in pids] == [True, True]


@pytest.mark.anyio
async def test_ctrl_c_lets_the_work_under_way_finish(shared: PicturePool) -> None:
    assert await asyncio.wrap_future(shared.schedule(chores.ignored_signals)) == (True, True)
    with program("ctrl-c") as service:
        assert service.stdout is not None
        (worker,) = (int(pid) for pid in service.stdout.readline().split())
        os.killpg(service.pid, signal.SIGINT)
        for ending in (signal.SIGINT, signal.SIGTERM):
            os.kill(worker, ending)
        assert service.stdout.readline() == "finished\n"
    assert await gone(worker)


@pytest.mark.anyio
async def test_whoever_does_what_nobody_waits_for_starts_late_and_gives_way() -> None:
    pool = patient_pool()
    try:
        await warm(pool)
        assert pool.pids == ()
        nice = await asyncio.wrap_future(pool.schedule(os.getpriority, (os.PRIO_PROCESS, 0)))
        assert nice == min(19, os.getpriority(os.PRIO_PROCESS, 0) + 10)
    finally:
        pool.stop()
