"""A process that tops up at the sandbox of payments, with a key of its own each time, and says which were done.

`python -m tests.sandbox_writer FILE CUSTOMER NAME [CALL MOMENT]`: it kills itself just before or after its last write makes that
call of the system.
"""

import asyncio
import fcntl
import os
import signal
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from adapters.payments.sandbox import SandboxPayments
from domain.billing import CustomerId
from tests.offer import CATALOGUE
from tests.sandbox_house import SECRETS, SHOP

CALLS = ("flock", "open", "write", "fsync", "replace", "close")


def now() -> datetime:
    return datetime.now(UTC)


async def main(path: str, customer: str, name: str, call: str = "", moment: str = "") -> None:
    payments = SandboxPayments(Path(path), CATALOGUE, SHOP, SECRETS, now)
    for number in range(2 if call else 10_000):
        if call and number == 1:
            arm(call, moment)
        await payments.top_up(CustomerId(customer), "small", key=f"{name}-{number}")
        print(f"{name}-{number}", flush=True)


def arm(call: str, moment: str) -> None:
    """Every call of this kind is deadly from now on."""
    place: Any = {"flock": fcntl, "replace": Path}.get(call, os)
    if call == "write":
        _deadly_write(moment)
    else:
        setattr(place, call, _deadly(getattr(place, call), moment))


def _deadly(call: Callable[..., Any], moment: str) -> Callable[..., Any]:
    def deadly(*args: Any, **named: Any) -> Any:
        if moment == "after":
            call(*args, **named)
        os.kill(os.getpid(), signal.SIGKILL)

    return deadly


def _deadly_write(moment: str) -> None:
    """Before: half of it is on the disk. After: all of it."""
    opened = os.fdopen

    def half(descriptor: int, mode: str) -> Any:
        file = opened(descriptor, mode)

        class Half:
            def __enter__(self) -> "Half":
                return self

            def __exit__(self, *error: object) -> None: ...

            def write(self, content: bytes) -> None:
                file.write(content if moment == "after" else content[: len(content) // 2])
                file.flush()
                os.kill(os.getpid(), signal.SIGKILL)

        return Half()

    setattr(os, "fdopen", half)  # noqa: B010 - mypy knows better what it is


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
