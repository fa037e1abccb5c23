"""OpenAI's own client loses its API process, and dies itself: a small slice of the suite `joins`."""

import random
from pathlib import Path

import pytest

from tests.soak_joins import joins, killable_clients

pytestmark = pytest.mark.anyio
SEED = 7


async def test_whatever_dies_there_are_as_many_generations_and_charges_as_intents(new_database_url: str, tmp_path: Path) -> None:
    draw = random.Random(SEED)
    async with joins(new_database_url, tmp_path / "joins") as on, killable_clients(on) as clients:
        for _ in range(2):
            await on.under_an_api_that_dies(draw)
        await on.with_clients_that_die(draw, clients, 2)
        await on.check()
    assert on.counts["client kills"] == 2
    assert on.counts["API kills"] == 2
