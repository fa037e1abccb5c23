"""A provider that needs no time: what it answers was made before anybody asked. A process of its own, and lean.

`python -m bench.sync_upstream`: reads, as JSON, `{size: picture file}` from standard input and prints its port. To it everything
is harmless. `GET /counts` says how many pictures it has handed out, and how often it judged. Standard library and uvloop only.
"""

import asyncio
import base64
import json
import re
import sys
from pathlib import Path
from typing import cast

import uvloop

from bench.sync_client import LENGTH

_SIZE = re.compile(rb'"size" ?: ?"([0-9x]+)"')
_USAGE = {
    "input_tokens": 40,
    "input_tokens_details": {"text_tokens": 40, "image_tokens": 0},
    "output_tokens": 1056,
    "total_tokens": 1096,
}
_HARMLESS = {"id": "modr-1", "model": "omni-moderation-latest", "results": [{"flagged": False, "categories": {}}]}


class Upstream(asyncio.Protocol):
    """One connection of a client who sends one request after the other."""

    made, judged = 0, 0

    def __init__(self, pictures: dict[bytes, bytes]) -> None:
        self._pictures, self._received, self._wanted = pictures, bytearray(), 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._received += data
        if len(self._received) < self._wanted:
            return
        blank = self._received.find(b"\r\n\r\n")
        if blank < 0:
            return
        length = LENGTH.search(self._received, 0, blank + 2)
        self._wanted = blank + 4 + (int(length[1]) if length else 0)
        if len(self._received) >= self._wanted:
            request, self._received, self._wanted = self._received, bytearray(), 0
            self._transport.write(self._answer(request))

    def _answer(self, request: bytearray) -> bytes:
        if request.startswith(b"POST /v1/images/"):
            Upstream.made += 1
            size = _SIZE.search(request)
            return self._pictures[size[1] if size else b"1024x1024"]
        if request.startswith(b"POST /v1/moderations"):
            Upstream.judged += 1
            return answer(json.dumps(_HARMLESS).encode())
        return answer(json.dumps({"data": [], "made": Upstream.made, "judged": Upstream.judged}).encode())


def answer(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body) + body


def pictures_answer(size: str, picture: bytes) -> bytes:
    """As the provider writes it."""
    said = {
        "created": 1_790_000_000,
        "background": "opaque",
        "data": [{"b64_json": base64.b64encode(picture).decode()}],
        "output_format": "png",
        "quality": "low",
        "size": size,
        "usage": _USAGE,
    }
    return answer(json.dumps(said).encode())


async def serve() -> None:
    files: dict[str, str] = json.load(sys.stdin)
    pictures = {size.encode(): pictures_answer(size, Path(file).read_bytes()) for size, file in files.items()}
    server = await asyncio.get_running_loop().create_server(lambda: Upstream(pictures), "127.0.0.1", 0, backlog=256)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve())
