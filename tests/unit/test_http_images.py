"""`POST /v1/images/generations`: OpenAI's parameters and answers over our own use case."""

import asyncio
import base64
import tracemalloc
from dataclasses import replace
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient
from openai.types import ImagesResponse, Model

from domain.attempts import Attempt, Outcome, Usage
from domain.generations import Generation, GenerationState
from domain.media import AssetKind, PictureFormat
from domain.provenance import Marking
from domain.requests import Asked, Fault, Sandbox
from entrypoints.http.compatible import answers
from tests.http_rows import NOW
from tests.http_stage import BEARER, Stage

ROUTE = "/v1/images/generations"
FOX = {"prompt": "a red fox in snow"}


def draws(stage: Stage, *contents: bytes, marking: Marking = Marking.SIGNED, usage: Usage | None = None) -> None:
    """Whatever is asked for is made at once, of these bytes."""

    def end(made: Generation) -> None:
        made.attempts.append(Attempt(1, NOW, NOW, 1, Outcome.EXECUTED, booked=True, usage=usage))
        for index, content in enumerate(contents):
            asset = stage.has_picture(kind=AssetKind.OUTPUT, generation_id=made.id, attempt=1, index=index, marking=marking)
            stage.contents[asset.key] = content
        made.delivered = len(contents)
        made.end(GenerationState.SUCCEEDED, NOW, None)

    stage.ends = end


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "WAIT_SECONDS", 0.15)


def post(client: TestClient[Litestar], headers: dict[str, str] | None = None, **body: Any) -> Any:
    return client.post(ROUTE, headers=BEARER | (headers or {}), json=FOX | body)


def test_the_answer_is_what_the_sdk_expects(stage: Stage, client: TestClient[Litestar]) -> None:
    draws(stage, b"one", b"\xfb\xff two", usage=Usage(12, 392))
    answer = post(client, n=2, size="1024x1024", quality="low")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert answer.headers["x-generation-id"] in map(str, stage.kept)
    told = answer.json()
    made = ImagesResponse.model_validate(told, strict=True, extra="forbid")
    assert made.data
    assert [base64.b64decode(picture.b64_json or "", validate=True) for picture in made.data] == [b"one", b"\xfb\xff two"]
    assert (made.size, made.quality, made.output_format, made.background) == ("4x3", "low", "png", "opaque")
    assert made.created == int(next(iter(stage.kept.values())).created_at.timestamp())
    assert told["usage"] == {
        "input_tokens": 12,
        "input_tokens_details": {"image_tokens": 0, "text_tokens": 12},
        "output_tokens": 392,
        "output_tokens_details": {"image_tokens": 392, "text_tokens": 0},
        "total_tokens": 404,
    }


def test_tokens_that_nobody_counted_are_not_made_up(stage: Stage, client: TestClient[Litestar]) -> None:
    draws(stage, b"one")
    assert post(client).json()["usage"] is None


def test_every_parameter_of_the_sdk_is_understood(stage: Stage, client: TestClient[Litestar]) -> None:
    draws(stage, b"one")
    picture: dict[str, Any] = {
        "model": "gpt-image-2",
        "n": 1,
        "size": "1024x1024",
        "quality": "low",
        "background": "opaque",
        "output_format": "jpeg",
        "output_compression": 60,
        "moderation": "low",
    }
    ignored: dict[str, Any] = {
        "user": "u-1",
        "safety_identifier": "s-1",
        "response_format": "b64_json",
        "stream": False,
        "partial_images": 0,
    }
    assert post(client, **picture, **ignored).status_code == 200
    assert stage.told["asked"] == Asked(prompt=FOX["prompt"], **picture)
    names = [*picture, *ignored, "complexity", "frame_count", "frame_duration_ms"]
    assert post(client, **dict.fromkeys(names)).status_code == 200
    assert stage.told["asked"] == Asked(prompt=FOX["prompt"]), "null is the same as left out"


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("fail", Sandbox(Fault.FAIL)),
        ("latency_ms=250", Sandbox(None, 250)),
        ("refuse-output; latency_ms=10", Sandbox(Fault.REFUSE_OUTPUT, 10)),
    ],
)
def test_a_fault_is_asked_for_in_a_header(written: str, meant: Sandbox, stage: Stage, client: TestClient[Litestar]) -> None:
    draws(stage, b"one")
    assert post(client, {"X-Sandbox-Fault": written}).status_code == 200
    assert stage.told["asked"].sandbox == meant


@pytest.mark.parametrize("written", ["", " ", "burn", "fail;", "fail latency_ms=1", "latency_ms=", "latency_ms=1;fail", ";"])
def test_a_fault_that_is_none_is_refused(written: str, client: TestClient[Litestar]) -> None:
    answer = post(client, {"X-Sandbox-Fault": written})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "X-Sandbox-Fault")


def test_whoever_has_waited_long_enough_is_told_where_it_goes_on(stage: Stage, client: TestClient[Litestar]) -> None:
    answer = post(client)
    (made,) = stage.kept
    assert (answer.status_code, answer.headers["x-generation-id"]) == (504, str(made))
    assert answer.json()["error"]["code"] == "not_finished"
    assert "x-should-retry" not in answer.headers


def test_a_picture_that_waits_for_its_signature_is_handed_out_to_nobody(stage: Stage, client: TestClient[Litestar]) -> None:
    draws(stage, b"one", marking=Marking.PENDING)
    answer = post(client)
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "signature_pending")
    assert answer.headers["x-generation-id"]
    assert answer.headers["retry-after"] == "5"


def test_a_picture_deleted_meanwhile_is_gone(stage: Stage, client: TestClient[Litestar]) -> None:
    draws(stage, b"one")
    assert post(client, {"Idempotency-Key": "k"}).status_code == 200
    stage.contents.clear()
    assert post(client, {"Idempotency-Key": "k"}).status_code == 410


def test_the_same_key_answers_the_finished_generation(stage: Stage, client: TestClient[Litestar]) -> None:
    draws(stage, b"one")
    said = [post(client, {"Idempotency-Key": "k"}) for _ in range(2)]
    assert said[0].json() == said[1].json()
    assert len({answer.headers["x-generation-id"] for answer in said}) == len(stage.kept) == 1


def test_a_transparent_picture_says_so(stage: Stage, client: TestClient[Litestar]) -> None:
    draws(stage, b"one")
    post(client, {"Idempotency-Key": "k"})
    ((id, asset),) = stage.pictures.items()
    stage.pictures[id] = replace(asset, has_alpha=True, format=PictureFormat.WEBP)
    told = post(client, {"Idempotency-Key": "k"}).json()
    assert (told["background"], told["output_format"]) == ("transparent", "webp")


def test_a_model_is_retrieved_by_its_name(client: TestClient[Litestar]) -> None:
    listed = client.get("/v1/models").json()["data"]
    for known in listed:
        told = client.get(f"/v1/models/{known['id']}").json()
        assert told == known
        assert Model.model_validate(told).id == known["id"]


def test_while_it_is_answered_a_picture_takes_no_more_than_twice_its_json(stage: Stage) -> None:
    class Fresh:
        """Each read is bytes of its own."""

        async def get(self, key: Any) -> bytes:
            return bytes(4_000_000)

    made = stage.has_generation()
    assets = [stage.has_picture(kind=AssetKind.OUTPUT, generation_id=made.id, attempt=1, index=index) for index in range(2)]
    tracemalloc.start()
    try:
        answer = asyncio.run(answers.pictures((made, assets), Fresh()))  # type: ignore[arg-type]  # all that is asked of it
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    length = sum(map(len, answer))
    assert length > 10_000_000
    assert peak <= 2 * length, f"{peak / length:.2f}"
