"""Uploads made harmless by Pillow: what comes out was drawn anew, pixel by pixel, and holds nothing else."""

import asyncio
import hashlib
import io
import struct
from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

from PIL import Image, ImageCms
from PIL.GifImagePlugin import GifImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from adapters.picture_pool import PicturePool, PoolStopped, WorkerDied
from application.ports import PictureIntake
from domain.attempts import Picture
from domain.errors import BrokenImage, DomainError, IntakeBusy, LimitExceeded
from domain.limits import LIMITS
from domain.media import AssetKind, CleanPicture, PictureFormat, check_bytes, check_mask, check_opening, check_pixels, sniff

Seen = TypeVar("Seen")

# The decoder of the sniffed format and no other. Not `Image.open`: it takes a phone's JPEG with a second picture behind the
# first (a depth or gain map) for an animation.
_DECODERS: Mapping[PictureFormat, Callable[[io.BytesIO], ImageFile]] = {
    PictureFormat.PNG: PngImageFile,
    PictureFormat.JPEG: JpegImageFile,
    PictureFormat.WEBP: WebPImageFile,
    PictureFormat.GIF: GifImageFile,
}
_QUALITIES = (95, 85, 75)
# Above this, libwebp needs a gigabyte and half a minute to write without loss or with alpha; PNG takes two seconds.
_MOST_WEBP_PIXELS = 4096 * 4096
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_EXIF_ORIENTATION = 0x0112
# What a file needs for its pixels; every other chunk is metadata.
_PNG_CHUNKS = frozenset(b"IHDR PLTE IDAT IEND tRNS gAMA cHRM sRGB iCCP cICP sBIT bKGD hIST pHYs".split())
_WEBP_CHUNKS = frozenset((b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ICCP", b"ANIM", b"ANMF"))


class PillowIntake(PictureIntake):
    """`timeout_seconds` is a picture's time in its worker; more than `most_waiting` uploads at once are sent away."""

    def __init__(self, pool: PicturePool, *, timeout_seconds: float = 20, most_waiting: int = 16) -> None:
        self._pool, self._timeout, self._most = pool, timeout_seconds, most_waiting
        self._in_flight = 0

    async def clean(self, content: bytes, kind: AssetKind) -> CleanPicture:
        check_bytes(len(content), kind)
        format = sniff(content)
        if self._in_flight >= self._most:
            raise IntakeBusy(limit=self._most)
        self._in_flight += 1
        try:
            return await asyncio.wrap_future(self._pool.schedule(clean_picture, (content, format, kind), self._timeout))
        except TimeoutError:
            raise _too_heavy() from None
        except WorkerDied:
            raise BrokenImage("the image could not be decoded", field="file") from None
        except PoolStopped:
            raise IntakeBusy from None
        finally:
            self._in_flight -= 1

    async def describe(self, content: bytes) -> Picture:
        return Picture(content, *await self._seen(read_header, content))

    async def fingerprint(self, content: bytes) -> str:
        return await self._seen(digest_of_pixels, content)

    async def _seen(self, look: Callable[[bytes], Seen], content: bytes) -> Seen:
        """A worker lost under it says nothing about the picture: there is a second try, and then no answer."""
        for _ in range(2):
            try:
                return await asyncio.wrap_future(self._pool.schedule(look, (content,), self._timeout))
            except (WorkerDied, TimeoutError):
                continue
            except PoolStopped:
                break
        raise IntakeBusy


def clean_picture(content: bytes, format: PictureFormat, kind: AssetKind) -> CleanPicture:
    """Runs in a worker. Whatever a decoder does with hostile bytes, what leaves is a clean picture or one DomainError."""
    try:
        return _clean(content, format, kind)
    except DomainError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        limit = LIMITS["upload_pixels"]
        raise LimitExceeded(f"an upload may have at most {limit} pixels", field="file", limit=limit) from None
    except MemoryError:
        raise _too_heavy() from None
    except Exception as error:
        if "encoding error 1" in str(error):  # libwebp's word for "out of memory"
            raise _too_heavy() from None
        raise BrokenImage("the image cannot be decoded", field="file") from None


def read_header(content: bytes) -> tuple[PictureFormat, int, int, bool]:
    """Runs in a worker: format, width, height, whether there is alpha; nothing is decoded."""
    try:
        format = PictureFormat.GIF if content.startswith((b"GIF87a", b"GIF89a")) else sniff(content)
        with _DECODERS[format](io.BytesIO(content)) as picture:
            return format, picture.width, picture.height, picture.has_transparency_data
    except Exception:
        raise BrokenImage("the header of a picture cannot be read") from None


def digest_of_pixels(content: bytes) -> str:
    """Runs in a worker: of the first frame, as 8-bit RGBA. What is fully transparent has no colour."""
    try:
        format = PictureFormat.GIF if content.startswith((b"GIF87a", b"GIF89a")) else sniff(content)
        with _DECODERS[format](io.BytesIO(content)) as picture:
            drawn = picture.convert("RGBA")
            visible = Image.composite(
                drawn, Image.new("RGBA", drawn.size), drawn.getchannel("A").point(lambda a: 255 if a else 0)
            )
            return hashlib.sha256(f"{drawn.size}".encode() + visible.tobytes()).hexdigest()
    except Exception:
        raise BrokenImage("a picture cannot be decoded") from None


def _too_heavy() -> LimitExceeded:
    return LimitExceeded("the image takes more time or memory than an upload may", field="file", reason="too_heavy")


def _clean(content: bytes, format: PictureFormat, kind: AssetKind) -> CleanPicture:
    fresh, turn, converted = _draw_anew(content, format, kind)
    if kind is AssetKind.MASK and fresh.mode == "RGBA":
        check_opening(int(fresh.getchannel("A").getextrema()[0]))  # type: ignore[arg-type]  # one channel has one pair of extrema
    if turn is not None:
        fresh = fresh.transpose(turn)
    written, kept_as = _write(fresh, content, format)
    check_bytes(len(written), kind)
    happened = {
        "oriented": turn is not None,
        "converted": converted or kept_as is not format,
        "metadata_removed": _holds_more_than_pixels(content, format),
    }
    return CleanPicture(
        content=written,
        format=kept_as,
        width=fresh.width,
        height=fresh.height,
        sha256=hashlib.sha256(written).hexdigest(),
        has_alpha=fresh.mode == "RGBA",
        changed=tuple(change for change, did in happened.items() if did),
    )


def _draw_anew(content: bytes, format: PictureFormat, kind: AssetKind) -> tuple[Image.Image, Image.Transpose | None, bool]:
    """The picture in 8-bit sRGB, with alpha if it had any, on a canvas that knows nothing else; how to turn it upright; whether
    its colours or mode had to change. The decoder's memory is free again when this returns: 50 megapixels count."""
    with _DECODERS[format](io.BytesIO(content)) as picture:
        frames = 1 if format is PictureFormat.JPEG else getattr(picture, "n_frames", 1)
        check_pixels(picture.width, picture.height, frames)
        if kind is AssetKind.MASK:
            check_mask(format, picture.has_transparency_data)
        picture.load()  # before anything that loads by the way and hides the error: a second try would seem to succeed
        turn = _orientation(picture)
        vars(picture).pop("_decoder", None)  # libwebp's two canvases
        sixteen_bits = format is PictureFormat.PNG and content[24] == 16
        if sixteen_bits and picture.mode == "RGB" and "transparency" in picture.info:  # Pillow leaves that one at 16 bits
            picture.info["transparency"] = tuple(shade >> 8 for shade in picture.info["transparency"])
        mode = "RGBA" if picture.has_transparency_data else "RGB"
        flat = _eight_bits(picture) if picture.mode == "I;16" else picture
        if flat.mode != mode and (mode == "RGBA" or flat.mode not in ("L", "CMYK")):
            flat = flat.convert(mode)  # grey and CMYK stay as they are until their own profile has been applied
        profile = picture.info.get("icc_profile")
        seen = _to_srgb(flat, profile, mode) if profile else None
        fresh = Image.new(mode, picture.size)
        fresh.paste(seen or (flat if flat.mode == mode else flat.convert(mode)))
        if format is PictureFormat.WEBP and mode == "RGBA" and fresh.getchannel("A").getextrema() == (255, 255):
            fresh = fresh.convert("RGB")  # libwebp keeps no alpha that hides nothing, and the record should say the same
        return fresh, turn, picture.mode != mode or sixteen_bits or seen is not None


def _orientation(picture: ImageFile) -> Image.Transpose | None:
    """How to turn the picture upright; None if it is, or if its EXIF is too broken to say."""
    try:
        return _UPRIGHT.get(picture.getexif().get(_EXIF_ORIENTATION, 1))
    except Exception:
        return None


def _eight_bits(picture: ImageFile) -> Image.Image:
    """16-bit grey as 8-bit grey (with alpha if one shade stands for transparent)."""
    import numpy as np

    shades = np.asarray(picture)
    grey = Image.fromarray((shades >> 8).astype(np.uint8))
    if not picture.has_transparency_data:
        return grey
    alpha = np.where(shades == picture.info["transparency"], 0, 255).astype(np.uint8)
    return Image.merge("RGBA", (grey, grey, grey, Image.fromarray(alpha)))


def _to_srgb(flat: Image.Image, profile: bytes, mode: str) -> Image.Image | None:
    """`flat` seen through its colour profile; None if that is sRGB itself, broken, or for another kind of picture."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if ImageCms.getProfileDescription(source).startswith("sRGB"):
            return None
        return ImageCms.profileToProfile(flat, source, ImageCms.createProfile("sRGB"), outputMode=mode)
    except (ImageCms.PyCMSError, OSError, TypeError, ValueError):
        return None


def _write(fresh: Image.Image, content: bytes, format: PictureFormat) -> tuple[bytes, PictureFormat]:
    """As good as the original, and the worse for it only where a small file would grow beyond what an upload may have."""
    lossless = format is PictureFormat.WEBP and b"VP8L" in _webp_chunks(content)
    if lossless or (format is PictureFormat.WEBP and fresh.mode == "RGBA"):
        format = format if fresh.width * fresh.height <= _MOST_WEBP_PIXELS else PictureFormat.PNG
    if format is PictureFormat.PNG:
        return _encode(fresh, "PNG"), format
    if lossless:
        return _encode(fresh, "WEBP", lossless=True, method=0, quality=20), format
    written = b""
    for quality in _QUALITIES:
        written = (
            _encode(fresh, "JPEG", quality=quality, subsampling=0)
            if format is PictureFormat.JPEG
            else _encode(fresh, "WEBP", quality=quality, method=2)
        )
        if len(written) <= LIMITS["upload_bytes"]:
            break
    return written, format


def _encode(fresh: Image.Image, format: str, **options: int) -> bytes:
    buffer = io.BytesIO()
    fresh.save(buffer, format, **options)
    return buffer.getvalue()


def _holds_more_than_pixels(content: bytes, format: PictureFormat) -> bool:
    """Whether there was anything besides what the pixels need: comments, EXIF, text, private chunks, bytes behind the end."""
    if format is PictureFormat.PNG:
        return any(name not in _PNG_CHUNKS for name in _png_chunks(content))
    if format is PictureFormat.WEBP:
        return any(name not in _WEBP_CHUNKS for name in _webp_chunks(content))
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


def _webp_chunks(content: bytes) -> Iterator[bytes]:
    """Chunk names, and `tail` if bytes follow what the header says."""
    end = 8 + int.from_bytes(content[4:8], "little")
    at = 12
    while at + 8 <= min(end, len(content)):
        name, length = struct.unpack_from("<4sI", content, at)
        yield name
        at += 8 + length + length % 2
    if end + end % 2 < len(content):
        yield b"tail"
