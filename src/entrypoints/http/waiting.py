"""`Prefer: wait=N` (RFC 7240): the answer is held back until the generation has finished, N seconds at most."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated

from litestar.params import HeaderParameter

from application.events import Changes
from application.store import StoreUnavailable
from domain.generations import Generation
from domain.limits import LIMITS
from domain.media import Asset

Found = tuple[Generation, Sequence[Asset]]
Prefer = Annotated[
    str | None,
    HeaderParameter(
        name="Prefer", description=f"wait=N: answer when it has finished, or after N seconds, {LIMITS['wait_seconds']} at most"
    ),
]
_WAIT = re.compile(r'(?:^|[,;])\s*wait\s*=\s*"?(\d{1,9})"?\s*(?=$|[,;])', re.ASCII | re.IGNORECASE)
_FIRST_LOOK, _LONGEST_PAUSE, _SLOWER = 0.1, 5.0, 3.0
"""For what was told to nobody: what is told wakes whoever waits at once."""


def seconds_preferred(prefer: str | None) -> int:
    """A preference, not a condition: what is not understood counts for nothing."""
    asked = _WAIT.search(prefer or "")
    return min(int(asked[1]), LIMITS["wait_seconds"]) if asked else 0


async def until_finished(found: Found, look: Callable[[], Awaitable[Found]], seconds: float, changes: Changes) -> Found:
    """Look whenever something has happened to it, in any process, until it has finished; the last that was seen of it. The caller
    has what was bought either way, so an outage ends the waiting and nothing else."""
    loop = asyncio.get_running_loop()
    until, pause = loop.time() + seconds, _FIRST_LOOK
    with changes.watch(found[0].id) as watch:
        while found[0].state.is_open and (left := until - loop.time()) > 0:
            if not await watch.changed(min(pause, left)):
                pause = min(pause * _SLOWER, _LONGEST_PAUSE)
            try:
                found = await look()
            except StoreUnavailable:
                break
    return found
