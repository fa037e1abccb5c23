"""All interleavings of up to six events of {paid, spent, two refunds, dispute opened, won, lost, lapse}, heard at once or later.

The lot is what R10 says, the books are whole after every step, and nothing comes from nothing.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import fields, replace

import pytest

from adapters.memory.tables import Tables
from domain.ledger import WalletId
from tests.contract.harnesses import MemoryHarness
from tests.convergence_play import EVENTS, Play, may, staged
from tests.ledger_audit import Snapshot

pytestmark = pytest.mark.anyio


def read(harness: MemoryHarness, wallet: WalletId) -> Snapshot:
    """Without the lines, which other tests read."""
    rows, row = harness.store.tables, harness.store.tables.wallets[wallet]
    return Snapshot(row.available, row.held, row.debt, row.version, {lot.id: lot for lot in rows.lots_of(wallet)}, {}, [], [])


def steps(length: int, *, later: bool) -> int:
    """How many there are, each beginning of one included."""

    def after(before: tuple[str, ...]) -> int:
        left = length - len(before)
        ways = 2 if later and left > 1 else 1
        return sum(ways * (1 + after((*before, event))) for event in EVENTS if left and may(event, before))

    return after(())


@asynccontextmanager
async def branch(play: Play, harness: MemoryHarness) -> AsyncIterator[None]:
    """What is done inside never happened: rows are never changed in place."""
    store, truth = harness.store, play.billing.truth
    kept = (store.tables, dict(truth.purchases), list(truth.happened), play.told, play.ref, harness.clock.now)
    store.tables = Tables(**{table.name: dict(getattr(store.tables, table.name)) for table in fields(Tables)})
    play.told = replace(play.told)
    yield
    store.tables, truth.purchases, truth.happened, play.told, play.ref, harness.clock.now = kept


async def explore(play: Play, harness: MemoryHarness, before: tuple[str, ...], length: int, *, later: bool) -> None:
    """Every continuation, each event heard of at once, or also `later` together with another; the last at once in any case."""
    for event in EVENTS:
        if not may(event, before):
            continue
        is_last = len(before) + 1 == length
        for heard in (True, False) if later and not is_last else (True,):
            async with branch(play, harness):
                await play.happens(event)
                if heard:
                    await play.hear()
                play.check()
                if not is_last:
                    await explore(play, harness, (*before, event), length, later=later)


@pytest.mark.parametrize(("length", "later"), [(6, False), (5, True)])
async def test_all_interleavings(length: int, later: bool) -> None:
    harness = MemoryHarness()
    play = await staged(harness, lambda wallet: read(harness, wallet))
    await explore(play, harness, (), length, later=later)
    assert play.steps == steps(length, later=later)
