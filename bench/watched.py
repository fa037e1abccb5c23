"""A worker or an API as it ships, but on asyncio's own event loop, whose every callback is timed: `python -m bench.watched
worker|api REPORT`.

uvloop runs the same callbacks without letting anybody look. Times are of the thread's processor, not of the clock, so neighbours
do not count; the longest by the clock is told too. At SIGUSR2 it writes to REPORT, as JSON, what it saw since the latest SIGUSR1.
"""

import asyncio
import hashlib
import json
import signal
import sys
import threading
from collections.abc import Callable, Coroutine
from functools import wraps
from pathlib import Path
from time import perf_counter, thread_time
from typing import Any

from adapters.image_models.openai import images
from adapters.storage.whole_files import WholeFiles
from entrypoints import logs
from entrypoints.api import serve
from entrypoints.settings import Settings
from entrypoints.worker import work

LONGEST = 8
Part = Callable[[Settings], Coroutine[Any, Any, None]]


class Watch:
    """Seconds of processor time. `longest`: the callbacks that took most. `parts`: what the heavy work took on the event
    loop's own thread, and elsewhere."""

    def __init__(self) -> None:
        self._loop_thread = threading.get_ident()
        self.start()

    def start(self) -> None:
        self.callbacks, self.seconds, self.clock = 0, 0.0, 0.0
        self.longest: list[tuple[float, str]] = []
        self.parts: dict[str, list[float]] = {}

    def ran(self, seconds: float, clock: float, whose: Callable[[], str]) -> None:
        self.callbacks += 1
        self.seconds += seconds
        self.clock = max(self.clock, clock)
        if len(self.longest) < LONGEST or seconds > self.longest[-1][0]:
            self.longest = sorted([*self.longest, (seconds, whose())], reverse=True)[:LONGEST]

    def part(self, name: str, act: Callable[..., Any]) -> Callable[..., Any]:
        """`act`, with its time added to the part of this name."""

        @wraps(act)
        def timed(*arguments: Any, **named: Any) -> Any:
            began = thread_time()
            try:
                return act(*arguments, **named)
            finally:
                spent = self.parts.setdefault(name, [0.0, 0.0])
                spent[0 if threading.get_ident() == self._loop_thread else 1] += thread_time() - began

        return timed

    def report(self, path: Path) -> None:
        said = {"callbacks": self.callbacks, "seconds": self.seconds, "longest": self.longest, "parts": self.parts}
        said |= {"clock": self.clock}
        path.with_suffix(".new").write_text(json.dumps(said))
        path.with_suffix(".new").rename(path)


def install(watch: Watch) -> None:
    run = asyncio.Handle._run

    def timed(handle: asyncio.Handle) -> None:
        began, clock = thread_time(), perf_counter()
        run(handle)
        watch.ran(thread_time() - began, perf_counter() - clock, lambda: _whose(handle))

    asyncio.Handle._run = timed  # type: ignore[method-assign,assignment]  # asyncio has no other place to look from
    images.read = watch.part("decode and base64", images.read)  # type: ignore[attr-defined]  # a look from outside
    hashlib.sha256 = watch.part("hashing", hashlib.sha256)
    WholeFiles.put = watch.part("put", WholeFiles.put)  # type: ignore[method-assign]  # a look from outside


def _whose(handle: asyncio.Handle) -> str:
    """The coroutine of the task that ran, or the function."""
    act = handle._callback  # type: ignore[attr-defined]  # what a handle runs has no other name
    task = getattr(act, "__self__", None)
    coroutine = task.get_coro() if isinstance(task, asyncio.Task) else act
    return str(getattr(coroutine, "__qualname__", type(coroutine).__name__))


async def _run(part: Part, settings: Settings, watch: Watch, report: Path) -> None:
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGUSR1, watch.start)
    loop.add_signal_handler(signal.SIGUSR2, watch.report, report)
    await part(settings)


def main() -> None:
    name, report = sys.argv[1:]
    settings = Settings.read()
    logs.configure(name)
    watch = Watch()
    install(watch)
    asyncio.run(_run({"worker": work, "api": serve}[name], settings, watch, Path(report)))


if __name__ == "__main__":
    main()
