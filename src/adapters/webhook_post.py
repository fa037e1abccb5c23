"""Webhooks over HTTP: one connection for one message, to an address that was looked at, and nowhere else."""

import asyncio
import socket
import ssl
import threading
from asyncio import timeout
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing, suppress
from functools import cache
from typing import Any
from urllib.parse import urlsplit

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
READ_BYTES = (16 << 10) + DRAIN_BYTES
"""Of all that comes on one line. Reading is work: an endless row of interim answers would keep this process from all else."""
ADDRESSES_TRIED = 4
"""Of one name: whoever gives it thousands would have us knock at as many doors of others."""
_NAMES_AT_ONCE = 512
"""Look-ups cannot be broken off, and a name server that hangs holds one for longer than a message may take: each has a thread of
its own, so that none waits for another's."""

trusted = cache(httpcore2.default_ssl_context)
"""Reading every certificate takes tens of milliseconds: once."""


class _NotPublic(Exception):
    """A name leads to an address that is not everybody's."""


class _NameUnknown(Exception):
    """A name leads nowhere."""


class _Measured(httpcore2.AsyncNetworkStream):
    """A line on which READ_BYTES come, and no more."""

    def __init__(self, stream: httpcore2.AsyncNetworkStream) -> None:
        self._stream, self._left = stream, READ_BYTES

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109 - the library's own signature
        if not self._left:
            raise httpcore2.RemoteProtocolError("too much came")
        piece = await self._stream.read(min(max_bytes, self._left), timeout)
        self._left -= len(piece)
        return piece

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109 - the library's own signature
        await self._stream.write(buffer, timeout)

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - the library's own signature
    ) -> httpcore2.AsyncNetworkStream:
        return _Measured(await self._stream.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class CheckedLine(httpcore2.AsyncNetworkBackend):
    """Connects to names by addresses that it has looked up itself, this very moment, all of which must be public.

    The name stays with the request: TLS wants a certificate for it.
    """

    def __init__(self, look_up: LookUp, line: httpcore2.AsyncNetworkBackend, seconds: float, *, allow_private: bool) -> None:
        self._look_up, self._line, self._seconds, self._allow_private = look_up, line, seconds, allow_private
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
        *others, last = addresses[:ADDRESSES_TRIED]
        share = self._seconds / (len(others) + 1)
        for address in others:
            with suppress(httpcore2.ConnectError, httpcore2.ConnectTimeout):
                return self._kept(await self._line.connect_tcp(address, port, share, local_address, socket_options))
        return self._kept(await self._line.connect_tcp(last, port, timeout, local_address, socket_options))

    def _kept(self, stream: httpcore2.AsyncNetworkStream) -> httpcore2.AsyncNetworkStream:
        self._opened.append(stream)
        return _Measured(stream)

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
        self._trust = trust or trusted()
        self._look_up, self._line = look_up, line or httpcore2.AnyIOBackend()

    @classmethod
    def by_system_names(cls, seconds: float, *, allow_private: bool) -> "HttpWebhookPost":
        """As the machine looks names up."""
        return cls(seconds, system_names(whole=not allow_private), allow_private=allow_private)

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        try:
            check_url("url", url, allow_private=self._allow_private)  # which may have been taken while more was allowed
        except DomainError:
            return Answer(Reason.ADDRESS_NOT_PUBLIC)
        heads = list[int]()
        try:
            async with timeout(self._seconds):
                await self._send(url, headers, body, heads)
        except Exception as error:
            if not heads:
                return Answer(_reason(error))
        return Answer(Reason.of(heads[0]), heads[0])  # whatever became of the rest

    async def _send(self, url: str, headers: Mapping[str, str], body: bytes, heads: list[int]) -> None:
        """The status goes to `heads` as soon as it is there."""
        said = {"content-type": "application/json", "user-agent": AGENT, "connection": "close", **headers}
        async with (
            aclosing(CheckedLine(self._look_up, self._line, self._seconds, allow_private=self._allow_private)) as line,
            httpcore2.AsyncConnectionPool(self._trust, max_connections=1, network_backend=line) as pool,
            pool.stream(
                "POST", _whole(url), headers=[(name.encode(), value.encode()) for name, value in said.items()], content=body
            ) as on,
        ):
            heads.append(on.status)
            await _drain(on)


def _whole(url: str) -> httpcore2.URL:
    """The library itself would leave out what follows a semicolon."""
    parts = urlsplit(url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return httpcore2.URL(scheme=parts.scheme, host=parts.hostname or "", port=parts.port, target=target)


async def _drain(answer: httpcore2.Response) -> None:
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


def system_names(*, whole: bool) -> LookUp:
    """`whole`: names mean what they mean to everybody. Otherwise the machine may add an end of its own to a name that it does not
    know, and so tell a stranger which names its own network has.

    A thread that hangs keeps no process from ending.
    """
    places = asyncio.Semaphore(_NAMES_AT_ONCE)

    async def look_up(host: str, port: int) -> Sequence[str]:
        await places.acquire()
        loop = asyncio.get_running_loop()
        found: asyncio.Future[Sequence[str]] = loop.create_future()

        def ended(addresses: Sequence[str], error: Exception | None) -> None:
            places.release()
            if not found.done():
                found.set_exception(error) if error else found.set_result(addresses)

        def look() -> None:
            addresses, error = _addresses(f"{host}." if whole else host, port)
            with suppress(RuntimeError):  # nobody is there any more
                loop.call_soon_threadsafe(ended, addresses, error)

        try:
            threading.Thread(target=look, name="webhook-name", daemon=True).start()
        except RuntimeError:
            places.release()
            raise
        return await found

    return look_up


def _addresses(name: str, port: int) -> tuple[Sequence[str], Exception | None]:
    try:
        found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
    except Exception as error:
        return (), error
    return list(dict.fromkeys(str(where[0]) for *_, where in found)), None
