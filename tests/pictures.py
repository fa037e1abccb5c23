"""Pictures with known pixels, to put in and to compare what comes out."""

import io

import numpy as np
from PIL import Image

from domain.media import CleanPicture
from tests.hostile import encode
from tests.soak_uploads import check_bare

FORMATS = ("PNG", "JPEG", "WEBP")


def corners(mode: str = "RGB") -> Image.Image:
    """120 x 80, a different colour in each corner."""
    picture = Image.new("RGB", (120, 80))
    for place, colour in {(0, 0): "red", (60, 0): "lime", (0, 40): "blue", (60, 40): "white"}.items():
        picture.paste(colour, (*place, place[0] + 60, place[1] + 40))
    return picture.convert(mode)


def near(one: Image.Image, other: Image.Image, most: int = 12) -> bool:
    """Whether no pixel away from the edges differs by more than lossy writing does."""
    shown, meant = (np.asarray(picture.convert("RGBA"), np.int16)[10::20, 10::20] for picture in (one, other))
    return shown.shape == meant.shape and int(np.abs(shown - meant).max()) <= most


def fine(picture: Image.Image, format: str, **options: object) -> bytes:
    """Written so well that only intake can make it worse."""
    return encode(picture, format, **({} if format == "PNG" else {"quality": 95, "subsampling": 0}), **options)


def opened(clean: CleanPicture) -> Image.Image:
    check_bare(clean)
    return Image.open(io.BytesIO(clean.content))
