"""A fixed handful of the random attacks on the webhook: see `soak_webhooks` for more."""

import time

import pytest

from tests.contract.harnesses import MemoryHarness
from tests.soak_webhooks import FORGED, SIGNED, WebhookHouse, quiet
from tests.webhook_attacks import MAKERS, attacks

pytestmark = pytest.mark.anyio
SEED, REQUESTS = 20_261_123, 2_000


async def test_of_thousands_of_attacks_the_inbox_holds_what_was_signed_and_nothing_else() -> None:
    house, stream = WebhookHouse(MemoryHarness()), attacks(SEED)
    with quiet():
        for _ in range(REQUESTS):
            await house.hear(*next(stream))
        await house.hear_raw(SEED, time.monotonic() + 1)
    await house.check()
    assert len({kind.partition(": ")[2] for kind in house.counts}) == len(MAKERS) + 1
    assert 50 < len(house.taken) < REQUESTS / 3
    assert sum(count for kind, count in house.counts.items() if kind.startswith(FORGED)) > REQUESTS / 2
    assert house.counts[SIGNED + "as its provider sends it"] > 20


def test_equal_seeds_make_equal_attacks() -> None:
    one, two = attacks(7), attacks(7)
    assert [next(one) for _ in range(300)] == [next(two) for _ in range(300)]
