"""Workers killed between the commit of what is to be told and the record that it was: nothing is lost."""

import time
from collections import Counter
from pathlib import Path

from tests.clusters import migrated_postgres, new_database
from tests.forks import zygote
from tests.soak_promises import WEBHOOKS_KILLED, promised
from tests.webhook_kills import killing, point

BATCH = 40
ENDING_SECONDS = 10.0


async def soak_webhooks_out(seed: int, deadline: float, folder: Path) -> dict[str, int]:
    counts = Counter[str]()
    with migrated_postgres(folder / "postgres") as postgres, zygote(folder) as forks:
        while not counts or time.monotonic() < deadline - ENDING_SECONDS:
            number = counts["rounds"]
            counts["rounds"] += 1
            async with killing(forks, new_database(postgres), folder / f"round-{number}", seed + 1_000 * number) as on:
                with promised(WEBHOOKS_KILLED):
                    for _ in range(6):
                        await on.commit(BATCH)
                        await on.kill_once(point(on.draw) if on.draw.random() < 0.6 else "")
                    await on.arrive()
                    await on.check()
                counts.update(on.counts)
    return dict(counts)
