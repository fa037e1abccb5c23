"""How many pixels a file says it has, read by a few fixed steps and without a decoder: good for a guess, and for nothing else."""

import struct

from domain.media import PictureFormat

_MOST_SEGMENTS = 200
_MOST_META = 1 << 16
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


def pixels_said(content: bytes, format: PictureFormat) -> int | None:
    """None if the file does not say, or hides it."""
    try:
        match format:
            case PictureFormat.PNG:
                sides: tuple[int, ...] = struct.unpack_from(">II", content, 16)
            case PictureFormat.JPEG:
                sides = _jpeg(content)
            case PictureFormat.WEBP:
                sides = _webp(content)
            case _:
                return _largest_extent(content)
        return sides[0] * sides[1]
    except (struct.error, IndexError, ValueError):
        return None


def _jpeg(content: bytes) -> tuple[int, ...]:
    at = 2
    for _ in range(_MOST_SEGMENTS):
        _, marker, length = struct.unpack_from(">BBH", content, at)
        if marker in _JPEG_FRAMES:
            return struct.unpack_from(">HH", content, at + 5)
        at += 2 + length
    raise ValueError


def _webp(content: bytes) -> tuple[int, int]:
    kind = content[12:16]
    if kind == b"VP8X":
        return 1 + int.from_bytes(content[24:27], "little"), 1 + int.from_bytes(content[27:30], "little")
    if kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", content, 21)
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    width, height = struct.unpack_from("<HH", content, 26)
    return width & 0x3FFF, height & 0x3FFF


def _largest_extent(content: bytes) -> int | None:
    """Of the items of an AVIF or HEIC file; a photograph made of tiles has an extent of its own."""
    found, at = 0, content.find(b"ispe", 0, _MOST_META)
    while at >= 0:
        width, height = struct.unpack_from(">II", content, at + 8)
        found, at = max(found, width * height), content.find(b"ispe", at + 4, _MOST_META)
    return found or None
