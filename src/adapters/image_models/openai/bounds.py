"""What one answer may take at most: seconds, bytes, and lines of a stream."""

from domain.capabilities import Quality, Size
from domain.media import PictureFormat
from domain.requests import PictureRequest

_SECONDS = {Quality.LOW: 180.0, Quality.MEDIUM: 240.0, Quality.HIGH: 360.0, Quality.XHIGH: 480.0, Quality.MAX: 600.0}
"""Of one picture up to 2560x1440. Low takes 8 to 30 s and high 3 to 5 min where customers measured; the rest is room for busy
hours, because a picture that is given up is billed all the same. Output moderation takes as long as a success."""
LONGEST_SECONDS = 600.0
"""The most that is worth waiting for, and what the provider's own client waits: 4K, `max` quality, many references."""
_USUAL_PIXELS = Size(2560, 1440).pixels
"""Anything larger is experimental, says the provider."""
_FEW_REFERENCES = 4

_PIXEL_BYTES = {PictureFormat.PNG: 4, PictureFormat.WEBP: 4, PictureFormat.JPEG: 3, PictureFormat.GIF: 2}
"""Of a pixel that cannot be compressed."""
_SLACK = 1 << 20
_LEAST_BYTES = 16 << 20
"""No answer is cut below this: a model may one day answer with a larger picture than it was asked for."""

_EVENT_LINES = 50
"""Usually it is two."""
_KEPT_ALIVE_LINES = 2_000
"""A line or two each second, as long as a call may take, to keep the connection open."""


class TooLarge(Exception):
    """The answer has more of something than its request explains."""


def seconds(request: PictureRequest) -> float:
    """From the first byte sent to the last received."""
    drawn = request.size.pixels * (request.frame_count or 1)
    if drawn > _USUAL_PIXELS or len(request.references) > _FEW_REFERENCES:
        return LONGEST_SECONDS
    return _SECONDS[request.quality]


def most_bytes(request: PictureRequest, *, streamed: bool) -> int:
    """Of the whole answer: every picture as large as its pixels can be, written as base64, and the words around it."""
    pictures = _pictures(request, streamed=streamed)
    pixels = pictures * request.size.pixels * (request.frame_count or 1)
    return max(_LEAST_BYTES, pixels * _PIXEL_BYTES[request.output_format] * 4 // 3 + (pictures + 1) * _SLACK)


def most_lines(request: PictureRequest) -> int:
    """Of a stream, without the empty ones."""
    return _KEPT_ALIVE_LINES + _EVENT_LINES * _pictures(request, streamed=True)


def _pictures(request: PictureRequest, *, streamed: bool) -> int:
    return request.n * (1 + (request.partial_images if streamed else 0))
