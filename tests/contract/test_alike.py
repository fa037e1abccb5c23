"""Whoever asks what a picture looks like searches an index, and finds exactly what going through the whole log would find."""

import random
from datetime import UTC, datetime, timedelta
from uuid import UUID

import psycopg
import pytest

from adapters.postgres.provenance_log import PostgresProvenanceQueries, chunks_near
from adapters.postgres.session import Pool
from domain.media import ALIKE

pytestmark = pytest.mark.anyio
NOW = datetime(2026, 1, 1, tzinfo=UTC)
ROW = "INSERT INTO provenance_log VALUES (%s, 'live', 'a-model', %s, 'signed', %s, ('x' || %s)::bit(256), now())"


def off(pdq: str, bits: int, luck: random.Random) -> str:
    """With so many of its bits changed."""
    return f"{int(pdq, 16) ^ sum(1 << bit for bit in luck.sample(range(256), bits)):064x}"


def spread(pdq: str, each: int) -> str:
    """With so many bits of each of its chunks changed: the most that one can be off and still be near."""
    return f"{int(pdq, 16) ^ sum((1 << each) - 1 << 16 * place for place in range(16)):064x}"


def log(url: str, hashes: list[str]) -> None:
    with psycopg.connect(url) as connection, connection.cursor() as cursor:
        rows = [(UUID(int=n), f"{n:064x}", NOW + timedelta(seconds=n), pdq) for n, pdq in enumerate(hashes, 1)]
        cursor.executemany(ROW, rows)


async def test_the_index_finds_what_going_through_all_would_find(database_url: str, pool: Pool) -> None:
    """Near ones, far ones, and those at the very edge; the same bytes first."""
    seed = random.randrange(1 << 32)
    print("seed", seed)
    luck = random.Random(seed)
    asked = f"{luck.getrandbits(256):064x}"
    hashes = [off(asked, luck.choice((0, 1, 15, 16, 30, 31, 32, 33, 60, 128)), luck) for _ in range(300)]
    hashes += [off(spread(asked, 1), 15, luck) for _ in range(20)] + [spread(asked, 1), spread(asked, 2)]
    hashes += [f"{int(spread(asked, 2), 16) ^ 1 << 16 * place:064x}" for place in range(16)]  # one bit in one, two in the others
    log(database_url, hashes)
    known = PostgresProvenanceQueries(pool)
    distances = {place: (int(pdq, 16) ^ int(asked, 16)).bit_count() for place, pdq in enumerate(hashes, 1) if place != 7}
    for most in (0, 15, 16, ALIKE):
        found = await known.matches(f"{7:064x}", asked, most, 1000)
        assert (found[0].same_bytes, found[0].made_at) == (True, NOW + timedelta(seconds=7))
        near = [(distance, NOW + timedelta(seconds=place)) for place, distance in distances.items() if distance <= most]
        assert sorted((match.distance, match.made_at) for match in found[1:]) == sorted(near)
    assert len(await known.matches(f"{7:064x}", None, ALIKE, 1000)) == 1
    assert len(await known.matches("0" * 64, asked, ALIKE, 10)) == 10


async def test_it_is_the_index_that_is_searched(database_url: str, pool: Pool) -> None:
    log(database_url, [f"{random.getrandbits(256):064x}" for _ in range(50)])
    with psycopg.connect(database_url) as connection:
        connection.execute("SET enable_seqscan = off")
        chunks = list(chunks_near("0" * 64, ALIKE))
        asked = "EXPLAIN SELECT 1 FROM provenance_log WHERE pdq_chunks(pdq) && %s::integer[]"
        plan = "\n".join(row[0] for row in connection.execute(asked, (chunks,)))
    assert "Bitmap Index Scan on provenance_log_alike" in plan
    assert len(set(chunks)) == 16 * 17


def test_what_the_index_does_not_know_of_is_not_asked_of_it() -> None:
    assert len(set(chunks_near("f" * 64, 15))) == 16
    with pytest.raises(ValueError, match="so far off"):
        list(chunks_near("0" * 64, 32))
