"""What tests have picture workers do, and programs that tests run and kill: things must have a module to be sent elsewhere."""

import asyncio
import os
import resource
import signal
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from PIL import UnidentifiedImageError

from adapters.keyring import Keyring
from adapters.picture_pool import WorkerDied, picture_pool, warm
from adapters.storage.filesystem import FilesystemStorage
from domain.accounts import AccountId
from domain.media import ObjectKey

ACCOUNT = AccountId(UUID(int=7))
KEYRING = "k1:" + "A" * 43 + "="
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


def write_a_file() -> None:
    with tempfile.TemporaryFile() as file:
        file.write(b"what was in the picture")
        file.flush()


def core_size() -> int:
    return resource.getrlimit(resource.RLIMIT_CORE)[0]


def environment() -> list[str]:
    return sorted(os.environ)


def open_files() -> list[str]:
    """What the process holds open besides its socket and the standard streams."""
    found = [os.readlink(entry) for entry in Path("/proc/self/fd").iterdir() if entry.is_symlink()]
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


async def _service_with_workers() -> None:
    pool = picture_pool(2)
    await warm(pool)
    spinning = [asyncio.wrap_future(pool.schedule(spin)) for _ in range(2)]
    print(*pool.pids, flush=True)
    await asyncio.gather(*spinning)


async def _service_under_ctrl_c() -> None:
    """Its upload ends well although Ctrl-C came in the middle of it."""
    pool = picture_pool(1)
    await warm(pool)
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, lambda: None)
    napping = asyncio.wrap_future(pool.schedule(nap, (1.0,)))
    print(*pool.pids, flush=True)
    try:
        await napping
    except WorkerDied:
        print("died", flush=True)
    else:
        print("finished", flush=True)
    pool.stop()


async def _writer(root: str) -> None:
    """Overwrites few objects for ever, each with a megabyte of one letter."""
    storage = FilesystemStorage(Path(root), signer=Keyring.parse(KEYRING).purpose("links"), clock=lambda: datetime.now(UTC))
    turn = 0
    while True:
        key = ObjectKey.picture(ACCOUNT, UUID(int=turn % 3), 1, turn % 2)
        await storage.put(key, bytes([65 + turn % 26]) * MEGABYTE, "image/png")
        turn += 1
        if turn == 3:
            print("writing", flush=True)


PROGRAMS = {"workers": _service_with_workers, "ctrl-c": _service_under_ctrl_c, "writer": _writer}

if __name__ == "__main__":
    asyncio.run(PROGRAMS[sys.argv[1]](*sys.argv[2:]))
