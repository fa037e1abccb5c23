"""Random histories of top-ups: spends, races, deaths, outages, refused cards, changes of mind and months that end meanwhile. No
month bears more than the cap, and whatever was paid is in the wallet, once.
"""

import asyncio
import random
from collections import Counter
from datetime import datetime, timedelta

import pytest

from domain.top_up import KEY_HOLDS, TopUpOutcome, month_begins
from tests.contract.harnesses import MemoryHarness
from tests.top_up_stage import TopUps, staged

pytestmark = pytest.mark.anyio
CAP, STEPS = 2_700, 40
PACKS = {"small": (500, 400), "medium": (2_000, 1_800)}


async def happens(stage: TopUps, dice: random.Random) -> None:
    match dice.randrange(10):
        case 0 | 1:
            await stage.spend(dice.randint(1, available)) if (available := await stage.available()) else None
        case 2:
            stage.house.new_card(stage.customer, dice.choice(("good", "good", "good", "declined")))
        case 3:
            stage.line.before = set(dice.choice(((), (), ("top_up",), ("purchase",), ("topped_up",))))
            stage.line.after = set(dice.choice(((), (), ("top_up",))))
        case 4:
            said = {"pack": dice.choice(tuple(PACKS)), "below": dice.choice((50, 500, 5_000))}
            await stage.says(monthly_cap=CAP, enabled=dice.random() < 0.8, **said)
        case 5:
            await stage.watch_until_death(dice.randrange(25))
        case 6:
            await asyncio.gather(*(stage.watch() for _ in range(3)))
        case 7:
            await stage.later(timedelta(minutes=dice.choice((1, 6, 61, 1_500, 15_000))))
        case _:
            await stage.watch()


@pytest.mark.parametrize("seed", range(20))
async def test_no_month_bears_more_than_its_cap_and_what_was_paid_is_there_once(seed: int) -> None:
    dice, spent = random.Random(seed), Counter[datetime]()
    harness = MemoryHarness()
    async with staged(harness) as stage:
        await stage.later(timedelta(days=30, hours=dice.randrange(24), minutes=dice.randrange(60)))
        await stage.says(below=500, monthly_cap=CAP)
        for _ in range(STEPS):
            await happens(stage, dice)
            spent = Counter[datetime]()
            for each in stage.charges():
                spent[month_begins(each.at)] += each.net
            assert max(spent.values(), default=0) <= CAP
        stage.line.before, stage.line.after = set(), set()
        await stage.says(enabled=False)
        await stage.later(KEY_HOLDS)
        await stage.watch()
        attempts = harness.store.tables.top_up_attempts.values()
        assert not [each for each in attempts if each.outcome is None]
        paid = [each.price for each in attempts if each.outcome is TopUpOutcome.PAID]
        assert sorted(paid) == sorted(each.net for each in stage.charges())
        bought = sum(lot.granted for lot in harness.store.tables.lots.values() if lot.source.is_purchase)
        assert bought == 400 + sum(PACKS[each.product][1] for each in stage.charges())
