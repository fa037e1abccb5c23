"""Pictures for the pretended provider: real files of any format and size, each with pixels of its own, cheap to make."""

import io
import os
import struct
import zlib
from functools import lru_cache

from PIL import Image

PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
_NOISE = os.urandom(1 << 20)


def picture(format: str, width: int, height: int, seed: int, *, alpha: bool = False, frames: int = 1, least: int = 0) -> bytes:
    """A file of at least `least` bytes. Equal arguments give equal pixels, another `seed` gives others."""
    if format == "png":
        return _png(width, height, seed, alpha, least)
    if format == "gif":
        return _gif(width, height, frames, seed, least)
    drawn = _drawn(width, height, alpha and format == "webp").copy()
    side = max(1, min(width, height) // 4)
    drawn.paste(_colour(seed), (0, 0, side, side))
    buffer = io.BytesIO()
    if format == "webp":
        drawn.save(buffer, "WEBP", quality=60, method=0)
        return _padded_webp(buffer.getvalue(), least)
    drawn.save(buffer, "JPEG", quality=60)
    return _padded_jpeg(buffer.getvalue(), least)


def reencoded(content: bytes, format: str) -> bytes:
    """The same pixels in another file (exactly the same for png and webp)."""
    buffer = io.BytesIO()
    with Image.open(io.BytesIO(content)) as opened:
        mode = "RGBA" if opened.has_transparency_data and format != "jpeg" else "RGB"
        opened.convert(mode).save(buffer, format.upper(), lossless=True, quality=95)
    return buffer.getvalue()


def _colour(seed: int) -> tuple[int, int, int]:
    mixed = zlib.crc32(struct.pack(">q", seed))
    return mixed & 255, mixed >> 8 & 255, mixed >> 16 & 255


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def _png(width: int, height: int, seed: int, alpha: bool, least: int) -> bytes:
    """Of sixteen colours: the pixels are packed once for each size, and the palette is the picture's own."""
    shades = b"".join(bytes((value + 16 * step) % 256 for value in _colour(seed)) for step in range(16))
    header = _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0))
    parts = [PNG_MAGIC, header, _chunk(b"PLTE", shades)]
    if alpha:
        parts.append(_chunk(b"tRNS", bytes((0, 128))))
    parts += [_chunk(b"tEXt", b"seed\0%d" % seed), _packed(width, height)]
    missing = least - sum(map(len, parts)) - 12
    parts += [_noise_chunk(min(missing, 1 << 20)) for _ in range(0, max(missing, 0), 1 << 20)]
    return b"".join((*parts, _chunk(b"IEND", b"")))


@lru_cache(16)
def _packed(width: int, height: int) -> bytes:
    rows = [
        b"\0" + bytes((x * 8 // width + y * 8 // height) % 16 for x in range(width)) for y in range(0, height, -(-height // 8))
    ]
    each = -(-height // len(rows))
    lines = b"".join(row * each for row in rows)[: (width + 1) * height]
    return _chunk(b"IDAT", zlib.compress(lines, 1))


@lru_cache(4)
def _noise_chunk(size: int) -> bytes:
    return _chunk(b"prVt", _NOISE[:size])


@lru_cache(16)
def _drawn(width: int, height: int, alpha: bool) -> Image.Image:
    shade = Image.linear_gradient("L").resize((width, height))
    drawn = Image.merge("RGB", (shade, shade.transpose(Image.Transpose.FLIP_LEFT_RIGHT), shade))
    if alpha:
        drawn.putalpha(shade)
    return drawn


def _padded_jpeg(content: bytes, least: int) -> bytes:
    missing = max(0, least - len(content))
    piece = b"\xff\xef\xff\xff" + _NOISE[:65_533].replace(b"\xff", b"\xfe")
    return content[:2] + piece * -(-missing // len(piece)) + content[2:]


def _padded_webp(content: bytes, least: int) -> bytes:
    missing = max(0, least - len(content)) & ~1
    if not missing:
        return content
    noise = _NOISE * -(-missing // len(_NOISE))
    body = content[8:] + b"PADD" + struct.pack("<I", missing) + noise[:missing]
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _gif(width: int, height: int, frames: int, seed: int, least: int) -> bytes:
    content = bytearray(_moving(width, height, frames))
    content[13:16] = bytes(_colour(seed))
    missing = max(0, least - len(content))
    comment = b"\x21\xfe" + (b"\xff" + _NOISE[:255]) * -(-missing // 256) + b"\0" if missing else b""
    return bytes(content[:-1]) + comment + b";"


@lru_cache(16)
def _moving(width: int, height: int, frames: int) -> bytes:
    stages = []
    for number in range(frames):
        stage = Image.new("P", (width, height), 0)
        stage.putpalette(bytes(range(48)))
        stage.paste(1 + number % 15, (0, 0, width, max(1, height * (number + 1) // (frames + 1))))
        stages.append(stage)
    buffer = io.BytesIO()
    stages[0].save(buffer, "GIF", save_all=True, append_images=stages[1:], duration=200, optimize=False)
    return buffer.getvalue()
