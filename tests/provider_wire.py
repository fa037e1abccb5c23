"""HTTP/1.1 as the pretended provider needs it: requests read whole, answers written well or badly on purpose."""

import asyncio
import json
import re
import socket
import struct
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus


@dataclass(frozen=True, slots=True)
class Message:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Line:
    """One connection of a client, who may be gone at any time: then nothing that is written here raises."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def head(self) -> tuple[str, str, dict[str, str]] | None:
        """Method, path and headers of the next request; None when the client has gone."""
        try:
            raw = await self.reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError):
            return None
        first, *rest = raw.decode("latin-1").split("\r\n")
        method, path, _ = first.split(" ", 2)
        pairs = (line.split(":", 1) for line in rest if ":" in line)
        return method, path.partition("?")[0], {name.strip().lower(): value.strip() for name, value in pairs}

    async def body(self, headers: Mapping[str, str]) -> bytes | None:
        try:
            if "chunked" not in headers.get("transfer-encoding", ""):
                return await self.reader.readexactly(int(headers.get("content-length", 0)))
            pieces = []
            while size := int(await self.reader.readuntil(b"\r\n"), 16):
                pieces.append((await self.reader.readexactly(size + 2))[:-2])
            await self.reader.readuntil(b"\r\n")
            return b"".join(pieces)
        except (asyncio.IncompleteReadError, OSError):
            return None

    async def send(self, content: bytes) -> None:
        with suppress(OSError):
            self.writer.write(content)
            await self.writer.drain()

    async def answer(self, status: int, headers: Mapping[str, str], body: bytes, *, pause: float = 0.0) -> None:
        """`pause`: seconds after each hundredth of the body."""
        await self.send(start(status, {"content-length": str(len(body))} | dict(headers)))
        if not pause:
            return await self.send(body)
        step = max(1, len(body) // 100)
        for at in range(0, len(body), step):
            await self.send(body[at : at + step])
            if self.is_gone:
                return None
            await asyncio.sleep(pause)
        return None

    @property
    def is_gone(self) -> bool:
        return self.reader.at_eof() or self.writer.transport.is_closing()

    def reset(self) -> None:
        """Away with a RST, as after a crash."""
        sock: socket.socket | None = self.writer.get_extra_info("socket")
        with suppress(OSError):
            if sock is not None:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def hang_up(self) -> None:
        with suppress(OSError):
            self.writer.close()
            await self.writer.wait_closed()

    async def hold(self) -> None:
        """Say nothing more, until the client has gone."""
        with suppress(OSError):
            while await self.reader.read(65_536):
                pass


def start(status: int, headers: Mapping[str, str]) -> bytes:
    """The status line and the headers of an answer."""
    known = status in HTTPStatus._value2member_map_
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase if known else 'Unknown'}"]
    return "\r\n".join([*lines, *(f"{name}: {value}" for name, value in headers.items()), "", ""]).encode("latin-1")


def form(content_type: str, body: bytes) -> tuple[dict[str, str], list[tuple[str, str, str, bytes]]]:
    """Fields and files (field name, file name, content type, bytes) of a multipart body."""
    boundary = b"--" + content_type.partition("boundary=")[2].strip('"').encode()
    fields: dict[str, str] = {}
    files = []
    for part in body.split(boundary)[1:-1]:
        head, _, content = part[2:-2].partition(b"\r\n\r\n")
        said = head.decode("utf-8", "replace")
        name = re.search(r'[; ]name="([^"]*)"', said)
        file_name = re.search(r'filename="([^"]*)"', said)
        kind = re.search(r"(?i)content-type: *(\S+)", said)
        assert name, said
        if file_name:
            files.append((name[1], file_name[1], kind[1] if kind else "", content))
        else:
            fields[name[1]] = content.decode()
    return fields, files


def document(body: bytes) -> dict[str, object] | None:
    """The JSON object of a request; None if it is none."""
    try:
        read = json.loads(body)
    except ValueError:
        return None
    return read if isinstance(read, dict) else None
