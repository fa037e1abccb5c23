"""What an account made and paid, by way of HTTP and against the rows themselves."""

import json
import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from adapters.postgres.statistics import BY_ALL, BY_COLLECTION
from tests.http_house import House, check_problem
from tests.library_rows import finished
from tests.service import Customer
from tests.world import new_id

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def sums(rows: list[Any], by: str) -> dict[Any, tuple[int, int, int]]:
    return {row[by]: (row["generations"], row["pictures"], row["credits"]) for row in rows}


def test_pictures_and_credits_are_counted_by_day_model_key_and_collection(served: House, buyer: Customer) -> None:
    chance, keys, expected = random.Random(7), [None, str(new_id())], Counter[tuple[str, Any, int]]()
    where = served.client.post("/v1/collections", headers=buyer.headers, json={"name": "boats"}).json()["id"]
    finished(served, served.customer(), 1, NOON)
    finished(served, buyer, 1, NOON, state="failed", delivered=0)
    for _ in range(12):
        at, model, key = NOON - timedelta(days=chance.randrange(5)), chance.choice("ab"), chance.choice(keys)
        n, unit = chance.randrange(1, 4), chance.randrange(1, 9)
        made = finished(served, buyer, 2, at, model=model, key_id=key, n=4, delivered=n, unit=unit)
        in_collection = chance.random() < 0.5
        if in_collection:
            put = served.client.put(f"/v1/collections/{where}/items/{made[0]}", headers=buyer.headers, json={})
            assert put.status_code == 204
        for by, value, times in [("day", f"{at:%Y-%m-%d}", 2), ("model", model, 2), ("key", key, 2)]:
            expected.update({(by, value, column): times * one for column, one in enumerate((1, n, n * unit))})
        if in_collection:
            expected.update({("collection", where, column): one for column, one in enumerate((1, n, n * unit))})
        purged = f"/v1/generations/{made[1]}?purge=true"
        assert served.client.delete(purged, headers=buyer.headers).status_code == 204, "it counts all the same"
    told = served.get(buyer, "/v1/statistics", first="2026-02-20", last="2026-03-02")
    for by in ("day", "model", "key", "collection"):
        found = {value: sum for value, sum in sums(told[f"{by}s"], by).items() if any(sum)}
        wanted = {(value, column): number for (named, value, column), number in expected.items() if named == by}
        assert {(value, c): number for value, row in found.items() for c, number in enumerate(row)} == wanted
    assert [row["day"] for row in told["days"]][::10] == ["2026-02-20", "2026-03-02"]
    total = told["total"]
    assert tuple(total.values()) == tuple(map(sum, zip(*sums(told["models"], "model").values(), strict=True)))
    alone = served.get(buyer, "/v1/statistics", first="2026-03-02", last="2026-03-02")["total"]
    assert alone["generations"] == expected["day", "2026-03-02", 0], "both ends of a day belong to it alone"


def test_a_day_begins_at_midnight_in_utc(served: House, buyer: Customer) -> None:
    midnight = datetime(2026, 3, 2, tzinfo=UTC)
    for finished_at in (midnight, midnight + timedelta(days=1) - timedelta(microseconds=1), midnight + timedelta(days=1)):
        finished(served, buyer, 1, midnight, finished_at=finished_at)
    told = served.get(buyer, "/v1/statistics", first="2026-03-01", last="2026-03-03")
    assert [row["generations"] for row in told["days"]] == [0, 2, 1]


def test_what_was_painted_is_counted_as_the_books_have_it(served: House) -> None:
    who = served.customer()
    made = served.made(who, n=2)
    told = served.get(who, "/v1/statistics")
    assert told["total"] == {"generations": 1, "pictures": 2, "credits": made["credits"]["captured"]}
    assert [row["key"] for row in told["keys"]] != [None]
    assert len(told["days"]) == 30
    for far in ("0001-01-01", "9999-12-31"):
        assert served.get(who, "/v1/statistics", first=far, last=far)["total"]["pictures"] == 0


@pytest.mark.parametrize("said", [{"first": "x"}, {"first": "2026-02-30"}, {"last": "20260101"}, {"last": "2026-1-1"}])
def test_a_day_that_is_none_is_refused(served: House, buyer: Customer, said: dict[str, str]) -> None:
    answer = served.client.get("/v1/statistics", headers=buyer.headers, params=said)
    check_problem(answer, 400, "invalid-request", field=next(iter(said)))


COPIES = """
INSERT INTO generations (id, account_id, wallet_id, mode, kind, model, n, unit, priority, created_at, deadline, hold_expires_at,
    state, finished_at, delivered, metadata)
SELECT gen_random_uuid(), account_id, wallet_id, mode, kind, model, n, unit, priority, created_at, deadline, hold_expires_at,
    state, finished_at - turn * interval '10 min', delivered, metadata
FROM generations, generate_series(1, %s) turn WHERE id = %s
"""


COLLECTED = """
INSERT INTO collection_items (collection_id, generation_id, place, created_at)
SELECT %s, id, row_number() OVER (), created_at FROM generations WHERE account_id = %s
"""


def test_it_reads_what_was_delivered_in_those_days_and_nothing_else(served: House) -> None:
    """By the plan, at 20,000 rows, all of them in one collection: three days of them are a fiftieth."""
    who = served.customer()
    (one,) = finished(served, who, 1, NOON)
    served.execute(COPIES, 20_000, one)
    made = served.client.post("/v1/collections", headers=who.headers, json={"name": "all"}).json()
    served.execute(COLLECTED, made["id"], who.account)
    said = {"account": who.account, "mode": "test", "since": NOON - timedelta(days=3), "until": NOON}
    with psycopg.connect(served.database_url, autocommit=True) as connection:
        connection.execute("ANALYZE generations, collections, collection_items")
        for statement in (BY_ALL, BY_COLLECTION):
            (plan,) = connection.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}".encode(), said).fetchone() or ("",)
            assert "generations_delivered" in json.dumps(plan), plan
            assert "Rows Removed by Filter" not in json.dumps(plan), plan
