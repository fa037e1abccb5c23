"""The service as its callers meet it: what failed is asked for once more, and whoever is refused too often waits."""

from tests.http_house import SMALL, House, check_problem
from tests.service import Customer

REFUSED = {"sandbox": {"fault": "refuse-input"}}


def test_a_failed_picture_is_asked_for_again_with_one_call(served: House, buyer: Customer) -> None:
    old = served.made(buyer, prompt="a boat", metadata={"project": "x"})
    headers = buyer.headers | {"Prefer": "wait=30", "Idempotency-Key": "again"}
    first = served.client.post(f"/v1/generations/{old['id']}/retry", headers=headers)
    assert (first.status_code, first.headers["location"]) == (201, f"/v1/generations/{first.json()['id']}")
    new = first.json()
    assert (new["state"], new["queue"], new["metadata"]) == ("succeeded", None, {"project": "x"})
    same = {name: value for name, value in old["request"].items() if name != "deadline"}
    assert {name: value for name, value in new["request"].items() if name != "deadline"} == same
    again = served.client.post(f"/v1/generations/{old['id']}/retry", headers=headers)
    assert again.json()["id"] == new["id"]
    assert served.left(buyer).generations == 2
    other = served.client.post(f"/v1/generations/{old['id']}/retry", headers=headers, json={"max_credits": 900})
    check_problem(other, 422, "idempotency-mismatch")


def test_what_was_erased_cannot_be_asked_for_again(served: House, buyer: Customer) -> None:
    old = served.made(buyer)
    place = f"/v1/generations/{old['id']}"
    assert served.client.delete(place, headers=buyer.headers).status_code == 204
    assert served.client.post(f"{place}/retry", headers=buyer.headers).status_code == 202, "the trash is not the end"
    assert served.client.delete(place, headers=buyer.headers, params={"purge": "true"}).status_code == 204
    check_problem(served.client.post(f"{place}/retry", headers=buyer.headers), 410, "gone")


def test_an_unfinished_one_cannot_be_asked_for_again(served: House, buyer: Customer) -> None:
    body = SMALL | {"prompt": "a boat", "sandbox": {"latency_ms": 3000}}
    asked = served.client.post("/v1/generations", headers=buyer.headers, json=body).json()
    assert asked["queue"]["position"] >= 1
    check_problem(served.client.post(f"/v1/generations/{asked['id']}/retry", headers=buyer.headers), 409, "not-finished")


def test_after_eleven_refusals_within_the_hour_the_next_request_waits(served: House, buyer: Customer) -> None:
    headers = buyer.headers | {"Idempotency-Key": "first"}
    first = served.client.post("/v1/generations", headers=headers, json=SMALL | REFUSED | {"prompt": "a boat"}).json()
    for _ in range(9):
        assert served.made(buyer, **REFUSED)["state"] == "refused"
    last = served.made(buyer, **REFUSED)
    assert last["state"] == "refused", "with ten refusals behind it an account may still ask"
    before = served.left(buyer)
    for path in ("/v1/generations", f"/v1/generations/{last['id']}/retry"):
        body = SMALL | {"prompt": "a boat"} if path == "/v1/generations" else {}
        answer = served.client.post(path, headers=buyer.headers, json=body)
        check_problem(answer, 429, "too-many-refusals", limit=10)
        assert 3500 < answer.json()["retry_after"] <= 3600
        assert answer.headers["retry-after"] == str(answer.json()["retry_after"])
    assert served.left(buyer) == before
    repeat = served.client.post("/v1/generations", headers=headers, json=SMALL | REFUSED | {"prompt": "a boat"})
    assert (repeat.status_code, repeat.json()["id"]) == (202, first["id"])
    assert served.client.post("/v1/quotes", headers=buyer.headers, json={"prompt": "a boat"}).status_code == 200
    served.execute("UPDATE generations SET finished_at = finished_at - interval '1 hour' WHERE account_id = %s", buyer.account)
    assert served.made(buyer)["state"] == "succeeded"
