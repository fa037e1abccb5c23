"""Every bad day of the provider, and the one way it is told: what was or may have been paid is never called not executed."""

import asyncio
from typing import Any

import pytest

from adapters.image_models.openai import connection
from domain.attempts import CallResult, Executed, FailureClass, Finality, NotExecuted, Obstacle, Stage, Unknown
from domain.media import PictureFormat
from tests.openai_bench import Bench, Shown, a_call
from tests.provider_pictures import picture
from tests.provider_script import FAULTS

pytestmark = pytest.mark.anyio

CAPABILITY, PROVIDER, CAPACITY = FailureClass.CAPABILITY, FailureClass.PROVIDER, FailureClass.CAPACITY
FINAL, RETRYABLE = Finality.FINAL, Finality.RETRYABLE

REFUSED = [
    ("invalid-key", PROVIDER, "invalid_api_key", RETRYABLE, Obstacle.KEY_REFUSED, None),
    ("unverified", PROVIDER, "http_403", RETRYABLE, Obstacle.KEY_REFUSED, None),
    ("quota", PROVIDER, "insufficient_quota", RETRYABLE, Obstacle.KEY_REFUSED, None),
    ("billing-limit", PROVIDER, "billing_hard_limit_reached", RETRYABLE, Obstacle.KEY_REFUSED, None),
    ("no-access", PROVIDER, "model_not_found", RETRYABLE, Obstacle.KEY_REFUSED, None),
    ("country", PROVIDER, "unsupported_country_region_territory", RETRYABLE, Obstacle.KEY_REFUSED, None),
    ("content-403", CAPABILITY, "http_403", FINAL, None, None),
    ("wall-403", PROVIDER, "http_403", FINAL, None, None),
    ("no-model", CAPABILITY, "model_not_found", FINAL, None, None),
    ("unknown-parameter", CAPABILITY, "unknown_parameter", FINAL, None, None),
    ("transparent", CAPABILITY, "invalid_value", FINAL, None, None),
    ("user-error", CAPABILITY, "image_generation_user_error", FINAL, None, None),
    ("not-json-400", PROVIDER, "http_400", FINAL, None, None),
    ("too-large", CAPABILITY, "http_413", FINAL, None, None),
    ("unprocessable", CAPABILITY, "http_422", FINAL, None, None),
    ("teapot", PROVIDER, "http_418", FINAL, None, None),
    ("redirect-307", PROVIDER, "redirect", FINAL, None, None),
    ("redirect-302", PROVIDER, "redirect", FINAL, None, None),
    ("too-early", CAPACITY, "too_early", RETRYABLE, None, None),
    ("request-too-large", CAPABILITY, "request_too_large", FINAL, None, None),
    ("tokens-spent", CAPACITY, "rate_limit_exceeded", RETRYABLE, Obstacle.RATE_LIMIT, None),
    ("rate-limit", CAPACITY, "rate_limit_exceeded", RETRYABLE, Obstacle.RATE_LIMIT, 11.5),
    ("rate-limit-reset", CAPACITY, "rate_limit_exceeded", RETRYABLE, Obstacle.RATE_LIMIT, 12.0),
    ("rate-limit-bare", CAPACITY, "rate_limit_exceeded", RETRYABLE, Obstacle.RATE_LIMIT, None),
    ("sse-rate-limit", CAPACITY, "rate_limit_exceeded", RETRYABLE, Obstacle.RATE_LIMIT, None),
]
UNREADABLE = {"not-json-400", "wall-403", "redirect-302", "redirect-307"}
BLOCKED = [
    ("moderation-input", Stage.INPUT, "violence"),
    ("moderation-output", Stage.OUTPUT, "sexual"),
    ("moderation-bare", Stage.INPUT, None),
    ("error-moderation", Stage.OUTPUT, "violence"),
    ("sse-error-moderation", Stage.OUTPUT, "violence"),
]
BLOCKED_AND_PAID = [
    ("moderation-paid", 4_160),
    ("error-moderation-paid", 1_056),
    ("error-moderation-spoilt", 0),
    ("sse-error-moderation-paid", 1_156),
    ("sse-error-moderation-late", 0),
]
STALLED = [
    ("hang-401", "http_401", Obstacle.KEY_REFUSED, None),
    ("hang-429", "http_429", Obstacle.RATE_LIMIT, 12.0),
]
LOST = [
    ("http-500", "http_500", True, True),
    ("http-502", "http_502", True, True),
    ("http-503", "http_503", True, True),
    ("http-504", "http_504", True, True),
    ("request-timeout", "http_408", True, True),
    ("conflict", "http_409", True, True),
    ("endless-500", "http_500", True, True),
    ("reset", "no_answer", False, False),
    ("close", "no_answer", False, False),
    ("reset-after-headers", "cut_off", True, False),
    ("half-body", "cut_off", True, True),
    ("silent", "timeout", False, False),
    ("silent-after-headers", "timeout", True, False),
    ("trickle", "timeout", True, True),
    ("sse-cut", "cut_off", True, True),
    ("sse-cut-clean", "cut_off", True, True),
    ("sse-cut-within", "cut_off", True, True),
    ("sse-error-first", "server_error", True, True),
]
NOTHING = [
    ("not-json", "not_json"),
    ("not-object", "not_object"),
    ("not-base64", "not_base64"),
    ("html-picture", "wrong_format"),
    ("jpeg-as-png", "wrong_format"),
    ("truncated", "wrong_format"),
    ("endless", "too_large"),
    ("empty", "empty"),
    ("data-null", "empty"),
    ("no-data", "empty"),
    ("no-content", "empty"),
    ("error-server", "server_error"),
    ("error-server-paid", "server_error"),
    ("http-500-paid", "server_error"),
    ("rate-limit-paid", "rate_limit_exceeded"),
    ("sse-rate-limit-paid", "rate_limit_exceeded"),
    ("sse-error", "server_error"),
    ("sse-crumbs", "too_large"),
]
ODD = [
    ("fewer", 1),
    ("more", 2),
    ("one-bad", 1),
    ("no-usage", 2),
    ("no-details", 2),
    ("wild-usage", 2),
    ("unknown-words", 2),
    ("announced-jpeg", 2),
    ("gzip", 2),
    ("sse-bad-picture", 1),
    ("sse-cut-between", 1),
    ("sse-hang-between", 1),
    ("sse-no-partials", 2),
    ("sse-disorder", 2),
    ("sse-unknown", 2),
    ("sse-late-partial", 2),
    ("sse-endless", 2),
    ("sse-json", 2),
    ("sse-newlines", 2),
    ("sse-crlf", 2),
    ("sse-cr", 2),
    ("sse-no-last-line", 2),
]


async def meet(at: Bench, fault: str, **asked: Any) -> CallResult:
    """The end of one call under this fault, which is one request, whatever happens."""
    before = len(at.provider.all_calls())
    result = await at.make(f"[fault: {fault}]", **asked)
    (call,) = at.provider.all_calls()[before:]
    assert call.fault == fault
    if isinstance(result, NotExecuted):
        assert not call.made
        assert result.failure.request_id == call.request_id
    elif isinstance(result, Executed) or result.request_id:
        assert result.request_id == call.request_id
    return result


@pytest.mark.parametrize(("fault", "failure_class", "code", "finality", "obstacle", "wait"), REFUSED)
async def test_a_refusal_is_told_by_its_reason(
    at: Bench,
    fault: str,
    failure_class: FailureClass,
    code: str,
    finality: Finality,
    obstacle: Obstacle | None,
    wait: float | None,
) -> None:
    result = await meet(at, fault, partial_images=1, shown=Shown() if fault.startswith("sse") else None)
    assert isinstance(result, NotExecuted)
    told = (result.failure.failure_class, result.failure.code, result.finality, result.obstacle, result.retry_after_seconds)
    assert told == (failure_class, code, finality, obstacle, wait)
    assert result.failure.stage is Stage.CALL
    assert result.failure.message
    assert "sk-" not in result.failure.message
    assert (result.answer is not None) is (fault in UNREADABLE), "what says too little is kept for support"


@pytest.mark.parametrize(("fault", "stage", "category"), BLOCKED)
async def test_refused_content_is_told_with_stage_and_category(at: Bench, fault: str, stage: Stage, category: str | None) -> None:
    result = await meet(at, fault, partial_images=1, shown=Shown())
    assert isinstance(result, NotExecuted)
    assert (result.finality, result.failure.failure_class) == (Finality.REFUSED, FailureClass.MODERATION)
    assert (result.failure.stage, result.failure.code) == (stage, "moderation_blocked")
    assert f"{stage} stage" in result.failure.message
    assert category is None or f"({category})" in result.failure.message


@pytest.mark.parametrize(("fault", "tokens"), BLOCKED_AND_PAID)
async def test_refused_content_that_may_be_paid_is_booked(at: Bench, fault: str, tokens: int) -> None:
    result = await meet(at, fault, partial_images=1, shown=Shown() if fault.startswith("sse") else None)
    assert isinstance(result, Executed)
    assert (result.pictures, result.usage.output_tokens) == ((), tokens)
    assert bool(result.cost) is bool(tokens)
    assert result.failure is not None
    assert (result.failure.failure_class, result.failure.stage) == (FailureClass.MODERATION, Stage.OUTPUT)
    assert (result.failure.code, "(violence)" in result.failure.message) == ("moderation_blocked", True)


async def test_nobody_is_sent_away_for_longer_than_ten_minutes(at: Bench) -> None:
    result = await at.make("[fault: rate-limit-bare] [retry-after: 2592000]")
    assert isinstance(result, NotExecuted)
    assert result.retry_after_seconds == 600


@pytest.mark.parametrize(("fault", "code", "obstacle", "wait"), STALLED)
async def test_a_status_is_what_it_is_though_its_body_never_comes(
    at: Bench, fault: str, code: str, obstacle: Obstacle, wait: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "_ERROR_SECONDS", 0.3)
    result = await meet(at, fault, seconds=3.0)
    assert isinstance(result, NotExecuted)
    assert (result.failure.code, result.finality, result.obstacle) == (code, RETRYABLE, obstacle)
    assert (result.retry_after_seconds, result.answer) == (wait, b'{"error":')


@pytest.mark.parametrize(("fault", "code", "told", "kept"), LOST)
async def test_a_lost_answer_is_unknown(at: Bench, fault: str, code: str, told: bool, kept: bool) -> None:
    streamed = {"partial_images": 2, "shown": Shown()} if fault.startswith("sse") else {}
    result = await meet(at, fault, seconds=1.5, **streamed)
    assert isinstance(result, Unknown)
    assert (result.code, result.request_id is not None, result.answer is not None) == (code, told, kept)


async def test_a_line_that_breaks_under_the_request_is_unknown(at: Bench) -> None:
    at.provider.mood("[fault: reset-at-once]")
    try:
        result = await at.make(contents=(picture("png", 64, 64, 1, least=8_000_000),))
    finally:
        at.provider.mood("")
    assert isinstance(result, Unknown)


@pytest.mark.parametrize(("fault", "code"), NOTHING)
async def test_an_answer_without_a_picture_is_a_failure_with_a_reason(at: Bench, fault: str, code: str) -> None:
    result = await meet(at, fault, partial_images=1, shown=Shown() if fault.startswith("sse") else None)
    assert isinstance(result, Executed)
    assert result.pictures == ()
    assert result.failure is not None
    assert (result.failure.failure_class, result.failure.stage, result.failure.code) == (PROVIDER, Stage.CALL, code)
    assert result.failure.request_id == result.request_id
    assert bool(result.answer) is (fault != "no-content")
    assert result.cost or not fault.endswith("-paid"), "what is counted is booked"


@pytest.mark.parametrize(("fault", "count"), ODD)
async def test_what_is_odd_beside_a_picture_never_costs_the_picture(at: Bench, fault: str, count: int) -> None:
    streamed = {"partial_images": 2, "shown": Shown()} if fault.startswith("sse") else {}
    result = await meet(at, fault, n=2, seconds=2.0 if fault == "sse-hang-between" else None, **streamed)
    assert isinstance(result, Executed)
    assert (len(result.pictures), result.failure, result.answer) == (count, None, None)
    assert {picture.format for picture in result.pictures} == {PictureFormat.JPEG if "jpeg" in fault else PictureFormat.PNG}
    if fault in ("no-usage", "wild-usage"):
        assert (result.usage.output_tokens, result.cost) == (0, None)
    else:
        assert result.cost
    if fault == "unknown-words":
        assert result.pictures[0].width == 1040


async def test_partial_images_come_as_the_provider_numbers_them(at: Bench) -> None:
    shown = Shown()
    await meet(at, "sse-disorder", partial_images=3, shown=shown)
    assert [index for index, _ in shown.seen] == [2, 1, 0]
    late = Shown()
    await meet(at, "sse-late-partial", partial_images=1, shown=late)
    assert [index for index, _ in late.seen] == [0]


@pytest.mark.parametrize("fault", ["echo", "echo-reencoded"])
async def test_an_echo_is_handed_on_as_it_came(at: Bench, fault: str) -> None:
    """Whether pixels are the reference's own is decided where the reference is known."""
    reference = picture("png", 1024, 1024, 5)
    result = await meet(at, fault, contents=(reference,))
    assert isinstance(result, Executed)
    assert (result.pictures[0].content == reference) is (fault == "echo")


async def test_a_redirect_is_not_followed(at: Bench) -> None:
    for fault in ("redirect-302", "redirect-307"):
        await meet(at, fault)
    assert [call for call in at.provider.all_calls() if call.path == "/v1/trap"] == []


async def test_a_call_that_is_cancelled_hangs_up(at: Bench) -> None:
    call = asyncio.ensure_future(at.model.make(a_call("[latency: 1000] [tag: cancelled]")))
    while not at.provider.calls("cancelled"):
        await asyncio.sleep(0.02)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    while (seen := at.provider.calls("cancelled")[0]).ended is None:
        await asyncio.sleep(0.02)
    assert seen.made, "the provider does not care"
    assert seen.client_gone


def test_every_fault_of_the_pretended_provider_is_met_here() -> None:
    met = {row[0] for table in (REFUSED, BLOCKED, BLOCKED_AND_PAID, STALLED, LOST, NOTHING, ODD) for row in table}
    assert met | {"reset-at-once", "echo", "echo-reencoded"} == FAULTS
