"""The billing-kills suite: whoever hears webhooks, or follows them, killed at every recorded point, fewest deaths first."""

import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path

from tests.clusters import new_database
from tests.forks import zygote
from tests.kill_billing import SCENARIOS, BillingLane, Kill, Ledger, billing_lane, kill_api, kill_worker
from tests.kill_stage import roomy_postgres, together
from tests.soak_kills import Schedule
from tests.soak_promises import FOLLOWER_KILLED, HEARER_KILLED, promised
from tests.stripe_process import stripe_process

LANES = 2
END_SECONDS = 8.0
"""A run that has begun is finished."""
FOLLOWING, HEARING = ("HandleHints/", "Payments."), ("Inbox.", "Store.")
"""What the points of billing are called in each; a process does other things besides."""
Killing = Callable[[BillingLane, str, str], Awaitable[Kill]]


async def soak_billing_kills(seed: int, deadline: float, folder: Path, kept: Mapping[str, int]) -> dict[str, int]:
    """`kept`: how often each point has been died at in earlier runs."""
    workers, apis = (Schedule(role, kept, random.Random(f"{seed} {role}")) for role in ("worker", "api"))
    counts, ledgers = Counter[str](), dict[str, Ledger]()
    async with AsyncExitStack() as stack:
        postgres = stack.enter_context(roomy_postgres(folder / "postgres"))
        forks = stack.enter_context(zygote(folder))
        lanes = [
            await stack.enter_async_context(
                billing_lane(forks, new_database(postgres), folder / f"{n}", stack.enter_context(stripe_process(f"K{n}")))
            )
            for n in range(LANES)
        ]

        async def record(on: BillingLane, scenario: str) -> None:
            recorded = await kill_worker(on, scenario)
            ledgers[scenario] = recorded.ledger
            workers.know(scenario, [point for point in recorded.passed if point.startswith(FOLLOWING)])
            apis.know(scenario, [point for point in (await kill_api(on, scenario)).passed if point.startswith(HEARING)])

        async def kill(on: BillingLane, schedule: Schedule, killing: Killing) -> None:
            scenario, point = schedule.next()
            done = await killing(on, scenario, point)
            assert done.ledger == ledgers[scenario], f"{scenario}, {point}: {done.ledger} and not {ledgers[scenario]}"
            schedule.over((scenario, point), done.died)
            counts[f"end|{scenario}|{point}|the same ledger"] += done.died

        async def go_on(on: BillingLane) -> None:
            number = 0
            while time.monotonic() < deadline - END_SECONDS:
                number += 1
                if number % 4:
                    with promised(FOLLOWER_KILLED):
                        await kill(on, workers, kill_worker)
                else:
                    with promised(HEARER_KILLED):
                        await kill(on, apis, kill_api)

        await together(*(record(on, scenario) for on, scenario in zip(lanes, SCENARIOS, strict=True)))
        await together(*(go_on(on) for on in lanes))
    return {**counts, **workers.counts(), **apis.counts()}
