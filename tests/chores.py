"""What tests have picture workers do: only what belongs to a module can be sent to one."""

import os
import resource
import signal
import time
from pathlib import Path

from PIL import UnidentifiedImageError

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


def smuggle(path: str) -> object:
    """What a decoder that was taken over might answer."""
    return _Smuggled(path)


class _Smuggled:
    def __init__(self, path: str) -> None:
        self._path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch {self._path}",)
