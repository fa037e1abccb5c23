"""What the pretended provider answers: bodies of good calls as the SDK's own types describe them, and of nonsense."""

import base64
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.provider_pictures import picture, reencoded

_BLOCKED = ("image_generation_user_error", "moderation_blocked")
_ERRORS = {
    "sse-error": ("server_error", "server_error"),
    "sse-error-first": ("server_error", "server_error"),
    "sse-error-moderation": _BLOCKED,
    "sse-error-moderation-late": _BLOCKED,
    "sse-error-moderation-paid": _BLOCKED,
    "sse-rate-limit": ("requests", "rate_limit_exceeded"),
    "sse-rate-limit-paid": ("requests", "rate_limit_exceeded"),
}
_AT_ONCE = _ERRORS.keys() - {"sse-error", "sse-error-moderation-late"}
"""Errors before the first partial image."""
RATES = {"low": 272, "medium": 1_056, "high": 4_160, "xhigh": 6_240, "max": 8_320}


@dataclass(frozen=True, slots=True)
class Asked:
    """What one call asks for, as it was sent. `files` are (field name, file name, content type, bytes)."""

    number: int
    path: str
    fields: dict[str, Any]
    files: list[tuple[str, str, str, bytes]] = field(default_factory=list)

    @property
    def n(self) -> int:
        return int(self.fields.get("n") or 1)

    @property
    def format(self) -> str:
        return str(self.fields.get("output_format") or "png")

    @property
    def size(self) -> tuple[int, int]:
        written = str(self.fields.get("size") or "auto")
        width, _, height = ("1024x1024" if written == "auto" else written).partition("x")
        return int(width), int(height)

    @property
    def quality(self) -> str:
        written = self.fields.get("quality")
        return str(written) if written and written != "auto" else "medium"

    @property
    def transparent(self) -> bool:
        return self.fields.get("background") == "transparent"

    @property
    def streams(self) -> bool:
        return str(self.fields.get("stream")).lower() == "true"

    @property
    def partials(self) -> int:
        return int(self.fields.get("partial_images") or 0) if self.streams else 0

    @property
    def references(self) -> list[bytes]:
        return [content for name, _, _, content in self.files if name.partition("[")[0] == "image"]

    @property
    def user(self) -> str | None:
        return self.fields.get("safety_identifier") or self.fields.get("user")


def draw(asked: Asked, index: int, fault: str | None, least: int) -> bytes:
    """The picture at `index`; those of partial images have indexes below 0."""
    if fault == "echo":
        return asked.references[0]
    if fault == "echo-reencoded":
        return reencoded(asked.references[0], asked.format)
    if fault == "html-picture" or (fault in ("one-bad", "sse-bad-picture") and index == 0):
        return b"<html><body>Bad gateway</body></html>" * 20
    format = "jpeg" if fault in ("jpeg-as-png", "announced-jpeg") else asked.format
    width, height = (asked.size[0] + 16, asked.size[1]) if fault == "unknown-words" else asked.size
    frames = int(asked.fields.get("frame_count") or 9)
    seed = asked.number * 1_000 + index
    drawn = picture(format, width, height, seed, alpha=asked.transparent, frames=frames, least=least)
    return drawn[: len(drawn) * 2 // 3] if fault == "truncated" else drawn


def usage(asked: Asked, count: int, fault: str | None) -> dict[str, Any] | None:
    if fault == "no-usage":
        return None
    if fault == "wild-usage":
        return {"input_tokens": "many", "output_tokens": -3, "total_tokens": 10**30, "input_tokens_details": []}
    text = 16 + len(str(asked.fields.get("prompt", ""))) // 4
    seen = 1_056 * len(asked.files)
    made = RATES.get(asked.quality, 1_056) * count + 100 * asked.partials
    counted = {"input_tokens": text + seen, "output_tokens": made, "total_tokens": text + seen + made}
    if fault == "no-details":
        return counted
    return counted | {
        "input_tokens_details": {"text_tokens": text, "image_tokens": seen},
        "output_tokens_details": {"text_tokens": 0, "image_tokens": made},
    }


def good(asked: Asked, pictures: list[bytes], fault: str | None) -> bytes:
    """An ImagesResponse; put together by hand, because the pictures are megabytes."""
    encoded = [base64.b64encode(content) for content in pictures]
    if fault == "not-base64":
        encoded = [b"!" + text[:-7] for text in encoded]
    said: dict[str, Any] = {
        "created": int(time.time()),
        "background": "transparent" if asked.transparent else "opaque",
        "output_format": "jpeg" if fault == "announced-jpeg" else asked.format,
        "quality": asked.quality,
        "size": "x".join(map(str, asked.size)),
        "safety_identifier": asked.user,
    }
    if (counted := usage(asked, len(pictures), fault)) is not None:
        said["usage"] = counted
    if fault == "unknown-words":
        width, height = asked.size
        news = {"size": f"{width + 16}x{height}", "quality": "ultra", "background": "dreamy", "output_format": "png2"}
        said |= news | {"created": "now", "colour_space": {"name": "display-p3"}, "usage": said["usage"] | {"video_tokens": 7}}
    more = b',"revised_prompt":7,"thoughts":["a"]' if fault == "unknown-words" else b""
    items = b",".join(b'{"b64_json":"%s"%s}' % (text, more) for text in encoded)
    return json.dumps(said).encode()[:-1] + b',"data":[' + items + b"]}"


def nonsense(asked: Asked, fault: str) -> bytes | None:
    """Bodies with status 200 that need no picture; None for faults that do."""
    blocked = {"type": "image_generation_user_error", "code": "moderation_blocked", "param": None}
    blocked["message"] = "Your request was rejected by the safety system. safety_violations=[violence]."
    failed = {"type": "server_error", "code": "server_error", "message": "The server had an error."}
    bodies: dict[str, object] = {
        "not-object": ["hello"],
        "error-moderation": {"error": blocked | {"moderation_stage": "output"}},
        "error-moderation-paid": {"error": blocked, "usage": usage(asked, 1, None)},
        "error-moderation-spoilt": {"error": blocked, "data": [{"b64_json": "withheld!"}]},
        "error-server": {"error": failed},
        "error-server-paid": {"error": failed, "usage": {"input_tokens": 1_500, "output_tokens": 0}},
        "empty": {"created": 1, "data": [], "usage": usage(asked, 1, None)},
        "data-null": {"created": 1, "data": None, "usage": usage(asked, 1, None)},
        "no-data": {"created": 1},
    }
    if fault == "not-json":
        return b"<html><body>Just a moment...</body></html>"
    if fault == "no-content":
        return b""
    return json.dumps(bodies[fault]).encode() if fault in bodies else None


def events(asked: Asked, fault: str | None, least: int) -> Iterator[bytes]:
    """The events of a stream, each as it goes over the line."""
    kind = "image_edit" if asked.path.endswith("edits") else "image_generation"
    partials = [_event(asked, f"{kind}.partial_image", -1 - index, fault, least, index) for index in range(asked.partials)]
    count = asked.n + {"fewer": -1, "more": 2}.get(fault or "", 0)
    finals = [_event(asked, f"{kind}.completed", index, fault, least) for index in range(count)]
    if fault in _AT_ONCE or fault == "sse-no-partials":
        partials = []
    if fault == "sse-disorder":
        partials = partials[::-1]
    if fault == "sse-unknown":
        strange = b'event: image_generation.dreaming\ndata: {"type": "image_generation.dreaming", "mood": 3}\n\n'
        partials = [b": keep-alive\n\n", strange, b"id: 7\nretry: 10\n\n", b"data: not json at all\n\n", *partials]
    if fault == "sse-newlines":
        yield from (b"\n" * 65_536 for _ in range(64))
    yield from partials
    if fault in _ERRORS:
        yield _error(asked, fault)
        return
    if fault in ("sse-cut", "sse-cut-clean", "sse-crumbs"):
        return
    if fault in ("sse-cut-between", "sse-hang-between"):
        yield from finals[:1]
        return
    if fault in ("sse-cut-within", "sse-no-last-line"):
        last = finals.pop()
        yield from finals
        yield last[: -len(b"\n") if fault == "sse-no-last-line" else len(last) // 2]
        return
    yield from finals
    if fault == "sse-late-partial":
        yield _event(asked, f"{kind}.partial_image", -9, fault, least, 2)
    yield b"data: [DONE]\n\n"


def _event(asked: Asked, type: str, index: int, fault: str | None, least: int, partial: int | None = None) -> bytes:
    drawn = draw(asked, index, fault, least)
    said: dict[str, Any] = {
        "type": type,
        "created_at": int(time.time()),
        "size": "x".join(map(str, asked.size)),
        "quality": asked.quality,
        "background": "transparent" if asked.transparent else "opaque",
        "output_format": asked.format,
    }
    if partial is not None:
        said["partial_image_index"] = partial
    elif (counted := usage(asked, 1, fault)) is not None:
        said["usage"] = {name: value for name, value in counted.items() if name != "output_tokens_details"}
    body = json.dumps(said).encode()[:-1] + b',"b64_json":"' + base64.b64encode(drawn) + b'"}'
    end = {"sse-crlf": b"\r\n", "sse-cr": b"\r"}.get(fault or "", b"\n")
    return b"event: " + type.encode() + end + b"data: " + body + end + end


def _error(asked: Asked, fault: str) -> bytes:
    kind, code = _ERRORS[fault]
    error = {"type": kind, "code": code, "message": "safety_violations=[violence]", "param": None}
    said = {"type": "error", "error": error} | ({"usage": usage(asked, 1, None)} if fault.endswith("-paid") else {})
    if fault == "sse-rate-limit-paid":
        said["usage"] = {"input_tokens": 1_500, "output_tokens": 0}
    return b"event: error\ndata: " + json.dumps(said).encode() + b"\n\n"
