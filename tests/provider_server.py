"""The pretended provider itself: one event loop that reads a call, does as its prompt says, and writes down what it did."""

import asyncio
import gzip
import itertools
import json
import os
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tests.provider_answers import Asked, draw, events, good, nonsense
from tests.provider_moderation import Judge
from tests.provider_script import FAULTS, LINES, NONSENSE, REFUSALS, STREAMS, UNMADE, Script
from tests.provider_wire import Line, Message, document, form, start

FIELDS = frozenset(
    (
        "model",
        "prompt",
        "n",
        "size",
        "quality",
        "background",
        "complexity",
        "output_format",
        "output_compression",
        "moderation",
        "partial_images",
        "stream",
        "frame_count",
        "frame_duration_ms",
        "safety_identifier",
        "user",
    )
)
"""What the image routes take, besides files; anything else is refused as the provider would."""
MODELS = (
    "gpt-image-2",
    "gpt-image-2-2026-04-21",
    "gpt-image-2.5-sunburst",
    "gpt-image-2.5-flare",
    "gpt-image-2.6-sunburst",
    "gpt-image-2.6-flare",
)

_NO_STREAM = LINES | (
    NONSENSE - {"fewer", "more", "echo", "echo-reencoded", "html-picture", "truncated", "no-usage", "no-details"}
)
"""Faults that are answered with one document, even where a stream was asked for."""


@dataclass(slots=True)
class Bucket:
    """So many calls in so many seconds."""

    capacity: int
    seconds: float
    spare: float = 0.0
    filled_at: float = 0.0

    def take(self) -> tuple[bool, dict[str, str]]:
        now = time.monotonic()
        passed = now - self.filled_at if self.filled_at else self.seconds
        self.spare, self.filled_at = min(float(self.capacity), self.spare + passed * self.capacity / self.seconds), now
        taken = self.spare >= 1
        self.spare -= taken
        reset = (self.capacity - self.spare) * self.seconds / self.capacity
        names = {"limit": self.capacity, "remaining": int(self.spare), "reset": f"{int(reset * 1000)}ms"}
        return taken, {f"x-ratelimit-{name}-requests": str(value) for name, value in names.items()}


def let_go(record: Path, tag: str) -> Path:
    """The file by which calls with this tag are let go."""
    return record.with_name(f"let-go-{tag}")


@dataclass(slots=True)
class Server:
    """`mood`: a file whose text stands before every prompt. `latency`: seconds, where a prompt asks for none."""

    record: Path
    mood: Path | None = None
    latency: float = 0.0
    bucket: Bucket | None = None
    _descriptor: int = -1
    _numbers: "itertools.count[int]" = field(default_factory=itertools.count)
    _seen: Counter[str] = field(default_factory=Counter)
    _judge: Judge = field(init=False)

    async def run(self, host: str, port: int, ready: Callable[[int], None]) -> None:
        """Serve until cancelled."""
        self._judge = Judge(self.record)
        self._descriptor = os.open(self.record, os.O_APPEND | os.O_CREAT | os.O_WRONLY, 0o644)
        earlier = [json.loads(line)["call"] for line in self.record.read_text().splitlines()]
        self._numbers = itertools.count(max(earlier, default=0) + 1)
        server = await asyncio.start_server(self._connected, host, port, limit=1 << 20, backlog=512)
        ready(server.sockets[0].getsockname()[1])
        async with server:
            await server.serve_forever()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = Line(reader, writer)
        try:
            while (head := await line.head()) and not line.is_gone:
                method, path, headers = head
                if self._script("").fault == "reset-at-once":
                    return line.reset()
                body = await line.body(headers)
                if body is None:
                    return None
                await self._answer(line, Message(method, path, headers, body))
        finally:
            await line.hang_up()

    async def _let_go(self, tag: str) -> None:
        async with asyncio.timeout(120):
            while not let_go(self.record, tag).exists():
                await asyncio.sleep(0.02)

    def _script(self, prompt: str) -> Script:
        mood = self.mood.read_text() if self.mood and self.mood.exists() else ""
        return Script.read(mood + prompt)

    async def _answer(self, line: Line, message: Message) -> None:
        if message.path == "/v1/moderations" and message.method == "POST":
            return await self._judge.answer(line, message)
        number = next(self._numbers)
        if message.path.startswith("/v1/images/") and message.method == "POST":
            return await self._picture(line, message, number)
        self._note(number, message, "followed" if message.path == "/v1/trap" else "listed")
        script = self._script("")
        refusal = REFUSALS.get(_key_fault(message) or script.fault or "")
        if refusal:
            return await self._refuse(line, number, refusal.status, refusal.body(), dict(refusal.headers))
        models = [{"id": id, "object": "model", "created": 1_770_000_000, "owned_by": "openai"} for id in MODELS]
        body: dict[str, Any] = {"object": "list", "data": models}
        if message.path.startswith("/v1/models/"):
            body = models[0] | {"id": message.path.removeprefix("/v1/models/")}
        known = message.path.rstrip("/") == "/v1/models" or message.path.startswith("/v1/models/")
        if not known:
            return await self._refuse(line, number, 404, {"error": {"message": "Invalid URL", "code": None}}, {})
        if script.fault in LINES:
            return await _break(line, script.fault, json.dumps(body).encode(), self._headers(number))
        said = {"content-type": "application/json"} | self._headers(number)
        return await line.answer(200, said, json.dumps(body).encode())

    async def _picture(self, line: Line, message: Message, number: int) -> None:
        asked = _asked(number, message)
        script = self._script(str(asked.fields.get("prompt", "")))
        self._note(number, message, "received", asked, script)
        headers = self._headers(number) | script.headers()
        wrong = set(asked.fields) - FIELDS
        fault = self._fault(script, asked, message)
        await asyncio.sleep(self.latency if script.latency is None else script.latency)
        if script.waits:
            await self._let_go(str(script.tag))
        if self.bucket:
            free, limits = self.bucket.take()
            headers |= limits
            fault = fault if free else "rate-limit-bare"
        if wrong and not fault:
            self._note(number, message, "refused")
            unknown = replace(REFUSALS["unknown-parameter"], param=sorted(wrong)[0])
            return await self._refuse(line, number, 400, unknown.body(), headers)
        if fault in REFUSALS:
            return await self._refused(line, number, message, script, fault, headers)
        made = script.made if script.made is not None else fault not in UNMADE
        if asked.streams and fault not in _NO_STREAM:
            return await self._stream(line, message, asked, script, fault, headers)
        body = await asyncio.to_thread(_body, asked, fault, script.bytes)
        self._note(number, message, "made" if made else UNMADE.get(fault or "", "failed"), line=line)
        kind = "text/html" if fault == "not-json" else "application/json"
        if fault == "gzip":
            body, headers = await asyncio.to_thread(gzip.compress, body, 1), headers | {"content-encoding": "gzip"}
        if fault in LINES:
            return await _break(line, fault, body, headers)
        return await line.answer(200, {"content-type": kind} | headers, body)

    async def _stream(
        self, line: Line, message: Message, asked: Asked, script: Script, fault: str | None, headers: dict[str, str]
    ) -> None:
        if fault == "sse-json":
            self._note(asked.number, message, "made", line=line)
            body = await asyncio.to_thread(_body, asked, None, script.bytes)
            return await line.answer(200, {"content-type": "application/json"} | headers, body)
        self._note(asked.number, message, UNMADE.get(fault or "", "made"), line=line)
        await line.send(start(200, {"content-type": "text/event-stream", "transfer-encoding": "chunked"} | headers))
        async for event in _in_threads(asked, fault, script.bytes):
            await line.send(b"%x\r\n%s\r\n" % (len(event), event))
        if fault in ("sse-endless", "sse-crumbs"):
            noise = b": " + b"x" * 65_000 + b"\n\n" if fault == "sse-endless" else b":\n\n" * 21_000
            while not line.is_gone:
                await line.send(b"%x\r\n%s\r\n" % (len(noise), noise))
        if fault == "sse-hang-between":
            return await line.hold()
        if fault in ("sse-cut", "sse-cut-between"):
            return line.reset()
        return await line.send(b"0\r\n\r\n")

    async def _refused(
        self, line: Line, number: int, message: Message, script: Script, fault: str, headers: dict[str, str]
    ) -> None:
        refusal = REFUSALS[fault]
        made = refusal.made if script.made is None else script.made
        word = "limited" if refusal.status == 429 else "failed" if refusal.status >= 500 else "refused"
        self._note(number, message, "made" if made else word, line=line)
        if refusal.html:
            page = b"<html><head><title>%d</title></head></html>" % refusal.status
            return await line.answer(refusal.status, headers | dict(refusal.headers) | {"content-type": "text/html"}, page)
        return await self._refuse(line, number, refusal.status, refusal.body(), dict(refusal.headers) | headers)

    async def _refuse(self, line: Line, number: int, status: int, body: object, headers: dict[str, str]) -> None:
        said = {"content-type": "application/json"} | self._headers(number) | headers
        await line.answer(status, said, json.dumps(body).encode())

    def _fault(self, script: Script, asked: Asked, message: Message) -> str | None:
        """What goes wrong with this call: none once it went wrong as often as `times` says."""
        if script.fault and script.fault not in FAULTS:
            raise ValueError(f"no such fault: {script.fault}")
        key = script.tag or str(asked.fields.get("prompt"))
        self._seen[key] += 1
        spent = script.times is not None and self._seen[key] > script.times
        fault = _key_fault(message) or (None if spent else script.fault)
        return None if fault in STREAMS and not asked.streams else fault

    @staticmethod
    def _headers(number: int) -> dict[str, str]:
        return {"x-request-id": f"req_{number:012d}", "openai-processing-ms": "7"}

    def _note(
        self,
        number: int,
        message: Message,
        outcome: str,
        asked: Asked | None = None,
        script: Script | None = None,
        line: Line | None = None,
    ) -> None:
        """One line of the record, whole or not at all."""
        said: dict[str, Any] = {"time": time.time(), "call": number, "outcome": outcome}
        if line:
            said["client"] = "gone" if line.is_gone else "there"
        if asked is None and line is None:
            said |= {"path": message.path, "method": message.method}
        if asked and script:
            said |= {"path": message.path, "method": message.method, "tag": script.tag, "fault": script.fault}
            said |= {"model": asked.fields.get("model"), "user": asked.user, "n": asked.n}
            said["fields"] = {name: value for name, value in asked.fields.items() if name != "prompt"}
            said["files"] = [[name, file_name, kind, len(content)] for name, file_name, kind, content in asked.files]
            said["agent"] = message.headers.get("user-agent")
        os.write(self._descriptor, json.dumps(said).encode() + b"\n")


def _asked(number: int, message: Message) -> Asked:
    kind = message.headers.get("content-type", "")
    if kind.startswith("multipart/form-data"):
        fields, files = form(kind, message.body)
        return Asked(number, message.path, dict(fields), files)
    return Asked(number, message.path, document(message.body) or {})


def _key_fault(message: Message) -> str | None:
    key = message.headers.get("authorization", "").removeprefix("Bearer ")
    return "invalid-key" if "refused" in key else "unverified" if "unverified" in key else None


def _body(asked: Asked, fault: str | None, least: int) -> bytes:
    """The whole answer of a call that asks for no stream. Runs in a thread."""
    if fault and (body := nonsense(asked, fault)) is not None:
        return body
    count = max(0, asked.n + {"fewer": -1, "more": 2}.get(fault or "", 0))
    return good(asked, [draw(asked, index, fault, least) for index in range(count)], fault)


async def _in_threads(asked: Asked, fault: str | None, least: int) -> AsyncIterator[bytes]:
    for event in await asyncio.to_thread(lambda: list(events(asked, fault, least))):
        yield event


async def _break(line: Line, fault: str, body: bytes, headers: dict[str, str]) -> None:
    """The line breaks at one place or another, though the work is done."""
    said = {"content-type": "application/json", "content-length": str(len(body))} | headers
    match fault:
        case "reset":
            line.reset()
        case "close":
            await line.hang_up()
        case "reset-after-headers":
            await line.send(start(200, said))
            await asyncio.sleep(0.05)
            line.reset()
        case "half-body":
            await line.send(start(200, said) + body[: len(body) // 2])
            await line.hang_up()
        case "silent":
            await line.hold()
        case "silent-after-headers":
            await line.send(start(200, said))
            await line.hold()
        case "trickle":
            await line.answer(200, headers, body, pause=0.2)
        case "hang-401" | "hang-429":
            await line.send(start(int(fault[-3:]), said | {"retry-after": "12"}) + b'{"error":')
            await line.hold()
        case "endless" | "endless-500":
            status = 200 if fault == "endless" else 500
            await line.send(start(status, {"content-type": "application/json", "transfer-encoding": "chunked"} | headers))
            piece = b"%x\r\n%s\r\n" % (1 << 20, b" " * (1 << 20))
            while not line.is_gone:
                await line.send(piece)
