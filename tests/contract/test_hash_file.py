"""The list of known pictures: a file that may change at any time, compared bit by bit."""

import random
from pathlib import Path

import pytest

from adapters.hash_file import BrokenHashList, HashFile
from domain.quarantine import Match

pytestmark = pytest.mark.anyio


def a_hash(seed: int) -> str:
    return f"{random.Random(seed).getrandbits(256):064x}"


def differing(pdq: str, bits: int) -> str:
    """The same, but for so many bits."""
    value = int(pdq, 16)
    for place in random.Random(bits).sample(range(256), bits):
        value ^= 1 << place
    return f"{value:064x}"


class Listed:
    def __init__(self, folder: Path, text: str) -> None:
        self.path, self.said = folder / "hashes", list[str]()
        self.path.write_text(text)
        self.hashes = HashFile(self.path, lambda event, **_: self.said.append(event))

    def becomes(self, text: str) -> None:
        aside = self.path.with_suffix(".new")
        aside.write_text(text)
        aside.replace(self.path)

    async def finds(self, *variants: str) -> Match | None:
        return await self.hashes.match(variants)


async def test_up_to_31_bits_of_256_it_is_the_same_picture(tmp_path: Path) -> None:
    known = a_hash(1)
    listed = Listed(tmp_path, "\n".join(a_hash(seed) for seed in range(70_000)))  # more than are compared at a time
    for bits in (0, 1, 31):
        assert await listed.finds(a_hash(99_999), differing(known, bits)) == Match(known, bits)
    assert await listed.finds(differing(known, 32)) is None
    assert await listed.finds(differing(a_hash(69_999), 20)) == Match(a_hash(69_999), 20)


async def test_the_nearest_entry_is_named(tmp_path: Path) -> None:
    known = a_hash(1)
    listed = Listed(tmp_path, f"# theirs\n{differing(known, 9).upper()}  # one\n\n{differing(known, 4)}\n")
    assert await listed.finds(known) == Match(differing(known, 4), 4)


async def test_an_empty_list_knows_nothing(tmp_path: Path) -> None:
    assert await Listed(tmp_path, "# nothing yet\n").finds(a_hash(1)) is None


async def test_a_list_that_changes_is_read_again(tmp_path: Path) -> None:
    listed = Listed(tmp_path, a_hash(1))
    listed.becomes(a_hash(2))
    assert await listed.finds(a_hash(2)) == Match(a_hash(2), 0)
    assert await listed.finds(a_hash(1)) is None


async def test_a_list_that_is_emptied_leaves_the_last_one_in_use(tmp_path: Path) -> None:
    listed = Listed(tmp_path, a_hash(1))
    listed.path.write_text("")
    assert await listed.finds(a_hash(1)) == Match(a_hash(1), 0)
    assert listed.said == ["hash_list_unreadable"]
    listed.path.write_text(a_hash(2))
    assert await listed.finds(a_hash(2)) == Match(a_hash(2), 0)


async def test_a_list_that_breaks_or_goes_leaves_the_last_one_in_use_and_is_told_once(tmp_path: Path) -> None:
    listed = Listed(tmp_path, a_hash(1))
    listed.becomes("not a hash")
    for _ in range(2):
        assert await listed.finds(a_hash(1)) == Match(a_hash(1), 0)
    assert listed.said == ["hash_list_unreadable"]
    listed.path.unlink()
    assert await listed.finds(a_hash(1)) == Match(a_hash(1), 0)
    listed.becomes(a_hash(2))
    assert await listed.finds(a_hash(2)) == Match(a_hash(2), 0)
    assert len(listed.said) == 2


@pytest.mark.parametrize("text", ["abc", a_hash(1)[:-1], a_hash(1) + "0", "g" * 64, f"{a_hash(1)} {a_hash(2)}", "\xff"])
def test_a_service_starts_with_a_whole_list_or_not_at_all(tmp_path: Path, text: str) -> None:
    with pytest.raises(BrokenHashList):
        Listed(tmp_path, text)
    with pytest.raises(BrokenHashList):
        HashFile(tmp_path / "missing", print)
