"""One act on many generations, by way of HTTP."""

from typing import Any

import httpx
import psycopg
import pytest
from psycopg.rows import dict_row

from domain.bulk import BulkAction
from domain.limits import LIMITS
from tests.http_house import House, check_problem
from tests.library_rows import finished
from tests.processes import until
from tests.service import Customer
from tests.world import new_id


def ask(served: House, who: Customer, action: str, ids: list[str], **said: Any) -> httpx.Response:
    return served.client.post("/v1/generations/bulk", headers=who.headers, json={"action": action, "ids": ids} | said)


def act(served: House, who: Customer, action: str, ids: list[str], **said: Any) -> dict[str, str]:
    answer = ask(served, who, action, ids, **said)
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert sum(told["outcomes"].values()) == len(told["results"])
    return {row["id"]: row["outcome"] for row in told["results"]}


def shown(served: House, who: Customer, ids: list[str], field: str) -> list[Any]:
    return [served.get(who, f"/v1/generations/{id}")[field] for id in ids]


def collection(served: House, who: Customer) -> str:
    made = served.client.post("/v1/collections", headers=who.headers, json={"name": "boats"})
    return str(made.json()["id"])


def open_one(served: House, who: Customer) -> str:
    (one,) = finished(served, who, 1, state="queued", finished_at=None, started_at=None, delivered=0, priority=9_999)
    served.execute("UPDATE generations SET resume_at = clock_timestamp() + interval '1 hour' WHERE id = %s", one)
    return one


def close(served: House, one: str) -> None:
    """It has no hold, so the house must not come to end it."""
    served.execute("UPDATE generations SET state = 'succeeded', delivered = 1, finished_at = created_at WHERE id = %s", one)


def test_many_are_marked_collected_trashed_and_restored_and_each_is_told_of(served: House, buyer: Customer) -> None:
    made, foreign, missing = finished(served, buyer, 3), finished(served, served.customer(), 1)[0], str(new_id())
    where = collection(served, buyer)
    named = [made[0], missing, made[1], foreign, made[2], made[0]]
    expected = dict.fromkeys(made, "done") | {missing: "not_found", foreign: "not_found"}
    for action, said in [
        ("favourite", {}),
        ("add_to_collection", {"collection": where}),
        ("trash", {}),
        ("trash", {}),
        ("restore", {}),
    ]:
        assert act(served, buyer, action, named, **said) == expected
        if action == "trash":
            assert all(shown(served, buyer, made, "trashed_at"))
    assert shown(served, buyer, made, "favourite") == [True] * 3
    assert shown(served, buyer, made, "trashed_at") == [None] * 3
    items = served.get(buyer, f"/v1/collections/{where}/items")["data"]
    assert [row["id"] for row in items] == made, "in the order they were named in"
    assert act(served, buyer, "remove_from_collection", [made[1], missing], collection=where)[made[1]] == "done"
    assert served.get(buyer, f"/v1/collections/{where}")["items"] == 2
    assert act(served, buyer, "unfavourite", made[:1]) == {made[0]: "done"}
    assert shown(served, buyer, made, "favourite") == [False, True, True]
    assert act(served, buyer, "purge", named[1:4]) == {missing: "not_found", made[1]: "done", foreign: "not_found"}
    assert served.get(buyer, f"/v1/collections/{where}")["items"] == 2
    check_problem(served.client.get(f"/v1/generations/{made[1]}", headers=buyer.headers), 410, "gone")


def test_an_unfinished_one_is_marked_but_neither_trashed_nor_erased(served: House, buyer: Customer) -> None:
    one, (other,) = open_one(served, buyer), finished(served, buyer, 1)
    try:
        assert act(served, buyer, "favourite", [one]) == {one: "done"}
        for action in ("trash", "purge"):
            assert act(served, buyer, action, [one]) == {one: "not_finished"}
        refused = ask(served, buyer, "trash", [other, one], atomic=True)
        check_problem(refused, 409, "not-all-possible", not_finished=[one])
        assert shown(served, buyer, [one, other], "trashed_at") == [None, None]
    finally:
        close(served, one)


@pytest.mark.parametrize("action", ["favourite", "add_to_collection", "remove_from_collection", "trash", "restore", "archive"])
def test_all_or_nothing_is_done_where_that_is_asked_for(served: House, buyer: Customer, action: str) -> None:
    made, missing = finished(served, buyer, 2), str(new_id())
    said = {"collection": collection(served, buyer)} if "collection" in action else {}
    why = {"no_picture": made} if action == "archive" else {}
    refused = ask(served, buyer, action, [made[0], missing, made[1]], atomic=True, **said)
    check_problem(refused, 409, "not-all-possible", not_found=[missing], **why)
    assert shown(served, buyer, made, "favourite") == [False, False]
    if action != "archive":
        assert set(act(served, buyer, action, made, atomic=True, **said).values()) == {"done"}


def test_many_are_packed_into_one_archive(served: House, buyer: Customer) -> None:
    picture, (bare,) = served.made(buyer), finished(served, buyer, 1)
    key = {"Idempotency-Key": str(new_id())}
    body = {"action": "archive", "ids": [bare, picture["id"]]}
    said = [served.client.post("/v1/generations/bulk", headers=buyer.headers | key, json=body) for _ in range(2)]
    assert [each.status_code for each in said] == [200, 200], said[0].text
    told = said[0].json()
    assert told["outcomes"] == {"no_picture": 1, "done": 1}
    assert said[1].json()["archive"]["id"] == told["archive"]["id"]
    location = f"/v1/media/archive/{told['archive']['id']}"
    until(lambda: served.get(buyer, location)["state"] == "ready", "the archive to be made")
    assert ask(served, buyer, "archive", [bare]).json()["archive"] is None
    assert act(served, buyer, "purge", [picture["id"]]) == {picture["id"]: "done"}
    assert served.get(buyer, location)["failure"] == "picture_deleted"
    again, other = (
        served.client.post("/v1/generations/bulk", headers=buyer.headers | key, json=body | {"ids": ids})
        for ids in (body["ids"], [bare])
    )
    assert again.json()["archive"]["id"] == told["archive"]["id"], "a repeat is answered so with nothing left to pack, too"
    check_problem(other, 422, "idempotency-mismatch")


@pytest.mark.parametrize(
    ("said", "status", "problem", "members"),
    [
        ({"filter": {}}, 400, "invalid-request", {"field": "ids"}),
        ({"filter": {"prompt": "x"}}, 400, "invalid-request", {}),
        ({"action": "paint"}, 400, "invalid-request", {"field": "action"}),
        ({"ids": []}, 400, "limit-exceeded", {"field": "ids"}),
        ({"ids": ["0" * 32] * (LIMITS["bulk_ids"] + 1)}, 400, "limit-exceeded", {"limit": LIMITS["bulk_ids"]}),
        ({"action": "add_to_collection"}, 400, "invalid-request", {"field": "collection"}),
        ({"collection": "0" * 32}, 400, "invalid-request", {"field": "collection"}),
        ({"action": "add_to_collection", "collection": "0" * 32}, 404, "not-found", {}),
        ({"action": "purge", "atomic": True}, 400, "invalid-request", {"field": "atomic"}),
    ],
)
def test_an_act_that_is_none_is_refused(
    served: House, buyer: Customer, said: dict[str, Any], status: int, problem: str, members: dict[str, Any]
) -> None:
    body = {"action": "favourite", "ids": [str(new_id())]} | said
    answer = served.client.post("/v1/generations/bulk", headers=buyer.headers, json=body)
    check_problem(answer, status, problem, **members)


def test_a_full_collection_takes_none_of_them(served: House, buyer: Customer) -> None:
    made, where = finished(served, buyer, 2), collection(served, buyer)
    served.execute("UPDATE collections SET items = %s WHERE id = %s", LIMITS["collection_items"] - 1, where)
    try:
        assert set(act(served, buyer, "add_to_collection", made, collection=where).values()) == {"collection_full"}
        check_problem(ask(served, buyer, "add_to_collection", made, collection=where, atomic=True), 400, "limit-exceeded")
        assert act(served, buyer, "add_to_collection", made[:1], collection=where) == {made[0]: "done"}
    finally:
        served.execute("UPDATE collections SET items = 1 WHERE id = %s", where)


def by_filter(served: House, who: Customer, action: str, filter: dict[str, Any], **said: Any) -> httpx.Response:
    body = {"action": action, "filter": filter} | said
    return served.client.post("/v1/generations/bulk", headers=who.headers, json=body)


def test_all_that_match_a_filter_are_acted_on_and_nobody_elses(served: House, buyer: Customer) -> None:
    other = finished(served, served.customer(), 2)
    boats, ships = finished(served, buyer, 3), finished(served, buyer, 2, kind="edit")
    where = collection(served, buyer)
    cases: list[tuple[str, dict[str, Any], list[str]]] = [
        ("favourite", {"kind": "edit"}, ships),
        ("add_to_collection", {"favourite": False, "q": "boat"}, boats),
        ("trash", {"collection": where, "state": ["succeeded"]}, boats),
        ("favourite", {"trashed": True, "created_after": "2020-01-01T00:00:00+01:00"}, boats),
        ("purge", {"favourite": True}, ships),
        ("restore", {"trashed": True}, boats),
        ("favourite", {"model": "none-such"}, []),
    ]
    for action, filter, changed in cases:
        said = {"collection": where} if action == "add_to_collection" else {}
        answer = by_filter(served, buyer, action, filter, **said)
        assert answer.status_code == 200, answer.text
        told = answer.json()
        assert sorted(row["id"] for row in told["results"]) == sorted(changed), (action, filter)
        assert told["outcomes"] == ({"done": len(changed)} if changed else {})
    assert {row["id"] for row in served.get(buyer, "/v1/generations", favourite=True)["data"]} == set(boats)
    (theirs,) = {row["account_id"] for row in rows(served, "SELECT account_id FROM generations WHERE id = ANY(%s)", other)}
    untouched = rows(served, "SELECT favourite, trashed_at FROM generations WHERE account_id = %s", theirs)
    assert untouched == [{"favourite": False, "trashed_at": None}] * 2


def rows(served: House, statement: str, *values: Any) -> list[dict[str, Any]]:
    with psycopg.connect(served.database_url, row_factory=dict_row) as connection:
        return connection.execute(statement.encode(), values).fetchall()


COPIES = """
INSERT INTO generations (id, account_id, wallet_id, mode, kind, model, request, n, unit, priority, created_at, deadline,
    hold_expires_at, state, finished_at, delivered, metadata)
SELECT gen_random_uuid(), account_id, wallet_id, mode, kind, model, request, n, unit, priority,
    created_at - turn * interval '1 ms', deadline, hold_expires_at, state, finished_at, delivered, metadata
FROM generations, generate_series(1, %s) turn WHERE id = %s
"""


def test_a_filter_that_too_many_match_is_refused_and_thousands_are_not(served: House) -> None:
    who, most = served.customer(), LIMITS["bulk_matches"]
    (one,) = finished(served, who, 1)
    served.execute(COPIES, most - 1, one)
    answer = by_filter(served, who, "favourite", {})
    assert (answer.status_code, answer.json()["outcomes"]) == (200, {"done": most})
    check_problem(by_filter(served, who, "trash", {}, atomic=True), 400, "limit-exceeded", field="atomic")
    finished(served, who, 1)
    check_problem(by_filter(served, who, "trash", {}), 400, "limit-exceeded", field="filter", limit=most)
    assert served.get(who, "/v1/generations", trashed=True)["data"] == []


def test_every_action_is_tried_here() -> None:
    tried = {"favourite", "unfavourite", "add_to_collection", "remove_from_collection", "trash", "restore", "purge", "archive"}
    assert set(BulkAction) == tried
