"""`stream=true`: events as the SDK's models read them, in the order in which things happened, and refusals as at the source."""

import base64
import json
import tracemalloc
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient
from openai import BaseModel
from openai.types import ImageGenCompletedEvent, ImageGenPartialImageEvent
from openai.types.image_edit_completed_event import ImageEditCompletedEvent
from openai.types.image_edit_partial_image_event import ImageEditPartialImageEvent

from application.api_keys import hash_key
from application.store import StoreUnavailable
from domain.attempts import Attempt, Failure, FailureClass, Outcome, Usage
from domain.attempts import Stage as Step
from domain.errors import TooManyStreams
from domain.events import Event, EventKind
from domain.generations import Generation, GenerationState
from domain.limits import LIMITS
from domain.media import AssetKind, PictureFormat
from domain.objects import ObjectKey
from domain.provenance import Marking
from domain.requests import Kind
from entrypoints.http.compatible import images, streams
from entrypoints.http.compatible.stream_events import StreamedImage, image_event
from tests.http_rows import NOW
from tests.http_stage import _CALLERS, ACCOUNT, BEARER, KEY, Stage

ROUTE = "/v1/images/generations"
FOX = {"prompt": "a red fox in snow", "stream": True}
LONG = bytes(range(256)) * 3_000
KINDS: dict[str, type[BaseModel]] = {
    "image_generation.partial_image": ImageGenPartialImageEvent,
    "image_generation.completed": ImageGenCompletedEvent,
    "image_edit.partial_image": ImageEditPartialImageEvent,
    "image_edit.completed": ImageEditCompletedEvent,
}
BLOCKED = Failure(FailureClass.MODERATION, Step.OUTPUT, "violence", "Refused")


@pytest.fixture
def client(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Any:
    stage.trusted_seconds = 0.0
    monkeypatch.setattr(streams, "WAIT_SECONDS", 0.3)
    monkeypatch.setattr(streams, "_AGAIN_SECONDS", 0.01)
    with stage.client(heartbeat_seconds=0.05) as client:
        yield client


def post(client: TestClient[Litestar], headers: dict[str, str] | None = None, **body: Any) -> Any:
    return client.post(ROUTE, headers=BEARER | (headers or {}), json=FOX | body)


def shows(stage: Stage, made: Generation, index: int, content: bytes, attempt: int = 1) -> None:
    made.last_event += 1
    event = Event(made.last_event, EventKind.PARTIAL_IMAGE, NOW, None, index, attempt, PictureFormat.PNG)
    stage.events.setdefault(made.id, []).append(event)
    stage.contents[ObjectKey.partial(made.account_id, made.id, attempt, index)] = content


def delivers(stage: Stage, made: Generation, *contents: bytes, marking: Marking = Marking.SIGNED) -> None:
    made.attempts.append(Attempt(1, NOW, NOW, 1, Outcome.EXECUTED, booked=True, usage=Usage(13, 393)))
    for index, content in enumerate(contents):
        asset = stage.has_picture(kind=AssetKind.OUTPUT, generation_id=made.id, attempt=1, index=index, marking=marking)
        stage.contents[asset.key] = content
    made.delivered = len(contents)
    made.end(GenerationState.SUCCEEDED, NOW + timedelta(seconds=9), None)


def whenever_looked_at(stage: Stage, *steps: Callable[[Generation], object]) -> None:
    """One step further with each look of who follows, after the first."""
    left = list(steps)

    def step(made: Generation) -> None:
        if left:
            left.pop(0)(made)

    stage.looked = step


def events(answer: Any) -> list[Any]:
    """Every event, strictly as the SDK's models have it; comments as text."""
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/event-stream")
    found = list[Any]()
    for written in answer.text.removesuffix("\n\n").split("\n\n"):
        if written.startswith(":"):
            found.append(":")
            continue
        name, data = written.split("\n")
        said = json.loads(data.removeprefix("data: "))
        assert name == f"event: {said['type']}"
        found.append(said if said["type"] == "error" else KINDS[said["type"]].model_validate(said, strict=True, extra="forbid"))
    return found


def test_partial_pictures_come_as_they_are_made_and_then_the_pictures(stage: Stage, client: TestClient[Litestar]) -> None:
    whenever_looked_at(
        stage,
        lambda made: shows(stage, made, 0, b"half"),
        lambda made: shows(stage, made, 1, LONG),
        lambda made: delivers(stage, made, b"one", LONG),
    )
    answer = post(client, n=2, partial_images=2, size="1024x1024", quality="low")
    half, nearly, one, two = [event for event in events(answer) if event != ":"]
    assert [base64.b64decode(each.b64_json, validate=True) for each in (half, nearly, one, two)] == [b"half", LONG, b"one", LONG]
    assert [half.partial_image_index, nearly.partial_image_index] == [0, 1]
    assert (half.size, half.quality, half.background, half.output_format) == ("1024x1024", "low", "auto", "png")
    assert half.created_at == int(NOW.timestamp())
    assert (one.size, one.quality, one.background, one.output_format) == ("4x3", "low", "opaque", "png")
    assert one.created_at == int(NOW.timestamp()) + 9
    assert (one.usage.input_tokens, two.usage.input_tokens) == (6, 7), "shares of the whole"
    assert (one.usage.output_tokens + two.usage.output_tokens, one.usage.total_tokens + two.usage.total_tokens) == (393, 406)
    assert answer.headers["x-generation-id"] in map(str, stage.kept)
    assert answer.headers["cache-control"] == "no-store"
    assert stage.told["asked"].partial_images == 2


def test_an_edit_says_so_and_what_was_shown_is_sent_to_whoever_joins(stage: Stage, client: TestClient[Litestar]) -> None:
    def made_before(made: Generation) -> None:
        made.kind = Kind.EDIT
        for attempt in (1, 2):
            shows(stage, made, 0, b"half %d" % attempt, attempt)
        shows(stage, made, 1, b"gone", 2)
        del stage.contents[ObjectKey.partial(made.account_id, made.id, 2, 1)]
        delivers(stage, made, b"one")

    stage.ends = made_before
    half, one = events(post(client, {"Idempotency-Key": "k"}))
    assert [each.type for each in (half, one)] == ["image_edit.partial_image", "image_edit.completed"]
    assert base64.b64decode(half.b64_json) == b"half 2", "what another call showed is not what came"
    assert events(post(client, {"Idempotency-Key": "k"})) == [half, one]
    assert len(stage.kept) == 1


def test_whoever_waits_long_is_told_that_we_live_and_then_where_it_goes_on(stage: Stage, client: TestClient[Litestar]) -> None:
    *lives, late = events(post(client))
    assert lives == [":"] * len(lives)
    assert len(lives) >= 2
    assert late["error"] == {
        "message": late["error"]["message"],
        "type": "server_error",
        "code": "not_finished",
        "param": None,
    }
    assert str(next(iter(stage.kept))) in late["error"]["message"]


def test_what_fails_before_anything_was_sent_is_refused_as_without_a_stream(stage: Stage, client: TestClient[Litestar]) -> None:
    stage.ends = lambda made: made.end(GenerationState.REFUSED, NOW, BLOCKED)
    answer = post(client)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "moderation_blocked")
    assert answer.headers["x-generation-id"]
    stage.ends = lambda made: delivers(stage, made, b"one", marking=Marking.PENDING)
    assert post(client).status_code == 503


def test_what_fails_afterwards_is_an_event_that_the_sdk_raises(stage: Stage, client: TestClient[Litestar]) -> None:
    whenever_looked_at(
        stage,
        lambda made: shows(stage, made, 0, b"half"),
        lambda made: made.end(GenerationState.REFUSED, NOW, BLOCKED),
    )
    half, refused = [event for event in events(post(client, partial_images=1)) if event != ":"]
    assert half.type == "image_generation.partial_image"
    assert refused["error"]["code"] == "moderation_blocked"


@pytest.mark.parametrize("lost", [0, 1])
def test_a_picture_that_is_gone_or_waits_for_its_signature_ends_a_stream_with_an_error(
    lost: int, stage: Stage, client: TestClient[Litestar]
) -> None:
    def deliver(made: Generation) -> None:
        delivers(stage, made, b"one", b"two", marking=Marking.SIGNED if lost else Marking.PENDING)
        if lost:
            del stage.contents[ObjectKey.picture(made.account_id, made.id, 1, 1)]

    whenever_looked_at(stage, lambda made: shows(stage, made, 0, b"half"), deliver)
    *sent, error = [event for event in events(post(client, partial_images=1)) if event != ":"]
    assert [event.type.rpartition(".")[2] for event in sent] == ["partial_image", "completed"][: 1 + lost]
    assert error["error"]["code"] == ("gone" if lost else "signature_pending")


def test_an_outage_is_waited_out(stage: Stage, client: TestClient[Litestar]) -> None:
    def away(made: Generation) -> None:
        raise StoreUnavailable

    whenever_looked_at(stage, lambda made: shows(stage, made, 0, b"half"), away, lambda made: delivers(stage, made, b"one"))
    half, one = [event for event in events(post(client, partial_images=1)) if event != ":"]
    assert base64.b64decode(half.b64_json) == b"half"
    assert base64.b64decode(one.b64_json) == b"one"


def test_a_generation_erased_meanwhile_ends_its_stream(stage: Stage, client: TestClient[Litestar]) -> None:
    whenever_looked_at(stage, lambda made: shows(stage, made, 0, b"half"), lambda made: stage.kept.clear())
    *_, error = events(post(client, partial_images=1))
    assert error["error"]["code"] == "gone"


def test_whoever_may_not_call_any_more_is_told_so_within_a_heartbeat(
    stage: Stage, client: TestClient[Litestar], monkeypatch: pytest.MonkeyPatch
) -> None:
    def revoke(made: Generation) -> None:
        monkeypatch.delitem(_CALLERS, hash_key(KEY))

    whenever_looked_at(stage, lambda made: shows(stage, made, 0, b"half"), revoke)
    half, *lives, revoked = events(post(client, partial_images=1))
    assert half.type == "image_generation.partial_image"
    assert lives == [], "the first beat finds it out"
    assert revoked["error"]["code"] == "invalid_api_key"


def test_a_process_that_stops_tells_where_it_goes_on(stage: Stage, client: TestClient[Litestar]) -> None:
    whenever_looked_at(stage, lambda made: shows(stage, made, 0, b"half"), lambda made: client.app.state.streams.stop())
    half, *_, stopped = events(post(client, partial_images=1))
    assert half.type == "image_generation.partial_image"
    assert stopped["error"]["code"] == "not_finished"


def test_a_process_that_stops_begins_no_stream_and_who_asks_again_goes_on(stage: Stage, client: TestClient[Litestar]) -> None:
    def stopped_when_it_ends(made: Generation) -> None:
        client.app.state.streams.stop()
        delivers(stage, made, b"whole")

    whenever_looked_at(stage, stopped_when_it_ends)
    answer = post(client, headers={"x-stainless-retry-count": "0"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (504, "not_finished")
    assert "x-should-retry" not in answer.headers
    (made,) = stage.kept
    assert stage.notes == [(made, 0, False)]


def test_who_has_too_many_streams_buys_nothing(stage: Stage, client: TestClient[Litestar]) -> None:
    client.app.state.streams._of[ACCOUNT] = LIMITS["streams"]
    answer = post(client)
    assert (answer.status_code, answer.json()["error"]["code"]) == (429, "rate_limit_exceeded")
    edit = {"prompt": "with a hat", "stream": True, "images": [{"file_id": str(stage.has_picture().id)}]}
    assert client.post("/v1/images/edits", headers=BEARER, json=edit).status_code == 429
    assert not stage.kept
    stage.ends = lambda made: delivers(stage, made, b"one")
    assert post(client, stream=False).status_code == 200


def test_streams_that_wait_together_for_their_first_event_count(stage: Stage, client: TestClient[Litestar]) -> None:
    streams, counted = client.app.state.streams, list[int]()

    def others_begin(made: Generation) -> None:
        counted.append(streams.count)
        streams._of[ACCOUNT] += LIMITS["streams"] - 1
        with pytest.raises(TooManyStreams):
            streams.check(ACCOUNT)
        delivers(stage, made, b"one")

    whenever_looked_at(stage, others_begin)
    assert post(client).status_code == 200
    assert counted == [1]
    assert streams.count == LIMITS["streams"] - 1, "and no longer"


def test_whoever_passed_together_with_too_many_goes_on_later_with_what_was_bought(
    stage: Stage, client: TestClient[Litestar], monkeypatch: pytest.MonkeyPatch
) -> None:
    streams = client.app.state.streams
    monkeypatch.setattr(images, "check_streams", lambda request: streams._of.update({ACCOUNT: LIMITS["streams"]}))
    answer = post(client, headers={"x-stainless-retry-count": "0"})
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "10")
    (made,) = stage.kept
    assert stage.notes == [(made, 0, False)]


def test_a_film_is_not_streamed_and_who_streams_nothing_pays_for_no_partial_picture(
    stage: Stage, client: TestClient[Litestar]
) -> None:
    answer = post(client, output_format="gif")
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "stream")
    stage.ends = lambda made: delivers(stage, made, b"one")
    assert post(client, stream=False, partial_images=3).status_code == 200
    assert stage.told["asked"].partial_images is None


def test_a_large_picture_is_never_whole_in_memory_as_text_and_takes_the_event_loop_a_moment_at_a_time() -> None:
    content, said = (
        bytes(30 << 20),
        StreamedImage(
            type="image_generation.completed", created_at=1, size="1x1", quality="low", background="auto", output_format="png"
        ),
    )
    tracemalloc.start()
    try:
        largest = max(len(piece) for piece in image_event(said, content))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert largest <= 1 << 18
    assert peak < 2 << 20
