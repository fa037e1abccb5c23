"""How a picture's file is read: which decoder, and what lies in it beside the pixels."""

import io
import struct
from collections.abc import Callable, Iterator, Mapping

from PIL import AvifImagePlugin
from PIL.AvifImagePlugin import AvifImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from domain.errors import UnsupportedFormat
from domain.media import TAKEN_FORMATS, PictureFormat, format_of

# The decoder of the sniffed format and no other. Not `Image.open`: it takes a phone's JPEG with a second picture behind the
# first (a depth or gain map) for an animation.
AvifImagePlugin.DEFAULT_MAX_THREADS = 1  # there is one worker for each core already, and threads have stacks


def _heic(file: io.BytesIO) -> ImageFile:
    """Its decoder is large, and not everybody wants it. Raises UnsupportedFormat where it is not installed."""
    try:
        from pillow_heif import HeifImageFile, options
    except ImportError:
        known = [format.value for format in TAKEN_FORMATS if format is not PictureFormat.HEIC]
        raise UnsupportedFormat("HEIC images are not read here: send a JPEG", field="file", allowed=known) from None
    options.DECODE_THREADS = 1
    options.THUMBNAILS = options.DEPTH_IMAGES = options.AUX_IMAGES = False
    picture: ImageFile = HeifImageFile(file)  # type: ignore[no-untyped-call]  # it has no types
    return picture


DECODERS: Mapping[PictureFormat, Callable[[io.BytesIO], ImageFile]] = {
    PictureFormat.PNG: PngImageFile,
    PictureFormat.JPEG: JpegImageFile,
    PictureFormat.WEBP: WebPImageFile,
    PictureFormat.GIF: GifImageFile,
    PictureFormat.AVIF: AvifImageFile,
    PictureFormat.HEIC: _heic,
}
# What a file needs for its pixels; every other chunk is metadata.
_PNG_CHUNKS = frozenset(b"IHDR PLTE IDAT IEND tRNS gAMA cHRM sRGB iCCP cICP sBIT bKGD hIST pHYs".split())
_BOXES = frozenset((b"ftyp", b"meta", b"mdat", b"free"))
_WEBP_CHUNKS = frozenset((b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ICCP", b"ANIM", b"ANMF"))


def decoder_of(content: bytes) -> Callable[[io.BytesIO], ImageFile]:
    """Raises UnsupportedFormat."""
    return DECODERS[format_of(content)]


def holds_more_than_pixels(content: bytes, format: PictureFormat) -> bool:
    """Whether there was anything besides what the pixels need: comments, EXIF, text, private chunks, bytes behind the end."""
    if format is PictureFormat.PNG:
        return any(name not in _PNG_CHUNKS for name in _png_chunks(content))
    if format is PictureFormat.WEBP:
        return any(name not in _WEBP_CHUNKS for name in webp_chunks(content))
    if format in (PictureFormat.AVIF, PictureFormat.HEIC):
        with DECODERS[format](io.BytesIO(content)) as picture:
            told = {"exif", "xmp", "metadata"} & {name for name, value in picture.info.items() if value}
        return bool(told) or any(name not in _BOXES for name in _boxes(content))
    tail = not content.rstrip(b"\0").endswith(b"\xff\xd9")
    with JpegImageFile(io.BytesIO(content)) as picture:
        return tail or any(
            not (name == "APP14" or (name == "APP0" and body.startswith(b"JFIF")) or body.startswith(b"ICC_PROFILE\0"))
            for name, body in picture.applist
        )


def _png_chunks(content: bytes) -> Iterator[bytes]:
    """Chunk names, and `tail` if bytes follow the last."""
    at, name = 8, b""
    while at + 8 <= len(content) and name != b"IEND":
        length, name = struct.unpack_from(">I4s", content, at)
        yield name
        at += 12 + length
    if at < len(content):
        yield b"tail"


def webp_chunks(content: bytes) -> Iterator[bytes]:
    """Chunk names, and `tail` if bytes follow what the header says."""
    end = 8 + int.from_bytes(content[4:8], "little")
    at = 12
    while at + 8 <= min(end, len(content)):
        name, length = struct.unpack_from("<4sI", content, at)
        yield name
        at += 8 + length + length % 2
    if end + end % 2 < len(content):
        yield b"tail"


def _boxes(content: bytes) -> Iterator[bytes]:
    """Names of an AVIF's or HEIC's boxes, and `tail` for what is none."""
    at = 0
    while at + 8 <= len(content):
        length, name = struct.unpack_from(">I4s", content, at)
        if length == 1 and at + 16 <= len(content):
            (length,) = struct.unpack_from(">Q", content, at + 8)
        yield name
        if length == 0:
            return
        if length < 8:
            break
        at += length
    if at != len(content):
        yield b"tail"
