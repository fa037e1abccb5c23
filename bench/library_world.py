"""Ten million generations to look for something in: one account has half of them, the others are of every size.

Rows are made by the database from a few hundred thousand different requests, and words by the service's own rules; what the
index of words holds is checked against what the service's packer makes of the same rows. Tables and indexes are as migrated.
"""

import random
import time
from array import array
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from typing import Any
from uuid import UUID

import msgspec
import psycopg
import uuid_utils.compat

from adapters.postgres.postings import put
from adapters.postgres.prompt_index import FIRST_LOT, NEXT_LOT
from adapters.postgres.words import micros
from domain.words import words_of
from tests.contract.store_contract import a_request

ROWS = 10_000_000
VOCABULARY, PROMPTS = 50_000, 200_000
BEGAN = datetime(2023, 11, 1, tzinfo=UTC)
SPAN = timedelta(days=3 * 365)
COLLECTED, FAVOURITE = 50, 100
"""One in so many."""
MODELS = ("gpt-image-2", "gpt-image-2.5-flare", "gpt-image-1-mini", "chatgpt-image-latest")

_ROWS = """
INSERT INTO generations (id, account_id, wallet_id, key_id, mode, kind, model, request, n, unit, priority, created_at, deadline,
    hold_expires_at, state, started_at, finished_at, delivered, metadata, last_event, favourite)
SELECT (lpad(to_hex((t / 1000)::bigint), 12, '0') || '7' || substr(h, 1, 3) || '8' || substr(h, 4, 15))::uuid,
    %(account)s, %(wallet)s, %(wallet)s, 'live', CASE WHEN d %% 5 = 0 THEN 'edit' ELSE 'generate' END, model, jsonb_set(
    p.request, '{model}', to_jsonb(model)), 1, 8, 10, at, at + interval '1 hour', at + interval '2 hours', state, at,
    at + interval '20 s', (state = 'succeeded')::int, '{}', 3, d %% %(favourite)s = 7
FROM (
    SELECT i, t, md5(%(account)s::text || i) AS h, hashint8(i) & 1073741823 AS d,
        to_timestamp(0) + t * interval '1 microsecond' AS at
    FROM (SELECT i, %(began)s + i * %(step)s AS t FROM generate_series(%(first)s::bigint, %(last)s::bigint) i) n
) r CROSS JOIN LATERAL (
    SELECT CASE WHEN d %% 1000 < 700 THEN %(m0)s WHEN d %% 1000 < 950 THEN %(m1)s WHEN d %% 10000 <> 9999 THEN %(m2)s
            ELSE %(m3)s END AS model,
        CASE WHEN d %% 97 < 91 THEN 'succeeded' WHEN d %% 97 < 94 THEN 'failed' WHEN d %% 97 < 96 THEN 'refused'
            ELSE 'cancelled' END AS state
) c
JOIN bench_requests p ON p.n = (i * 7919 + %(salt)s) %% %(prompts)s
"""


@dataclass(frozen=True, slots=True)
class Owner:
    """`count` generations, `step` microseconds apart; `indexed`: their words are in the index."""

    account: UUID
    count: int
    salt: int
    indexed: bool

    @property
    def step(self) -> int:
        return SPAN // timedelta(microseconds=1) // self.count

    def instant(self, number: int) -> int:
        return micros(BEGAN) + number * self.step

    def prompt(self, number: int, prompts: int) -> int:
        return (number * 7919 + self.salt) % prompts


@dataclass(frozen=True, slots=True)
class World:
    heavy: Owner
    packed: Owner
    unpacked: Owner
    small: Owner
    collection: UUID
    words: Sequence[str]
    """The vocabulary, the most common first."""
    prompts: Sequence[str]
    rows: int


def build(url: str, share: float) -> World:
    rng, rows = random.Random(7), int(ROWS * share)
    words = _vocabulary(rng)
    prompts = _prompts(rng, words, max(2_000, int(PROMPTS * share)))
    owners = list(_owners(rows))
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET maintenance_work_mem = '1GB'; SET work_mem = '256MB'; SET synchronous_commit = off")
        indexes = _without_indexes(connection)
        _requests(connection, prompts)
        for owner in owners:
            _account(connection, owner, len(prompts))
        _say("rows")
        for name, index in indexes.items():
            connection.execute(index.encode())
            _say(name)
        collection = _collection(connection, owners[0])
        known = [words_of(prompt) for prompt in prompts]
        for owner in owners:
            _library(connection, owner, known)
        _say("words")
        for statement in ("DROP TABLE bench_requests", "VACUUM ANALYZE", "CHECKPOINT"):
            connection.execute(statement.encode())
        _say("vacuum")
    by_size = {owner.count: owner for owner in owners}
    heavy, middle = owners[0], [owner for owner in owners[1:] if owner.count > FIRST_LOT]
    packed = next(owner for owner in middle if owner.indexed)
    unpacked = next(owner for owner in middle if not owner.indexed)
    small = by_size[max(count for count in by_size if count < FIRST_LOT)]
    return World(heavy, packed, unpacked, small, collection, words, prompts, sum(owner.count for owner in owners))


def _owners(rows: int) -> Iterator[Owner]:
    """Half is one account's; one in ten are of accounts of 20,000, the rest of 4,000, of 500 and of 50."""
    sizes = [(rows // 2, 1), (20_000, max(2, rows // 10 // 20_000)), (4_000, max(1, rows // 10 // 4_000))]
    sizes += [(500, rows // 4 // 500), (50, rows // 20 // 50)]
    for size, accounts in sizes:
        for number in range(accounts):
            indexed = size > FIRST_LOT and (size != 20_000 or number > 0)
            yield Owner(uuid_utils.compat.uuid7(), size, size * 31 + number * 101, indexed)


def _vocabulary(rng: random.Random) -> list[str]:
    syllables = [a + b for a in "bdfgklmnprstvz" for b in ("a", "e", "i", "o", "u", "ar", "en", "il")]
    words = dict[str, None]()
    while len(words) < VOCABULARY:
        words["".join(rng.choices(syllables, k=rng.choices((1, 2, 3, 4), (1, 6, 6, 2))[0]))] = None
    return list(words)


def _prompts(rng: random.Random, words: Sequence[str], count: int) -> list[str]:
    """By Zipf's law, 8 to 40 words each; some words stand in one prompt only."""
    weights = list(accumulate(1 / rank for rank in range(1, len(words) + 1)))
    return [" ".join(rng.choices(words, cum_weights=weights, k=rng.randint(8, 40))) for _ in range(count)]


def _without_indexes(connection: Any) -> dict[str, str]:
    """They are made once the rows are there."""
    found = connection.execute(
        "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'generations' AND indexname <> 'generations_pk'"
    )
    indexes: dict[str, str] = dict(found.fetchall())
    for name in indexes:
        connection.execute(f"DROP INDEX {name}".encode())
    return indexes


def _requests(connection: Any, prompts: Sequence[str]) -> None:
    connection.execute("CREATE UNLOGGED TABLE bench_requests (n bigint PRIMARY KEY, request jsonb)")
    with connection.cursor().copy("COPY bench_requests FROM STDIN") as copy:
        for number, prompt in enumerate(prompts):
            copy.write_row((number, msgspec.json.encode(replace(a_request(), prompt=prompt)).decode()))
    connection.execute("ANALYZE bench_requests")


def _account(connection: Any, owner: Owner, prompts: int) -> None:
    connection.execute(
        "INSERT INTO accounts (id, role, plan, created_at) VALUES (%s, 'user', 'free', %s)", (owner.account, BEGAN)
    )
    said: dict[str, Any] = {f"m{number}": model for number, model in enumerate(MODELS)} | {
        "favourite": FAVOURITE,
        "prompts": prompts,
    }
    said |= {"account": owner.account, "wallet": owner.account} | {"salt": owner.salt, "step": owner.step, "began": micros(BEGAN)}
    for first in range(0, owner.count, 500_000):
        last = min(first + 500_000, owner.count) - 1
        connection.execute(_ROWS.encode(), {**said, "first": first, "last": last})
        if owner.count > 1_000_000:
            _say(f"{last + 1:,} rows")


def _collection(connection: Any, owner: Owner) -> UUID:
    made = uuid_utils.compat.uuid7()
    connection.execute(
        "INSERT INTO collections (id, account_id, mode, name, created_at) VALUES (%s, %s, 'live', 'mine', %s)",
        (made, owner.account, BEGAN),
    )
    connection.execute(
        """INSERT INTO collection_items (generation_id, collection_id, place, created_at)
        SELECT id, %s, row_number() OVER (), created_at FROM generations WHERE account_id = %s AND mode = 'live'
        AND hashint8((extract(epoch FROM created_at) * 1000000)::bigint) %% %s = 0""",
        (made, owner.account, COLLECTED),
    )
    return made


def _library(connection: Any, owner: Owner, known: Sequence[Sequence[str]]) -> None:
    packed_to = datetime.fromtimestamp(0, UTC) + timedelta(microseconds=owner.instant(owner.count - 1)) if owner.indexed else None
    missing = NEXT_LOT if owner.indexed else FIRST_LOT - owner.count
    row = connection.execute(
        "INSERT INTO libraries (account_id, mode, packed_to, missing) VALUES (%s, 'live', %s, %s) RETURNING id",
        (owner.account, packed_to, missing),
    ).fetchone()
    if owner.indexed:
        postings = postings_of(owner, known)
        with connection.cursor().copy("COPY search_words (library, word, first, times) FROM STDIN (FORMAT binary)") as copy:
            copy.set_types(["int4", "text", "int8", "bytea"])
            for word in sorted(postings):
                for first, times in put(None, postings[word]):
                    copy.write_row((row[0], word, first, times))


def postings_of(owner: Owner, known: Sequence[Sequence[str]]) -> dict[str, "array[int]"]:
    """When each word came, as it should be in the index."""
    postings = defaultdict[str, "array[int]"](lambda: array("q"))
    for number in range(owner.count):
        at = owner.instant(number)
        for word in known[owner.prompt(number, len(known))]:
            postings[word].append(at)
    return postings


_began = time.monotonic()


def _say(what: str) -> None:
    print(f"library: {time.monotonic() - _began:.0f} s: {what}", flush=True)
