"""An upload drawn anew by Pillow, pixel by pixel: what comes out holds nothing else."""

import hashlib
import io
import math

from PIL import Image, ImageCms
from PIL.ImageFile import ImageFile

from adapters.pictures.decoding import DECODERS, decoder_of, holds_more_than_pixels, webp_chunks
from domain.errors import BrokenImage, DomainError, TooHeavy, Truncated
from domain.limits import LIMITS
from domain.media import (
    AssetKind,
    CleanPicture,
    PictureFormat,
    check_bytes,
    check_mask,
    check_opening,
    check_pixels,
    format_of,
    too_many_pixels,
)

_QUALITIES = (95, 85, 75)
_OUT_OF_MEMORY = ("encoding error 1", "out of memory", "memory allocation")
"""What libwebp, libavif and libheif say of it."""
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


def clean_picture(content: bytes, format: PictureFormat, kind: AssetKind) -> CleanPicture:
    """Runs in a worker. Whatever a decoder does with hostile bytes, what leaves is a clean picture or one DomainError."""
    try:
        return _clean(content, format, kind)
    except DomainError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise too_many_pixels() from None
    except MemoryError:
        raise too_heavy() from None
    except Exception as error:
        if any(words in str(error).lower() for words in _OUT_OF_MEMORY):
            raise too_heavy() from None
        raise Truncated("the image is cut off or damaged: it cannot be decoded", field="file") from None


def read_header(content: bytes) -> tuple[PictureFormat, int, int, bool]:
    """Runs in a worker: format, width, height, whether there is alpha; nothing is decoded."""
    try:
        format = format_of(content)
        with DECODERS[format](io.BytesIO(content)) as picture:
            return format, picture.width, picture.height, picture.has_transparency_data
    except Exception:
        raise BrokenImage("the header of a picture cannot be read") from None


def digest_of_pixels(content: bytes) -> str:
    """Runs in a worker: of the first frame, as 8-bit RGBA. What is fully transparent has no colour."""
    try:
        with decoder_of(content)(io.BytesIO(content)) as picture:
            drawn = picture.convert("RGBA")
            visible = Image.composite(
                drawn, Image.new("RGBA", drawn.size), drawn.getchannel("A").point(lambda a: 255 if a else 0)
            )
            return hashlib.sha256(f"{drawn.size}".encode() + visible.tobytes()).hexdigest()
    except Exception:
        raise BrokenImage("a picture cannot be decoded") from None


def too_heavy(seconds: float | None = None) -> TooHeavy:
    """`seconds`: the limit, where it was time that ran out."""
    if seconds is None:
        return TooHeavy("the image takes more memory than an upload may", field="file", reason="memory")
    return TooHeavy("the image takes more time than an upload may", field="file", reason="time", limit=math.ceil(seconds))


def _clean(content: bytes, format: PictureFormat, kind: AssetKind) -> CleanPicture:
    fresh, turn, converted = _draw_anew(content, format, kind)
    if kind is AssetKind.MASK and fresh.mode == "RGBA":
        check_opening(int(fresh.getchannel("A").getextrema()[0]))  # type: ignore[arg-type]  # one channel has one pair of extrema
    if turn is not None:
        fresh = fresh.transpose(turn)
    written, kept_as = _write(fresh, content, format)
    check_bytes(len(written), kind)
    from adapters.pictures.pdq import likeness  # with numpy, which only workers need

    happened = {
        "oriented": turn is not None,
        "converted": converted or kept_as is not format,
        "metadata_removed": holds_more_than_pixels(content, format),
    }
    return CleanPicture(
        content=written,
        format=kept_as,
        width=fresh.width,
        height=fresh.height,
        sha256=hashlib.sha256(written).hexdigest(),
        has_alpha=fresh.mode == "RGBA",
        changed=tuple(change for change, did in happened.items() if did),
        likeness=likeness(fresh),
    )


def _draw_anew(content: bytes, format: PictureFormat, kind: AssetKind) -> tuple[Image.Image, Image.Transpose | None, bool]:
    """The picture in 8-bit sRGB, with alpha if it had any, on a canvas that knows nothing else; how to turn it upright; whether
    its colours or mode had to change. The decoder's memory is free again when this returns: 50 megapixels count."""
    with DECODERS[format](io.BytesIO(content)) as picture:
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
    lossless = format is PictureFormat.WEBP and b"VP8L" in webp_chunks(content)
    if lossless or (format is PictureFormat.WEBP and fresh.mode == "RGBA"):
        format = format if fresh.width * fresh.height <= _MOST_WEBP_PIXELS else PictureFormat.PNG
    if format in (PictureFormat.AVIF, PictureFormat.HEIC):  # models read neither
        format = PictureFormat.PNG if fresh.mode == "RGBA" else PictureFormat.JPEG
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
