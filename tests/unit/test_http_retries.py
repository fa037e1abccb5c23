"""Asking once more for what a finished generation was asked for."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from domain.errors import TooManyRefusals
from domain.generations import Generation, GenerationId, GenerationState
from domain.requests import Asked
from entrypoints.http.asking import RETRY_ROUTE, ROUTE
from tests.http_stage import BEARER, STRANGER, Stage

PARENT = GenerationId(UUID(int=77))


@pytest.fixture
def old(stage: Stage) -> Generation:
    return stage.has_generation(state=GenerationState.REFUSED, parent=PARENT)


def again(client: TestClient[Litestar], old: Generation, **sent: Any) -> Any:
    headers = BEARER | sent.pop("headers", {})
    return client.post(f"/v1/generations/{old.id}/retry", headers=headers, **sent)


def test_the_same_is_asked_for_anew_with_the_same_parent(stage: Stage, client: TestClient[Litestar], old: Generation) -> None:
    answer = again(client, old)
    assert answer.status_code == 202, answer.text
    assert answer.headers["location"] == f"/v1/generations/{answer.json()['id']}" != f"/v1/generations/{old.id}"
    assert answer.json()["parent"] == str(PARENT)
    assert old.request
    assert stage.told["asked"] == Asked.again(old.request)
    assert (stage.told["deadline"], stage.told["idempotency"]) == (None, None)


def test_a_maximum_and_a_deadline_may_be_given(stage: Stage, client: TestClient[Litestar], old: Generation) -> None:
    assert again(client, old, json={"max_credits": 3, "deadline": "2026-11-22T11:00:00+01:00"}).status_code == 202
    assert stage.told["asked"].max_credits == 3
    assert stage.told["deadline"] == datetime(2026, 11, 22, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("sent", "status", "problem"),
    [
        ({"json": {"prompt": "another"}}, 400, "invalid-request"),
        ({"json": {"max_credits": -1}}, 400, "limit-exceeded"),
        ({"json": []}, 400, "invalid-request"),
        ({"content": b"{", "headers": {"Content-Type": "application/json"}}, 400, "invalid-request"),
        ({"content": b"{}", "headers": {"Content-Type": "text/plain"}}, 415, "unsupported-media-type"),
        ({"content": b"{}"}, 415, "unsupported-media-type"),
    ],
    ids=str,
)
def test_a_body_that_is_sent_is_read_as_strictly_as_any(
    sent: dict[str, Any], status: int, problem: str, client: TestClient[Litestar], old: Generation
) -> None:
    answer = again(client, old, **sent)
    assert (answer.status_code, answer.json()["type"]) == (status, f"/problems/{problem}")


@pytest.mark.parametrize("sent", [{"json": {}}, {"json": None}, {"headers": {"Content-Type": "application/json"}}], ids=str)
def test_an_empty_body_is_none(sent: dict[str, Any], client: TestClient[Litestar], old: Generation) -> None:
    assert again(client, old, **sent).status_code == 202


def test_a_key_of_the_callers_own_is_bound_to_this_route_this_generation_and_this_body(
    stage: Stage, client: TestClient[Litestar], old: Generation
) -> None:
    other = stage.has_generation(state=GenerationState.FAILED)

    def told(old: Generation, **sent: Any) -> tuple[str, str]:
        stage.remembered.clear()
        assert again(client, old, headers={"Idempotency-Key": "k"}, **sent).status_code == 202
        key, fingerprint = stage.told["idempotency"]
        return key.route, fingerprint

    assert told(old) == told(old, json={}) == told(old, json={"max_credits": None})
    assert told(old)[0] == RETRY_ROUTE != ROUTE
    assert len({told(old)[1], told(other)[1], told(old, json={"max_credits": 9})[1]}) == 3


def test_the_answer_may_be_waited_for(client: TestClient[Litestar], old: Generation) -> None:
    answer = again(client, old, headers={"Prefer": "wait=1"})
    assert (answer.status_code, answer.headers["preference-applied"]) == (202, "wait=1")


def test_one_that_is_not_finished_or_not_there_or_erased_is_refused(stage: Stage, client: TestClient[Litestar]) -> None:
    waiting, foreign, erased = stage.has_generation(), stage.has_generation(STRANGER), stage.has_generation()
    stage.purged.add(erased.id)
    for generation, status, problem in ((waiting, 409, "not-finished"), (foreign, 404, "not-found"), (erased, 410, "gone")):
        answer = again(client, generation)
        assert (answer.status_code, answer.json()["type"]) == (status, f"/problems/{problem}")


def test_whoever_was_refused_too_often_is_told_when_to_come_back(
    stage: Stage, client: TestClient[Litestar], old: Generation
) -> None:
    stage.refusal = TooManyRefusals(limit=10, retry_after=1234)
    for answer in (again(client, old), client.post("/v1/generations", headers=BEARER, json={"prompt": "a fox"})):
        assert (answer.status_code, answer.json()["type"]) == (429, "/problems/too-many-refusals")
        assert (answer.json()["limit"], answer.json()["retry_after"], answer.headers["retry-after"]) == (10, 1234, "1234")
