"""What every answer carries and every request leaves behind, and how the service says how it is."""

import asyncio
import json
from typing import Any
from uuid import UUID

import pytest
from litestar import Litestar
from litestar.testing import TestClient
from structlog.testing import capture_logs

from application.store import StoreUnavailable
from domain.limits import LIMITS
from entrypoints.http.envelope import Envelope
from entrypoints.logs import LOG_FIELDS
from tests.http_stage import BEARER, Stage

ANYWHERE = ["/v1/models", "/v1/credits", "/nowhere", "/health/live", "/openapi.json", "/files/x"]


def is_uuid(text: str) -> bool:
    return str(UUID(text)) == text


@pytest.mark.parametrize("path", ANYWHERE)
def test_every_answer_has_a_request_id_and_safe_headers(path: str, client: TestClient[Litestar]) -> None:
    for method in ("GET", "OPTIONS", "DELETE", "BREW"):
        headers = client.request(method, path).headers
        assert is_uuid(headers["x-request-id"])
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["content-security-policy"].startswith("default-src 'none'")
        assert headers["cache-control"] == "no-store"
        assert "server" not in headers


def test_a_sane_request_id_of_the_callers_is_kept(client: TestClient[Litestar]) -> None:
    answer = client.get("/health/live", headers={"X-Request-Id": "0af7651916cd43dd-8448eb211c80319c"})
    assert answer.headers["x-request-id"] == "0af7651916cd43dd-8448eb211c80319c"


@pytest.mark.parametrize(
    "sent", ["short", "a" * 65, "john-smith-1970", "with space", "a;b=c-d-e-f", "4111-1111-1111-1111", "ünïcödeünïcöde", ""]
)
def test_another_is_replaced(sent: str, client: TestClient[Litestar]) -> None:
    answer = client.get("/health/live", headers=[(b"x-request-id", sent.encode())])
    assert is_uuid(answer.headers["x-request-id"])


def test_one_line_is_logged_with_declared_fields_only(stage: Stage, client: TestClient[Litestar]) -> None:
    made = stage.has_generation()
    with capture_logs() as logs:
        answer = client.get(f"/v1/generations/{made.id}?after=secret", headers=BEARER)
    (line,) = logs
    assert line.pop("log_level") == "info"
    assert line.pop("duration_ms") >= 0
    assert line == {
        "event": "request",
        "route": "/v1/generations/{generation_id}",
        "method": "GET",
        "status": 400,
        "request_id": answer.headers["x-request-id"],
    }
    assert line.keys() <= LOG_FIELDS


def test_no_path_or_made_up_method_becomes_a_label(stage: Stage, client: TestClient[Litestar]) -> None:
    client.get("/v1/secret-path")
    client.request("BREW", "/v1/models")
    client.get(f"/v1/generations/{stage.has_generation().id}", headers=BEARER)
    with stage.operations() as operations:
        text = operations.get("/metrics").text
    assert 'http_requests_total{method="GET",route="unmatched",status="4xx"}' in text
    assert 'http_requests_total{method="GET",route="/v1/generations/{generation_id}",status="2xx"}' in text
    assert 'http_request_seconds_bucket{le="0.0025",method="GET"' in text
    assert "secret-path" not in text
    assert "BREW" not in text


def test_a_crash_outside_of_every_route_is_a_problem_too() -> None:
    async def broken(scope: Any, receive: Any, send: Any) -> None:
        raise RuntimeError("a red fox")

    sent = list[Any]()

    async def receive() -> Any: ...

    async def send(message: Any) -> None:
        sent.append(message)

    scope: Any = {"type": "http", "method": "GET", "headers": [], "path": "/"}
    with capture_logs() as logs:
        asyncio.run(Envelope(broken, {})(scope, receive, send))
    assert sent[0]["status"] == 500
    assert b"x-request-id" in dict(sent[0]["headers"])
    assert json.loads(sent[1]["body"])["type"] == "/problems/internal-error"
    assert "fox" not in str(sent) + str(logs)


def test_a_body_that_breaks_off_is_no_fault_of_ours() -> None:
    app = Stage().client().app
    sent = list[Any]()

    async def receive() -> Any:
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"content-type", b"application/json"), (b"authorization", BEARER["Authorization"].encode())]
    scope: Any = {"type": "http", "method": "POST", "path": "/v1/quotes", "raw_path": b"/v1/quotes", "root_path": ""}
    scope |= {"query_string": b"", "headers": headers, "scheme": "http", "state": {}, "http_version": "1.1"}
    with capture_logs() as logs:
        asyncio.run(app(scope, receive, send))
    assert sent[0]["status"] == 400
    assert [line["event"] for line in logs] == ["request"]


# Health


def test_the_public_learns_only_whether_the_service_is_up(stage: Stage, client: TestClient[Litestar]) -> None:
    assert client.get("/health/live").json() == {"status": "up"}
    assert client.get("/health/ready").json() == {"status": "up"}


def test_a_database_that_is_away_makes_the_service_not_ready(stage: Stage, client: TestClient[Litestar]) -> None:
    stage.outage = StoreUnavailable()
    answer = client.get("/health/ready")
    assert (answer.status_code, answer.json()["type"]) == (503, "/problems/unavailable")
    assert "database" not in answer.text
    assert client.get("/health/live").status_code == 200
    with stage.operations() as operations:
        details = operations.get("/health")
    assert (details.status_code, details.json()) == (503, {"database": False, "storage": True})


def test_the_operations_port_serves_nothing_of_the_api(stage: Stage, client: TestClient[Litestar]) -> None:
    with stage.operations() as operations:
        assert operations.get("/v1/models").status_code == 404
        assert operations.get("/health").json() == {"database": True, "storage": True, "image_model": True}
    assert client.get("/metrics").status_code == 404
    assert client.get("/health").status_code == 404


# The catalogue


def test_models_are_listed_as_openais_clients_read_them(client: TestClient[Litestar]) -> None:
    told = client.get("/v1/models").json()
    assert told["object"] == "list"
    assert told["limits"] == dict(LIMITS)
    assert told["default"] in {model["id"] for model in told["data"]}
    for model in told["data"]:
        assert (model["object"], model["owned_by"]) == ("model", "openai")
        assert model["created"] > 1_500_000_000
        assert (model["shutdown_date"] is None) == (model["replacement"] is None)


def test_shown_prices_are_those_of_a_quote(client: TestClient[Litestar]) -> None:
    for model in client.get("/v1/models").json()["data"]:
        for size, by_quality in model["prices"]["picture"].items():
            for quality, credits in by_quality.items():
                asked = {"prompt": "a fox", "model": model["id"], "size": size, "quality": quality}
                told = client.post("/v1/quotes", headers=BEARER, json=asked).json()
                assert told["unit"] == credits


def test_browsers_are_told_to_come_by_https_alone_where_there_is_https(stage: Stage) -> None:
    with stage.client(public_url="https://studio.example") as client:
        assert client.get("/health/live").headers["strict-transport-security"].startswith("max-age=63072000")
    with stage.client() as client:
        assert "strict-transport-security" not in client.get("/health/live").headers


def test_pages_of_named_origins_may_call_with_a_key_and_never_with_a_session(stage: Stage) -> None:
    with stage.client(origins=("https://a.example",)) as client:
        wanted = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,idempotency-key"}
        preflight = client.options("/v1/generations", headers={"Origin": "https://a.example"} | wanted)
        assert preflight.headers["access-control-allow-origin"] == "https://a.example"
        assert "access-control-allow-credentials" not in preflight.headers
        answer = client.get("/v1/models", headers={"Origin": "https://a.example"})
        assert answer.headers["access-control-allow-origin"] == "https://a.example"
        assert "X-Request-Id".lower() in answer.headers["access-control-expose-headers"].lower()
        for origin in ("https://evil.example", "https://a.example.evil.example", "http://a.example", "null"):
            assert "access-control-allow-origin" not in client.get("/v1/models", headers={"Origin": origin}).headers
            refused = client.options("/v1/generations", headers={"Origin": origin} | wanted)
            assert "access-control-allow-origin" not in refused.headers


def test_nobodys_pages_may_call_unless_they_are_named(client: TestClient[Litestar]) -> None:
    asked = {"Origin": "https://a.example", "Access-Control-Request-Method": "POST"}
    assert "access-control-allow-origin" not in client.options("/v1/generations", headers=asked).headers
