"""Thumbnails and blurhashes, in a worker of the picture pool."""

import io
import warnings

import blurhash
from PIL import Image

from adapters.pictures.decoding import decoder_of
from adapters.pictures.pdq import likeness
from domain.errors import BrokenImage
from domain.renditions import THUMBNAIL_SIDE, Sketch

_BLURRED_SIDE = 32
_QUALITY, _EFFORT = 80, 2
"""The most effort takes three times as long, for files that are no smaller."""


def sketch_of(content: bytes, xmp: bytes | None) -> Sketch:
    """Runs in a worker: of a file's first frame, with this XMP in the thumbnail. Raises BrokenImage."""
    try:
        with decoder_of(content)(io.BytesIO(content)) as picture:
            picture.draft("RGB", (2 * THUMBNAIL_SIDE, 2 * THUMBNAIL_SIDE))  # a JPEG is decoded no finer than needed
            picture.load()
            small = _fitted(picture)
    except MemoryError:
        raise
    except Exception:
        raise BrokenImage("a picture cannot be decoded") from None
    buffer = io.BytesIO()
    small.save(buffer, "WEBP", quality=_QUALITY, method=_EFFORT, **({"xmp": xmp} if xmp else {}))
    return Sketch(buffer.getvalue(), _blurred(small), likeness(small))


def _fitted(picture: Image.Image) -> Image.Image:
    """In 8-bit colour, no side longer than a thumbnail's; a smaller picture stays as large as it is."""
    mode = "RGBA" if picture.has_transparency_data else "RGB"
    small = picture if picture.mode == mode else picture.convert(mode)
    share = min(1.0, THUMBNAIL_SIDE / max(picture.size))
    size = (max(1, round(picture.width * share)), max(1, round(picture.height * share)))
    # By whole numbers first, which takes a tenth of the time.
    return small if size == small.size else small.resize(size, Image.Resampling.LANCZOS, reducing_gap=1.0)


def _blurred(small: Image.Image) -> str:
    """What is transparent is seen on white. Four pieces along the longer side, three along the other."""
    tiny = small.resize((_BLURRED_SIDE, _BLURRED_SIDE), Image.Resampling.BOX)
    if tiny.mode == "RGBA":
        tiny = Image.alpha_composite(Image.new("RGBA", tiny.size, "white"), tiny).convert("RGB")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # it reads pixels in a way that Pillow 14 will not know
        text: str = blurhash.encode(tiny, *((4, 3) if small.width >= small.height else (3, 4)))
    return text
