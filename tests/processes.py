"""Real processes under test: started with short times, killed on purpose, and always ended by their pid."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from domain.rate_limits import LARGEST_QUOTA, Policy

Found = TypeVar("Found")

UNHURRIED = {f"{policy.upper()}_REQUESTS_PER_MINUTE": str(LARGEST_QUOTA) for policy in Policy}
"""Rates that nobody reaches."""
SHORT = {
    "LEASE_SECONDS": "3",
    "ACT_SECONDS": "20",
    "SETTLE_MARGIN_SECONDS": "5",
    "COME_BACK_SECONDS": "1",
    "BACK_OFF_SECONDS": "0.2",
    "SWEEP_SECONDS": "0.2",
    "GRACEFUL_SECONDS": "30",
    "PICTURE_WORKERS": "1",
    "WORKER_CONCURRENCY": "4",
    "DATABASE_CONNECTIONS": "8",
    **UNHURRIED,
}


class Part:
    """`gpt-image <name>` as a child process; its output goes to `log`."""

    def __init__(self, name: str, log: Path, environment: Mapping[str, str], cwd: Path) -> None:
        self.log = log
        inherited = {key: value for key, value in os.environ.items() if key in ("PATH", "HOME", "LANG", "TMPDIR")}
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "entrypoints.command", name],
                env=inherited | dict(environment),
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def kill(self) -> None:
        with suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait(30)

    def stop(self, seconds: float = 30) -> int:
        """Ask it to stop, and wait for its exit code."""
        with suppress(ProcessLookupError):
            self.process.terminate()
        return self.process.wait(seconds)

    @property
    def has_ended(self) -> bool:
        return self.process.poll() is not None


@contextmanager
def part(name: str, folder: Path, **environment: str) -> Iterator[Part]:
    """A part with short times, gone when the block ends."""
    folder.mkdir(parents=True, exist_ok=True)
    running = Part(name, folder / f"{name}.log", SHORT | {"DATA_DIR": str(folder)} | environment, folder)
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
