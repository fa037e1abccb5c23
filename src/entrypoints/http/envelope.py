"""What every answer carries and every request leaves behind: a request id, safe headers, one line in the log, two metrics."""

import re
import uuid
from collections.abc import Mapping, Set
from time import perf_counter

import structlog
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from domain.limits import holds_card_number
from entrypoints.http.problems import EDGE, log_crash, problem
from entrypoints.metrics import count_request

UNMATCHED = "unmatched"
_REQUEST_ID = re.compile(rb"[A-Fa-f0-9-]{8,64}")  # digits and dashes spell no name
_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'; sandbox"),
    (b"cache-control", b"no-store"),
)
_ALWAYS_HTTPS = (b"strict-transport-security", b"max-age=63072000; includeSubDomains")
_log = structlog.get_logger()


class Envelope:
    """Around the whole application, so that what never reaches a route (404, 405, a crash of the container) is in it too.

    `methods` by route template answer OPTIONS: Litestar forgets those of a path that were registered later. `https`: browsers are
    told never to come any other way.
    """

    def __init__(self, app: ASGIApp, methods: Mapping[str, Set[str]], *, https: bool = False) -> None:
        self._app = app
        self._headers = (*_HEADERS, _ALWAYS_HTTPS) if https else _HEADERS
        self._allow = {route: ", ".join(sorted({*known, "OPTIONS"})).encode() for route, known in methods.items()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            await self._app(scope, receive, send)
            return
        request_id, began, status = _request_id(scope), perf_counter(), 0

        async def send_on(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                sent = list(message["headers"])
                if scope.get("method") == "OPTIONS" and (allow := self._allow.get(scope.get("path_template", ""))):
                    sent = [header for header in sent if header[0] != b"allow"] + [(b"allow", allow)]
                names = {name for name, _ in sent}
                sent.extend(header for header in self._headers if header[0] not in names)
                sent.append((b"x-request-id", request_id.encode()))
                message["headers"] = sent
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                await self._app(scope, receive, send_on)
            except Exception as error:
                if status:
                    raise
                log_crash(error)
                await _answer_crash(scope, send_on)
            finally:
                seconds, method = perf_counter() - began, str(scope.get("method"))
                route = scope.get("path_template") or UNMATCHED
                count_request(route, method, status or 500, seconds)
                _log.info(
                    "request",
                    route=route,
                    method=method,
                    status=status,
                    duration_ms=round(seconds * 1000, 2),
                    request_id=request_id,
                )


def _request_id(scope: Scope) -> str:
    """The caller's own, if it is one: it goes into the log and back out."""
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _REQUEST_ID.fullmatch(value):
            sent = value.decode("ascii")
            if not holds_card_number(sent):
                return sent
    return str(uuid.uuid4())


async def _answer_crash(scope: Scope, send: Send) -> None:
    said = problem(scope, 500, *EDGE[500])
    headers = [(b"content-type", str(said.media_type).encode()), (b"content-length", str(len(said.content)).encode())]
    await send({"type": "http.response.start", "status": 500, "headers": headers})
    await send({"type": "http.response.body", "body": said.content, "more_body": False})
