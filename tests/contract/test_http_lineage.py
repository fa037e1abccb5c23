"""Where a generation comes from, what came of it, and the same again, by way of HTTP."""

from typing import Any

import pytest

from domain.limits import LIMITS
from tests.http_house import SMALL, House, check_problem
from tests.kill_matrix import a_png
from tests.library_rows import REQUEST, finished
from tests.service import Customer
from tests.world import new_id


def lineage(served: House, who: Customer, generation: str) -> Any:
    return served.get(who, f"/v1/generations/{generation}/lineage")


def child(served: House, who: Customer, parent: str, prompt: str = "a boat", **said: Any) -> str:
    (one,) = finished(served, who, 1, parent=parent, request=REQUEST | {"prompt": prompt} | said)
    return one


def test_a_family_is_told_with_what_was_asked_differently(served: House, buyer: Customer) -> None:
    (first,) = finished(served, buyer, 1)
    second = child(served, buyer, first, "a red boat")
    third = child(served, buyer, second, "a red boat", complexity="detailed", mask=(mask := str(new_id())))
    other = child(served, buyer, second, "a red boat")
    told = lineage(served, buyer, second)
    assert [(row["id"], row["parent"]) for row in told["relatives"]] == [
        (first, None),
        (second, first),
        (third, second),
        (other, second),
    ]
    assert not told["ancestors_cut"]
    assert not told["descendants_cut"]
    changes = {row["id"]: row["differences"] for row in told["relatives"]}
    assert changes[first] is None
    assert changes[second] == [{"field": "prompt", "change": "changed", "before": "a boat", "after": "a red boat"}]
    assert changes[third] == [
        {"field": "complexity", "change": "added", "before": None, "after": "detailed"},
        {"field": "mask", "change": "added", "before": None, "after": mask},
    ]
    assert changes[other] == []
    assert [row["id"] for row in lineage(served, buyer, third)["relatives"]] == [first, second, third]


def test_an_erased_one_is_shown_by_its_bones_wherever_it_stands(served: House, buyer: Customer) -> None:
    (first,) = finished(served, buyer, 1)
    second = child(served, buyer, first, "a secret")
    third = child(served, buyer, second, "a secret boat")
    assert served.client.delete(f"/v1/generations/{second}?purge=true", headers=buyer.headers).status_code == 204
    for asked in (first, second, third):
        told = lineage(served, buyer, asked)
        rows = {row["id"]: row for row in told["relatives"]}
        assert list(rows) == [first, second, third]
        assert [row["erased"] for row in rows.values()] == [False, True, False]
        assert [row["differences"] for row in rows.values()] == [None] * 3
    check_problem(served.client.get(f"/v1/generations/{second}/recall", headers=buyer.headers), 410, "gone")


def test_a_large_family_is_cut_and_says_so(served: House, buyer: Customer) -> None:
    ancestors, descendants = LIMITS["lineage_ancestors"], LIMITS["lineage_descendants"]
    chain = finished(served, buyer, ancestors + 2)
    served.execute(
        "UPDATE generations g SET parent = p.parent FROM unnest(%s::uuid[], %s::uuid[]) AS p(id, parent) WHERE g.id = p.id",
        chain[1:],
        chain[:-1],
    )
    told = lineage(served, buyer, chain[-2])
    assert [row["id"] for row in told["relatives"]] == chain
    assert not told["ancestors_cut"]
    told = lineage(served, buyer, chain[-1])
    assert [row["id"] for row in told["relatives"]] == chain[1:]
    assert (told["ancestors_cut"], told["descendants_cut"]) == (True, False)
    children = sorted(finished(served, buyer, descendants, parent=chain[-1]))
    told = lineage(served, buyer, chain[-1])
    assert sorted(row["id"] for row in told["relatives"][ancestors + 1 :]) == children
    assert not told["descendants_cut"]
    finished(served, buyer, 3, parent=children[0])
    told = lineage(served, buyer, chain[-1])
    assert len(told["relatives"]) == ancestors + 1 + descendants
    assert told["descendants_cut"]


def test_what_is_recalled_asks_for_the_same_again(served: House, buyer: Customer) -> None:
    upload = served.picture(buyer, a_png())
    first = served.made(buyer)
    made = served.made(buyer, prompt="a red boat", images=[upload], parent=first["id"], metadata={"a": "b"}, n=2)
    served.client.patch(f"/v1/generations/{made['id']}", headers=buyer.headers, json={"metadata": {"c": "d"}})
    told = served.get(buyer, f"/v1/generations/{made['id']}/recall")
    assert (told["ready"], told["retired"], told["missing"]) == (True, None, [])
    again = served.client.post("/v1/generations", headers=buyer.headers, json=told["body"])
    assert again.status_code == 202, again.text
    same = {"deadline", "metadata"}
    assert {k: v for k, v in again.json()["request"].items() if k not in same} == {
        k: v for k, v in made["request"].items() if k not in same
    }
    assert (again.json()["parent"], again.json()["metadata"]) == (first["id"], {"c": "d"})


def test_what_stands_in_the_way_of_asking_again_is_named(served: House, buyer: Customer) -> None:
    upload = served.picture(buyer, a_png())
    made = served.made(buyer, images=[upload])
    assert served.client.delete(f"/v1/media/{upload}", headers=buyer.headers).status_code == 204
    told = served.get(buyer, f"/v1/generations/{made['id']}/recall")
    assert (told["ready"], told["missing"], told["body"]["images"]) == (False, [upload], [upload])
    retired, unknown = (child(served, buyer, made["id"], model=model) for model in ("dall-e-3", "none-such"))
    served.execute("UPDATE generations SET model = request->>'model' WHERE id = ANY(%s)", [retired, unknown])
    told = served.get(buyer, f"/v1/generations/{retired}/recall")
    assert (told["ready"], told["body"]["model"]) == (False, "dall-e-3")
    assert told["retired"]["id"] == "dall-e-3"
    assert told["retired"]["shutdown_date"]
    refused = served.client.post("/v1/generations", headers=buyer.headers, json=SMALL | {"prompt": "x", "model": "dall-e-3"})
    check_problem(refused, 400, "retired-model", replacement=told["retired"]["replacement"])
    told = served.get(buyer, f"/v1/generations/{unknown}/recall")
    assert told["retired"] == {"id": "none-such", "shutdown_date": None, "replacement": None}


@pytest.mark.parametrize("what", ["lineage", "recall"])
def test_nobody_elses_family_is_told(served: House, buyer: Customer, what: str) -> None:
    (one,) = finished(served, served.customer(), 1)
    for id in (one, str(new_id())):
        check_problem(served.client.get(f"/v1/generations/{id}/{what}", headers=buyer.headers), 404, "not-found")
