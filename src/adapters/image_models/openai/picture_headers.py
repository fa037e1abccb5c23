"""What the bytes of a picture say about themselves. Nothing is decoded: a decoder's time and memory belong to the workers."""

import struct
from collections.abc import Iterator

from domain.attempts import Picture
from domain.media import PictureFormat

_LARGEST_SIDE = 1 << 16
_JPEG_ALONE = frozenset((0x01, *range(0xD0, 0xD9)))
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


class NoPicture(Exception):
    """These bytes are not a whole picture of a known format."""


def read_header(content: bytes) -> Picture:
    """The picture with its format, size and whether it has alpha. Raises NoPicture, also for a file that ends too early."""
    try:
        format, width, height, has_alpha = _read(content)
    except (struct.error, IndexError, ValueError):
        raise NoPicture from None
    if not (0 < width < _LARGEST_SIDE and 0 < height < _LARGEST_SIDE):
        raise NoPicture
    return Picture(content, format, width, height, has_alpha)


def _read(content: bytes) -> tuple[PictureFormat, int, int, bool]:
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        return PictureFormat.PNG, *_png(content)
    if content.startswith(b"\xff\xd8\xff"):
        return PictureFormat.JPEG, *_jpeg(content)
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return PictureFormat.WEBP, *_webp(content)
    if content.startswith((b"GIF87a", b"GIF89a")):
        return PictureFormat.GIF, *_gif(content)
    raise NoPicture


def _png(content: bytes) -> tuple[int, int, bool]:
    chunks = [name for name, _, _ in _png_chunks(content)]
    if chunks[0] != b"IHDR" or b"IDAT" not in chunks or chunks[-1] != b"IEND":
        raise NoPicture
    width, height, _, colour = struct.unpack_from(">IIBB", content, 16)
    return width, height, colour in (4, 6) or b"tRNS" in chunks


def _png_chunks(content: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Name, start and length of each chunk that lies wholly in `content`, up to IEND."""
    at, name = 8, b""
    while name != b"IEND" and at + 12 <= len(content):
        length, name = struct.unpack_from(">I4s", content, at)
        if at + 12 + length > len(content):
            return
        yield name, at + 8, length
        at += 12 + length


def _jpeg(content: bytes) -> tuple[int, int, bool]:
    at, size = 2, None
    while True:
        while content[at] == 0xFF and content[at + 1] == 0xFF:  # padding
            at += 1
        marker = content[at + 1]
        if content[at] != 0xFF or marker == 0xD9:
            raise NoPicture
        if marker in _JPEG_FRAMES:
            size = struct.unpack_from(">HH", content, at + 5)
        if marker == 0xDA:
            break
        at += 2 if marker in _JPEG_ALONE else 2 + max(2, *struct.unpack_from(">H", content, at + 2))
    if size is None or content.rfind(b"\xff\xd9", at) < 0:
        raise NoPicture
    return size[1], size[0], False


def _webp(content: bytes) -> tuple[int, int, bool]:
    (length,) = struct.unpack_from("<I", content, 4)
    if length + 8 > len(content):
        raise NoPicture
    kind = content[12:16]
    if kind == b"VP8X":
        return 1 + int.from_bytes(content[24:27], "little"), 1 + int.from_bytes(content[27:30], "little"), bool(content[20] & 16)
    if kind == b"VP8L" and content[20] == 0x2F:
        (bits,) = struct.unpack_from("<I", content, 21)
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF), bool(bits >> 28 & 1)
    if kind == b"VP8 " and content[23:26] == b"\x9d\x01\x2a":
        width, height = struct.unpack_from("<HH", content, 26)
        return width & 0x3FFF, height & 0x3FFF, False
    raise NoPicture


def _gif(content: bytes) -> tuple[int, int, bool]:
    """Alpha is what the first frame has: a later one may leave out what did not change."""
    width, height, flags = struct.unpack_from("<HHB", content, 6)
    at, has_alpha = 13 + (3 << (flags & 7) + 1 if flags & 0x80 else 0), False
    while content[at] == 0x21:
        if content[at + 1] == 0xF9:
            has_alpha = bool(content[at + 3] & 1)
        at += 2
        while content[at]:
            at += 1 + content[at]
        at += 1
    if content[at] != 0x2C or not content.rstrip(b"\0").endswith(b";"):
        raise NoPicture
    return width, height, has_alpha
