"""Receipts of a running service: what real generations cost, told as the credits routes tell it."""

from typing import Any

import pytest

from tests.http_house import House, check_problem
from tests.people import signed_in, words
from tests.service import Customer


def receipt(served: House, who: Customer, generation: Any) -> Any:
    return served.get(who, f"/v1/generations/{generation['id']}/receipt")


@pytest.mark.parametrize(
    ("asked", "paid", "said"),
    [
        ({"n": 2}, 2, "All 2 pictures were delivered"),
        ({"n": 2, "sandbox": {"fault": "fewer-pictures"}}, 1, "1 of 2 pictures was delivered"),
        ({"sandbox": {"fault": "refuse-output"}}, 0, "You were not charged"),
        ({"sandbox": {"fault": "fail"}}, 0, "You were not charged"),
    ],
    ids=["delivered", "in part", "refused", "failed"],
)
def test_a_receipt_agrees_with_the_generation_and_the_statement(
    served: House, buyer: Customer, asked: dict[str, Any], paid: int, said: str
) -> None:
    made = served.made(buyer, **asked)
    told = receipt(served, buyer, made)
    unit = told["price"]["unit"]
    assert said in told["says"]
    assert sum(told["price"]["breakdown"].values()) == told["price"]["credits"] == made["credits"]["quoted"]
    numbers = {name: told["settlement"][name] for name in ("held", "captured", "released")}
    assert numbers == {name: made["credits"][name] for name in numbers}
    assert numbers["captured"] == sum(call["charged"] for call in told["attempts"]) == paid * unit
    lines = served.get(buyer, "/v1/credits/transfers", generation=made["id"])["data"][::-1]
    own = [{name: value for name, value in line.items() if name != "says"} for line in told["settlement"]["transfers"]]
    assert own == [{name: value for name, value in line.items() if name != "generation"} for line in lines]
    served.client.delete(f"/v1/generations/{made['id']}", headers=buyer.headers, params={"purge": "true"})
    assert receipt(served, buyer, made) == told | {"price": told["price"] | {"breakdown": None}}


def test_a_person_reads_and_prints_it(served: House) -> None:
    address = str(served.client.base_url)
    with signed_in(address) as browser:
        body = {"prompt": "a boat", "size": "1024x1024", "quality": "low"}
        made = browser.post("/v1/generations", json=body, headers={"Prefer": "wait=60"}).json()
        page = browser.get(f"/v1/generations/{made['id']}/receipt", headers={"Accept": "text/html"})
        assert page.headers["content-security-policy"].startswith("default-src 'none'")
        said = words(page)
        assert "The picture was delivered" in said
        assert "from your trial credits" in said
        assert "boat" not in said
        missing = browser.get(f"/v1/generations/{made['assets'][0]['id']}/receipt", headers={"Accept": "text/html"})
        assert (missing.status_code, "There is no such thing" in words(missing) or "Not found" in words(missing)) == (404, True)


def test_one_under_way_has_a_receipt_so_far(served: House, buyer: Customer) -> None:
    body = {"prompt": "a boat", "size": "64x64", "quality": "low", "sandbox": {"latency_ms": 3000}}
    made = served.client.post("/v1/generations", headers=buyer.headers, json=body).json()
    told = receipt(served, buyer, made)
    assert told["finished_at"] is None
    assert told["settlement"]["held"] == told["hold"]["amount"] == made["credits"]["held"]
    assert "You were not charged so far" in told["says"]
    check_problem(served.client.get(f"/v1/generations/{made['id']}/receipt", headers=served.customer().headers), 404, "not-found")
