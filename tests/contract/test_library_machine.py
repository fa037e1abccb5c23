"""A small slice of the library's machine; `make soak SUITE=library` goes on."""

from collections import Counter

from tests.http_house import House
from tests.library_machine import library_machine
from tests.soak_library import play


def test_whatever_is_done_in_whatever_order_the_library_shows_exactly_the_right_set(served: House) -> None:
    counts = Counter[str]()
    play(library_machine(served), 5, 6, 40, counts)
    assert counts["libraries"] >= 6
