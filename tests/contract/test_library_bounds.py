"""What finding generations takes at most, and of whom it tells: on Postgres."""

from datetime import UTC, datetime

import pytest

from adapters.postgres import looking, prompt_index
from adapters.postgres.prompt_index import PostgresPromptIndex
from adapters.postgres.words import EVER
from application.queries import GenerationFilter
from domain.accounts import Mode
from domain.words import Wanted
from tests.contract.store_contract import customer
from tests.contract.test_library_search import Library, library, small

pytestmark = pytest.mark.anyio
__all__ = ["library", "small"]


async def test_long_prompts_are_brought_in_and_looked_through_some_at_a_time(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of prompts of 32,000 characters, as many as fit into a page of a list take minutes: none of that is done in one go."""
    monkeypatch.setattr(prompt_index, "PAGE", 2)
    monkeypatch.setattr(prompt_index, "CHARACTERS", 1_000)
    monkeypatch.setattr(looking, "CHARACTERS", 1_000)
    monkeypatch.setattr(looking, "_LONG", 2)
    library.index = PostgresPromptIndex(library.harness.store._pool, first_lot=9, next_lot=4)
    for number in range(20):
        await library.create(f"{'лиса ' * 100}{'редкая' if number == 0 else number}")
    rare = GenerationFilter(wanted=Wanted.asked("q", "редкая"))
    pages = await library.pages(rare, 10)
    assert [len(page) for page in pages] == [0] * 9 + [1, 0], "two prompts, and then a page has looked far enough"
    await library.harness.advance(60)
    library.index.offset = library.harness.store.offset
    await library.index.count(None)
    lots = [await library.index.pack() for _ in range(11)]
    assert lots == [2] * 10 + [0]
    await library.check(GenerationFilter(wanted=Wanted.asked("q", "лиса")), 3)
    assert [len(page) for page in await library.pages(rare, 10)] == [1]


@pytest.mark.usefixtures("small")
async def test_a_cursor_tells_nothing_of_a_collection_of_somebody_else(library: Library) -> None:
    """A cursor bears the id and the instant of what was looked at last: nobody looks through what is not theirs."""
    for number in range(20):
        await library.create(f"fox {number}")
        await library.collect(list(library.kept)[-1])
    mine = GenerationFilter(collection=library.collection, favourite=True)
    assert len(await library.pages(mine, 2)) > 1, "whoever looks through their own goes on where they stopped"
    queries, mode = library.harness.queries, library.caller.mode
    stranger = await customer(library.harness.store, 0, mode)
    for account, other in ((stranger.account_id, mode), (library.caller.account_id, Mode.LIVE)):
        page = await queries.generations(account, other, mine, None, 2)
        assert (list(page.rows), page.next) == ([], None)


async def test_a_lot_is_read_along_the_history_however_much_waits(library: Library) -> None:
    """Sorting all that is not in the index yet would take longer with every year that a large account brings along."""
    await library.create("fox")
    said = {"account": library.caller.account_id, "mode": library.caller.mode, "since": EVER, "settled": datetime.now(UTC)}
    async with library.harness.store._pool.connection() as connection:
        await connection.execute(b"SET enable_seqscan = off")
        found = await connection.execute(b"EXPLAIN " + prompt_index._NEXT.format(limit=9).encode(), said)
        plan = "\n".join(row[0] for row in await found.fetchall())
    assert "Merge Append" in plan
    assert "Sort  (" not in plan


@pytest.mark.usefixtures("small")
async def test_a_rarer_word_is_found_beside_a_common_one_that_is_not_read_to_its_end(library: Library) -> None:
    for number in range(40):
        await library.create("the fox" if number % 5 == 0 else "the snow")
    await library.pack()
    for limit in (1, 3, 100):
        await library.check(GenerationFilter(wanted=Wanted.asked("q", "the fox")), limit)
