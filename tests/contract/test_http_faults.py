"""What can go wrong at the model, asked for by way of the sandbox: each fault ends as the rules say, and costs nothing."""

from typing import Any

import psycopg
import pytest

from domain.requests import Fault
from tests.http_house import CREDITS, House
from tests.processes import until
from tests.service import Customer

ENDS: dict[str, tuple[str, str, str, str, list[str]]] = {
    "refuse-input": ("refused", "moderation", "input", "moderation_blocked", ["not_executed"]),
    "refuse-output": ("refused", "moderation", "output", "moderation_blocked", ["not_executed"]),
    "fail": ("failed", "provider", "call", "sandbox_failure", ["not_executed"]),
    "fewer-pictures": ("failed", "provider", "call", "empty", ["executed"]),
    # The first call may have been paid, so there is one more, at our cost; never a third.
    "time-out": ("failed", "unknown_outcome", "call", "unknown_outcome", ["unknown", "unknown"]),
    "reset-after-work": ("failed", "unknown_outcome", "call", "unknown_outcome", ["unknown", "unknown"]),
}
"""State, failure's class, stage and code, and what is known of each call."""


def outcomes(served: House, generation: Any) -> list[str]:
    with psycopg.connect(served.database_url) as connection:
        said = "SELECT outcome FROM attempts WHERE generation_id = %s ORDER BY number"
        return [outcome for (outcome,) in connection.execute(said, (generation["id"],)).fetchall()]


def test_every_fault_has_a_case() -> None:
    assert set(ENDS) == set(Fault)


@pytest.mark.parametrize("fault", ENDS)
def test_a_fault_ends_as_it_must_and_gives_the_credits_back(served: House, buyer: Customer, fault: str) -> None:
    state, failure_class, stage, code, attempts = ENDS[fault]
    served.idle()
    before = served.calls()
    made = served.made(buyer, sandbox={"fault": fault})
    assert (made["state"], made["assets"], made["uncertain"]) == (state, [], None)
    told = made["failure"]
    assert (told["class"], told["stage"], told["code"], told["charged"]) == (failure_class, stage, code, 0)
    assert told["message"]
    assert (made["credits"]["captured"], made["credits"]["released"]) == (0, made["credits"]["quoted"])
    assert outcomes(served, made) == attempts
    assert served.calls() - before == len(attempts)
    left = served.left(buyer)
    assert (left.credits, left.generations, left.assets) == ((CREDITS, 0), 1, 0)
    kinds = [line["kind"] for line in served.get(buyer, "/v1/credits/transfers")["data"]]
    assert kinds == ["release", "hold", "grant"]


def test_fewer_pictures_cost_only_what_was_delivered(served: House, buyer: Customer) -> None:
    made = served.made(buyer, n=3, sandbox={"fault": "fewer-pictures"})
    credits = made["credits"]
    assert (made["state"], len(made["assets"])) == ("succeeded", 2)
    assert (credits["captured"] * 3, credits["released"] * 3) == (credits["quoted"] * 2, credits["quoted"])
    assert served.left(buyer).credits == (CREDITS - credits["captured"], 0)


def test_a_cancel_of_a_call_that_is_out_delivers_what_it_brings(served: House, buyer: Customer) -> None:
    body = {"prompt": "a boat", "size": "64x64", "quality": "low", "sandbox": {"latency_ms": 1_500}}
    asked = served.client.post("/v1/generations", headers=buyer.headers, json=body).json()
    place = f"/v1/generations/{asked['id']}"
    until(lambda: served.get(buyer, place)["state"] == "running", "the call to be out")
    told = served.client.post(f"{place}/cancel", headers=buyer.headers).json()
    assert told["state"] == "running", "a call that is out is never abandoned"
    until(lambda: served.get(buyer, place)["finished_at"], "the end")
    made = served.get(buyer, place)
    assert (made["state"], made["credits"]["captured"]) == ("succeeded", made["credits"]["quoted"])
    again = served.client.post(f"{place}/cancel", headers=buyer.headers).json()
    assert (again["state"], again["credits"]) == (made["state"], made["credits"]), "the end is final"


def test_a_picture_that_comes_late_is_waited_for_no_longer_than_was_asked(served: House, buyer: Customer) -> None:
    headers = buyer.headers | {"Prefer": "wait=1", "Idempotency-Key": "slow"}
    body = {"prompt": "a boat", "size": "64x64", "quality": "low", "sandbox": {"latency_ms": 2_500}}
    first = served.client.post("/v1/generations", headers=headers, json=body)
    assert first.status_code == 202
    assert first.json()["state"] in ("queued", "running")
    again = served.client.post("/v1/generations", headers=headers | {"Prefer": "wait=30"}, json=body)
    assert (again.status_code, again.json()["id"]) == (201, first.json()["id"])
    other = served.client.post("/v1/generations", headers=headers, json=body | {"prompt": "a ship"})
    assert (other.status_code, other.json()["type"]) == (422, "/problems/idempotency-mismatch")
