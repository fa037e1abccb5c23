"""Refusals on the routes of OpenAI's clients: always in their shape, and of the class their SDK raises at the source."""

from typing import Any

import httpx2
import openai
import pytest
from litestar import Litestar
from litestar.testing import TestClient

from application.ports import StorageUnavailable
from application.store import StoreUnavailable
from domain import errors
from domain.attempts import Failure, FailureClass, Stage
from domain.errors import DomainError
from domain.generations import Generation, GenerationState
from entrypoints.http.compatible.errors import TABLE, said_of, speaks_openai
from entrypoints.http.problems import STATUS, AnswerLate
from tests.http_rows import NOW
from tests.http_stage import BEARER, KEY
from tests.http_stage import Stage as Surface
from tests.unit.test_http_problems import every_refusal

ROUTE = "/v1/images/generations"
SDK = openai.OpenAI(api_key=KEY, base_url="http://test.local/v1")
FOX = {"prompt": "a red fox in snow"}


def raised(answer: Any) -> openai.APIStatusError:
    """What the SDK makes of it."""
    request = httpx2.Request("POST", f"http://test.local{ROUTE}")
    response = httpx2.Response(answer.status_code, headers=dict(answer.headers), content=answer.content, request=request)
    return SDK._make_status_error_from_response(response)


def retries(answer: Any) -> bool:
    return SDK._should_retry(httpx2.Response(answer.status_code, headers=dict(answer.headers)))


def post(client: TestClient[Litestar], **body: Any) -> Any:
    return client.post(ROUTE, headers=BEARER, json=FOX | body)


def check(
    answer: Any, kind: type[openai.APIStatusError], code: str, type_: str, param: str | None = None
) -> openai.APIStatusError:
    assert answer.headers["content-type"] == "application/json"
    assert set(answer.json()) == {"error"}
    assert set(answer.json()["error"]) == {"message", "type", "code", "param"}
    error = raised(answer)
    assert (type(error), error.code, error.type, error.param) == (kind, code, type_, param)
    assert error.request_id == answer.headers["x-request-id"]
    return error


@pytest.mark.parametrize("kind", every_refusal(), ids=lambda kind: kind.__name__)
def test_every_broken_rule_is_told_in_openais_shape(
    kind: type[DomainError], stage: Surface, client: TestClient[Litestar]
) -> None:
    stage.refusal, said = kind("what to do", field="n"), said_of(kind, STATUS[kind])
    answer = post(client)
    assert answer.status_code == said.status
    told = answer.json()["error"]
    assert told == {"message": "what to do", "type": said.type, "code": said.code, "param": "n"}
    assert said.type in ("server_error", "insufficient_quota", "requests", "invalid_request_error")
    assert (said.type == "server_error") == (said.status >= 500)
    assert said.status not in (402, 413, 415, 416), "the SDK has no class of its own for these"


def test_the_table_holds_nothing_that_is_no_rule() -> None:
    assert set(TABLE) <= set(STATUS)


def test_missing_credits_are_a_quota_and_nobody_asks_again_by_himself(stage: Surface, client: TestClient[Litestar]) -> None:
    for lack in (
        errors.InsufficientCredits(required=8, available=3),
        errors.DebtOutstanding(required=8, available=3),
        errors.SpendCapReached(),
    ):
        stage.refusal = lack
        answer = post(client)
        check(answer, openai.RateLimitError, "insufficient_quota", "insufficient_quota")
        assert not retries(answer)


def test_a_conflict_is_never_repeated_by_the_sdk(stage: Surface, client: TestClient[Litestar]) -> None:
    stage.refusal = errors.NotFinished()
    assert not retries(post(client))


def test_whoever_asks_too_much_is_told_when_to_come_back(stage: Surface, client: TestClient[Litestar]) -> None:
    stage.refusal = errors.RateLimited.by("key", 60, 7)
    answer = post(client)
    check(answer, openai.RateLimitError, "rate_limit_exceeded", "requests")
    assert answer.headers["retry-after"] == "7"
    assert retries(answer)


@pytest.mark.parametrize(
    ("body", "code", "param"),
    [
        ({"colour": "red"}, "unknown_parameter", "colour"),
        ({"style": "vivid"}, "unknown_parameter", "style"),
        ({"seed": 7}, "unknown_parameter", "seed"),
        ({"prompt": None}, "invalid_value", "prompt"),
        ({"prompt": "x" * 32_001}, "string_above_max_length", "prompt"),
        ({"n": 0}, "invalid_value", "n"),
        ({"n": 11}, "invalid_value", "n"),
        ({"n": "2"}, "invalid_value", "n"),
        ({"quality": "hd"}, "invalid_value", "quality"),
        ({"quality": "standard"}, "invalid_value", "quality"),
        ({"size": "1x1"}, "invalid_value", "size"),
        ({"output_format": "svg"}, "invalid_value", "output_format"),
        ({"background": "pink"}, "invalid_value", "background"),
        ({"background": "transparent", "output_format": "jpeg"}, "invalid_value", "background"),
        ({"output_compression": 50}, "invalid_value", "output_compression"),
        ({"moderation": "none"}, "invalid_value", "moderation"),
        ({"response_format": "url"}, "invalid_value", "response_format"),
    ],
    ids=str,
)
def test_a_bad_parameter_is_named(body: dict[str, Any], code: str, param: str, client: TestClient[Litestar]) -> None:
    check(post(client, **body), openai.BadRequestError, code, "invalid_request_error", param)


def test_a_prompt_that_is_missing_is_named(client: TestClient[Litestar]) -> None:
    answer = client.post(ROUTE, headers=BEARER, json={"n": 1})
    check(answer, openai.BadRequestError, "missing_required_parameter", "invalid_request_error", "prompt")


@pytest.mark.parametrize("model", ["dall-e-3", "gpt-image-1", "no-such-model"])
def test_a_model_that_is_not_there_is_not_found(model: str, client: TestClient[Litestar]) -> None:
    error = check(post(client, model=model), openai.NotFoundError, "model_not_found", "invalid_request_error", "model")
    assert "no-such-model" not in error.message
    answer = client.get(f"/v1/models/{model}")
    check(answer, openai.NotFoundError, "model_not_found", "invalid_request_error", "model")


def test_what_http_itself_refuses_is_in_the_shape_too(client: TestClient[Litestar]) -> None:
    stranger = client.post(ROUTE, headers={"Authorization": f"Bearer {KEY[:-1]}x"}, json=FOX)
    check(stranger, openai.AuthenticationError, "invalid_api_key", "invalid_request_error")
    assert stranger.headers["www-authenticate"] == "Bearer"
    text = client.post(ROUTE, headers=BEARER | {"content-type": "text/plain"}, content="{}")
    check(text, openai.APIStatusError, "unsupported_media_type", "invalid_request_error")
    check(client.get(ROUTE, headers=BEARER), openai.APIStatusError, "method_not_allowed", "invalid_request_error")
    check(client.post("/v1/images/variations", headers=BEARER), openai.NotFoundError, "not_found", "invalid_request_error")
    broken = client.post(ROUTE, headers=BEARER | {"content-type": "application/json"}, content="{")
    check(broken, openai.BadRequestError, "invalid_value", "invalid_request_error")
    large = client.post(ROUTE, headers=BEARER | {"content-type": "application/json"}, content="x" * 1_000_000)
    check(large, openai.APIStatusError, "body_too_large", "invalid_request_error")


@pytest.mark.parametrize("outage", [StoreUnavailable(), StorageUnavailable(), AnswerLate()])
def test_an_outage_is_ours_and_worth_another_try(outage: Exception, stage: Surface, client: TestClient[Litestar]) -> None:
    stage.refusal = outage
    answer = post(client)
    check(answer, openai.InternalServerError, "unavailable", "server_error")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert retries(answer)


def test_a_crash_is_ours_and_tells_nothing(stage: Surface, client: TestClient[Litestar]) -> None:
    stage.refusal = RuntimeError("a red fox")
    error = check(post(client), openai.InternalServerError, "internal_error", "server_error")
    assert "fox" not in error.message


ENDS = [
    (FailureClass.MODERATION, openai.BadRequestError, 400, "moderation_blocked", "image_generation_user_error"),
    (FailureClass.CAPABILITY, openai.BadRequestError, 400, "invalid_value", "invalid_request_error"),
    (FailureClass.PROVIDER, openai.InternalServerError, 500, "provider", "server_error"),
    (FailureClass.STORAGE, openai.InternalServerError, 500, "storage", "server_error"),
    (FailureClass.UNKNOWN_OUTCOME, openai.InternalServerError, 500, "unknown_outcome", "server_error"),
    (FailureClass.INTERNAL, openai.InternalServerError, 500, "internal", "server_error"),
    (FailureClass.CAPACITY, openai.InternalServerError, 503, "overloaded", "server_error"),
    (FailureClass.TIMEOUT, openai.InternalServerError, 504, "timeout", "server_error"),
    (FailureClass.CANCELLED, openai.ConflictError, 409, "generation_cancelled", "invalid_request_error"),
]


@pytest.mark.parametrize(("failure", "kind", "status", "code", "type_"), ENDS)
def test_an_end_without_pictures_is_never_a_success_and_never_repeated(
    failure: FailureClass,
    kind: type[openai.APIStatusError],
    status: int,
    code: str,
    type_: str,
    stage: Surface,
    client: TestClient[Litestar],
) -> None:
    def end(made: Generation) -> None:
        made.end(GenerationState.FAILED, NOW, Failure(failure, Stage.OUTPUT, "violence", "in words"))

    stage.ends = end
    answer = post(client)
    error = check(answer, kind, code, type_)
    assert error.status_code == status
    assert answer.headers["x-generation-id"] in map(str, stage.kept)
    assert not retries(answer)
    assert "Nothing was charged" in error.message
    if failure is FailureClass.MODERATION:
        assert "moderation_stage=output" in error.message
        assert "safety_violations=[violence]" in error.message


def test_every_way_to_fail_is_told() -> None:
    assert {case[0] for case in ENDS} == set(FailureClass)


def test_no_pictures_at_all_is_no_success(stage: Surface, client: TestClient[Litestar]) -> None:
    stage.ends = lambda made: made.end(GenerationState.SUCCEEDED, NOW, None)
    answer = post(client)
    check(answer, openai.InternalServerError, "empty", "server_error")
    assert not retries(answer)


def test_our_own_routes_keep_their_own_shape() -> None:
    assert not any(speaks_openai(path) for path in ("/v1/models", "/v1/generations", "/v1/media", "/", "/v1/imagesque"))
