"""How large a body may be, how long it may take, and how long its answer: on every route, and whatever hangs."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from litestar import Litestar, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import JSONBody
from structlog.testing import capture_logs

from domain.limits import LIMITS
from entrypoints.http.auth import PUBLIC, media_types
from entrypoints.http.bounds import NO_BODY, PICTURE_BODY, SMALL_BODY, Bounds, BoundsUndeclared, declare_bounds
from entrypoints.wiring_payments import WEBHOOK
from tests.http_routes import HANDLERS
from tests.http_stage import BEARER, Stage, shorten
from tests.protocol import LeapingClock, until

pytestmark = pytest.mark.anyio
QUOTE = json.dumps({"prompt": "a fox"}).encode()
LARGEST = {"/v1/images/edits": 101 * 2**20, "/v1/media": 26 * 2**20, "/v1/verify": 26 * 2**20, WEBHOOK: 2**20}
SOON = 300.0
"""Seconds a test waits at most, by the loop's clock."""


@pytest.mark.parametrize(("path", "handler"), HANDLERS, ids=[f"{h.http_methods} {path}" for path, h in HANDLERS])
def test_every_route_says_how_large_and_how_late(path: str, handler: HTTPRouteHandler) -> None:
    bounds = handler.opt["bounds"]
    assert 0 < bounds.answer <= 340
    assert (bounds.body is not None) == (bool(media_types(handler)) or bool(handler.opt.get("raw")))
    if bounds.body:
        assert bounds.body <= LARGEST.get(path, LIMITS["body_bytes"])
        assert 0 < bounds.arrival <= 120


@pytest.mark.parametrize("declared", [{}, {"bounds": 30}, {"bounds": NO_BODY}], ids=str)
def test_a_route_that_does_not_say_stops_the_start(declared: dict[str, Any]) -> None:
    @post("/leak", opt={"access": PUBLIC, **declared}, sync_to_thread=False)
    def leak(data: JSONBody[dict[str, str]]) -> None: ...

    with pytest.raises(BoundsUndeclared, match="leak"):
        declare_bounds(Litestar([leak], openapi_config=None))


def test_a_route_with_small_bodies_takes_no_large_one() -> None:
    stage = Stage()
    with stage.client() as client:
        path = f"/v1/generations/{stage.has_generation().id}/retry"
        answer = client.post(path, headers=BEARER, json={"max_credits": 1, "x": "x" * (SMALL_BODY.body or 0)})
    assert (answer.status_code, answer.json()["type"]) == (413, "/problems/body-too-large")
    assert answer.json()["limit"] == SMALL_BODY.body


@pytest.fixture
async def clock() -> LeapingClock:
    loop = asyncio.get_running_loop()
    loop.time = LeapingClock(loop.time)  # type: ignore[method-assign]  # the clock is replaced on purpose
    return loop.time


async def ask(
    app: Any,
    receive: Callable[[], Awaitable[Any]],
    path: str = "/v1/quotes",
    *headers: tuple[bytes, bytes],
    send: Callable[[Any], Awaitable[None]] | None = None,
) -> tuple[int, dict[bytes, bytes], bytes]:
    """Status, headers and body of what came back, in time; `send` takes it instead."""
    sent = list[Any]()

    async def note(message: Any) -> None:
        sent.append(message)

    said = [(b"content-type", b"application/json"), (b"authorization", BEARER["Authorization"].encode()), *headers]
    scope: Any = {"type": "http", "method": "POST", "path": path, "raw_path": path.encode(), "root_path": ""}
    scope |= {"query_string": b"", "headers": said, "scheme": "http", "state": {}, "http_version": "1.1"}
    await asyncio.wait_for(app(scope, receive, send or note), SOON)
    if send:
        return 0, {}, b""
    return sent[0]["status"], dict(sent[0]["headers"]), b"".join(message["body"] for message in sent[1:])


def arriving(*pieces: bytes, hangs: bool = False) -> Callable[[], Awaitable[Any]]:
    """A body in pieces; `hangs`: there would be more, which never comes."""
    left = list(pieces)

    async def receive() -> Any:
        if not left:
            await asyncio.Event().wait()
        piece = left.pop(0)
        return {"type": "http.request", "body": piece, "more_body": bool(left) or hangs}

    return receive


@pytest.mark.parametrize(
    "pieces", [(), (b"",), (QUOTE[:5],), (QUOTE,)], ids=["nothing", "no bytes", "a piece", "all but its end"]
)
async def test_a_body_that_does_not_arrive_in_time_is_refused_and_its_connection_closed(pieces: tuple[bytes, ...]) -> None:
    app = Stage().own_client().app
    shorten(app, "/v1/quotes", arrival=0.01)
    status, headers, body = await ask(app, arriving(*pieces, hangs=True))
    assert (status, json.loads(body)["type"], headers[b"connection"]) == (408, "/problems/timeout", b"close")
    assert headers[b"x-request-id"]


async def test_a_body_in_drops_has_no_more_time_than_another(clock: LeapingClock) -> None:
    app, drops = Stage().client().app, 0

    async def receive() -> Any:
        nonlocal drops
        drops += 1
        clock.ahead += 0.4 * PICTURE_BODY.arrival
        await asyncio.sleep(0.001)
        return {"type": "http.request", "body": b" ", "more_body": True}

    assert (await ask(app, receive))[0] == 408
    assert drops == 3, "one drop in time does not make the rest so"


async def test_a_handler_that_hangs_is_answered_for_and_left(clock: LeapingClock) -> None:
    stage, ended = Stage(), list[str]()

    async def hang(*_: Any, **__: Any) -> Any:
        try:
            clock.ahead += PICTURE_BODY.seconds
            await asyncio.Event().wait()
        finally:
            ended.append("cancelled")
            await asyncio.Event().wait()  # as a driver for a server that is gone

    stage.quote = hang  # type: ignore[method-assign]  # nothing else would hang
    app = stage.client().app
    with capture_logs() as logs:
        status, headers, body = await ask(app, arriving(QUOTE))
    told = json.loads(body)
    assert (status, told["type"], told["retry_after"], headers[b"retry-after"]) == (503, "/problems/unavailable", 5, b"5")
    assert [line.get("error") for line in logs if line["event"] == "dependency_unavailable"] == ["AnswerLate"]
    await until(lambda: ended == ["cancelled"])


async def test_a_handlers_own_time_out_is_a_fault_of_ours() -> None:
    stage = Stage(refusal=TimeoutError())
    assert (await ask(stage.client().app, arriving(QUOTE)))[0] == 500


async def test_an_answer_that_has_begun_is_not_cut(clock: LeapingClock) -> None:
    app, sent = Stage().client().app, list[Any]()

    async def slow_line(message: Any) -> None:
        clock.ahead += PICTURE_BODY.seconds
        await asyncio.sleep(0.001)
        sent.append(message)

    await ask(app, arriving(QUOTE), send=slow_line)
    assert [message.get("status") for message in sent] == [200, None]
    assert json.loads(sent[1]["body"])["credits"] > 0


async def test_who_prefers_to_wait_is_given_that_time_on_top(clock: LeapingClock) -> None:
    stage = Stage()
    app, looks, own = stage.client().app, list[float](), stage.own

    def seen(*said: Any) -> Any:
        looks.append(clock.ahead)
        return own(*said)

    stage.own = seen  # type: ignore[method-assign, assignment]  # noted, and the same
    asked = asyncio.create_task(ask(app, arriving(QUOTE), "/v1/generations", (b"prefer", b"wait=100")))
    await until(lambda: bool(looks))
    clock.ahead = PICTURE_BODY.seconds + 1
    await until(lambda: looks[-1] > PICTURE_BODY.seconds or asked.done())
    assert not asked.done()
    clock.ahead = 101
    assert (await asked)[0] == 202


def test_bounds_end_where_they_say() -> None:
    assert (Bounds(answer=3).seconds, Bounds(answer=3, body=1, arrival=4).seconds) == (3, 7)
