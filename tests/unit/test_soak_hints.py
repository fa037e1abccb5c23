"""Hints that come twice, late, in any order, or never, to workers that die, end in the ledger of whoever was told once."""

import pytest

from tests.soak_hints import play

pytestmark = pytest.mark.anyio
SEED, LIVES = 20_261_123, 200


async def test_hundreds_of_random_lives_end_in_the_same_ledger() -> None:
    heard = 0
    for number in range(LIVES):
        heard += await play(SEED, number)
    assert heard > 3 * LIVES
