"""Who may call, by way of HTTP: without a good key nobody; with another account's, nothing is there.

The routes are those the service says it has, so a new one without a case fails here.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from application.accounts import AddKey, hash_key
from domain.accounts import ApiKey, KeyId, Mode, Scope, write_key
from entrypoints.http.app import ROUTES
from entrypoints.http.auth import PUBLIC
from tests.http_house import House, check_problem
from tests.kill_matrix import a_png
from tests.service import Customer
from tests.world import new_id


@dataclass(frozen=True, slots=True)
class Owned:
    """What an account owns, by the name of the parameter that names it."""

    owner: Customer
    by_parameter: dict[str, str]
    output: str


@pytest.fixture(scope="module")
def owned(served: House) -> Owned:
    owner = served.customer()
    made = served.made(owner)
    upload = served.picture(owner, a_png())
    return Owned(owner, {"generation_id": made["id"], "asset_id": upload}, made["assets"][0]["id"])


@pytest.fixture(scope="module")
def operations(served: House) -> list[tuple[str, str, dict[str, Any]]]:
    document = served.client.get("/openapi.json").json()
    return [(path, method, operation) for path, said in document["paths"].items() for method, operation in said.items()]


BY_ID = {
    "getGeneration",
    "cancelGeneration",
    "retryGeneration",
    "deleteGeneration",
    "getMedia",
    "getMediaContent",
    "deleteMedia",
}
"""Every operation with an id in its address."""
ELSEWHERE: dict[str, Callable[[str, str], tuple[str, dict[str, Any]]]] = {
    "images": lambda mine, id: ("/v1/generations", {"images": [id]}),
    "later images": lambda mine, id: ("/v1/generations", {"images": [mine, id]}),
    "quoted images": lambda mine, id: ("/v1/quotes", {"images": [id]}),
    "mask": lambda mine, id: ("/v1/generations", {"images": [mine], "mask": id}),
    "parent": lambda mine, id: ("/v1/generations", {"parent": id}),
}
"""Ids that are named in a body, beside a picture of one's own."""


def strangers(served: House, owned: Owned) -> list[Customer]:
    """Another account, and the same account by a key of the other mode."""
    live = write_key(Mode.LIVE, new_id().bytes * 2)
    key = ApiKey(KeyId(new_id()), owned.owner.account, Mode.LIVE, frozenset(Scope), hash_key(live), live[-4:], datetime.now(UTC))
    served.portal.call(add_key, served, key)
    return [served.customer(), Customer(owned.owner.account, owned.owner.wallet, live)]


async def add_key(served: House, key: ApiKey) -> None:
    await (await served.service.parts.get(AddKey))(key)


def alike(one: httpx.Response, other: httpx.Response, ids: tuple[str, str]) -> bool:
    """Byte for byte, but for what each call has of its own: the request's id, the date, and the id that was asked for."""
    own = {"x-request-id", "date", "content-length"}
    headers = [{name: value for name, value in answer.headers.items() if name not in own} for answer in (one, other)]
    return headers[0] == headers[1] and one.content.replace(ids[0].encode(), ids[1].encode()) == other.content


def test_every_route_with_an_id_has_a_case(operations: list[tuple[str, str, dict[str, Any]]]) -> None:
    assert {operation["operationId"] for path, _, operation in operations if "{" in path} == BY_ID


def test_somebody_elses_thing_looks_like_a_missing_one_on_every_route(
    served: House, owned: Owned, operations: list[tuple[str, str, dict[str, Any]]]
) -> None:
    for stranger in strangers(served, owned):
        for path, method, operation in operations:
            if operation["operationId"] not in BY_ID:
                continue
            parameter = path.partition("{")[2].partition("}")[0]
            theirs = [owned.by_parameter[parameter]] + ([owned.output] if parameter == "asset_id" else [])
            for there in theirs:
                missing = str(new_id())
                said = [
                    served.client.request(method, path.replace(f"{{{parameter}}}", id), headers=stranger.headers)
                    for id in (there, missing)
                ]
                check_problem(said[0], 404, "not-found")
                assert alike(said[0], said[1], (there, missing)), operation["operationId"]
    assert served.get(owned.owner, f"/v1/generations/{owned.by_parameter['generation_id']}")
    assert served.get(owned.owner, f"/v1/media/{owned.by_parameter['asset_id']}")


@pytest.mark.parametrize("where", ELSEWHERE)
def test_somebody_elses_thing_cannot_be_used(served: House, owned: Owned, where: str) -> None:
    for stranger in strangers(served, owned):
        mine, missing = served.picture(stranger, a_png()), str(new_id())
        there, before = owned.by_parameter["generation_id" if where == "parent" else "asset_id"], served.left(stranger)
        said = []
        for id in (there, missing):
            route, body = ELSEWHERE[where](mine, id)
            said.append(served.client.post(route, headers=stranger.headers, json={"prompt": "a boat"} | body))
        check_problem(said[0], 404, "not-found")
        assert alike(said[0], said[1], (there, missing))
        assert served.left(stranger) == before


def test_lists_hold_only_what_is_mine(served: House, owned: Owned) -> None:
    for stranger in strangers(served, owned):
        for path in ("/v1/generations", "/v1/media"):
            ids = {row["id"] for row in served.get(stranger, path, limit=100)["data"]}
            assert ids.isdisjoint({*owned.by_parameter.values(), owned.output})
        filtered = served.get(stranger, "/v1/credits/transfers", generation=owned.by_parameter["generation_id"])
        assert filtered["data"] == []


KEYS: dict[str, Callable[[Owned], list[tuple[str, str]]]] = {
    "no key": lambda owned: [],
    "an empty one": lambda owned: [("Authorization", "")],
    "a garbled one": lambda owned: [
        ("Authorization", f"Bearer {owned.owner.key[:-1]}{'A' if owned.owner.key[-1] != 'A' else 'B'}")
    ],
    "one nobody has": lambda owned: [("Authorization", f"Bearer {write_key(Mode.TEST, bytes(24))}")],
    "another scheme": lambda owned: [("Authorization", f"Basic {owned.owner.key}")],
    "the key twice": lambda owned: [("Authorization", f"Bearer {owned.owner.key}")] * 2,
    "the key alone": lambda owned: [("Authorization", owned.owner.key)],
    "a key in the address": lambda owned: [("Cookie", f"key={owned.owner.key}")],
}


@pytest.mark.parametrize("case", KEYS)
def test_without_a_good_key_nobody_is_served(
    served: House, owned: Owned, operations: list[tuple[str, str, dict[str, Any]]], case: str
) -> None:
    guarded = [(path, method) for path, method, operation in operations if operation.get("security")]
    assert len(guarded) == sum(route.opt["access"] != PUBLIC for route in ROUTES) > 10
    for path, method in guarded:
        answer = served.client.request(method, path.replace("{", "").replace("}", ""), headers=KEYS[case](owned))
        if "{" in path:
            there = path.format(**owned.by_parameter)
            answer = served.client.request(method, there, headers=KEYS[case](owned))
        check_problem(answer, 401, "unauthenticated")
        assert answer.headers["www-authenticate"] == "Bearer"
        assert owned.owner.key not in answer.text


def test_a_revoked_key_is_refused_within_two_seconds(served: House) -> None:
    who = served.customer()
    assert served.client.get("/v1/credits", headers=who.headers).status_code == 200
    served.execute("UPDATE api_keys SET revoked_at = now() WHERE account_id = %s", who.account)
    until = time.monotonic() + 2
    while (answer := served.client.get("/v1/credits", headers=who.headers)).status_code == 200:
        assert time.monotonic() < until, "a revoked key is still good"
    check_problem(answer, 401, "unauthenticated")


@pytest.mark.parametrize("scope", Scope)
def test_a_key_opens_what_its_scope_covers_and_nothing_else(
    served: House, operations: list[tuple[str, str, dict[str, Any]]], scope: Scope
) -> None:
    who = served.customer(scopes=frozenset({scope}))
    opened = set[str]()
    for path, method, operation in operations:
        if not operation.get("security"):
            continue
        place = path.replace("{generation_id}", str(new_id())).replace("{asset_id}", str(new_id()))
        answer = served.client.request(method, place, headers=who.headers)
        needed = operation["description"].rpartition("`")[0].rpartition("`")[2]
        if needed == scope:
            assert answer.status_code != 403
            opened.add(operation["operationId"])
        else:
            check_problem(answer, 403, "missing-scope", scope=needed)
    assert opened
