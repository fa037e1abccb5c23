"""Events of a stream as they go over the line. Pictures are megabytes: their base64 is written piece by piece, so that the event
loop does not stand still for one, and no copy of it is ever whole in memory."""

from binascii import b2a_base64
from collections.abc import Iterator
from typing import Annotated, Self

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from entrypoints.http.compatible.shapes import ImageUsage, OpenAIError, TokenDetails

KEEP_ALIVE = b": the picture is being made\n\n"
_PIECE = 3 << 16
"""A multiple of three, so that the pieces' base64 is that of the whole."""


class StreamUsage(Struct, frozen=True):
    """The tokens of one picture; events have no details of those it was drawn with."""

    input_tokens: int
    input_tokens_details: TokenDetails
    output_tokens: int
    total_tokens: int

    @classmethod
    def share(cls, usage: ImageUsage | None, number: int, pictures: int) -> Self:
        """Of a whole that is told with one of so many pictures after the other. Nothing, where the provider did not tell it: an
        event must say something."""
        if usage is None:
            return cls(0, TokenDetails(0, 0), 0, 0)

        def part(tokens: int) -> int:
            return tokens * (number + 1) // pictures - tokens * number // pictures

        taken, drawn, shown = part(usage.input_tokens), part(usage.output_tokens), part(usage.input_tokens_details.image_tokens)
        return cls(taken, TokenDetails(image_tokens=shown, text_tokens=taken - shown), drawn, taken + drawn)


class StreamedImage(Struct, frozen=True, kw_only=True):
    """One picture. A partial one has an index, a finished one its usage. `b64_json` is set by nobody here: it is written behind
    all else, piece by piece."""

    type: str
    created_at: Annotated[int, Meta(extra_json_schema={"format": "unixtime"})]
    size: str
    quality: str
    background: str
    output_format: str
    partial_image_index: int | UnsetType = UNSET
    usage: StreamUsage | UnsetType = UNSET
    b64_json: bytes | UnsetType = UNSET


def told(kind: str) -> dict[str, type[Struct]]:
    """The events of a stream and what they say, for the document."""
    return {f"{kind}.partial_image": StreamedImage, f"{kind}.completed": StreamedImage, "error": OpenAIError}


def image_event(said: StreamedImage, content: bytes) -> Iterator[bytes]:
    """Concatenated, they are one event."""
    yield b"event: %b\ndata: %b" % (said.type.encode(), msgspec.json.encode(said)[:-1] + b',"b64_json":"')
    whole = memoryview(content)
    for at in range(0, len(whole), _PIECE):
        yield b2a_base64(whole[at : at + _PIECE], newline=False)
    yield b'"}\n\n'


def error_event(answer: bytes) -> bytes:
    """`answer`: what a refusal would have been as an answer of its own, `{"error": {…}}`. OpenAI's SDKs raise it."""
    return b'event: error\ndata: {"type":"error",' + answer[1:] + b"\n\n"
