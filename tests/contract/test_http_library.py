"""Favourites, labels, collections and the trash by way of HTTP."""

import random
from collections.abc import Sequence
from typing import Any

import pytest

from domain.limits import LIMITS
from tests.http_house import House, check_problem
from tests.library_rows import finished
from tests.service import Customer
from tests.world import new_id


def collection(served: House, who: Customer, name: str = "boats") -> str:
    made = served.client.post("/v1/collections", headers=who.headers, json={"name": name})
    assert made.status_code == 201, made.text
    return str(made.headers["location"])


def put(served: House, who: Customer, where: str, generation: str, **place: str | None) -> None:
    answer = served.client.put(f"{where}/items/{generation}", headers=who.headers, json=place)
    assert answer.status_code == 204, answer.text


def items(served: House, who: Customer, where: str, limit: int = 7) -> list[str]:
    """All of them, page by page."""
    found, after = list[str](), None
    while True:
        page = served.get(who, f"{where}/items", limit=limit, **({"after": after} if after else {}))
        found += [row["id"] for row in page["data"]]
        after = page["next"]
        if not after:
            return found


def change(served: House, who: Customer, generation: str, **said: Any) -> Any:
    answer = served.client.patch(f"/v1/generations/{generation}", headers=who.headers, json=said)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_generation_is_marked_and_labelled_and_its_request_stays_as_it_was(served: House, buyer: Customer) -> None:
    (one,) = finished(served, buyer, 1)
    asked = served.get(buyer, f"/v1/generations/{one}")
    assert (asked["favourite"], asked["metadata"]) == (False, {})
    told = change(served, buyer, one, favourite=True, metadata={"project": "x", "b": ""})
    assert (told["favourite"], told["metadata"]) == (True, {"project": "x", "b": ""})
    assert change(served, buyer, one) == told | {"assets": told["assets"]}
    again = change(served, buyer, one, metadata={"c": "d"})
    assert (again["favourite"], again["metadata"]) == (True, {"c": "d"}), "labels are replaced whole"
    assert again["request"] == asked["request"]
    assert change(served, buyer, one, favourite=False, metadata={})["metadata"] == {}


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ({"favourite": None}, "invalid-request"),
        ({"favorite": True}, "invalid-request"),
        ({"metadata": {str(n): "" for n in range(17)}}, "limit-exceeded"),
        ({"metadata": {"card": "4242424242424242"}}, "card-number-refused"),
        ({"collections": {"add": ["1"]}}, "invalid-request"),
        ({"collections": ["1"]}, "invalid-request"),
    ],
)
def test_what_is_said_wrongly_changes_nothing(served: House, buyer: Customer, said: dict[str, Any], problem: str) -> None:
    (one,) = finished(served, buyer, 1)
    before = served.get(buyer, f"/v1/generations/{one}")
    answer = served.client.patch(f"/v1/generations/{one}", headers=buyer.headers, json=said)
    check_problem(answer, 400, problem)
    after = served.get(buyer, f"/v1/generations/{one}")
    assert (after["favourite"], after["metadata"]) == (before["favourite"], before["metadata"])


def test_a_collection_named_wrongly_undoes_the_rest_of_a_change(served: House, buyer: Customer) -> None:
    (one,) = finished(served, buyer, 1)
    mine = collection(served, buyer)
    id = mine.rpartition("/")[2]
    for collections in ({"add": [id, str(new_id())]}, {"remove": [str(new_id())], "add": [id]}):
        said = {"favourite": True, "collections": collections}
        check_problem(served.client.patch(f"/v1/generations/{one}", headers=buyer.headers, json=said), 404, "not-found")
    said = {"favourite": True, "collections": {"add": [id], "remove": [id]}}
    check_problem(served.client.patch(f"/v1/generations/{one}", headers=buyer.headers, json=said), 400, "invalid-request")
    assert not served.get(buyer, f"/v1/generations/{one}")["favourite"]
    assert items(served, buyer, mine) == []
    change(served, buyer, one, collections={"add": [id]})
    assert items(served, buyer, mine) == [one]
    assert [each["id"] for each in served.get(buyer, "/v1/collections", generation=one)["data"]] == [id]
    change(served, buyer, one, collections={"remove": [id]})
    assert items(served, buyer, mine) == []
    assert served.get(buyer, "/v1/collections", generation=one)["data"] == []


def test_items_stand_where_their_owner_puts_them(served: House, buyer: Customer) -> None:
    """Against a list, in any order, often at one spot."""
    seed = random.randrange(2**32)
    chance, made = random.Random(seed), finished(served, buyer, 9)
    where, expected = collection(served, buyer), list[str]()
    for turn in range(90):
        one = chance.choice(made)
        others = [each for each in expected if each != one]
        spot = chance.choice(["first", "last", "hot", "behind"])
        if spot == "last" or not others:
            put(served, buyer, where, one)
            expected = expected if one in expected else [*expected, one]
        elif spot == "first":
            put(served, buyer, where, one, after=None)
            expected = [one, *others]
        else:
            behind = others[0] if spot == "hot" else chance.choice(others)
            put(served, buyer, where, one, after=behind)
            at = others.index(behind) + 1
            expected = [*others[:at], one, *others[at:]]
        if turn % 5 == 0:
            assert items(served, buyer, where, chance.choice([1, 4, 100])) == expected, f"seed {seed}, turn {turn}"
    assert served.get(buyer, where)["items"] == len(expected)
    elsewhere = served.client.put(f"{where}/items/{made[0]}", headers=buyer.headers, json={"after": str(new_id())})
    check_problem(elsewhere, 400, "invalid-request", field="after")
    behind_itself = served.client.put(f"{where}/items/{made[0]}", headers=buyer.headers, json={"after": made[0]})
    check_problem(behind_itself, 400, "invalid-request", field="after")


def in_all(served: House, who: Customer, where: Sequence[str]) -> list[int]:
    return [served.get(who, each)["items"] for each in where]


def test_trash_keeps_a_place_and_purging_gives_it_up(served: House, buyer: Customer) -> None:
    one, two, three = made = finished(served, buyer, 3)
    mine = [collection(served, buyer, name) for name in ("boats", "ships")]
    for where in mine:
        for each in made:
            put(served, buyer, where, each)
        covered = served.client.patch(where, headers=buyer.headers, json={"cover": two})
        assert covered.json()["cover"] == two, covered.text
    path = f"/v1/generations/{two}"
    assert served.client.delete(path, headers=buyer.headers).status_code == 204
    assert served.get(buyer, path)["trashed_at"]
    assert [items(served, buyer, where) for where in mine] == [[one, three]] * 2
    assert in_all(served, buyer, mine) == [3, 3], "what is in the trash still counts"
    for _ in range(2):
        restored = served.client.post(f"{path}/restore", headers=buyer.headers)
        assert (restored.status_code, restored.json()["trashed_at"]) == (200, None)
    assert [items(served, buyer, where) for where in mine] == [made] * 2
    assert served.client.delete(f"{path}?purge=true", headers=buyer.headers).status_code == 204
    assert [items(served, buyer, where) for where in mine] == [[one, three]] * 2
    assert in_all(served, buyer, mine) == [2, 2]
    assert [served.get(buyer, where)["cover"] for where in mine] == [None, None]
    client, headers = served.client, buyer.headers
    for answer in (
        client.post(f"{path}/restore", headers=headers),
        client.patch(path, headers=headers, json={"favourite": True}),
        client.put(f"{mine[0]}/items/{two}", headers=headers, json={}),
    ):
        check_problem(answer, 404, "not-found")
    check_problem(client.patch(mine[1], headers=headers, json={"cover": two}), 400, "invalid-request", field="cover")
    assert in_all(served, buyer, mine) == [2, 2]


def test_a_collection_that_goes_leaves_its_pictures(served: House, buyer: Customer) -> None:
    made = finished(served, buyer, 3)
    where, other = collection(served, buyer), collection(served, buyer)
    for each in made:
        put(served, buyer, where, each)
        put(served, buyer, other, each)
    served.execute("UPDATE collections SET items = items + 1 WHERE id = %s", where.rpartition("/")[2])  # no count keeps it
    assert served.client.delete(where, headers=buyer.headers).status_code == 204
    for answer in (served.client.delete(where, headers=buyer.headers), served.client.get(where, headers=buyer.headers)):
        check_problem(answer, 404, "not-found")
    assert sorted(items(served, buyer, other)) == sorted(made)
    for each in made:
        assert served.get(buyer, f"/v1/generations/{each}")["trashed_at"] is None
    taken = f"{other}/items/{made[0]}"
    assert [served.client.delete(taken, headers=buyer.headers).status_code for _ in range(2)] == [204, 204]
    assert served.get(buyer, other)["items"] == 2


def test_a_collection_shows_a_picture_of_its_cover_or_else_the_first_there_is(served: House, buyer: Customer) -> None:
    shown, rows = served.made(buyer), finished(served, buyer, 2)
    where = collection(served, buyer)
    assert served.get(buyer, where)["picture"] is None
    for each in (*rows, shown["id"]):
        put(served, buyer, where, each)
    told = served.get(buyer, where)
    assert (told["cover"], told["picture"]["id"]) == (None, shown["assets"][0]["id"]), "the others have none"
    told = served.client.patch(where, headers=buyer.headers, json={"cover": rows[0], "name": "ships"}).json()
    assert (told["name"], told["cover"], told["picture"]["id"]) == ("ships", rows[0], shown["assets"][0]["id"])
    assert served.client.patch(where, headers=buyer.headers, json={"cover": None}).json()["cover"] is None
    assert served.client.delete(f"/v1/generations/{shown['id']}", headers=buyer.headers).status_code == 204
    assert served.get(buyer, where)["picture"] is None
    stranger = served.client.patch(where, headers=buyer.headers, json={"cover": str(new_id())})
    check_problem(stranger, 400, "invalid-request", field="cover")


def test_the_same_key_makes_one_collection(served: House, buyer: Customer) -> None:
    key = {"Idempotency-Key": str(new_id())}
    said = [served.client.post("/v1/collections", headers=buyer.headers | key, json={"name": "a"}) for _ in range(2)]
    assert [each.status_code for each in said] == [201, 201]
    assert said[0].json() == said[1].json()
    other = served.client.post("/v1/collections", headers=buyer.headers | key, json={"name": "b"})
    check_problem(other, 422, "idempotency-mismatch")
    assert served.client.delete(said[0].headers["location"], headers=buyer.headers).status_code == 204
    gone = served.client.post("/v1/collections", headers=buyer.headers | key, json={"name": "a"})
    check_problem(gone, 410, "gone")


def test_collections_are_listed_page_by_page_and_are_not_without_number(served: House) -> None:
    who = served.customer()
    made = [collection(served, who, f"{n}") for n in range(5)]
    found, after = list[str](), None
    while True:
        page = served.get(who, "/v1/collections", limit=2, **({"after": after} if after else {}))
        found += [f"/v1/collections/{row['id']}" for row in page["data"]]
        after = page["next"]
        if not after:
            break
    assert found == made[::-1]
    served.execute(
        "INSERT INTO collections (id, account_id, mode, name, created_at) "
        "SELECT gen_random_uuid(), %s, 'test', 'x', clock_timestamp() FROM generate_series(1, %s)",
        who.account,
        LIMITS["collections"] - len(made),
    )
    refused = served.client.post("/v1/collections", headers=who.headers, json={"name": "one more"})
    check_problem(refused, 400, "limit-exceeded", limit=LIMITS["collections"])
