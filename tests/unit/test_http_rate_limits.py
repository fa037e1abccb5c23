"""Rate limits over HTTP: what counts for whom, what is told beforehand, and what a refusal looks like."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_network
from itertools import pairwise
from typing import Any

import pytest
from httpx import Response
from litestar import Litestar
from litestar.testing import TestClient

from domain.accounts import Mode, Scope
from domain.api_keys import write_key
from domain.generations import GenerationState
from domain.rate_limits import FAILURE, Policy, Rate
from entrypoints.http.addresses import Proxies
from tests.http_stage import BEARER, Stage, key_with

ASKED = {"prompt": "a boat"}


PAGE = {"Origin": "https://studio.example"}


@contextmanager
def limited(stage: Stage | None = None, /, **quotas: int) -> Iterator[TestClient[Litestar]]:
    """A client of a stage with these rates a minute; none for the others. Pages of PAGE's origin may call."""
    stage = stage or Stage()
    stage.rates = {Policy(name): Rate(quota) for name, quota in quotas.items()}
    with stage.client(origins=tuple(PAGE.values())) as client:
        yield client


def left(answer: Response) -> dict[str, int]:
    """What is left of each policy, by the answer's own words."""
    return {name: int(units) for name, units in re.findall(r'"(\w+)";r=(\d+);t=\d+', answer.headers["ratelimit"])}


def check_refusal(answer: Response, policy: str, limit: int) -> None:
    assert answer.status_code == 429, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    told = answer.json()
    assert {name: told[name] for name in ("type", "status", "policy", "limit")} == {
        "type": "/problems/rate-limited", "status": 429, "policy": policy, "limit": limit,
    }  # fmt: skip
    assert int(answer.headers["retry-after"]) == told["retry_after"] >= 1
    assert answer.headers["x-request-id"]
    assert f'"{policy}";q={limit};w=60' in answer.headers["ratelimit-policy"]


def test_an_answer_tells_every_limit_it_counts_for_and_what_is_left() -> None:
    with limited(address=3_000, key=600, account=1_200) as client:
        answer = client.get("/v1/credits", headers=BEARER)
    assert answer.headers["ratelimit-policy"] == '"address";q=3000;w=60, "key";q=600;w=60, "account";q=1200;w=60'
    assert answer.headers["ratelimit"] == '"address";r=2999;t=1, "key";r=599;t=1, "account";r=1199;t=1'


def test_where_nobody_is_limited_nothing_is_told() -> None:
    with limited() as client:
        answer = client.get("/v1/credits", headers=BEARER)
    assert answer.status_code == 200
    assert not {name for name in answer.headers if name.startswith("ratelimit")}


def test_reading_costs_one_writing_five_and_pictures_by_their_number() -> None:
    with limited(key=600) as client:
        spent = [600]
        for path, body in (
            ("/v1/credits", None),
            ("/v1/quotes", ASKED),
            ("/v1/generations", ASKED),
            ("/v1/generations", {**ASKED, "n": 4}),
        ):
            answer = client.request("POST" if body else "GET", path, headers=BEARER, json=body)
            assert answer.is_success, answer.text
            spent.append(left(answer)["key"])
    assert [before - after for before, after in pairwise(spent)] == [1, 5, 5, 20]


def test_asking_again_for_many_pictures_costs_as_much_and_a_repeat_of_it_does_not() -> None:
    stage = Stage()
    with limited(stage, key=600) as client:
        first = client.post("/v1/generations", headers=BEARER, json={**ASKED, "n": 4})
        stage.kept[next(iter(stage.kept))].state = GenerationState.SUCCEEDED
        path, headers = f"{first.headers['location']}/retry", BEARER | {"Idempotency-Key": "k"}
        again, repeated = client.post(path, headers=headers), client.post(path, headers=headers)
    assert [answer.status_code for answer in (first, again, repeated)] == [202, 202, 202]
    assert [left(answer)["key"] for answer in (first, again, repeated)] == [580, 560, 555]


def test_pictures_beyond_what_is_left_are_refused_and_nothing_is_asked_for() -> None:
    stage = Stage()
    with limited(stage, key=50) as client:
        assert client.post("/v1/generations", headers=BEARER, json={**ASKED, "n": 8}).status_code == 202
        check_refusal(client.post("/v1/generations", headers=BEARER, json={**ASKED, "n": 10}), "key", 50)
        assert client.get("/v1/credits", headers=BEARER).status_code == 200, "what is cheaper passes"
    assert len(stage.kept) == 1


def test_a_key_is_limited_before_its_account_is() -> None:
    with limited(key=50, account=200) as client:
        answers = [client.get("/v1/credits", headers=BEARER) for _ in range(51)]
    assert [answer.status_code for answer in answers] == [200] * 50 + [429]
    check_refusal(answers[-1], "key", 50)
    assert left(answers[-1]) == {"key": 0, "account": 150}


def test_the_account_is_limited_whatever_the_key() -> None:
    with limited(account=50) as client:
        for _ in range(25):
            for scope in (Scope.BILLING, Scope.READ):
                answer = client.get("/v1/credits", headers={"Authorization": f"Bearer {key_with(scope)}"})
                assert answer.status_code in (200, 403)
        check_refusal(client.get("/v1/credits", headers=BEARER), "account", 50)


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/v1/models"), ("GET", "/nowhere"), ("DELETE", "/v1/models"), ("GET", "/openapi.json")]
)
def test_an_address_is_limited_on_every_route_there_is_or_not(method: str, path: str) -> None:
    with limited(address=50) as client:
        for _ in range(50):
            assert "address" in left(client.request(method, path))
        check_refusal(client.request(method, path), "address", 50)
        check_refusal(client.get("/v1/credits", headers=BEARER), "address", 50)
        refused = client.get("/v1/models")
        assert refused.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("quotas", [{"address": 1}, {"key": 1}], ids=str)
def test_a_page_of_an_allowed_origin_can_read_that_it_is_limited_and_when_to_ask_again(quotas: dict[str, int]) -> None:
    with limited(**quotas) as client:
        served, refused = (client.get("/v1/credits", headers=BEARER | PAGE) for _ in range(2))
        check_refusal(refused, next(iter(quotas)), 1)
        foreign = client.get("/v1/credits", headers=BEARER | {"Origin": "https://evil.example"})
    for answer in (served, refused):
        assert answer.headers["access-control-allow-origin"] == PAGE["Origin"]
        assert answer.headers["vary"] == "Origin"
        exposed = answer.headers["access-control-expose-headers"].split(", ")
        assert {"RateLimit", "RateLimit-Policy", "Retry-After", "X-Request-Id"} <= set(exposed)
    assert (foreign.status_code, "access-control-allow-origin" in foreign.headers) == (429, False)


def test_a_preflight_costs_nothing_and_any_other_options_what_a_read_does() -> None:
    stage = Stage()
    with limited(stage, address=2) as client:
        asked = PAGE | {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
        for _ in range(5):
            preflight = client.options("/v1/generations", headers=asked)
            assert (preflight.status_code, preflight.headers["access-control-allow-origin"]) == (204, PAGE["Origin"])
            assert "ratelimit" not in preflight.headers
        assert not stage.buckets.asked, "nothing was looked up for it"
        plain = [client.options("/v1/generations", headers=headers) for headers in (PAGE, {}, {})]
    assert [answer.status_code for answer in plain] == [204, 204, 429]


def test_a_write_that_anybody_may_make_costs_its_address_as_much_as_any_write() -> None:
    with limited(address=50) as client:
        assert left(client.post("/auth/sandbox/page")) == {"address": 45}


def test_health_is_asked_as_often_as_anybody_likes() -> None:
    with limited(address=1) as client:
        for path in ("/health/live", "/health/ready") * 20:
            answer = client.get(path)
            assert (answer.status_code, "ratelimit" in answer.headers) == (200, False)


@pytest.mark.parametrize("shown", ["Bearer x", f"Bearer {write_key(Mode.TEST, bytes(24))}", "Basic x"])
def test_a_credential_that_is_none_costs_its_address_more(shown: str) -> None:
    with limited(address=50) as client:
        answers = [client.get("/v1/credits", headers={"Authorization": shown}) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [401, 401, 401, 429]
    assert [left(answer)["address"] for answer in answers] == [50 - FAILURE, 50 - 2 * FAILURE, 0, 0]
    check_refusal(answers[-1], "address", 50)
    assert answers[-1].json()["retry_after"] == 14, "what is owed comes back first: 10 and 1 more of 50 a minute"


def test_no_credential_is_no_guess_and_a_good_one_costs_the_address_no_more() -> None:
    with limited(address=100) as client:
        assert left(client.get("/v1/credits")) == {"address": 99}
        assert left(client.post("/v1/quotes", headers=BEARER, json=ASKED)) == {"address": 98}


def test_a_caller_is_told_apart_by_what_our_proxies_say() -> None:
    stage = Stage()
    stage.rates = {Policy.ADDRESS: Rate(50)}
    near = Proxies((ip_network("10.0.0.0/8"),), sockets=True)

    def ask(client: TestClient[Litestar], forwarded: str) -> int:
        return client.get("/v1/models", headers={"X-Forwarded-For": forwarded}).status_code

    with stage.client(proxies=near) as client:
        client.app.asgi_handler = _through_a_socket(client.app.asgi_handler)
        assert [ask(client, "198.51.100.1") for _ in range(51)][-2:] == [200, 429]
        assert ask(client, "198.51.100.2") == 200
        assert ask(client, "198.51.100.2, 198.51.100.1") == 429, "what the caller wrote himself changes nothing"


def test_no_address_is_kept_in_clear() -> None:
    stage = Stage()
    with limited(stage, address=50) as client:
        client.get("/v1/models")
    assert all(want.subject.startswith(b"digest of address\0") for wants in stage.buckets.asked for want in wants)


def test_refusals_are_counted_by_policy() -> None:
    stage = Stage()
    with limited(stage, address=1) as client:
        assert [client.get("/v1/models").status_code for _ in range(3)] == [200, 429, 429]
    with stage.operations() as operations:
        assert re.search(r'rate_limited_total\{policy="address"\} [1-9]', operations.get("/metrics").text)


def test_limits_that_fail_let_everybody_through() -> None:
    stage = Stage()
    stage.buckets.away = True
    with limited(stage, address=3_000, key=600) as client:
        assert client.get("/v1/credits", headers=BEARER).status_code == 200


def _through_a_socket(app: Any) -> Any:
    async def called(scope: Any, receive: Any, send: Any) -> None:
        await app({**scope, "client": None}, receive, send)

    return called
