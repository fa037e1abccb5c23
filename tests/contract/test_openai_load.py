"""Many large answers at once: what they take of memory and of the event loop."""

import asyncio
import gc
import time
import tracemalloc
from collections.abc import Iterator

import pytest

from domain.attempts import Executed
from entrypoints.heap import keep_memory_quiet
from tests.openai_bench import Bench, Shown, bench
from tests.provider import Provider, provider
from tests.provider_pictures import picture

pytestmark = pytest.mark.anyio
BYTES, CALLS = 4_000_000, 8


@pytest.fixture(scope="module")
def openai(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    with provider(tmp_path_factory.mktemp("openai")) as running:
        yield running


@pytest.fixture(scope="module", autouse=True)
def as_in_a_worker() -> Iterator[None]:
    """Whatever other tests left behind in this process is nothing that a worker would look through."""
    keep_memory_quiet()
    yield
    gc.unfreeze()


class Seen(Shown):
    """Keeps nothing of what it is shown."""

    async def __call__(self, index: int, content: bytes) -> None:
        assert len(content) >= BYTES


class Callbacks:
    """Processor time of the event loop's thread, callback by callback."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.longest = 0.0
        run = asyncio.events.Handle._run

        def timed(handle: asyncio.events.Handle) -> None:
            started = time.thread_time()
            run(handle)
            self.longest = max(self.longest, time.thread_time() - started)

        monkeypatch.setattr(asyncio.events.Handle, "_run", timed)


@pytest.mark.parametrize("streamed", [False, True])
async def test_large_answers_take_twice_their_size_and_little_of_the_loop(
    openai: Provider, streamed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tracing memory makes everything some times slower, so the loop is timed in a run of its own."""
    async with bench(openai) as ready:
        await many(ready, streamed)  # imports, pools and caches
        callbacks = Callbacks(monkeypatch)
        await many(ready, streamed)
        monkeypatch.undo()
        tracemalloc.start()
        before, _ = tracemalloc.get_traced_memory()
        await many(ready, streamed)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    in_flight = CALLS * BYTES * 4 / 3  # of JSON, for the pictures alone
    assert (peak - before) / in_flight <= 2.0
    assert callbacks.longest < 0.020


async def many(ready: Bench, streamed: bool) -> None:
    asked = {"partial_images": 1, "shown": Seen()} if streamed else {}
    calls = (ready.make(f"[latency: 300] [bytes: {BYTES}] {number}", **asked) for number in range(CALLS))
    for result in await asyncio.gather(*calls):
        assert isinstance(result, Executed)
        assert len(result.pictures[0].content) >= BYTES


async def test_the_loop_sends_large_references_in_small_pieces(openai: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    large = tuple(picture("png", 64, 64, number, least=8_000_000) for number in range(4))
    async with bench(openai) as ready:
        await ready.make("warm", references=1)
        callbacks = Callbacks(monkeypatch)
        assert isinstance(await ready.make("[tag: large]", contents=large), Executed)
        monkeypatch.undo()
    assert [size for _, _, _, size in openai.calls("large")[0].files] == [len(content) for content in large]
    assert callbacks.longest < 0.020
