"""Edits: painting inside a mask, or repainting a whole reference so that it can still be recognised."""

import io
from collections.abc import Sequence

from PIL import Image, ImageChops, ImageFilter, ImageOps

from adapters.image_models.brush import fields
from adapters.image_models.brush.arrangement import Manner, pigment_of
from adapters.image_models.brush.brief import Brief
from adapters.image_models.brush.composition import Composition
from adapters.image_models.brush.fields import Extent

_FORMATS = ("PNG", "JPEG", "WEBP")
_LONGEST_PAINTED = 3840
"""Larger holes are painted at this size and enlarged: it bounds time and memory."""
_BAND = 512
"""Rows that are filled in at a time, for the same reason."""


def opened(content: bytes) -> Image.Image:
    """A cleaned upload as RGB, or as RGBA if it has transparency."""
    picture = Image.open(io.BytesIO(content), formats=_FORMATS)
    mode = "RGBA" if picture.has_transparency_data else "RGB"
    picture.load()
    return picture if picture.mode == mode else picture.convert(mode)


class Inpainting:
    """The first reference with the brief painted where the mask is transparent; the rest stays as it is, to the byte.

    A half transparent pixel of the mask blends. The mask is stretched if its size differs (intake never lets that happen).
    """

    def __init__(self, reference: bytes, mask: bytes, brief: Brief, manner: Manner) -> None:
        keep = opened(mask)  # first and freed at once: fifty million pixels are two hundred megabytes
        keep = keep.getchannel("A") if keep.mode == "RGBA" else Image.new("L", keep.size, 255)
        self._original = opened(reference)
        if not manner.ground and self._original.mode == "RGB":
            self._original.putalpha(255)
        self.size: Extent = self._original.size
        self._keep = keep if keep.size == self.size else keep.resize(self.size, Image.Resampling.NEAREST)
        self._hole = ImageChops.invert(self._keep).getbbox()
        self._painting: Composition | None = None
        if self._hole is not None:
            left, top, right, bottom = self._hole
            extent = fields.small((max(right - left, 16), max(bottom - top, 16)), _LONGEST_PAINTED)
            self._painting = Composition(brief, extent, manner)

    def frame(self, phase: float = 0.0) -> Image.Image:
        result = self._original.copy()
        if self._hole is None or self._painting is None:
            return result
        left, top, right, bottom = self._hole
        painted = self._painting.frame(phase).convert(result.mode)
        pitch = painted.height / (bottom - top)
        for row in range(top, bottom, _BAND):
            band = (left, row, right, min(row + _BAND, bottom))
            part = (0.0, (row - top) * pitch, float(painted.width), (band[3] - top) * pitch)
            fitted = painted.resize((right - left, band[3] - row), Image.Resampling.BICUBIC, box=part)
            result.paste(Image.composite(result.crop(band), fitted, self._keep.crop(band)), (left, row))
        return result


def repainted(references: Sequence[bytes], brief: Brief, size: Extent, manner: Manner) -> Composition:
    """The first reference seen through the brief: its shapes stay, its colours turn to the brief's, the brief's subjects join
    it, and every further reference lies on it as a small print."""
    first = opened(references[0])
    fitted = ImageOps.fit(first, size, Image.Resampling.BICUBIC)
    canvas = _recoloured(fitted.convert("RGB"), brief, manner)
    if not manner.ground:
        own = fitted.getchannel("A") if fitted.mode == "RGBA" else fields.glow(size, 0.06)
        canvas.putalpha(own)
    for place, content in enumerate(references[1:]):
        _lay_print(canvas, opened(content), place, len(references) - 1, manner)
    return Composition(brief, size, manner, over=canvas)


def _recoloured(picture: Image.Image, brief: Brief, manner: Manner) -> Image.Image:
    extent = fields.small(picture.size, (96, 160, 256, 384, 512)[manner.level])
    daubed = picture.resize(extent, Image.Resampling.BOX).filter(ImageFilter.ModeFilter(3 if manner.level else 5))
    daubed = daubed.resize(picture.size, Image.Resampling.BICUBIC)
    pigment = pigment_of(brief, fields.dice(manner.arrangement))
    middle = min(max(pigment.lightness, 0.25), 0.75)
    stops = (pigment.at(middle * 0.25), pigment.at(middle), pigment.at(0.5 + middle / 2))
    tinted = fields.colour(ImageOps.autocontrast(daubed.convert("L"), cutoff=1), stops, 5 if manner.level == 0 else None)
    return Image.blend(daubed, tinted, 0.72 if brief.dominant else 0.45)


def _lay_print(canvas: Image.Image, picture: Image.Image, place: int, count: int, manner: Manner) -> None:
    """One more reference as a print with a white border, in a row along the top."""
    width, height = canvas.size
    side = max(4, round(min(min(canvas.size) * 0.28, width * 0.92 / count)))
    border = max(1, side // 16)
    card = Image.new("RGBA", (side, side), (250, 248, 244, 255))
    print_ = ImageOps.fit(picture.convert("RGBA"), (side - 2 * border, side - 2 * border), Image.Resampling.BICUBIC)
    card.alpha_composite(print_, (border, border))
    card = card.rotate(fields.dice(manner.arrangement + place).uniform(-7, 7), Image.Resampling.BICUBIC, expand=True)
    left = round(width * 0.04 + (width * 0.92 - side) * (place / max(count - 1, 1))) - (card.width - side) // 2
    where = max(0, left), max(0, round(height * 0.04))
    if canvas.mode == "RGBA":
        canvas.alpha_composite(card.crop((0, 0, width - where[0], height - where[1])), where)
    else:
        canvas.paste(card, where, card)
