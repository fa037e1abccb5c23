"""The OpenAPI document says what is enforced."""

from collections.abc import Iterator
from typing import Any

import pytest
from msgspec import json

from domain.limits import LIMITS
from entrypoints.http.app import ROUTES
from entrypoints.http.compatible.errors import speaks_openai
from entrypoints.http.openapi import document
from tests.http_stage import Stage

DOCUMENT: dict[str, Any] = json.decode(document(ROUTES, "1.2.3", "session"))


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in DOCUMENT["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def test_it_is_served_as_it_is_made() -> None:
    with Stage().client() as client:
        answer = client.get("/openapi.json")
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == DOCUMENT
    assert (DOCUMENT["openapi"], DOCUMENT["info"]["version"]) == ("3.1.0", "1.2.3")


def test_every_route_is_in_it_but_those_that_browsers_are_led_to() -> None:
    assert {(path, method) for path, method, _ in operations()} == {
        ("/v1/models", "get"),
        ("/v1/models/{model}", "get"),
        ("/v1/images/generations", "post"),
        ("/v1/images/edits", "post"),
        ("/v1/quotes", "post"),
        ("/v1/credits", "get"),
        ("/v1/credits/transfers", "get"),
        ("/v1/generations", "get"),
        ("/v1/generations", "post"),
        ("/v1/generations/{generation_id}", "get"),
        ("/v1/generations/{generation_id}", "delete"),
        ("/v1/generations/{generation_id}", "patch"),
        ("/v1/generations/{generation_id}/restore", "post"),
        ("/v1/generations/bulk", "post"),
        ("/v1/generations/{generation_id}/lineage", "get"),
        ("/v1/generations/{generation_id}/recall", "get"),
        ("/v1/statistics", "get"),
        ("/v1/collections", "get"),
        ("/v1/collections", "post"),
        ("/v1/collections/{collection_id}", "get"),
        ("/v1/collections/{collection_id}", "patch"),
        ("/v1/collections/{collection_id}", "delete"),
        ("/v1/collections/{collection_id}/items", "get"),
        ("/v1/collections/{collection_id}/items/{generation_id}", "put"),
        ("/v1/collections/{collection_id}/items/{generation_id}", "delete"),
        ("/v1/generations/{generation_id}/events", "get"),
        ("/v1/generations/{generation_id}/receipt", "get"),
        ("/v1/generations/{generation_id}/cancel", "post"),
        ("/v1/generations/{generation_id}/retry", "post"),
        ("/v1/media", "get"),
        ("/v1/media", "post"),
        ("/v1/media/uploads", "post"),
        ("/v1/media/uploads/{upload_id}/complete", "post"),
        ("/v1/media/{asset_id}", "get"),
        ("/v1/media/{asset_id}", "delete"),
        ("/v1/media/{asset_id}/content", "get"),
        ("/v1/media/archive", "post"),
        ("/v1/media/archive/{archive_id}", "get"),
        ("/v1/verify", "post"),
        ("/v1/webhook-endpoints", "get"),
        ("/v1/webhook-endpoints", "post"),
        ("/v1/webhook-endpoints/{endpoint_id}", "patch"),
        ("/v1/webhook-endpoints/{endpoint_id}", "delete"),
        ("/v1/webhook-endpoints/{endpoint_id}/rotate", "post"),
        ("/v1/webhook-endpoints/{endpoint_id}/test", "post"),
        ("/v1/webhook-endpoints/{endpoint_id}/deliveries", "get"),
        ("/v1/webhook-endpoints/{endpoint_id}/deliveries/{delivery_id}/redeliver", "post"),
        ("/v1/plans", "get"),
        ("/v1/billing/checkout", "post"),
        ("/v1/billing/portal", "post"),
        ("/v1/billing/subscription", "get"),
        ("/v1/billing/subscription/change", "post"),
        ("/v1/billing/subscription/cancel", "post"),
        ("/v1/billing/subscription/resume", "post"),
        ("/v1/billing/transactions", "get"),
        ("/auth/providers", "get"),
        ("/auth/{provider}/link", "post"),
        ("/auth/sign-out", "post"),
        ("/v1/me", "get"),
        ("/v1/me", "patch"),
        ("/v1/api-keys", "get"),
        ("/v1/api-keys", "post"),
        ("/v1/api-keys/{key_id}", "delete"),
        ("/v1/me/identities/{identity_id}", "delete"),
        ("/v1/sessions", "get"),
        ("/v1/sessions", "delete"),
        ("/v1/billing/promotion", "post"),
        ("/v1/sessions/{session_id}", "delete"),
        ("/v1/billing/top-up", "get"),
        ("/v1/billing/top-up", "put"),
        ("/health/live", "get"),
        ("/health/ready", "get"),
    }


@pytest.mark.parametrize(("path", "method", "operation"), list(operations()))
def test_an_operation_says_who_may_call_and_how_it_refuses(path: str, method: str, operation: dict[str, Any]) -> None:
    assert operation["operationId"]
    assert operation["description"]
    assert operation["tags"]
    is_guarded = not path.startswith(("/health", "/v1/models", "/v1/plans", "/v1/verify", "/auth/providers"))
    for_people = f"{path}/".startswith(("/auth/", "/v1/me/", "/v1/sessions/", "/v1/api-keys/", "/v1/billing/top-up/"))
    for_people |= path.startswith("/v1/webhook-endpoints")
    for_people |= path.startswith("/v1/billing/") and method == "post"
    assert operation.get("security", []) == (
        [] if not is_guarded else [{"session": []}] if for_people else [{"key": []}, {"session": []}]
    )
    assert ({"401", "403"} <= set(operation["responses"])) == is_guarded
    assert ({"408", "413", "415"} <= set(operation["responses"])) == ("requestBody" in operation)
    assert {"500", "503"} <= set(operation["responses"])
    for status, answer in operation["responses"].items():
        if status >= "400":
            assert list(answer["content"]) == ["application/json" if speaks_openai(path) else "application/problem+json"]


def test_operation_ids_are_unique() -> None:
    ids = [operation["operationId"] for _, _, operation in operations()]
    assert len(set(ids)) == len(ids)


def test_the_limits_stand_in_the_shapes() -> None:
    body = DOCUMENT["components"]["schemas"]["PictureBody"]
    assert body["additionalProperties"] is False
    assert body["required"] == ["prompt"]
    assert body["properties"]["prompt"]["maxLength"] == LIMITS["prompt_characters"]
    assert body["properties"]["images"]["maxItems"] == LIMITS["references"]
    assert body["properties"]["metadata"]["maxProperties"] == LIMITS["metadata_pairs"]


def test_no_shape_is_named_that_is_not_there() -> None:
    def references(part: Any) -> Iterator[str]:
        if isinstance(part, dict):
            if "$ref" in part:
                yield part["$ref"]
            for inner in part.values():
                yield from references(inner)
        elif isinstance(part, list):
            for inner in part:
                yield from references(inner)

    known = {f"#/components/{kind}/{name}" for kind in ("schemas", "headers") for name in DOCUMENT["components"][kind]}
    assert set(references(DOCUMENT)) <= known


@pytest.mark.parametrize(("path", "method", "operation"), list(operations()))
def test_every_route_but_health_says_how_it_limits(path: str, method: str, operation: dict[str, Any]) -> None:
    is_limited = not path.startswith("/health")
    assert ("429" in operation["responses"]) == is_limited
    for answer in operation["responses"].values():
        assert ({"RateLimit", "RateLimit-Policy"} <= set(answer.get("headers", {}))) == is_limited
    if is_limited and not speaks_openai(path):
        assert "Retry-After" in operation["responses"]["429"]["headers"]
