"""Finding pictures again among ten million: what each kind of page takes, what it looks at, and what a row weighs.

Times are of the adapter that the service reads through, warm, one reader: statements, decoding, and the rows of the page.
Attempts and pictures are left out of the tables, so the last statement of each finds none.
"""

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg

from adapters.postgres.pool import open_pool
from adapters.postgres.prompt_index import PostgresPromptIndex
from adapters.postgres.queries import PostgresQueries
from adapters.postgres.session import Pool
from adapters.postgres.words import instant_of
from application.queries import GenerationFilter, Position
from bench.books import BooksWrong
from bench.figures import Figure, Promise, percentile
from bench.library_plans import Plans
from bench.library_world import MODELS, Owner, World, build, postings_of
from bench.stage import durable_postgres
from domain.accounts import AccountId, Mode
from domain.generations import GenerationState
from domain.requests import Kind
from domain.words import Wanted, words_of

PAGE, TIMES = 20, 200
SEARCH_MS = Promise(150, 50, at_most=True)
DEEP = {1_000: Promise(1.2, 1.2, at_most=True), 1: Promise(2, 2, at_most=True)}
SCANNED = Promise(5, 5, at_most=True)
ROW_BYTES = Promise(700, 700, at_most=True)
_SIZES = "SELECT pg_table_size(%(table)s::regclass), pg_indexes_size(%(table)s::regclass)"


@dataclass(slots=True)
class Case:
    """`asked` makes one page to ask for; `bounded`: it may look at more than it shows, as far as its bound."""

    name: str
    asked: Callable[[random.Random], tuple[GenerationFilter, Position | None]]
    owner: Owner
    search: bool = False
    bounded: bool = False
    times: list[float] = field(default_factory=list)
    looked: list[float] = field(default_factory=list)
    shown: int = 0

    @property
    def p50(self) -> float:
        return percentile(sorted(self.times), 50)


def measure(folder: Path, share: float) -> list[Figure]:
    settings = {"shared_buffers": "2GB", "max_wal_size": "8GB", "autovacuum": "off"}
    with durable_postgres(folder / "postgres", **settings) as postgres:
        world = build(postgres.url, share)
        return [*asyncio.run(_measure(postgres.url, world)), *_weights(postgres.url, world)]


async def _measure(url: str, world: World) -> list[Figure]:
    rng, cases = random.Random(11), _cases(world)
    async with open_pool(url, size=1) as pool:
        queries = PostgresQueries(pool)
        for turn in range(TIMES + 5):
            for case in cases:
                await _once(queries, case, rng, counts=turn >= 5)
        for case in cases:
            await _explain(pool, queries, case, rng)
        figures = _figures(cases)
        return [*figures, *await _packing(pool, world)]


async def _once(queries: PostgresQueries, case: Case, rng: random.Random, *, counts: bool) -> int:
    matching, after = case.asked(rng)
    began = time.perf_counter()
    page = await queries.generations(AccountId(case.owner.account), Mode.LIVE, matching, after, PAGE)
    if counts:
        case.times.append((time.perf_counter() - began) * 1000)
        case.shown += len(page.rows)
    return len(page.rows)


async def _explain(pool: Pool, queries: PostgresQueries, case: Case, rng: random.Random) -> None:
    said = list[str]()
    for _ in range(10):
        plans = Plans()
        with plans.noted():
            shown = await _once(queries, case, rng, counts=False)
        rows, _, said = await plans.looked(pool)
        case.looked.append(rows / max(1, shown))
    print(f"\n{case.name}:", *said, sep="\n  ")


def _cases(world: World) -> list[Case]:
    heavy = world.heavy
    ranks = {"common": (0, 5), "medium": (300, 900), "rare": (20_000, 50_000)}
    known = [set(words_of(prompt)) for prompt in world.prompts[:20_000]]

    def filtered(**of: Any) -> Callable[[random.Random], tuple[GenerationFilter, Position | None]]:
        return lambda rng: (GenerationFilter(**of), None)

    def at_page(number: int) -> Callable[[random.Random], tuple[GenerationFilter, Position | None]]:
        def asked(rng: random.Random) -> tuple[GenerationFilter, Position | None]:
            rank = min((number - 1) * PAGE + rng.randrange(200) * PAGE, heavy.count - PAGE - 1) if number > 1 else 0
            return GenerationFilter(), _place(heavy, heavy.count - rank) if number > 1 else None

        return asked

    def words(*bands: str, deep: bool = False) -> Callable[[random.Random], tuple[GenerationFilter, Position | None]]:
        def asked(rng: random.Random) -> tuple[GenerationFilter, Position | None]:
            chosen = [world.words[rng.randrange(*ranks[band])] for band in bands]
            after = _place(heavy, rng.randrange(heavy.count)) if deep else None
            return GenerationFilter(wanted=Wanted(tuple(dict.fromkeys(chosen)))), after

        return asked

    def of_one_prompt(rng: random.Random) -> tuple[GenerationFilter, Position | None]:
        return GenerationFilter(wanted=Wanted(tuple(rng.sample(sorted(rng.choice(known)), 2)))), None

    failed = (GenerationState.FAILED,)
    rare_model: dict[str, Any] = {"model": MODELS[3]}
    cases = [Case(f"page {number:,}", at_page(number), heavy) for number in (1, 1_000, 100_000)]
    cases += [
        Case("kind", filtered(kind=Kind.EDIT), heavy),
        Case("rare model", filtered(**rare_model), heavy),
        Case("rare model, kind, failed", filtered(kind=Kind.EDIT, states=failed, **rare_model), heavy),
        Case("favourites", filtered(favourite=True), heavy),
        Case("favourites, failed edits", filtered(favourite=True, states=failed, kind=Kind.EDIT), heavy),
        Case("model, old", lambda rng: (GenerationFilter(**rare_model), _place(heavy, heavy.count // 9)), heavy),
        Case("collection", filtered(collection=world.collection), heavy),
        Case("trash, empty", filtered(trashed=True), heavy),
        *(Case(f"a {band} word", words(band), heavy, search=True) for band in ranks),
        Case("a common word, deep", words("common", deep=True), heavy, search=True),
        Case("a medium word, deep", words("medium", deep=True), heavy, search=True),
        Case("a word nobody wrote", filtered(wanted=Wanted(("nowhere",))), heavy, search=True),
        *(
            Case(f"a {one} and a {two} word", words(one, two), heavy, search=True, bounded=True)
            for one, two in (("common", "common"), ("common", "medium"), ("medium", "medium"), ("medium", "rare"))
        ),
        Case("two words of one prompt", of_one_prompt, heavy, search=True, bounded=True),
        Case("a rare word among 4,000 without an index", words("rare"), world.small, search=True, bounded=True),
    ]
    return cases


def _place(owner: Owner, number: int) -> Position:
    return instant_of(owner.instant(number)), UUID(int=0)


def _figures(cases: Sequence[Case]) -> list[Figure]:
    figures = list[Figure]()
    for case in cases:
        p99, shown = percentile(sorted(case.times), 99), case.shown / len(case.times)
        note = f"p50 {case.p50:.2f} ms, {shown:.1f} shown"
        figures.append(Figure(f"library: {case.name}, p99", [p99], "ms", SEARCH_MS if case.search else None, note))
        bound = None if case.bounded else SCANNED
        if case.shown or case.bounded:
            figures.append(Figure(f"library: {case.name}, looked at ÷ shown, most of 10", [max(case.looked)], "", bound))
    deep = {case.name: case.p50 for case in cases}
    for number, promise in DEEP.items():
        ratio = deep["page 100,000"] / deep[f"page {number:,}"]
        figures.append(Figure(f"library: page 100,000 ÷ page {number:,}, p50", [ratio], "", promise))
    return figures


async def _packing(pool: Pool, world: World) -> list[Figure]:
    """One account of 20,000 by the service's own packer; what it makes is what the others' words were made to be."""
    owner = world.unpacked
    index, packed, began = PostgresPromptIndex(pool), 0, time.perf_counter()
    while (brought := await index.pack()) is not None:
        packed += brought
    seconds = time.perf_counter() - began
    if packed != owner.count:
        raise BooksWrong(f"{packed} of {owner.count} were packed")
    await _same_words(pool, owner, world)
    return [Figure("library: generations packed in a second", [packed / seconds], "/s")]


async def _same_words(pool: Pool, owner: Owner, world: World) -> None:
    """Raises BooksWrong."""
    expected = {word: len(at) for word, at in postings_of(owner, [words_of(prompt) for prompt in world.prompts]).items() if at}
    async with pool.connection() as connection:
        rows = await connection.execute(
            """SELECT s.word, sum(octet_length(s.times)) / 6 FROM search_words s JOIN libraries l ON l.id = s.library
            WHERE l.account_id = %s GROUP BY s.word""",
            (owner.account,),
        )
        found = {word: int(times) for word, times in await rows.fetchall()}
    if found != expected:
        raise BooksWrong("the packer makes other words of the same prompts")


def _weights(url: str, world: World) -> list[Figure]:
    """The whole of what a generation takes, without its attempts and pictures."""
    with psycopg.connect(url) as connection:
        sizes = {
            table: connection.execute(_SIZES.encode(), {"table": table}).fetchone() or (0, 0)
            for table in ("generations", "search_words", "libraries")
        }
        indexes = connection.execute(
            "SELECT indexrelname, pg_relation_size(indexrelid) FROM pg_stat_user_indexes WHERE relname = 'generations' ORDER BY 2"
        ).fetchall()
    parts = {
        f"{table}'s {part}": size for table, both in sizes.items() for part, size in zip(("rows", "indexes"), both, strict=True)
    }
    parts |= {f"of them {name}": size for name, size in indexes}
    total = sum(sum(both) for both in sizes.values()) / world.rows
    print("\nbytes a generation:", *(f"{name}: {size / world.rows:.0f}" for name, size in parts.items()), sep="\n  ")
    return [Figure("library: bytes a generation with all indexes", [total], "bytes", ROW_BYTES)]
