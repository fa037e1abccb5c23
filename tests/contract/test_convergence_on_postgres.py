"""A sample of what the unit tests play in memory to the end: on Postgres, its books read by SQL."""

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import psycopg
import pytest

from tests.clusters import empty
from tests.contract.harnesses import StoreHarness
from tests.contract.postgres_harness import on_postgres
from tests.convergence_play import EVENTS, may, staged
from tests.soak_hints import play
from tests.wallet_rows import from_postgres

pytestmark = pytest.mark.anyio
SEED, INTERLEAVINGS, LIVES = 20_261_123, 12, 10


async def test_interleavings(database_url: str, broom: psycopg.Connection[Any]) -> None:
    dice, rows = random.Random(SEED), from_postgres(broom)
    async with on_postgres(database_url) as harness:
        for number in range(INTERLEAVINGS):
            life = await staged(harness, lambda wallet: rows(wallet).books, f"{number}_")
            before: tuple[str, ...] = ()
            while len(before) < 6:
                before += (dice.choice([event for event in EVENTS if may(event, before)]),)
                await life.happens(before[-1])
                if dice.random() < 0.7 or len(before) == 6:
                    await life.hear()
                life.check()


async def test_lives_told_by_hints(database_url: str, broom: psycopg.Connection[Any]) -> None:
    @asynccontextmanager
    async def emptied() -> AsyncIterator[StoreHarness]:
        empty(broom)
        async with on_postgres(database_url) as harness:
            yield harness

    for number in range(LIVES):
        await play(SEED, number, emptied)
