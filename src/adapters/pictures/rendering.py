"""Copies in another format or size, in a worker of the picture pool."""

import io

from PIL import Image, ImageDraw, ImageFont

from adapters.pictures.decoding import decoder_of
from domain.errors import BrokenImage
from domain.media import PictureFormat
from domain.renditions import Shape

LABEL = "AI generated"
_LEAST_SHARE = 0.05
"""Of the shorter side: how high the label's capitals are at least."""
_WRITTEN: dict[PictureFormat, dict[str, int]] = {
    PictureFormat.PNG: {"compress_level": 3},  # 6 takes three times as long for a twentieth less
    PictureFormat.JPEG: {"quality": 90, "subsampling": 0},
    PictureFormat.WEBP: {"quality": 90, "method": 2},
    PictureFormat.AVIF: {"quality": 80, "speed": 8, "max_threads": 1},
}


def render(content: bytes, shape: Shape) -> bytes:
    """Runs in a worker: the first frame, drawn anew. Raises BrokenImage or MemoryError."""
    try:
        with decoder_of(content)(io.BytesIO(content)) as picture:
            picture.draft("RGB", (2 * shape.width, 2 * shape.height))  # a JPEG is decoded no finer than needed
            picture.load()
            mode = "RGBA" if picture.has_transparency_data else "RGB"
            drawn = picture if picture.mode == mode else picture.convert(mode)
            if drawn.size != (shape.width, shape.height):
                drawn = drawn.resize((shape.width, shape.height), Image.Resampling.LANCZOS, reducing_gap=3.0)
            fresh = Image.new(mode, drawn.size)
            fresh.paste(drawn)
    except MemoryError:
        raise
    except Exception:
        raise BrokenImage("a picture cannot be decoded") from None
    if shape.label:
        fresh = labelled(fresh)
    if fresh.mode == "RGBA" and shape.format is PictureFormat.JPEG:
        fresh = Image.alpha_composite(Image.new("RGBA", fresh.size, "white"), fresh).convert("RGB")
    buffer = io.BytesIO()
    fresh.save(buffer, shape.format.value.upper(), **_WRITTEN[shape.format])
    return buffer.getvalue()


def labelled(picture: Image.Image) -> Image.Image:
    """With the label in its lower left corner, white on a dark plate, readable on whatever is there."""
    font = label_font(picture.size)
    left, top, right, bottom = font.getbbox(LABEL, anchor="ls")
    margin = round((bottom - top) * 0.4)
    plate = Image.new("RGBA", (round(right - left) + 2 * margin, round(bottom - top) + 2 * margin), (0, 0, 0, 176))
    ImageDraw.Draw(plate).text((margin - left, margin - top), LABEL, "white", font, "ls")
    place = (min(margin, picture.width - 1), max(0, picture.height - plate.height - margin))
    if picture.mode == "RGB":
        picture.paste(plate, place, plate)
    else:
        picture.alpha_composite(plate, place)
    return picture


def label_font(size: tuple[int, int]) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Pillow's own, so large that a capital is as high as the label must be."""
    least = _LEAST_SHARE * min(size)
    points = max(6, round(least))
    while True:
        font = ImageFont.load_default(points)
        _, top, _, bottom = font.getbbox("A", anchor="ls")
        if bottom - top >= least:
            return font
        points += max(1, points // 20)
