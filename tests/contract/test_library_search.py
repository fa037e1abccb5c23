"""Finding generations on Postgres: whatever was done to them, by whatever filter, each that fits is found exactly once."""

import asyncio
import itertools
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from adapters.postgres import looking, postings, prompt_index, searching
from adapters.postgres.prompt_index import PostgresPromptIndex
from application.queries import GenerationFilter
from application.search import IndexPrompts
from domain.accounts import Caller, Mode
from domain.generations import Generation, GenerationId, GenerationState
from domain.requests import Kind
from domain.words import Wanted, words_of
from tests.contract.postgres_harness import PostgresHarness, on_postgres
from tests.contract.store_contract import a_generation, a_request, customer, new_id

pytestmark = pytest.mark.anyio

VOCABULARY = ["fox", "snow", "red", "Wolf", "straße", "猫", "東京", "🐈", "the", "the", "the", "a"]


@dataclass
class Library:
    """An account's generations, in Postgres and as they should be."""

    harness: PostgresHarness
    caller: Caller
    index: PostgresPromptIndex
    rng: random.Random = field(default_factory=lambda: random.Random(1))
    kept: dict[GenerationId, Generation] = field(default_factory=dict)
    collection: Any = field(default_factory=new_id)
    collected: set[GenerationId] = field(default_factory=set)

    async def create(self, prompt: str | None = None, *, twins: int = 1, state: GenerationState | None = None) -> None:
        """Some with the same instant, if that should ever happen."""
        rng = self.rng
        async with self.harness.store.transaction() as tx:
            now = await tx.now()
            for _ in range(twins):
                words = prompt or " ".join(rng.choices(VOCABULARY, k=rng.randint(1, 5)))
                request = replace(a_request(), prompt=words, model=rng.choice(["gpt-image-2", "gpt-image-2-mini"]))
                made = a_generation(self.caller, now, request=request, kind=rng.choice(list(Kind)))
                made.state = state or rng.choice(list(GenerationState))
                if not made.state.is_open:
                    made.finished_at = now
                made.delivered = int(made.state is GenerationState.SUCCEEDED)
                tx.generations.add(made)
                self.kept[made.id] = made

    async def change(self, generation: GenerationId, **what: Any) -> None:
        async with self.harness.store.transaction() as tx:
            found = await tx.generations.lock(generation)
            for name, value in what.items():
                setattr(found, name, value)
            tx.generations.save(found)
        for name, value in what.items():
            setattr(self.kept[generation], name, value)

    async def erase(self, generation: GenerationId) -> None:
        async with self.harness.store.transaction() as tx:
            found = await tx.generations.lock(generation)
            await tx.generations.forget_words(found)
            found.erase()
            tx.generations.save(found)
        del self.kept[generation]
        self.collected.discard(generation)

    async def collect(self, generation: GenerationId) -> None:
        values = (generation, self.collection, len(self.collected), self.kept[generation].created_at)
        await self.write("INSERT INTO collection_items VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING", *values)
        self.collected.add(generation)

    async def write(self, statement: str, *values: object) -> None:
        async with self.harness.store._pool.connection() as connection:
            await connection.execute(statement.encode(), values)

    async def pack(self) -> int:
        await self.harness.advance(60)
        self.index.offset = self.harness.store.offset
        return await IndexPrompts(self.harness.store, self.index)()

    async def pages(self, matching: GenerationFilter, limit: int) -> list[list[GenerationId]]:
        pages, after = list[list[GenerationId]](), None
        while True:
            page = await self.harness.queries.generations(self.caller.account_id, self.caller.mode, matching, after, limit)
            pages.append([generation.id for generation, _ in page.rows])
            assert len(pages[-1]) <= limit
            assert after is None or page.next is None or page.next < after, "a search that does not move"
            after = page.next
            if after is None:
                return pages

    def fitting(self, matching: GenerationFilter) -> list[GenerationId]:
        def fits(g: Generation) -> bool:
            assert g.request
            return (
                (g.trashed_at is not None) == bool(matching.trashed)
                and (not matching.states or g.state in matching.states)
                and matching.model in (None, g.model)
                and matching.kind in (None, g.kind)
                and matching.favourite in (None, g.favourite)
                and (matching.collection is None or g.id in self.collected)
                and (matching.created_after is None or g.created_at > matching.created_after)
                and (matching.created_before is None or g.created_at < matching.created_before)
                and (matching.wanted is None or matching.wanted.fits(g.request.prompt))
            )

        return [g.id for g in sorted(self.kept.values(), key=lambda g: (g.created_at, g.id), reverse=True) if fits(g)]

    async def check(self, matching: GenerationFilter, limit: int) -> None:
        pages = await self.pages(matching, limit)
        assert [id for page in pages for id in page] == self.fitting(matching), f"{matching} by {limit}"

    def a_filter(self) -> GenerationFilter:
        rng, instants = self.rng, [g.created_at for g in self.kept.values()]

        def some(*values: Any) -> Any:
            return rng.choice([None, None, *values])

        words = rng.sample([w for word in VOCABULARY for w in words_of(word)], rng.randint(1, 2))
        return GenerationFilter(
            states=tuple(rng.sample(list(GenerationState), rng.choice([0, 0, 1, 2]))),
            model=some("gpt-image-2", "gpt-image-2-mini", "another"),
            kind=some(*Kind),
            favourite=some(True, False),
            collection=rng.choice([None, None, None, self.collection]),
            trashed=rng.choice([None, None, True]),
            created_after=some(*instants[-5:]),
            created_before=some(*instants[:-5]),
            wanted=rng.choice([None, Wanted.asked("q", " ".join(words)), Wanted.asked("q", rng.choice(VOCABULARY))]),
        )


@pytest.fixture
async def library(new_database_url: str) -> AsyncIterator[Library]:
    async with on_postgres(new_database_url) as harness:
        yield await a_library(harness)


async def a_library(harness: PostgresHarness) -> Library:
    caller = await customer(harness.store, 0, Mode.TEST)
    made = Library(harness, caller, PostgresPromptIndex(harness.store._pool, first_lot=9, next_lot=4, limit=6))
    async with harness.store.transaction() as tx:
        values = made.collection, caller.account_id, "test", "mine", await tx.now()
    await made.write("INSERT INTO collections (id, account_id, mode, name, created_at) VALUES (%s, %s, %s, %s, %s)", *values)
    return made


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything has an end soon: chunks, steps and patience."""
    monkeypatch.setattr(postings, "CHUNK", 3)
    monkeypatch.setattr(looking, "MOST", 5)
    monkeypatch.setattr(looking, "CHARACTERS", 60)
    monkeypatch.setattr(looking, "_LONG", 2)
    monkeypatch.setattr(prompt_index, "PAGE", 2)
    monkeypatch.setattr(prompt_index, "CHARACTERS", 40)
    monkeypatch.setattr(searching, "CHUNKS", 4)
    monkeypatch.setattr(searching, "_AT_ONCE", 1)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_whatever_was_done_everything_that_fits_is_found_exactly_once(library: Library, seed: int) -> None:
    print(f"seed {seed}")
    rng = library.rng = random.Random(seed)
    for _ in range(90):
        act, some = rng.random(), rng.choice(list(library.kept)) if library.kept else None
        if act < 0.55 or some is None:
            await library.create(twins=rng.choice([1, 1, 1, 3]))
        elif act < 0.62:
            await library.change(some, favourite=not library.kept[some].favourite)
        elif act < 0.7:
            trashed = library.kept[some].trashed_at
            await library.change(some, trashed_at=None if trashed else library.kept[some].created_at)
        elif act < 0.76 and library.kept[some].finished_at:
            await library.erase(some)
        elif act < 0.82:
            await library.collect(some)
        elif act < 0.9:
            await library.pack()
        else:
            await library.check(library.a_filter(), rng.choice([1, 2, 5, 100]))
    await library.pack()
    for _ in range(60):
        await library.check(library.a_filter(), rng.choice([1, 2, 5, 100]))


async def test_every_combination_of_filters_finds_what_fits(library: Library) -> None:
    for _ in range(60):
        await library.create()
    for generation in list(library.kept):
        some = library.rng.random()
        await library.change(generation, favourite=some < 0.3)
        if 0.2 < some < 0.4:
            await library.change(generation, trashed_at=library.kept[generation].created_at)
    some_states = ((), (GenerationState.FAILED,), (GenerationState.QUEUED, GenerationState.SUCCEEDED))
    for states, model, kind in itertools.product(some_states, (None, "gpt-image-2"), (None, Kind.EDIT)):
        for favourite, trashed in itertools.product((None, True, False), (None, True)):
            of: dict[str, Any] = {"model": model, "kind": kind, "favourite": favourite, "trashed": trashed}
            await library.check(GenerationFilter(states, **of), 7)


async def test_what_was_just_created_is_found_at_once_packed_or_not(library: Library) -> None:
    fox = GenerationFilter(wanted=Wanted.asked("q", "fox"))
    for number in range(30):
        await library.create(f"fox number {number}")
        assert (await library.pages(fox, 3))[0][0] == list(library.kept)[-1]
        if number % 7 == 0:
            await library.pack()
            assert (await library.pages(fox, 3))[0][0] == list(library.kept)[-1]
    await library.check(fox, 3)


async def test_no_word_of_an_erased_prompt_stays(library: Library) -> None:
    secret = Wanted.asked("q", "secret")
    for number in range(12):
        await library.create("secret plans" if number == 5 else f"public plans {number}")
    assert await library.pack() == 12
    assert "secret" in words(library)
    await library.erase(library.fitting(GenerationFilter(wanted=secret))[0])
    assert {"secret"}.isdisjoint(words(library))
    assert {"public", "plans"} <= words(library)
    await library.check(GenerationFilter(wanted=Wanted.asked("q", "plans")), 5)


async def test_whoever_erases_and_whoever_packs_wait_for_each_other(library: Library) -> None:
    for number in range(12):
        await library.create(f"secret plans {number}", state=GenerationState.FAILED)
    secret = next(iter(library.kept))
    await library.harness.advance(60)
    library.index.offset = library.harness.store.offset
    counted = None
    while after := await library.index.count(counted):
        counted = after
    async with library.harness.store.transaction() as tx:
        found = await tx.generations.lock(secret)
        await tx.generations.forget_words(found)
        packing = asyncio.create_task(library.index.pack())
        async with asyncio.timeout(20):
            while not waits_for_a_lock(library):
                await asyncio.sleep(0.01)
        found.erase()
        tx.generations.save(found)
    while await packing:
        packing = asyncio.create_task(library.index.pack())
    assert "0" not in words(library)
    assert "1" in words(library)


async def test_of_two_created_at_one_instant_the_one_that_stays_is_still_found(library: Library) -> None:
    await library.create("twin foxes", twins=2)
    for number in range(10):
        await library.create(f"other {number}")
    await library.pack()
    await library.erase(next(iter(library.kept)))
    await library.check(GenerationFilter(wanted=Wanted.asked("q", "twin")), 5)


async def test_an_index_that_lost_its_place_is_made_anew(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prompt_index, "_CHUNKS", 4)
    for number in range(20):
        await library.create(f"fox {number}")
    await library.pack()
    before = rows(library)
    await library.write("UPDATE libraries SET packed_to = NULL, missing = 0")
    await library.pack()
    assert rows(library) == before
    await library.check(GenerationFilter(wanted=Wanted.asked("q", "fox")), 7)


async def test_a_few_generations_are_not_worth_an_index(library: Library) -> None:
    for number in range(8):
        await library.create(f"fox {number}")
    assert await library.pack() == 0
    assert words(library) == set()
    await library.check(GenerationFilter(wanted=Wanted.asked("q", "fox")), 3)


async def test_what_has_not_settled_waits(library: Library) -> None:
    for number in range(20):
        await library.create(f"fox {number}")
    assert await IndexPrompts(library.harness.store, library.index)() == 0
    assert await library.pack() == 20


async def test_contradictory_filters_find_nothing(library: Library) -> None:
    await library.create("fox")
    at = next(iter(library.kept.values())).created_at
    for after, before in ((at, at), (at + timedelta(days=1), at - timedelta(days=1))):
        await library.check(GenerationFilter(created_after=after, created_before=before, wanted=Wanted.asked("q", "fox")), 5)
        await library.check(GenerationFilter(created_after=after, created_before=before), 5)


def waits_for_a_lock(library: Library) -> bool:
    with psycopg.connect(library.harness.url) as connection:
        waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        return connection.execute(waiting.encode()).fetchone() == (1,)


def words(library: Library) -> set[str]:
    return {row[0] for row in rows(library)}


def rows(library: Library) -> set[tuple[str, int, bytes]]:
    with psycopg.connect(library.harness.url) as connection:
        return set(connection.execute("SELECT word, first, times FROM search_words").fetchall())
