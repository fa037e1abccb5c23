"""What the kernel says of processes: the CPU they used, the memory they hold. Linux only."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, thread_time
from typing import Self

from tests.processes import tree_of

_TICK, _PAGE = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")


def cpu_seconds(pid: int) -> float:
    """Used by the process itself, all its threads."""
    user, system, *_ = _times(pid)
    return (user + system) / _TICK


def tree_cpu_seconds(pid: int) -> float:
    """Used by the process, its descendants, and those children that have ended and were waited for."""
    ticks = sum(_times(pid))
    for child in tree_of(pid)[1:]:
        with suppress(OSError):
            ticks += sum(_times(child))
    return ticks / _TICK


def yardstick() -> float:
    """Milliseconds of CPU for a fixed piece of Python just now: when neighbours press it grows, and all CPU figures with it."""
    began = thread_time()
    for number in range(200_000):
        str(number)
    return (thread_time() - began) * 1000


def resident(pid: int) -> float:
    """Megabytes of its pages that are in memory just now."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE / 1024 / 1024


@contextmanager
def neighbours() -> Iterator[list[float]]:
    """Cores that processes which are not ours kept busy while the block lasted: the list holds the one number afterwards."""
    taken: list[float] = []
    busy, ours, began = _busy_seconds(), tree_cpu_seconds(os.getpid()), monotonic()
    yield taken
    busy, ours = _busy_seconds() - busy, tree_cpu_seconds(os.getpid()) - ours
    taken.append(max(0.0, (busy - ours) / (monotonic() - began)))


def _busy_seconds() -> float:
    """Of all processors together, since the machine was started; also what the host gave to others."""
    user, nice, system, _idle, _waiting, *interrupts_and_stolen = Path("/proc/stat").read_text().split()[1:9]
    return sum(map(int, (user, nice, system, *interrupts_and_stolen))) / _TICK


def _times(pid: int) -> list[int]:
    """User, system, and the same of ended children, in ticks."""
    words = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return [int(word) for word in words[11:15]]


@dataclass(frozen=True, slots=True)
class Memory:
    """Megabytes: `own` resident in the process; `tree` also in its children, pages they share counted once."""

    own: float
    tree: float
    processes: int

    @classmethod
    def of(cls, pid: int) -> Self:
        tree = tree_of(pid)
        return cls(_kilobytes(pid, "Rss") / 1024, sum(_kilobytes(each, "Pss") for each in tree) / 1024, len(tree))


def _kilobytes(pid: int, name: str) -> int:
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1])
    return 0
