"""What each random suite runs: a seed, a time to stop, a folder of its own and the sums so far, to counts of what was done."""

import asyncio
import os
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from unittest import mock

from tests import ledger_stores, use_cases_stage
from tests.clusters import migrated_postgres, new_database
from tests.contract.postgres_harness import on_postgres
from tests.soak_api import soak_api
from tests.soak_billing import soak_billing
from tests.soak_billing_kills import soak_billing_kills
from tests.soak_deploys import soak_deploys
from tests.soak_faults import soak_faults
from tests.soak_hints import soak_hints
from tests.soak_joins import soak_joins
from tests.soak_kills import soak_kills
from tests.soak_ledger import soak_ledger
from tests.soak_library import soak_library
from tests.soak_media_kills import soak_media_kills
from tests.soak_restarts import soak_restarts
from tests.soak_stops import soak_stops
from tests.soak_timelines import soak_timelines
from tests.soak_uploads import soak_uploads
from tests.soak_use_cases import soak_use_cases
from tests.soak_webhooks import soak_webhooks
from tests.soak_webhooks_out import soak_webhooks_out
from tests.weed import weed

Kept = Mapping[str, int]
"""What earlier runs have counted."""


async def ledger(seed: int, deadline: float, _: Path, __: Kept) -> dict[str, int]:
    """Random commands on the domain, every invariant after each."""
    return soak_ledger(seed, deadline)


async def store(seed: int, deadline: float, folder: Path, _: Kept) -> dict[str, int]:
    """The same on Postgres, its clock standing still, then running."""
    counts = Counter[str]()

    def play(url: str, until: float, clock_runs: bool) -> None:
        with ledger_stores.in_postgres(url, clock_runs=clock_runs) as make:
            counts.update(soak_ledger(seed, until, make))

    with migrated_postgres(folder) as postgres:
        still = deadline - (deadline - time.monotonic()) / 4
        await asyncio.to_thread(play, new_database(postgres), still, False)
        await asyncio.to_thread(play, new_database(postgres), deadline, True)
    return counts


async def use_cases(seed: int, deadline: float, folder: Path, _: Kept) -> dict[str, int]:
    """Customer, staff, workers and housekeeper in turn, dying anywhere: in memory, then on Postgres and under its own audit."""
    counts = Counter[str]()

    def play(stages: AbstractContextManager[use_cases_stage.MakeStage], until: float) -> None:
        with stages as make:
            counts.update(soak_use_cases(seed, until, make))

    with migrated_postgres(folder) as postgres:
        half = (deadline + time.monotonic()) / 2
        await asyncio.to_thread(play, use_cases_stage.in_memory(), half)
        await asyncio.to_thread(play, use_cases_stage.in_postgres(new_database(postgres)), deadline)
    return counts


async def timelines(seed: int, deadline: float, _: Path, __: Kept) -> dict[str, int]:
    """Workers, callers and the housekeeper in any order, with crashes, lost answers and outages."""
    return await soak_timelines(seed, deadline)


async def hints(seed: int, deadline: float, _: Path, __: Kept) -> dict[str, int]:
    """Purchases and subscriptions told by hints that come twice, late, in any order or never, to workers that die."""
    return await soak_hints(seed, deadline)


async def webhooks(seed: int, deadline: float, folder: Path, _: Kept) -> dict[str, int]:
    """What nobody's provider has signed, or not like this, through the whole application to an inbox in Postgres."""
    with migrated_postgres(folder) as postgres:
        return await soak_webhooks(seed, deadline, partial(on_postgres, new_database(postgres)))


async def webhooks_out(seed: int, deadline: float, folder: Path, _: Kept) -> dict[str, int]:
    """kill -9 of workers around the sending of webhooks to a receiver that now and then breaks off."""
    return await soak_webhooks_out(seed, deadline, folder)


async def billing(seed: int, deadline: float, _: Path, __: Kept) -> dict[str, int]:
    """The timelines of the pretended Stripe, read by the real adapter, in any order of their events."""
    return await soak_billing(seed, deadline)


async def billing_kills(seed: int, deadline: float, folder: Path, kept: Kept) -> dict[str, int]:
    """kill -9 of API and worker at every recorded point of hearing and following webhooks."""
    return await soak_billing_kills(seed, deadline, folder, kept)


async def library(seed: int, deadline: float, folder: Path, _: Kept) -> dict[str, int]:
    """Acts on libraries through HTTP, against plain lists."""
    with migrated_postgres(folder / "postgres") as postgres:
        return await asyncio.to_thread(soak_library, seed, deadline, new_database(postgres), folder / "house")


async def uploads(seed: int, deadline: float, folder: Path, _: Kept) -> dict[str, int]:
    """Hostile files through HTTP."""
    return await soak_uploads(seed, deadline, folder)


async def media_kills(seed: int, deadline: float, folder: Path, _: Kept) -> dict[str, int]:
    """Deaths around the puts and deletes of pictures, and what one sweep leaves."""
    return await soak_media_kills(seed, deadline, folder)


async def joins(seed: int, deadline: float, folder: Path, _: Kept) -> dict[str, int]:
    """kill -9 of the API under the calls of OpenAI's own client, and of that client."""
    return await soak_joins(seed, deadline, folder)


async def crash(seed: int, deadline: float, folder: Path, kept: Kept) -> dict[str, int]:
    """kill -9 of workers and API: at every recorded point, fewest deaths first, and at any moment."""
    return await soak_kills(seed, deadline, folder, kept)


async def crash_s3(seed: int, deadline: float, folder: Path, kept: Kept) -> dict[str, int]:
    """The same with objects at a real S3."""
    with weed() as s3, mock.patch.dict(os.environ, s3.environment):
        return await soak_kills(seed, deadline, folder, kept, s3)


async def stops(seed: int, deadline: float, folder: Path, _: Kept) -> dict[str, int]:
    """Workers frozen in their calls, and woken after others have finished for them."""
    return await soak_stops(seed, deadline, folder)


async def restarts(seed: int, deadline: float, folder: Path, _: Kept) -> dict[str, int]:
    """Postgres restarted under load, fast and immediate."""
    return await soak_restarts(seed, deadline, folder)


async def deploys(seed: int, deadline: float, folder: Path, _: Kept) -> dict[str, int]:
    """One worker after the other replaced while its calls are out."""
    return await soak_deploys(seed, deadline, folder)


async def api(seed: int, deadline: float, folder: Path, _: Kept) -> dict[str, int]:
    """The HTTP surface against its own document, and against what is no HTTP."""
    return await soak_api(seed, deadline, folder)


async def faults(seed: int, deadline: float, folder: Path, _: Kept) -> dict[str, int]:
    """Traffic while processes, database and files are hurt."""
    return await soak_faults(seed, deadline, folder)
