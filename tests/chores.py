"""What tests have picture workers do: only what belongs to a module can be sent to one."""

import asyncio
import contextlib
import os
import resource
import signal
import time
from collections.abc import Iterable
from pathlib import Path

from PIL import UnidentifiedImageError

from adapters.picture_pool import PicturePool

MEGABYTE = 1024 * 1024


def spin() -> None:
    while True:
        time.sleep(0.01)


def nap(seconds: float) -> int:
    time.sleep(seconds)
    return os.getpid()


def eat(megabytes: int) -> int:
    return len(bytes(megabytes * MEGABYTE))


def ignored_signals() -> tuple[bool, bool]:
    """Whether SIGINT and SIGTERM pass by."""
    return signal.getsignal(signal.SIGINT) is signal.SIG_IGN, signal.getsignal(signal.SIGTERM) is signal.SIG_IGN


def write_a_file(path: str) -> None:
    Path(path).write_bytes(b"what was in the picture")


def core_size() -> int:
    return resource.getrlimit(resource.RLIMIT_CORE)[0]


def environment() -> list[str]:
    return sorted(os.environ)


def open_files() -> list[str]:
    """What the process holds open besides its socket and the standard streams."""
    found = [str(entry.readlink()) for entry in Path("/proc/self/fd").iterdir() if entry.is_symlink()]
    return [name for name in found if not name.startswith(("socket:", "/dev/null", "pipe:", "/proc/"))]


def fail_as_a_library_would() -> None:
    raise UnidentifiedImageError("cannot identify it")


def answer_with_code() -> object:
    return os.system


def say_half() -> None:
    """As a worker that was taken over might: a long answer is announced, begun, and never ended."""
    mine = [entry for entry in Path("/proc/self/fd").iterdir() if entry.is_symlink() and "socket:" in str(entry.readlink())]
    os.write(int(mine[0].name), (10 * MEGABYTE).to_bytes(4, "big") + b"half")
    spin()


async def staff(pool: PicturePool) -> set[int]:
    """The pids of both workers, once both are at work."""
    while True:
        seen = await asyncio.gather(*(asyncio.wrap_future(pool.schedule(nap, (0.05,))) for _ in range(2)))
        if len(set(seen)) == 2:
            return set(seen)


def wake(pids: Iterable[int]) -> None:
    """From a SIGSTOP; whoever was late meanwhile is gone."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)
