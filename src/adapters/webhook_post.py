"""Webhooks over HTTP: one connection for one message, to an address that was looked at, and nowhere else."""

import asyncio
import socket
import ssl
from asyncio import timeout
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, asynccontextmanager, suppress
from typing import Any

import httpcore2

from application.webhook_deliveries import Answer, WebhookPost
from domain.errors import DomainError
from domain.public_addresses import check_url, is_public
from domain.webhook_deliveries import Reason

LookUp = Callable[[str, int], Awaitable[Sequence[str]]]
"""All addresses of a name; OSError or UnicodeError if it has none."""

AGENT = "GPT-Image-2-Webhooks/1.0"
DRAIN_BYTES, DRAIN_SECONDS = 16 << 10, 1.0
"""Of an answer's body, so that who answers plainly is not cut off. Nobody looks at it."""
_NAMES_AT_ONCE = 16
"""Look-ups cannot be broken off: they have threads of their own, so that a slow name server takes none of anybody else's."""


class _NotPublic(Exception):
    """A name leads to an address that is not everybody's."""


class _NameUnknown(Exception):
    """A name leads nowhere."""


class CheckedLine(httpcore2.AsyncNetworkBackend):
    """Connects to names by addresses that it has looked up itself, this very moment, all of which must be public.

    The name stays with the request: TLS wants a certificate for it.
    """

    def __init__(self, look_up: LookUp, line: httpcore2.AsyncNetworkBackend, *, allow_private: bool) -> None:
        self._look_up, self._line, self._allow_private = look_up, line, allow_private
        self._opened: list[httpcore2.AsyncNetworkStream] = []

    async def aclose(self) -> None:
        """Whatever was opened: a handshake of TLS that is broken off leaves its socket to nobody else."""
        for stream in self._opened:
            await stream.aclose()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the library's own signature
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        try:
            addresses = await self._look_up(host, port)
        except (OSError, UnicodeError):
            addresses = ()
        if not addresses:
            raise _NameUnknown
        if not self._allow_private and not all(is_public(address) for address in addresses):
            raise _NotPublic
        for address in addresses[:-1]:
            with suppress(httpcore2.ConnectError, httpcore2.ConnectTimeout):
                return self._kept(await self._line.connect_tcp(address, port, timeout, local_address, socket_options))
        return self._kept(await self._line.connect_tcp(addresses[-1], port, timeout, local_address, socket_options))

    def _kept(self, stream: httpcore2.AsyncNetworkStream) -> httpcore2.AsyncNetworkStream:
        self._opened.append(stream)
        return stream

    async def connect_unix_socket(self, path: str, *args: Any, **kwargs: Any) -> httpcore2.AsyncNetworkStream:
        raise _NotPublic

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class HttpWebhookPost(WebhookPost):
    """`seconds`: for one message, from the look-up of the name to the head of the answer. No proxies, no redirects, no line that
    is used twice."""

    def __init__(
        self,
        seconds: float,
        look_up: LookUp,
        *,
        allow_private: bool = False,
        trust: ssl.SSLContext | None = None,
        line: httpcore2.AsyncNetworkBackend | None = None,
    ) -> None:
        self._seconds, self._allow_private = seconds, allow_private
        self._trust = trust or httpcore2.default_ssl_context()
        self._look_up, self._line = look_up, line or httpcore2.AnyIOBackend()

    @classmethod
    @asynccontextmanager
    async def opened(cls, seconds: float, *, allow_private: bool) -> AsyncIterator["HttpWebhookPost"]:
        names = ThreadPoolExecutor(_NAMES_AT_ONCE, "webhook-names")
        try:
            yield cls(seconds, _system_names(names), allow_private=allow_private)
        finally:
            names.shutdown(wait=False, cancel_futures=True)

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        try:
            check_url("url", url, allow_private=self._allow_private)  # which may have been taken while more was allowed
        except DomainError:
            return Answer(Reason.ADDRESS_NOT_PUBLIC)
        try:
            async with timeout(self._seconds):
                status = await self._answered(url, headers, body)
        except Exception as error:
            return Answer(_reason(error))
        return Answer(Reason.of(status), status)

    async def _answered(self, url: str, headers: Mapping[str, str], body: bytes) -> int:
        said = {"content-type": "application/json", "user-agent": AGENT, "connection": "close", **headers}
        async with (
            aclosing(CheckedLine(self._look_up, self._line, allow_private=self._allow_private)) as line,
            httpcore2.AsyncConnectionPool(self._trust, max_connections=1, network_backend=line) as pool,
            pool.stream(
                "POST", url, headers=[(name.encode(), value.encode()) for name, value in said.items()], content=body
            ) as on,
        ):
            await _drain(on)
            return on.status


async def _drain(answer: httpcore2.Response) -> None:
    """The head has said all that counts: whatever becomes of the body changes nothing."""
    with suppress(httpcore2.NetworkError, httpcore2.ProtocolError, TimeoutError):
        async with timeout(DRAIN_SECONDS):
            size = 0
            async for piece in answer.aiter_stream():
                size += len(piece)
                if size >= DRAIN_BYTES:
                    return


def _reason(error: Exception) -> Reason:
    if isinstance(error, TimeoutError | httpcore2.TimeoutException):
        return Reason.TIMEOUT
    if isinstance(error, _NotPublic):
        return Reason.ADDRESS_NOT_PUBLIC
    if isinstance(error, _NameUnknown):
        return Reason.NAME_UNKNOWN
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError):
            return Reason.TLS
        cause = cause.__cause__ or cause.__context__
    return Reason.UNREACHABLE if isinstance(error, httpcore2.ConnectError) else Reason.BROKEN


def _system_names(threads: ThreadPoolExecutor) -> LookUp:
    async def look_up(host: str, port: int) -> Sequence[str]:
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(threads, lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        return list(dict.fromkeys(str(where[0]) for *_, where in found))

    return look_up
