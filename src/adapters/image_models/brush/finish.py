"""What quality buys: relief on subjects, washes and strokes of the brush, bloom and grain. Levels run from 0 (low) to 4 (max)."""

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from adapters.image_models.brush import fields
from adapters.image_models.brush.fields import Extent

_STROKES = (0, 500, 1300, 2400, 3600)
"""Brush strokes on a picture whose longer side is 768 pixels or more."""


def relief(layer: Image.Image, level: int, from_left: bool) -> Image.Image:
    """A flat RGBA silhouette, lit from above and one side; the flat one itself at level 0."""
    if level == 0:
        return layer
    tiny = fields.small(layer.size, 192)
    rows, columns = np.mgrid[-1 : 1 : tiny[1] * 1j, -1 : 1 : tiny[0] * 1j].astype(np.float32)
    slope: fields.Field = -(rows * 0.7 + columns * (0.5 if from_left else -0.5)) * np.float32(20)
    alpha = layer.getchannel("A")
    if level >= 2:
        blurred = alpha.resize(tiny, Image.Resampling.BILINEAR).filter(ImageFilter.GaussianBlur(tiny[0] * 0.035))
        height = np.asarray(blurred, np.float32)
        reach = max(1, tiny[0] // 32)
        side = reach if from_left else -reach
        rise: fields.Field = np.roll(height, (-reach, -side), (0, 1)) - np.roll(height, (reach, side), (0, 1))
        slope = slope + rise * np.float32((0.0, 0.0, 0.20, 0.30, 0.36)[level])
        if level >= 3:  # a rim of light along the lit edge
            slope = slope + np.clip(rise - 90, 0, 255) * np.float32(0.45)
    return _shaded(layer, fields.mask(slope / np.float32(255) + np.float32(0.502), layer.size))


def _shaded(picture: Image.Image, shade: Image.Image) -> Image.Image:
    """Every channel but alpha raised or lowered by `shade` - 128."""
    bands = picture.split()
    lit = [ImageChops.add(band, shade, 1.0, -128) for band in bands[:3]]
    return Image.merge(picture.mode, [*lit, *bands[3:]])


def brushwork(size: Extent, level: int, seed: int) -> Image.Image:
    """The traces of the brush as an L picture around 128: washes at every level, strokes and grain at the higher ones."""
    rng = fields.generator(seed)
    tiny = fields.small(size, 192)
    wash: fields.Field = fields.noise(rng, tiny, 6.0) * np.float32(6.0) + fields.noise(rng, tiny, 15.0) * np.float32(4.5)
    sheet = fields.mask(wash / np.float32(255) + np.float32(0.502), size)
    if level == 0:  # three flat papers instead of a wash
        return sheet.point([128 + (-9 if value < 125 else 9 if value > 131 else 0) for value in range(256)])
    sheet = ImageChops.add(sheet, _strokes(size, level, rng), 1.0, -128)
    if level == 4:
        tile = Image.fromarray(np.clip(rng.normal(128, 4.5, (256, 256)), 0, 255).astype(np.uint8))
        grain = Image.new("L", size)
        for top in range(0, size[1], 256):
            for left in range(0, size[0], 256):
                grain.paste(tile, (left, top))
        sheet = ImageChops.add(sheet, grain, 1.0, -128)
    return sheet


def _strokes(size: Extent, level: int, rng: np.random.Generator) -> Image.Image:
    """Short strokes that follow a slowly turning direction, finer and more the higher the level."""
    extent = fields.small(size, 768)
    sheet = Image.new("L", extent, 128)
    draw = ImageDraw.Draw(sheet)
    random = fields.dice(int(rng.integers(2**62)))
    unit = min(extent)
    turns = fields.noise(rng, (24, 24), 2.5)
    thick, strong = (0.014, 0.011, 0.008, 0.006)[level - 1] * unit, (8, 10, 12, 14)[level - 1]
    for _ in range(max(40, round(_STROKES[level] * max(extent) / 768))):
        x, y = random.random(), random.random()
        angle = float(turns[int(y * 24), int(x * 24)]) * 0.9
        reach = unit * random.uniform(0.012, 0.035)
        dx, dy = np.cos(angle) * reach, np.sin(angle) * reach
        x, y = x * extent[0], y * extent[1]
        tone = 128 + round(random.uniform(-strong, strong))
        draw.line((x - dx, y - dy, x + dx, y + dy), fill=tone, width=max(1, round(thick * random.uniform(0.6, 1.3))))
    if level < 4:
        sheet = sheet.filter(ImageFilter.GaussianBlur(0.8))
    return sheet if extent == size else sheet.resize(size, Image.Resampling.BICUBIC)


def varnish(picture: Image.Image, level: int, traces: Image.Image) -> Image.Image:
    """The last hand on a whole picture (RGB or RGBA): bloom, darker corners, the traces of the brush."""
    if level >= 3 and picture.mode == "RGB":
        tiny = fields.small(picture.size, 128)
        soft = (
            picture.resize(tiny, Image.Resampling.BOX)
            .filter(ImageFilter.GaussianBlur(4))
            .resize(picture.size, Image.Resampling.BICUBIC)
        )
        picture = Image.blend(picture, ImageChops.soft_light(picture, soft), 0.35 if level == 3 else 0.55)
    if level >= 2 and picture.mode == "RGB":
        width, height = picture.size
        middle = fields.glow((round(width * 1.7), round(height * 1.7)), 0.8)
        left, top = round(width * 0.35), round(height * 0.35)
        corners = middle.crop((left, top, left + width, top + height)).point(
            [128 - round((255 - value) * 0.11) for value in range(256)]
        )
        picture = _shaded(picture, corners)
    return _shaded(picture, traces)
