"""The line to the provider: one HTTP request for one call, and what is known of it at each moment."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpx2
from openai import AsyncOpenAI

from adapters.image_models.openai.rate_limits import allowance, retry_after
from domain.attempts import Allowance
from domain.hosts import is_loopback

CONNECT_SECONDS = 10.0
_WRITE_SECONDS = 60.0
"""For one piece of 64 KiB."""
_CONNECTIONS = 512
"""More than any worker has calls: whoever waits for a connection has not been told so by anybody."""
_ERROR_BYTES = 256 << 10
"""Of an answer that is no success; nobody needs more of it."""
_ERROR_SECONDS = 5.0
"""For the body of one: it comes with its headers or hardly at all, and the status must not wait until the call's time is over."""
_REQUEST_ID_CHARACTERS = 200


@dataclass(slots=True)
class Connection:
    """What one call's connection has seen. `sent`: the first byte of the request may have left us.

    `retry_after`: seconds, by its headers. `is_whole`: the answer came to its end. `part` is what came of it: of a stream, the
    heads of its events.
    """

    seconds: float
    sent: bool = False
    is_whole: bool = False
    request_id: str | None = None
    allowance: Allowance | None = None
    retry_after: float | None = None
    part: bytearray = field(default_factory=bytearray)

    async def trace(self, event: str, told: Mapping[str, Any]) -> None:
        """Called by the transport at each of its steps."""
        if event.endswith("send_request_headers.started") and told["request"].method != b"CONNECT":
            self.sent = True


class NotSuccessful(Exception):
    """The provider answered with another status than success. `body`: its beginning."""

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        super().__init__(status)
        self.status, self.headers, self.body = status, headers, body


_current: ContextVar[Connection | None] = ContextVar("connection", default=None)


@asynccontextmanager
async def opened(api_key: str, base_url: str) -> AsyncIterator[AsyncOpenAI]:
    """The SDK's client, on a transport of ours: no retries, no redirects, a fresh connection for every call.

    A kept connection may be closed by the other side while a request is on its way, which looks like a lost answer; a handshake
    costs nothing beside a picture. Proxies are as the environment says, but for a server on this machine.
    """
    parts = urlsplit(base_url)
    http = httpx2.AsyncClient(
        follow_redirects=False,
        trust_env=not is_loopback(parts.hostname or ""),
        verify=parts.scheme == "https",  # certificates take long to load, and without TLS nobody shows one
        limits=httpx2.Limits(max_connections=_CONNECTIONS, max_keepalive_connections=0),
        timeout=httpx2.Timeout(CONNECT_SECONDS),
        headers={"Accept-Encoding": "identity"},  # base64 does not shrink much, and unpacking it would be the event loop's work
        event_hooks={"request": [_leaving], "response": [_arrived]},
    )
    async with AsyncOpenAI(api_key=api_key.strip(), base_url=base_url, max_retries=0, http_client=http) as client:
        yield client


@asynccontextmanager
async def on(line: Connection) -> AsyncIterator[httpx2.Timeout]:
    """Requests of this task are this line's; the timeouts they need."""
    token = _current.set(line)
    try:
        yield httpx2.Timeout(line.seconds, connect=CONNECT_SECONDS, pool=CONNECT_SECONDS, write=_WRITE_SECONDS)
    finally:
        _current.reset(token)


async def _leaving(request: httpx2.Request) -> None:
    if line := _current.get():
        request.extensions = dict(request.extensions) | {"trace": line.trace}


async def _arrived(response: httpx2.Response) -> None:
    """Headers are noted as soon as they are there. What is no success ends here, before the SDK would read it all, however long
    it is. Raises NotSuccessful."""
    if line := _current.get():
        written = response.headers.get("x-request-id")
        line.request_id = written[:_REQUEST_ID_CHARACTERS] if written else None
        line.allowance, line.retry_after = allowance(response.headers), retry_after(response.headers)
    if not response.is_success:
        raise NotSuccessful(response.status_code, response.headers, await _beginning(response))


async def _beginning(response: httpx2.Response) -> bytes:
    """What comes of a body before it breaks off or stalls. The status counts without it, as one that gives no reason."""
    body = bytearray()
    with suppress(httpx2.HTTPError, TimeoutError):
        async with asyncio.timeout(_ERROR_SECONDS):
            async for piece in response.aiter_bytes():
                body += piece
                if len(body) >= _ERROR_BYTES:
                    break
    return bytes(body[:_ERROR_BYTES])
