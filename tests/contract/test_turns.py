"""What one worker does for all: by one at a time, as often as said in all, and seldom if it takes long."""

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

import pytest

from application.turns import REST, InTurn
from tests.contract.harnesses import StoreHarness, each_store

pytestmark = pytest.mark.anyio
__all__ = ["each_store"]
PACE = timedelta(hours=1)
HOUR, SHORT = PACE.total_seconds(), 60


@dataclass(slots=True)
class Workers:
    """Three, and which of them acted. `takes`: seconds."""

    harness: StoreHarness
    takes: float = 0
    fails: bool = False
    acted: list[int] = field(default_factory=list)

    async def asks(self, number: int) -> bool:
        async def act() -> bool:
            self.acted.append(number)
            await self.harness.advance(self.takes)
            if self.fails:
                raise ArithmeticError
            return True

        return bool(await InTurn(self.harness.store, UUID(int=number))("act", PACE, act))


async def test_of_many_who_ask_one_acts_once_a_pace(harness: StoreHarness) -> None:
    workers = Workers(harness)
    assert sum(await asyncio.gather(*(workers.asks(number) for number in (1, 2, 3)))) == 1
    (holder,) = workers.acted
    for _ in range(3):
        assert not any([await workers.asks(number) for number in (1, 2, 3)])
        await harness.advance(HOUR + 1)
        assert sum([await workers.asks(number) for number in (1, 2, 3)]) == 1
    assert workers.acted == [holder] * 4, "whoever has the turn keeps it"


async def test_who_comes_anew_does_not_begin_with_it_and_takes_over_from_who_has_gone(harness: StoreHarness) -> None:
    workers = Workers(harness)
    assert await workers.asks(1)
    assert not await workers.asks(2)
    await harness.advance(2 * HOUR - SHORT)
    assert not await workers.asks(2)
    await harness.advance(SHORT + 1)
    assert [await workers.asks(number) for number in (2, 1, 3)] == [True, False, False]
    await harness.advance(HOUR + 1)
    assert [await workers.asks(number) for number in (1, 2)] == [False, True]


@pytest.mark.parametrize("fails", [False, True])
async def test_what_takes_long_rests_long(harness: StoreHarness, *, fails: bool) -> None:
    workers = Workers(harness, takes=HOUR, fails=fails)
    if fails:
        with pytest.raises(ArithmeticError):
            await workers.asks(1)
    else:
        await workers.asks(1)
    workers.takes, workers.fails = 0, False
    await harness.advance(REST * HOUR - SHORT)
    assert not await workers.asks(1)
    await harness.advance(2 * SHORT)
    assert await workers.asks(1)


async def test_who_was_overtaken_while_it_hung_puts_nobody_off(harness: StoreHarness) -> None:
    slow, quick = Workers(harness), Workers(harness)

    async def hangs() -> None:
        await harness.advance(2 * HOUR + 1)
        assert await quick.asks(2)

    await InTurn(harness.store, UUID(int=1))("act", PACE, hangs)
    await harness.advance(HOUR + 1)
    assert await quick.asks(2)
    assert not await slow.asks(1)
