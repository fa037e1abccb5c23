"""Collections: their limits, and places that are found without moving others."""

import random
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.accounts import AccountId, Mode
from domain.errors import CardNumberRefused, InvalidText, LimitExceeded
from domain.generations import GenerationId
from domain.library import GAP, Collection, CollectionId, spread
from domain.limits import LIMITS
from tests.world import new_id

NOW = datetime(2026, 11, 23, tzinfo=UTC)


def named(name: str = "boats", others: int = 0) -> Collection:
    return Collection.named(CollectionId(new_id()), AccountId(UUID(int=1)), Mode.TEST, name, NOW, others)


def test_an_account_has_so_many_collections_and_each_has_a_name() -> None:
    assert named(others=LIMITS["collections"] - 1).items == 0
    with pytest.raises(LimitExceeded):
        named(others=LIMITS["collections"])
    assert len(named("x" * LIMITS["name_characters"]).name) == LIMITS["name_characters"]
    for name in ("", "  ", "x" * (LIMITS["name_characters"] + 1), "a\0b", "\ud800"):
        with pytest.raises(InvalidText):
            named(name)
    with pytest.raises(CardNumberRefused):
        named("4242 4242 4242 4242")


def test_a_collection_holds_so_many_and_not_one_more() -> None:
    found = named()
    assert len(set(found.take_in(LIMITS["collection_items"]))) == LIMITS["collection_items"]
    with pytest.raises(LimitExceeded) as refused:
        found.take_in(1)
    assert refused.value.facts["limit"] == LIMITS["collection_items"] == found.items
    assert found.take_in(0) == []


def test_the_cover_goes_with_its_generation() -> None:
    cover, other = GenerationId(new_id()), GenerationId(new_id())
    found = named()
    found.take_in(2)
    found.cover = cover
    found.let_go([other])
    assert (found.items, found.cover) == (1, cover)
    found.let_go([cover])
    assert found == replace(named(), id=found.id, last_place=found.last_place)


@given(st.none() | st.integers(-(2**50), 2**50), st.integers(1, 40), st.none() | st.integers(0, 2**40))
def test_what_is_spread_lies_between_its_neighbours_in_order(low: int | None, number: int, above: int | None) -> None:
    high = None if above is None else (low or 0) + above
    places = spread(low, number, high)
    if places is None:
        assert low is not None
        assert high is not None
        assert high - low <= number, "there was room"
        return
    line = [*([] if low is None else [low]), *places, *([] if high is None else [high])]
    assert len(places) == number
    assert all(one < next for one, next in pairwise(line))


@given(st.randoms(use_true_random=False))
def test_any_number_of_moves_to_one_spot_finds_room_with_a_few_neighbours_at_most(chance: random.Random) -> None:
    """As the use case does it, over a list."""
    places = [GAP * turn for turn in range(1, 60)]
    for _ in range(200):
        places.pop(chance.randrange(20, len(places)))
        for window in (0, 16, 256):
            shifted, rest = places[1 : 1 + window], places[1 + window :]
            if made := spread(places[0], 1 + len(shifted), rest[0] if rest else None):
                places = [places[0], *made, *rest]
                break
        assert places == sorted(set(places))
        assert len(places) == 59
