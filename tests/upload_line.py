"""A lean HTTP client over one connection that stays: what is sent is bytes, and of an answer only what is asked for is read."""

import asyncio
import json
import re
from dataclasses import dataclass
from typing import Any

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_CLOSES = re.compile(rb"\r\nconnection: *close", re.IGNORECASE)
_RETRY = re.compile(rb"\r\nretry-after: *(\d+)", re.IGNORECASE)
SECONDS = 90.0
"""A test that is about to hang fails then."""


class LineLost(Exception):
    """The other side hung up without an answer."""


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    head: bytes
    body: bytes

    @property
    def told(self) -> Any:
        return json.loads(self.body)

    @property
    def problem(self) -> str:
        """The name of the refusal."""
        return str(self.told["type"]).rpartition("/")[2]

    @property
    def retry_after(self) -> int | None:
        found = _RETRY.search(self.head)
        return int(found[1]) if found else None


class Line:
    """One request after the other; a connection that was closed is opened anew."""

    def __init__(self, host: str, port: int, key: str) -> None:
        self._host, self._port = host, port
        self._head = f" HTTP/1.1\r\nHost: {host}:{port}\r\nAuthorization: Bearer {key}\r\n".encode()
        self._wire: _Wire | None = None

    async def upload(self, form: bytes, boundary: bytes) -> Answer:
        said = b"Content-Type: multipart/form-data; boundary=%s\r\nContent-Length: %d\r\n\r\n" % (boundary, len(form))
        return await self.ask(b"POST /v1/media", said, form)

    async def ask(self, line: bytes, headers: bytes = b"\r\n", body: bytes = b"") -> Answer:
        """`line`: method and path. Raises LineLost."""
        if self._wire is None or self._wire.transport.is_closing():
            loop = asyncio.get_running_loop()
            _, self._wire = await loop.create_connection(_Wire, self._host, self._port)
        wire = self._wire
        wire.answered = asyncio.get_running_loop().create_future()
        wire.transport.write(b"".join((line, self._head, headers, body)))
        try:
            async with asyncio.timeout(SECONDS):
                return await wire.answered
        finally:
            wire.answered = None

    async def close(self) -> None:
        if self._wire is not None:
            self._wire.transport.close()
            await self._wire.lost


class _Wire(asyncio.Protocol):
    def __init__(self) -> None:
        self.answered: asyncio.Future[Answer] | None = None
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._came = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        came = self._came
        came += data
        end = came.find(b"\r\n\r\n")
        if end < 0:
            return
        head = bytes(came[: end + 2])
        found = _LENGTH.search(head)
        whole = end + 4 + (int(found[1]) if found else 0)
        if len(came) < whole:
            return
        answer = Answer(int(head[9:12]), head, bytes(came[end + 4 : whole]))
        del came[:whole]
        if _CLOSES.search(head):
            self.transport.close()
        if self.answered is not None and not self.answered.done():
            self.answered.set_result(answer)

    def connection_lost(self, error: Exception | None) -> None:
        self.lost.set_result(None)
        if self.answered is not None and not self.answered.done():
            self.answered.set_exception(LineLost(repr(error)))
