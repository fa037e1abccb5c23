"""What refusals look like: total, typed, and silent about what was sent."""

import json
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient
from structlog.testing import capture_logs

from application.ports import StorageUnavailable
from application.store import StoreUnavailable
from domain import buying_errors, errors
from domain.errors import DomainError
from domain.limits import LIMITS
from entrypoints.http.problems import EDGE, STATUS
from tests.http_stage import BEARER, STRANGER, Stage

CARD = "4111111111111111"


def every_refusal() -> list[type[DomainError]]:
    return [
        kind
        for kind in {**vars(errors), **vars(buying_errors)}.values()
        if isinstance(kind, type) and issubclass(kind, DomainError) and kind is not DomainError
    ]


def test_every_broken_rule_has_a_status() -> None:
    assert set(STATUS) == set(every_refusal())


def test_every_broken_rule_has_a_name_of_its_own() -> None:
    names = [kind.problem() for kind in every_refusal()] + [name for name, _ in EDGE.values() if name != "invalid-request"]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("kind", every_refusal(), ids=lambda kind: kind.__name__)
def test_a_refusal_is_a_problem_document(kind: type[DomainError], stage: Stage, client: TestClient[Litestar]) -> None:
    stage.refusal = kind("what to do", field="n", limit=3)
    answer = client.post("/v1/generations", headers=BEARER, json={"prompt": "a fox"})
    assert answer.status_code == STATUS[kind]
    assert answer.headers["content-type"] == "application/problem+json"
    told = answer.json()
    assert told | {"retry_after": None} == {
        "type": f"/problems/{kind.problem()}",
        "title": kind.title,
        "status": STATUS[kind],
        "detail": "what to do",
        "instance": "/v1/generations",
        "field": "n",
        "limit": 3,
        "retry_after": None,
    }
    assert ("retry-after" in answer.headers) == ("retry_after" in told)


def test_a_fact_never_overrides_the_members_of_the_standard(stage: Stage, client: TestClient[Litestar]) -> None:
    stage.refusal = errors.NotFinished("cancel it", status="queued", type="x")
    told = client.post("/v1/quotes", headers=BEARER, json={"prompt": "a fox"}).json()
    assert (told["status"], told["type"]) == (409, "/problems/not-finished")


@pytest.mark.parametrize("outage", [StoreUnavailable("dsn=secret"), StorageUnavailable("dsn=secret")])
def test_a_dependency_that_is_away_asks_to_come_back_later(outage: Exception, stage: Stage, client: TestClient[Litestar]) -> None:
    stage.refusal = outage
    answer = client.post("/v1/generations", headers=BEARER, json={"prompt": "a fox"})
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == str(answer.json()["retry_after"])
    assert "secret" not in answer.text


def test_a_crash_tells_the_caller_nothing_and_the_log_where(stage: Stage, client: TestClient[Litestar]) -> None:
    stage.refusal = RuntimeError("a red fox")
    with capture_logs() as logs:
        answer = client.post("/v1/generations", headers=BEARER, json={"prompt": "a red fox"})
    assert answer.status_code == 500
    assert set(answer.json()) == {"type", "title", "status", "instance"}
    assert answer.json()["type"] == "/problems/internal-error"
    assert len(answer.headers["x-request-id"]) == 36
    crash = next(line for line in logs if line["event"] == "request_crashed")
    assert crash["error"] == "RuntimeError"
    assert "http_stage:" in crash["where"]
    assert "fox" not in json.dumps(logs)


def test_a_foreign_thing_looks_like_a_missing_one(stage: Stage, client: TestClient[Litestar]) -> None:
    foreign, picture = stage.has_generation(STRANGER), stage.has_picture(STRANGER)
    missing = "00000000-0000-7000-8000-000000000000"
    for path, thing in (("/v1/generations/", foreign.id), ("/v1/media/", picture.id)):
        for method in ("GET", "DELETE"):
            told = [client.request(method, f"{path}{id}", headers=BEARER) for id in (thing, missing)]
            assert [answer.status_code for answer in told] == [404, 404]
            bodies = [answer.content.replace(str(id).encode(), b"ID") for answer, id in zip(told, (thing, missing), strict=True)]
            assert bodies[0] == bodies[1]
            assert list(told[0].headers) == list(told[1].headers)


def test_a_missing_thing_is_named_unless_the_address_names_it(stage: Stage, client: TestClient[Litestar]) -> None:
    asset = "00000000-0000-7000-8000-00000000000a"
    stage.refusal = errors.NotFound(asset=asset)
    assert client.post("/v1/quotes", headers=BEARER, json={"prompt": "a", "images": [asset]}).json()["asset"] == asset
    assert "asset" not in client.delete(f"/v1/media/{asset}", headers=BEARER).json()


def test_an_unknown_route_is_not_found_and_a_wrong_method_says_which_are_right(client: TestClient[Litestar]) -> None:
    nowhere = client.get("/v1/nowhere")
    assert (nowhere.status_code, nowhere.json()["type"]) == (404, "/problems/not-found")
    wrong = client.put("/v1/generations", headers=BEARER)
    assert (wrong.status_code, wrong.json()["type"]) == (405, "/problems/method-not-allowed")
    assert set(wrong.headers["allow"].split(", ")) == {"GET", "POST", "OPTIONS"}
    assert set(client.options("/v1/generations").headers["allow"].split(", ")) == {"GET", "POST", "OPTIONS"}


def echoes() -> list[tuple[str, str, dict[str, Any]]]:
    body = {"prompt": "a fox"}
    return [
        ("GET", f"/{CARD}", {}),
        ("GET", f"/v1/generations/{CARD}", {}),
        ("GET", f"/v1/generations?model={CARD}", {}),
        ("GET", f"/v1/generations?state={CARD}", {}),
        ("GET", f"/v1/generations?{CARD}=1", {}),
        ("GET", f"/v1/generations?after={CARD}", {}),
        ("GET", f"/v1/generations?created_after={CARD}", {}),
        ("GET", f"/v1/generations?limit={CARD}", {}),
        ("GET", f"/v1/credits/transfers?kind={CARD}", {}),
        ("GET", f"/v1/credits/transfers?generation={CARD}", {}),
        ("POST", "/v1/generations", {"headers": {"Idempotency-Key": "4111 1111-1111 1111"}, "json": body}),
        ("POST", "/v1/generations", {"json": body | {"prompt": CARD}}),
        ("POST", "/v1/generations", {"json": body | {"metadata": {"a": CARD}}}),
        ("POST", "/v1/generations", {"json": body | {"metadata": {CARD: "a"}}}),
        ("POST", "/v1/generations", {"json": body | {"metadata": {"a": {CARD: 1}}}}),
        ("POST", "/v1/generations", {"json": body | {CARD: 1}}),
        ("POST", "/v1/generations", {"json": body | {"n": int(CARD)}}),
        ("POST", "/v1/generations", {"json": body | {"images": [CARD]}}),
        ("POST", "/v1/generations", {"json": body | {"deadline": CARD}}),
        ("POST", "/v1/generations", {"json": body | {"sandbox": {"fault": CARD}}}),
        *[
            ("POST", "/v1/generations", {"json": body | {name: CARD}})
            for name in ("model", "size", "quality", "complexity", "background", "output_format", "moderation")
        ],
    ]


@pytest.mark.parametrize(("method", "path", "sent"), echoes())
def test_a_card_number_is_never_echoed(method: str, path: str, sent: dict[str, Any], client: TestClient[Litestar]) -> None:
    sent = sent | {"headers": BEARER | sent.get("headers", {}) | {"X-Request-Id": "4111-1111-1111-1111"}}
    with capture_logs() as logs:
        answer = client.request(method, path, **sent)
    assert 400 <= answer.status_code < 500
    said = answer.text + str(answer.headers) + json.dumps(logs).replace(" ", "")
    assert "1111" not in said.replace(answer.headers["x-request-id"], ""), "but for what chance has put into an id of ours"
    assert answer.headers["x-request-id"] != "4111-1111-1111-1111"


def test_an_overlong_path_is_not_repeated(client: TestClient[Litestar]) -> None:
    assert "instance" not in client.get("/" + "x" * 300).json()


def test_a_body_beyond_the_limit_is_refused(client: TestClient[Litestar]) -> None:
    answer = client.post("/v1/generations", headers=BEARER, json={"prompt": "x" * LIMITS["body_bytes"]})
    assert (answer.status_code, answer.json()["type"]) == (413, "/problems/body-too-large")
    assert answer.json()["limit"] == LIMITS["body_bytes"]


@pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
def test_a_body_of_another_type_is_refused(media_type: str, client: TestClient[Litestar]) -> None:
    answer = client.post("/v1/generations", headers=BEARER | {"content-type": media_type}, content=b'{"prompt":"a fox"}')
    assert (answer.status_code, answer.json()["type"]) == (415, "/problems/unsupported-media-type")


def test_a_type_with_parameters_is_the_same_type(client: TestClient[Litestar]) -> None:
    headers = BEARER | {"content-type": "Application/JSON; charset=utf-8"}
    assert client.post("/v1/generations", headers=headers, content=b'{"prompt":"a fox"}').status_code == 202
