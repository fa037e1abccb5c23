"""Bodies are read strictly, and refused without a word of what they said."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from litestar import Litestar
from litestar.testing import TestClient

from domain.limits import LIMITS
from entrypoints.http.bodies import refusal
from tests.http_stage import BEARER, Stage

JSON = BEARER | {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b'"prompt"',
        b"{",
        b'{"prompt":"a"}x',
        b'{"prompt":"a",}',
        b"{'prompt':'a'}",
        b'\xef\xbb\xbf{"prompt":"a"}',
        b'{"prompt":"\xff"}',
        b'{"prompt":"\xed\xa0\x80"}',
        b'{"prompt":"\\ud800"}',
        b'{"prompt":"\\udc00\\ud800"}',
        b'{"prompt":"\\u0000"}',
        b'{"prompt":"a","metadata":{"\\u0000":"b"}}',
        b'{"prompt":"a","metadata":{"b":"\\ud83d"}}',
        b'{"prompt":"a","n":NaN}',
        b'{"prompt":"a","n":1e400}',
        b'{"prompt":"a","n":' + b"9" * 10_000 + b"}",
        b"[" * 100_000,
        b'{"x":' * 40_000,
        b'{"prompt":' + b"[" * 100_000,
        b'{"prompt":"a","metadata":' + b'{"a":' * 40_000,
        b'{"prompt":"a","deadline":"9999-12-31T23:59:59-14:00"}',
        b'{"prompt":"a","deadline":"2026-11-22T10:00:00"}',
    ],
    ids=range(25),
)
def test_what_is_no_proper_body_is_a_400(body: bytes, client: TestClient[Litestar]) -> None:
    for path in ("/v1/generations", "/v1/quotes"):
        answer = client.post(path, headers=JSON, content=body)
        if path == "/v1/generations" or b"deadline" not in body:
            assert answer.status_code == 400, answer.text
            assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("sent", "problem", "facts"),
    [
        ({"n": "1"}, "invalid-request", {"field": "n"}),
        ({"n": 1.5}, "invalid-request", {"field": "n"}),
        ({"n": True}, "invalid-request", {"field": "n"}),
        ({"n": 11}, "limit-exceeded", {"field": "n", "limit": 10}),
        ({"n": 0}, "limit-exceeded", {"field": "n", "limit": 1}),
        ({"n": 10**30}, "limit-exceeded", {"field": "n", "limit": 10}),
        ({"max_credits": 2**63}, "limit-exceeded", {"field": "max_credits", "limit": 2**63 - 1}),
        ({"prompt": ""}, "invalid-text", {"field": "prompt", "limit": 1, "reason": "too_short"}),
        ({"prompt": "x" * 32_001}, "invalid-text", {"field": "prompt", "limit": 32_000, "reason": "too_long"}),
        ({"prompt": None}, "invalid-request", {"field": "prompt"}),
        ({"images": ["fox"]}, "invalid-request", {"field": "images[0]"}),
        ({"images": ["0" * 32] * 17}, "limit-exceeded", {"field": "images", "limit": 16}),
        ({"metadata": {str(n): "" for n in range(17)}}, "limit-exceeded", {"field": "metadata", "limit": 16}),
        ({"metadata": {"x" * 65: ""}}, "invalid-text", {"field": "metadata", "limit": 64, "reason": "too_long"}),
        ({"metadata": {"a": "x" * 513}}, "invalid-text", {"field": "metadata[...]", "limit": 512, "reason": "too_long"}),
        ({"metadata": {"a": 1}}, "invalid-request", {"field": "metadata[...]"}),
        ({"sandbox": {"fault": "burn"}}, "invalid-request", {"field": "sandbox.fault"}),
        ({"sandbox": {"latency_ms": -1}}, "limit-exceeded", {"field": "sandbox.latency_ms", "limit": 0}),
        ({"sandbox": {"speed": 1}}, "invalid-request", {"field": "sandbox.speed", "reason": "unknown"}),
        ({"colour": "red"}, "invalid-request", {"field": "colour", "reason": "unknown"}),
        ({"Colour 1": "red"}, "invalid-request", {"reason": "unknown"}),
        ({"quality": "huge"}, "unsupported-by-model", {"field": "quality", "allowed": ["auto", "low", "medium", "high"]}),
        ({"size": "0x0"}, "unsupported-by-model", {"field": "size", "limit": 99_999}),
        ({"model": "gpt-image-0\0"}, "unknown-model", {"field": "model"}),
    ],
    ids=str,
)
def test_a_refusal_names_the_field_and_the_rule(
    sent: dict[str, Any], problem: str, facts: dict[str, Any], client: TestClient[Litestar]
) -> None:
    answer = client.post("/v1/quotes", headers=BEARER, json={"prompt": "a fox"} | sent)
    told = answer.json()
    assert (answer.status_code, told["type"]) == (400, f"/problems/{problem}")
    members = {name: value for name, value in told.items() if name in ("field", "limit", "reason")}
    assert members == {name: value for name, value in facts.items() if name != "allowed"}
    assert facts.get("allowed", told.get("allowed")) == told.get("allowed")


def test_a_missing_prompt_is_named(client: TestClient[Litestar]) -> None:
    assert client.post("/v1/quotes", headers=BEARER, json={}).json()["field"] == "prompt"


def test_null_leaves_the_choice_to_us(stage: Stage, client: TestClient[Litestar]) -> None:
    chosen = ("model", "n", "size", "quality", "complexity", "output_compression", "mask", "frame_count", "deadline", "sandbox")
    answer = client.post("/v1/generations", headers=BEARER, json={"prompt": "a fox"} | dict.fromkeys(chosen))
    assert answer.status_code == 202


def test_a_longest_prompt_and_a_fullest_body_pass(client: TestClient[Litestar]) -> None:
    labels = {f"{n:064}": "é" * 512 for n in range(16)}
    answer = client.post(
        "/v1/generations", headers=BEARER, json={"prompt": "\N{FOX FACE}" * LIMITS["prompt_characters"], "metadata": labels}
    )
    assert answer.status_code == 202


@given(st.text())
def test_no_message_of_the_decoder_can_break_the_refusal(message: str) -> None:
    assert refusal(message).problem() == "invalid-request"
