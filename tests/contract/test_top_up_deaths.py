"""Whoever watches credits may die at any call to the store or the provider: nothing is paid twice, and nothing paid is lost."""

from datetime import timedelta

import pytest

from domain.notices import NoticeKind
from domain.top_up import AGAIN, TopUpOutcome
from tests.contract.harnesses import MemoryHarness, StoreHarness, each_store
from tests.sandbox_house import SandboxHouse
from tests.top_up_stage import joined, staged

pytestmark = pytest.mark.anyio
__all__ = ["each_store"]
MOMENT = timedelta(seconds=1)


def stride(harness: StoreHarness) -> int:
    """Every call in memory, every fourth on Postgres."""
    return 1 if isinstance(harness, MemoryHarness) else 4


async def test_a_death_at_any_call_pays_once_and_brings_the_credits(harness: StoreHarness) -> None:
    calls, died = 0, True
    async with staged(harness) as first:
        house: SandboxHouse = first.house
        while died:
            stage = await joined(harness, house)
            await stage.says(notify_below=50)
            died = await stage.watch_until_death(calls)
            for _ in range(2):
                await stage.later(AGAIN + MOMENT)
                await stage.watch()
            assert (len(stage.charges()), await stage.available()) == (1, 430), calls
            shown = await stage.shown()
            assert shown.last
            assert (shown.last.outcome, shown.spent) == (TopUpOutcome.PAID, 500)
            assert [each.kind for each in await stage.told() if each.account_id == stage.caller.account_id] == [
                NoticeKind.LOW_CREDITS
            ]
            await stage.says(enabled=False)
            calls += stride(harness)
    assert calls > 20


async def test_a_death_at_any_call_of_a_decline_tells_of_it_once(harness: StoreHarness) -> None:
    calls, died = 0, True
    async with staged(harness) as first:
        while died:
            stage = await joined(harness, first.house, "declined")
            await stage.says()
            died = await stage.watch_until_death(calls)
            for _ in range(2):
                await stage.later(AGAIN + MOMENT)
                await stage.watch()
            assert stage.charges() == []
            assert (await stage.shown()).said.declined == "card_declined", calls
            kinds = [each.kind for each in await stage.told() if each.account_id == stage.caller.account_id]
            assert kinds == [NoticeKind.TOP_UP_FAILED], calls
            calls += stride(harness)
    assert calls > 10
