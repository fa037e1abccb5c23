"""Real processes under test: started with short times, killed on purpose, and always ended by their pid."""

import atexit
import os
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import TypeVar

from tests.forks import SHORT as SHORT
from tests.forks import UNHURRIED as UNHURRIED
from tests.forks import Fork, Forks, zygote

Found = TypeVar("Found")


@cache
def forks() -> Forks:
    """What starts this test process' parts: made once, and gone with it."""
    opened = ExitStack()
    atexit.register(opened.close)
    return opened.enter_context(zygote(Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="gpt-image-zygote-")))))


@contextmanager
def part(name: str, folder: Path, **environment: str) -> Iterator[Fork]:
    """A part with short times, gone when the block ends."""
    running = forks().start(name, folder, environment)
    try:
        yield running
    finally:
        running.kill()


def until(found: Callable[[], Found | None], what: str, seconds: float = 60) -> Found:
    """What `found` answers once it is true; fails when the time is over."""
    end = time.monotonic() + seconds
    while True:
        answer = found()
        if answer:
            return answer
        if time.monotonic() > end:
            raise AssertionError(f"waited {seconds:.0f} s in vain for {what}")
        time.sleep(0.02)


def busy_seconds(*pids: int) -> float:
    """How long processors have worked for these so far, however busy the machine is."""
    stats = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in pids]
    return sum(int(ticks) for words in stats for ticks in words[11:13]) / os.sysconf("SC_CLK_TCK")


def tree_of(pid: int) -> list[int]:
    """The process and all its descendants, itself first."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            words = stat.read_text().rsplit(")", 1)[1].split()
            children.setdefault(int(words[1]), []).append(int(stat.parent.name))
    found = [pid]
    for parent in found:
        found.extend(children.get(parent, []))
    return found


def kill_tree(pid: int) -> None:
    """kill -9 of everything at once, as a machine that loses its power."""
    for victim in tree_of(pid):
        with suppress(ProcessLookupError):
            os.kill(victim, signal.SIGKILL)
