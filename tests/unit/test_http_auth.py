"""Who may call: every route says, and every route is held to what it says."""

import re

import pytest
from litestar import Litestar, WebSocket, get, websocket
from litestar.datastructures import State
from litestar.handlers import HTTPRouteHandler
from litestar.testing import TestClient

from domain.accounts import Mode, Scope
from domain.api_keys import write_key
from entrypoints.http.app import ROUTES
from entrypoints.http.auth import AccessUndeclared, Person, access_of, declare_gates, routes
from entrypoints.wiring_payments import WEBHOOK
from tests.http_routes import GUARDED, problem_of
from tests.http_stage import KEY, key_with

SIGN_IN = {f"/auth/{path}" for path in ("providers", "{provider}/start", "{provider}/callback")}
OPEN = {"/v1/models", "/v1/models/{model}", "/v1/plans", "/v1/verify", "/health/live", "/health/ready", WEBHOOK, *SIGN_IN}
"""The webhook is proven by its signature."""


def call(client: TestClient[Litestar], path: str, handler: HTTPRouteHandler, authorization: str | None) -> tuple[int, str, str]:
    """Status, problem and challenge. Nothing but the key is right about the call."""
    address = re.sub(r"\{\w+_id\}", "0" * 32, path).replace("{provider}", "sandbox")
    headers = {"Authorization": authorization} if authorization is not None else {}
    answer = client.request(next(iter(handler.http_methods)), f"{address}?nonsense=1", headers=headers)
    return answer.status_code, f"/problems/{problem_of(answer.json())}", answer.headers.get("www-authenticate", "")


def test_every_route_but_the_catalogue_health_sign_in_and_the_webhook_needs_a_caller() -> None:
    known = {path for path, _ in routes(Litestar(list(ROUTES), openapi_config=None))}
    assert known - {path for path, _ in GUARDED} == OPEN


@pytest.mark.parametrize(("path", "handler"), GUARDED, ids=[str(handler.operation_id) for _, handler in GUARDED])
def test_a_stranger_is_turned_away_whatever_is_sent(path: str, handler: HTTPRouteHandler, client: TestClient[Litestar]) -> None:
    unknown = write_key(Mode.TEST, b"\xff" * 24)
    for authorization in (None, "", "Bearer", "Bearer x", f"Basic {KEY}", KEY, f"Bearer {KEY[:-1]}x", f"Bearer {unknown}"):
        assert call(client, path, handler, authorization) == (401, "/problems/unauthenticated", "Bearer"), authorization


@pytest.mark.parametrize(("path", "handler"), GUARDED, ids=[str(handler.operation_id) for _, handler in GUARDED])
def test_a_key_without_the_scope_is_refused(path: str, handler: HTTPRouteHandler, client: TestClient[Litestar]) -> None:
    for scope in Scope:
        status, problem, _ = call(client, path, handler, f"Bearer {key_with(scope)}")
        if isinstance(access_of(handler), Person):
            assert (status, problem) == (403, "/problems/session-needed")
        elif scope is access_of(handler):
            assert status in (400, 404, 415)
        else:
            assert (status, problem) == (403, "/problems/missing-scope")


def test_the_missing_scope_is_named(client: TestClient[Litestar]) -> None:
    answer = client.get("/v1/credits", headers={"Authorization": f"Bearer {key_with(Scope.READ)}"})
    assert answer.json()["scope"] == "billing"


def test_a_credential_given_twice_is_none(client: TestClient[Litestar]) -> None:
    twice = [("Authorization", f"Bearer {KEY}"), ("Authorization", f"Bearer {KEY}")]
    assert client.get("/v1/credits", headers=twice).status_code == 401


def test_the_scheme_may_be_written_in_any_case(client: TestClient[Litestar]) -> None:
    assert client.get("/v1/credits", headers={"authorization": f"bearer  {KEY} "}).status_code == 200


def test_a_public_route_ignores_a_bad_key(client: TestClient[Litestar]) -> None:
    assert client.get("/v1/models", headers={"Authorization": "Bearer x"}).status_code == 200


def test_a_route_that_says_nothing_stops_the_start() -> None:
    @get("/leak", sync_to_thread=False)
    def leak() -> None: ...

    with pytest.raises(AccessUndeclared, match="leak"):
        declare_gates(Litestar([leak], openapi_config=None))


def test_a_route_with_a_misspelled_declaration_stops_the_start() -> None:
    @get("/leak", sync_to_thread=False, opt={"access": "pubic"})
    def leak() -> None: ...

    with pytest.raises(AccessUndeclared):
        declare_gates(Litestar([leak], openapi_config=None))


def test_what_is_no_http_route_stops_the_start() -> None:
    @websocket("/leak")
    async def leak(socket: WebSocket[None, None, State]) -> None: ...

    with pytest.raises(AccessUndeclared):
        declare_gates(Litestar([leak], openapi_config=None))
