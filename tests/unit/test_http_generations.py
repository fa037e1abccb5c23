"""Generations over HTTP: what is asked reaches the use case, what is answered has the shape of API.md."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from domain.attempts import Attempt, Failure, FailureClass, Outcome
from domain.attempts import Stage as FailureStage
from domain.errors import IdempotencyMismatch
from domain.generations import GenerationState
from domain.media import AssetKind
from domain.requests import Asked, Fault, Sandbox
from entrypoints.http.asking import ROUTE
from tests.http_stage import ACCOUNT, BEARER, NOW, Stage

FOX = {"prompt": "a red fox in snow"}


@pytest.fixture
def client(stage: Stage) -> Iterator[TestClient[Litestar]]:
    with stage.client(public_url="https://pictures.test") as client:
        yield client


def post(client: TestClient[Litestar], key: str | None = None, **body: Any) -> Any:
    headers = BEARER | ({"Idempotency-Key": key} if key is not None else {})
    return client.post("/v1/generations", headers=headers, json=FOX | body)


def test_every_field_of_a_request_reaches_the_use_case(stage: Stage, client: TestClient[Litestar]) -> None:
    first, second = stage.has_picture(width=1024, height=1024), stage.has_picture(width=1024, height=1024)
    mask = stage.has_picture(kind=AssetKind.MASK, has_alpha=True, width=1024, height=1024)
    parent = stage.has_generation()
    sent: dict[str, Any] = {
        "model": "gpt-image-2.6-sunburst",
        "n": 2,
        "size": "1024x1024",
        "quality": "low",
        "background": "opaque",
        "output_format": "webp",
        "output_compression": 80,
        "moderation": "low",
        "images": [str(first.id), str(second.id)],
        "mask": str(mask.id),
        "max_credits": 900,
        "metadata": {"project": "x"},
    }
    extra: dict[str, Any] = {
        "parent": str(parent.id),
        "deadline": "2026-11-22T11:00:00+01:00",
        "sandbox": {"fault": "fail", "latency_ms": 5},
    }
    answer = post(client, **sent, **extra)
    assert answer.status_code == 202, answer.text
    assert stage.told["caller"].account_id == ACCOUNT
    assert stage.told["parent"] == parent.id
    assert stage.told["deadline"] == datetime(2026, 11, 22, 10, tzinfo=UTC)
    assert stage.told["idempotency"] is None
    ids = {"images": (first.id, second.id), "mask": mask.id}
    assert stage.told["asked"] == Asked(**(FOX | sent | ids), sandbox=Sandbox(Fault.FAIL, 5))
    told = answer.json()
    assert told["kind"] == "edit"
    shown = {name: value for name, value in sent.items() if name != "max_credits"}
    assert {name: told["request"][name] for name in shown} == shown
    assert told["metadata"] == {"project": "x"}
    assert told["request"]["sandbox"] == {"fault": "fail", "latency_ms": 5}
    assert told["parent"] == str(parent.id)


def test_a_bare_prompt_is_answered_with_every_default_filled(client: TestClient[Litestar]) -> None:
    answer = post(client)
    assert answer.headers["location"] == f"/v1/generations/{answer.json()['id']}"
    assert answer.json() == {
        "id": answer.json()["id"],
        "object": "generation",
        "mode": "test",
        "kind": "generate",
        "state": "queued",
        "uncertain": None,
        "request": {
            "model": "gpt-image-2",
            "prompt": "a red fox in snow",
            "n": 1,
            "size": "1024x1024",
            "quality": "medium",
            "complexity": None,
            "background": "auto",
            "output_format": "png",
            "output_compression": None,
            "moderation": "auto",
            "partial_images": 0,
            "images": [],
            "mask": None,
            "frame_count": None,
            "frame_duration_ms": None,
            "deadline": "2026-11-22T11:00:00Z",
            "metadata": {},
            "sandbox": None,
        },
        "created_at": "2026-11-22T10:00:01Z",
        "started_at": None,
        "finished_at": None,
        "queue": {"position": 1, "expected_seconds": None},
        "credits": {"quoted": 4, "held": 4, "captured": 0, "released": 0},
        "assets": [],
        "failure": None,
        "parent": None,
        "favourite": False,
        "trashed_at": None,
        "metadata": {},
    }


# The caller's own key


def test_the_same_key_and_body_answer_the_same_generation(stage: Stage, client: TestClient[Litestar]) -> None:
    first, again = post(client, "order-1"), post(client, "order-1")
    assert (first.status_code, again.status_code) == (202, 202)
    assert (first.json(), first.headers["location"]) == (again.json(), again.headers["location"])
    assert len(stage.kept) == 1
    key, _ = stage.told["idempotency"]
    assert (key.account_id, key.mode, key.route, key.key) == (ACCOUNT, "test", ROUTE, "order-1")


def test_a_fingerprint_is_of_what_is_asked_not_of_how_it_is_written(stage: Stage, client: TestClient[Litestar]) -> None:
    def fingerprint(content: str) -> str:
        headers = BEARER | {"Idempotency-Key": "k", "Content-Type": "application/json"}
        assert client.post("/v1/generations", headers=headers, content=content.encode()).status_code == 202
        found: str = stage.told["idempotency"][1]
        return found

    plain = fingerprint('{"prompt":"a fox","metadata":{"a":"1","b":"2"}}')
    assert len(plain) == 64
    assert plain == fingerprint('{ "metadata": {"b":"2", "a":"1"}, "n": null, "prompt": "\\u0061 fox" }')
    others = ['"b fox"', '"a fox","n":1', '"a fox","metadata":{"a":"1","b":"3"}', '"a fox","max_credits":9']
    assert len({plain, *(fingerprint(f'{{"prompt":{other}}}') for other in others)}) == 5


def test_a_key_whose_generation_was_purged_is_gone(stage: Stage, client: TestClient[Litestar]) -> None:
    made = post(client, "order-1").json()["id"]
    stage.purged.add(next(iter(stage.kept)))
    again = post(client, "order-1")
    assert (again.status_code, again.json()["type"]) == (410, "/problems/gone")
    assert client.get(f"/v1/generations/{made}", headers=BEARER).status_code == 410


def test_a_key_used_for_another_body_is_refused(stage: Stage, client: TestClient[Litestar]) -> None:
    stage.refusal = IdempotencyMismatch()
    assert post(client, "order-1").status_code == 422


@pytest.mark.parametrize("key", ["x", "!", "~" * 255, "a b", "550e8400-e29b-41d4-a716-446655440000", "a4111111111111111"])
def test_a_printable_key_is_taken(key: str, client: TestClient[Litestar]) -> None:
    assert post(client, key).status_code == 202


@pytest.mark.parametrize(
    ("key", "problem"),
    [("", "invalid-text"), ("~" * 256, "invalid-text"), ("a\tb", "invalid-text"), ("4111 1111 1111 1111", "card-number-refused")],
)
def test_another_key_is_refused(key: str, problem: str, stage: Stage, client: TestClient[Litestar]) -> None:
    answer = post(client, key)
    assert (answer.status_code, answer.json()["type"]) == (400, f"/problems/{problem}")
    assert answer.json()["field"] == "Idempotency-Key"
    assert stage.told is None


def test_a_key_that_is_not_ascii_is_refused(client: TestClient[Litestar]) -> None:
    headers = [(b"authorization", BEARER["Authorization"].encode()), (b"idempotency-key", "schlüssel".encode())]
    assert client.post("/v1/generations", headers=headers, json=FOX).status_code == 400


# What is shown


def test_an_uncertain_generation_says_since_when_and_until_when(stage: Stage, client: TestClient[Litestar]) -> None:
    attempt = Attempt(1, NOW, NOW + timedelta(minutes=11), 1, Outcome.UNKNOWN, decided_at=NOW)
    made = stage.has_generation(state=GenerationState.RUNNING, attempts=[attempt])
    told = client.get(f"/v1/generations/{made.id}", headers=BEARER).json()
    assert told["uncertain"] == {"since": "2026-11-22T10:00:00Z", "resolves_by": "2026-11-22T12:00:00Z"}


def test_what_was_not_delivered_is_released(stage: Stage, client: TestClient[Litestar]) -> None:
    made = stage.has_generation(state=GenerationState.SUCCEEDED, n=3, delivered=2)
    told = client.get(f"/v1/generations/{made.id}", headers=BEARER).json()
    assert told["credits"] == {"quoted": 12, "held": 0, "captured": 8, "released": 4}


def test_a_failure_costs_nothing_and_says_why(stage: Stage, client: TestClient[Litestar]) -> None:
    failure = Failure(FailureClass.MODERATION, FailureStage.OUTPUT, "moderation_blocked", "The picture was blocked", "req_1")
    made = stage.has_generation(state=GenerationState.REFUSED, failure=failure)
    told = client.get(f"/v1/generations/{made.id}", headers=BEARER).json()
    assert told["failure"] == {
        "class": "moderation",
        "stage": "output",
        "code": "moderation_blocked",
        "message": "The picture was blocked",
        "charged": 0,
        "request_id": "req_1",
    }
    assert told["credits"] == {"quoted": 4, "held": 0, "captured": 0, "released": 4}


def test_pictures_come_with_links_that_live_ten_minutes(stage: Stage, client: TestClient[Litestar]) -> None:
    made = stage.has_generation(state=GenerationState.SUCCEEDED, delivered=1)
    stage.has_picture(kind=AssetKind.OUTPUT, generation_id=made.id, attempt=1, index=0)
    (told,) = client.get(f"/v1/generations/{made.id}", headers=BEARER).json()["assets"]
    assert told["url"].startswith(f"https://pictures.test/files/outputs/{ACCOUNT}/{made.id}/1/0?name={made.id}-0.png")
    left = datetime.fromisoformat(told["url_expires_at"]) - datetime.now(UTC)
    assert timedelta(seconds=590) < left <= timedelta(seconds=600)
    assert (told["index"], told["content_type"], told["bytes"]) == (0, "image/png", 99)


def test_an_erased_request_is_shown_as_none(stage: Stage, client: TestClient[Litestar]) -> None:
    made = stage.has_generation(state=GenerationState.FAILED)
    made.erase()
    assert client.get(f"/v1/generations/{made.id}", headers=BEARER).json()["request"] is None


# Cancelling and deleting


def test_cancelling_answers_the_generation(stage: Stage, client: TestClient[Litestar]) -> None:
    made = stage.has_generation()
    answer = client.post(f"/v1/generations/{made.id}/cancel", headers=BEARER)
    assert (answer.status_code, answer.json()["state"]) == (200, "cancelled")
    assert answer.json()["failure"]["class"] == "cancelled"


def test_deleting_goes_to_the_trash_unless_purge_is_said(stage: Stage, client: TestClient[Litestar]) -> None:
    made = stage.has_generation(state=GenerationState.FAILED)
    for query, purge in (("", False), ("?purge=false", False), ("?purge=true", True)):
        answer = client.delete(f"/v1/generations/{made.id}{query}", headers=BEARER)
        assert (answer.status_code, answer.content) == (204, b"")
        assert stage.told == {"deleted": made.id, "purge": purge}


def test_an_unfinished_one_is_not_deleted(stage: Stage, client: TestClient[Litestar]) -> None:
    answer = client.delete(f"/v1/generations/{stage.has_generation().id}", headers=BEARER)
    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/not-finished")
    assert answer.json()["state"] == "queued"


# Quotes


def test_a_quote_says_what_the_credits_are_for(client: TestClient[Litestar]) -> None:
    told = client.post("/v1/quotes", headers=BEARER, json=FOX | {"n": 2}).json()
    assert told["credits"] == told["unit"] * 2 == sum(told["breakdown"].values())
