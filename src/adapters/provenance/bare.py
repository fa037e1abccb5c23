"""Pictures without anything but what draws them: whatever else lies in a file was put there by somebody."""

import struct
from collections.abc import Iterator

from adapters.provenance.xmp import PNG_START, png_chunks, webp_chunks
from domain.media import PictureFormat

_PNG_DRAWN = frozenset((b"IHDR", b"PLTE", b"tRNS", b"sRGB", b"gAMA", b"cHRM", b"sBIT", b"IDAT", b"IEND"))
_WEBP_DRAWN = frozenset((b"VP8X", b"ALPH", b"VP8 ", b"VP8L"))
_WEBP_WITH_ALPHA = 0x10
_SCAN, _END = 0xFFDA, b"\xff\xd9"
_ADOBE = struct.pack(">HH", 0xFFEE, 14) + b"Adobe"
"""Without it some colours are read wrong; it has a fixed length, and no room for words."""


def bare(content: bytes, format: PictureFormat) -> bytes:
    """The same pixels of a still picture. Raises ValueError or struct.error for a file that is broken, or of another format."""
    match format:
        case PictureFormat.PNG:
            return PNG_START + b"".join(chunk for name, chunk in png_chunks(content) if name in _PNG_DRAWN)
        case PictureFormat.JPEG:
            return b"\xff\xd8" + b"".join(_jpeg_drawn(content))
        case PictureFormat.WEBP:
            return _webp(content)
        case _:
            raise ValueError("no format of unfinished pictures")


def _jpeg_drawn(content: bytes) -> Iterator[bytes]:
    if not content.startswith(b"\xff\xd8"):
        raise ValueError("no JPEG")
    at = 2
    while True:
        if content.startswith(_END, at):
            yield _END
            return
        marker, length = struct.unpack_from(">HH", content, at)
        end = at + 2 + length
        if marker < 0xFFC0 or length < 2 or end + 2 > len(content):
            raise ValueError("a segment is broken")
        if marker == _SCAN:
            end = _scan_end(content, end)
        segment, said = content[at:end], 0xFFE0 <= marker <= 0xFFEF or marker == 0xFFFE
        if not said or segment.startswith(_ADOBE):
            yield segment
        at = end


def _scan_end(content: bytes, at: int) -> int:
    """Where the next marker is that is no part of the scan itself."""
    while True:
        at = content.find(b"\xff", at)
        if at < 0 or at + 1 >= len(content):
            raise ValueError("a scan has no end")
        after = content[at + 1]
        if after == 0xFF:
            at += 1
        elif after == 0 or 0xD0 <= after <= 0xD7:
            at += 2
        else:
            return at


def _webp(content: bytes) -> bytes:
    chunks = [(name, body) for name, body in webp_chunks(content) if name in _WEBP_DRAWN]
    if not {b"VP8 ", b"VP8L"}.intersection(name for name, _ in chunks):
        raise ValueError("no picture where a WebP has its own")
    if chunks[0][0] == b"VP8X":
        header = bytearray(chunks[0][1])
        header[0] &= _WEBP_WITH_ALPHA
        chunks[0] = (b"VP8X", bytes(header))
    written = b"".join(name + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2) for name, body in chunks)
    return b"RIFF" + struct.pack("<I", 4 + len(written)) + b"WEBP" + written
