"""What becomes of an answer on its way: noted as delivered when the connection has taken all of it, and not before."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import pytest
from litestar.types import Message

from domain.attempts import Failure, FailureClass, Stage
from domain.generations import GenerationState
from domain.joining import Try
from domain.provenance import Marking
from entrypoints.http.app import HttpConfig
from entrypoints.http.compatible import answers
from tests.http_rows import NOW
from tests.http_stage import BEARER, app_on
from tests.http_stage import Stage as Surface
from tests.unit.test_http_images import FOX, ROUTE, draws

pytestmark = pytest.mark.anyio

COUNTED = {"x-stainless-retry-count": "0"}


class Caller:
    """One request over a line that the test can break: `room` is asked before the connection takes a piece."""

    route = ROUTE

    def __init__(
        self,
        stage: Surface,
        headers: dict[str, str] = COUNTED,
        room: Callable[[], None] = lambda: None,
        asked: Mapping[str, Any] = FOX,
    ) -> None:
        self.app = app_on(stage.container(), HttpConfig("1.2.3"))
        self.room, self.body, self.messages = room, msgspec.json.encode(asked), list[Message]()
        self.broken, self._read = asyncio.Event(), False
        sent = {**BEARER, "content-type": "application/json", "content-length": str(len(self.body)), **headers}
        self.headers = [(name.lower().encode(), value.encode()) for name, value in sent.items()]

    async def __call__(self) -> None:
        scope: Any = {
            "type": "http",
            "method": "POST",
            "path": self.route,
            "raw_path": self.route.encode(),
            "query_string": b"",
            "root_path": "",
            "scheme": "http",
            "http_version": "1.1",
            "client": ("127.0.0.1", 5),
            "server": ("test.local", 80),
            "headers": self.headers,
            "extensions": {},
        }
        await self.app(scope, self.receive, self.send)

    async def receive(self) -> Any:
        if not self._read:
            self._read = True
            return {"type": "http.request", "body": self.body, "more_body": False}
        await self.broken.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        self.room()
        self.messages.append(message)

    @property
    def status(self) -> int:
        return int(self.messages[0]["status"])  # type: ignore[typeddict-item]  # the first is the start

    @property
    def content(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.messages[1:])  # type: ignore[misc]  # the others are bodies


class Editor(Caller):
    """The same for an edit."""

    route = "/v1/images/edits"

    def __init__(self, stage: Surface) -> None:
        super().__init__(stage, asked=FOX | {"images": [{"image_url": "data:;base64,eHh4"}]})


@pytest.fixture
def stage() -> Surface:
    return Surface()


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "WAIT_SECONDS", 0.15)


def noted(stage: Surface) -> list[tuple[int, bool]]:
    return [(number, delivered) for _, number, delivered in stage.notes]


async def test_an_answer_that_was_taken_is_delivered(stage: Surface) -> None:
    draws(stage, b"x" * 1_000_000)
    caller = Caller(stage)
    await caller()
    assert (caller.status, noted(stage)) == (200, [(0, True)])
    assert len(caller.messages) > 4, "in pieces"
    length = dict(caller.messages[0]["headers"])[b"content-length"]  # type: ignore[typeddict-item]  # the first is the start
    assert len(caller.content) == int(length)
    assert len(msgspec.json.decode(caller.content)["data"]) == 1


async def test_a_line_that_breaks_within_the_answer_has_delivered_nothing(stage: Surface) -> None:
    draws(stage, b"x" * 1_000_000)

    def breaks() -> None:
        if len(caller.messages) == 3:
            caller.broken.set()

    caller = Caller(stage, room=breaks)
    await caller()
    assert noted(stage) == [(0, False)]


async def test_a_line_that_breaks_with_the_last_piece_has_delivered_nothing(stage: Surface) -> None:
    draws(stage, b"x" * 1_000_000)

    def breaks() -> None:
        if caller.messages and caller.content.endswith(b"}"):
            caller.broken.set()  # noticed by whoever waits for room once more

    caller = Caller(stage, room=breaks)
    await caller()
    assert noted(stage) == [(0, False)]


async def test_whoever_goes_while_it_is_made_is_not_waited_for(stage: Surface, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "WAIT_SECONDS", 300)
    caller = Caller(stage)
    under_way = asyncio.create_task(caller())
    async with asyncio.timeout(10):
        while not stage.kept:
            await asyncio.sleep(0)
        caller.broken.set()
        await under_way
    assert noted(stage) == [(0, False)]
    assert caller.status == 499
    (made,) = stage.kept.values()
    assert made.state is GenerationState.QUEUED, "it goes on"


async def test_a_wait_that_is_over_has_delivered_nothing(stage: Surface) -> None:
    caller = Caller(stage)
    await caller()
    assert (caller.status, noted(stage)) == (504, [(0, False)])


async def test_a_picture_that_may_not_be_handed_out_yet_is_not_delivered(stage: Surface) -> None:
    draws(stage, b"x", marking=Marking.PENDING)
    caller = Caller(stage)
    await caller()
    assert (caller.status, noted(stage)) == (503, [(0, False)])


async def test_a_failure_that_was_told_is_delivered(stage: Surface) -> None:
    failure = Failure(FailureClass.PROVIDER, Stage.CALL, "broken", "It broke")
    stage.ends = lambda made: made.end(GenerationState.FAILED, NOW, failure)
    caller = Caller(stage)
    await caller()
    assert (caller.status, noted(stage)) == (500, [(0, True)])


@pytest.mark.parametrize(
    ("headers", "number"),
    [
        ({"x-stainless-retry-count": "2"}, 2),
        ({}, None),
        ({"x-stainless-retry-count": "-1"}, None),
        ({"x-stainless-retry-count": "1000"}, None),
        ({"x-stainless-retry-count": "2", "idempotency-key": "k"}, None),
    ],
)
async def test_tries_are_counted_by_whoever_says_so(headers: dict[str, str], number: int | None, stage: Surface) -> None:
    draws(stage, b"x")
    await Caller(stage, headers)()
    tried: Try | None = stage.told["tried"]
    assert (tried.number if tried else None) == number


@pytest.mark.parametrize("goes", [True, False])
@pytest.mark.parametrize("kind", [Caller, Editor])
async def test_whoever_buys_is_told_when_the_client_has_gone_by_then(kind: type[Caller], goes: bool, stage: Surface) -> None:
    caller = kind(stage)
    if goes:
        caller.broken.set()
    await caller()
    assert (stage.had_left, caller.status) == (goes, 499 if goes else 504)


async def test_a_stream_cut_off_within_a_picture_says_nothing_there_and_has_no_end(stage: Surface) -> None:
    draws(stage, b"x" * 1_000_000)

    def stop_after_a_piece() -> None:
        if len(caller.messages) == 3:  # the start, the event's beginning, and a piece of its picture
            caller.app.state.streams.stop()

    caller = Caller(stage, room=stop_after_a_piece, asked=FOX | {"stream": True})
    await caller()
    assert caller.content.startswith(b"event: image_generation.completed\ndata: {")
    assert b"error" not in caller.content
    assert all(message["more_body"] for message in caller.messages[1:])  # type: ignore[typeddict-item]  # the others are bodies
