"""Processes that tests start and kill: `python -m tests.programs NAME …`."""

import asyncio
import signal
import sys
from collections.abc import Callable, Coroutine, Mapping
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from adapters.keyring import Keyring
from adapters.picture_pool import WorkerDied, picture_pool, warm
from adapters.storage.filesystem import FilesystemStorage
from domain.accounts import AccountId
from domain.objects import ObjectKey
from tests import chores

ACCOUNT = AccountId(UUID(int=7))
KEYRING = "k1:" + "A" * 43 + "="


async def _service_with_workers() -> None:
    pool = picture_pool(2)
    await warm(pool)
    spinning = [asyncio.wrap_future(pool.schedule(chores.spin)) for _ in range(2)]
    await asyncio.sleep(0.5)  # an idle worker would end by itself when its socket closes
    print(*pool.pids, flush=True)
    await asyncio.gather(*spinning)


async def _service_under_ctrl_c() -> None:
    """Its upload ends well although Ctrl-C came in the middle of it."""
    pool = picture_pool(1)
    await warm(pool)
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, lambda: None)
    napping = asyncio.wrap_future(pool.schedule(chores.nap, (1.5,)))
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
        await storage.put(key, bytes([65 + turn % 26]) * chores.MEGABYTE, "image/png")
        turn += 1
        if turn == 3:
            print("writing", flush=True)


# Named on the command line.
PROGRAMS: Mapping[str, Callable[..., Coroutine[None, None, None]]] = {
    "workers": _service_with_workers,
    "ctrl-c": _service_under_ctrl_c,
    "writer": _writer,
}

if __name__ == "__main__":
    asyncio.run(PROGRAMS[sys.argv[1]](*sys.argv[2:]))
