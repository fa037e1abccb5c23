"""Answers for a model whose end is near say so; all others are silent."""

from datetime import UTC, date, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient
from msgspec import json

from domain.errors import InsufficientCredits
from domain.generations import GenerationState
from entrypoints.http.app import ROUTES
from entrypoints.http.openapi import document
from tests.http_stage import BEARER, Stage
from tests.offer import ask

ENDING, STAYING, END = "gpt-image-1-mini", "gpt-image-2", datetime(2026, 12, 1, tzinfo=UTC)
SAID = {"deprecation": "@1793491200", "sunset": "Tue, 01 Dec 2026 00:00:00 GMT", "link": '</v1/models>; rel="deprecation"'}


def said(answer: Any) -> dict[str, str]:
    return {name: answer.headers[name] for name in SAID if name in answer.headers}


def answers(stage: Stage, client: TestClient[Litestar], model: str) -> list[Any]:
    """Of all that can be asked for a model by name."""
    made = stage.has_generation(state=GenerationState.FAILED, request=ask(model))
    body = {"prompt": "a fox", "model": model}
    return [client.post(f"/v1/{path}", headers=BEARER, json=body) for path in ("generations", "quotes")] + [
        client.post(f"/v1/generations/{made.id}/retry", headers=BEARER)
    ]


def test_the_headers_say_when_the_model_ends_and_since_when_that_is_said() -> None:
    assert parsedate_to_datetime(SAID["sunset"]) == END
    assert datetime.fromtimestamp(int(SAID["deprecation"][1:]), UTC) == datetime(2026, 11, 1, tzinfo=UTC)


@pytest.mark.parametrize("today", [date(2026, 11, 1), date(2026, 11, 30)])
def test_within_thirty_days_of_its_end_every_answer_for_a_model_says_so(
    today: date, stage: Stage, client: TestClient[Litestar]
) -> None:
    stage.today = today
    for answer in answers(stage, client, ENDING):
        assert answer.status_code in (200, 202), answer.text
        assert said(answer) == SAID


def test_before_that_and_of_other_models_nothing_is_said(stage: Stage, client: TestClient[Litestar]) -> None:
    for answer in answers(stage, client, STAYING):
        assert said(answer) == {}
    stage.today = date(2026, 10, 31)
    for answer in answers(stage, client, ENDING):
        assert said(answer) == {}
    assert said(client.post("/v1/quotes", headers=BEARER, json={"prompt": "a fox"})) == {}


def test_a_repeat_is_answered_alike_even_when_the_model_is_gone(stage: Stage, client: TestClient[Litestar]) -> None:
    headers = BEARER | {"Idempotency-Key": "k"}
    body = {"prompt": "a fox", "model": ENDING}
    first = client.post("/v1/generations", headers=headers, json=body)
    again = client.post("/v1/generations", headers=headers, json=body)
    assert again.json()["id"] == first.json()["id"]
    assert said(again) == said(first) == SAID


def test_a_refusal_says_nothing_of_it(stage: Stage, client: TestClient[Litestar]) -> None:
    stage.refusal = InsufficientCredits()
    answer = client.post("/v1/generations", headers=BEARER, json={"prompt": "a fox", "model": ENDING})
    assert (answer.status_code, said(answer)) == (402, {})


def test_the_document_tells_of_these_headers() -> None:
    paths = json.decode(document(ROUTES, "1", "session"))["paths"]
    for path, status in (
        ("generations", "201"),
        ("generations", "202"),
        ("quotes", "200"),
        ("generations/{generation_id}/retry", "202"),
    ):
        headers = paths[f"/v1/{path}"]["post"]["responses"][status]["headers"]
        assert {name.lower() for name in headers} >= set(SAID)
