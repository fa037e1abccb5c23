"""The surroundings of a subject: sky, light, land. Each scene paints itself back to front onto an RGB canvas."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from types import MappingProxyType

import numpy as np
from PIL import Image, ImageDraw

from adapters.image_models.brush import fields, flora
from adapters.image_models.brush.fields import Extent, Field
from adapters.image_models.brush.pen import REACH, Pen, render
from adapters.image_models.brush.pigments import RGB, Inks, Palette

LAMP: RGB = (255, 226, 140)
FROST: tuple[RGB, RGB] = ((250, 252, 255), (212, 224, 240))


@dataclass(slots=True)
class Stage:
    """Where a scene is painted. `horizon` is in pixels from the top; `level` is the quality, 0 (low) to 4 (max)."""

    size: Extent
    palette: Palette
    level: int
    night: bool
    snowy: bool
    random: Random
    horizon: int = 0
    light: tuple[float, float] = (0.3, 0.25)
    """Where the light comes from, as parts of width and height."""
    noise: np.random.Generator = field(init=False)

    def __post_init__(self) -> None:
        self.noise = fields.generator(self.random.getrandbits(64))

    @property
    def unit(self) -> int:
        return min(self.size)

    @property
    def bands(self) -> int | None:
        """Low quality paints gradients in a few flat bands."""
        return 6 if self.level == 0 else None


Scene = Callable[[Image.Image, Stage], None]


def sky(stage: Stage) -> Image.Image:
    """A canvas of sky: from the zenith to the horizon, brushed by drifting air, bright around the light."""
    tiny = fields.small(stage.size)
    rows = np.linspace(0.0, 1.0, tiny[1], dtype=np.float32)[:, None]
    drift = fields.noise(stage.noise, tiny, stage.random.uniform(2.0, 4.0))
    reach = max(stage.horizon / stage.size[1], 0.2)
    lean = stage.random.uniform(-0.25, 0.25) * np.linspace(-1.0, 1.0, tiny[0], dtype=np.float32)[None, :]
    position = np.clip(rows / np.float32(reach) + lean + drift * np.float32(0.07), 0, 1)
    canvas = fields.colour(fields.mask(position, stage.size), stage.palette.sky, stage.bands)
    if stage.level > 0:
        span = round(stage.unit * 1.5)
        halo = fields.glow((span, span)).point([round(value * 0.55) for value in range(256)])
        x, y = round(stage.light[0] * stage.size[0]) - span // 2, round(stage.light[1] * stage.size[1]) - span // 2
        canvas.paste(stage.palette.glow, (x, y), halo)
    return canvas


def _land(canvas: Image.Image, stage: Stage, tops: Field, upper: RGB, lower: RGB) -> None:
    """Everything under a ridge, from one tone at its top to another at the foot of the picture."""
    shape, first = fields.below(tops, stage.size)
    width, height = stage.size
    ramp = Image.linear_gradient("L").resize((width, height - first), Image.Resampling.BILINEAR)
    canvas.paste(fields.colour(ramp, (upper, lower), 2 if stage.level == 0 else None), (0, first), shape)


def _mix(first: RGB, second: RGB, share: float) -> RGB:
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(first, second, strict=True))
    return red, green, blue


def _ranges(canvas: Image.Image, stage: Stage, *, swing: float, knots: float, octaves: int, jagged: bool) -> None:
    """Ridge behind ridge, each nearer one lower and stronger in tone."""
    count = (2, 3, 3, 4, 4)[stage.level]
    far, near = stage.palette.land
    for row in range(count):
        share = row / max(count - 1, 1)
        shape = fields.line(stage.noise, stage.size[0], knots * (1 - 0.4 * share), octaves + (stage.level > 2), jagged=jagged)
        middle = stage.horizon - stage.unit * (0.16 * (1 - share) + 0.02)
        tone = _mix(far, near, share)
        haze = _mix(tone, stage.palette.sky[2], 0.45 * (1 - share))
        _land(canvas, stage, middle + shape * np.float32(stage.unit * swing * (1 - 0.5 * share)), tone, haze)
    _ground(canvas, stage)


def _ground(canvas: Image.Image, stage: Stage) -> None:
    roll = fields.line(stage.noise, stage.size[0], 2.0, 2, jagged=False)
    upper, lower = FROST if stage.snowy else stage.palette.ground
    if stage.snowy and stage.night:
        upper, lower = _mix(upper, stage.palette.sky[1], 0.35), _mix(lower, stage.palette.sky[1], 0.5)
    _land(canvas, stage, stage.horizon + stage.unit * np.float32(0.06) + roll * np.float32(stage.unit * 0.035), upper, lower)


def hills(canvas: Image.Image, stage: Stage) -> None:
    _ranges(canvas, stage, swing=0.10, knots=3.0, octaves=2, jagged=False)


def peaks(canvas: Image.Image, stage: Stage) -> None:
    _ranges(canvas, stage, swing=0.20, knots=4.0, octaves=4, jagged=True)


def dunes(canvas: Image.Image, stage: Stage) -> None:
    _ranges(canvas, stage, swing=0.07, knots=1.6, octaves=1, jagged=False)


def forest(canvas: Image.Image, stage: Stage) -> None:
    """Rows of firs, the far ones paler and closer together."""
    far, near = stage.palette.land
    rows = (2, 2, 3, 3, 4)[stage.level]
    foot = stage.horizon + stage.unit * 0.04
    for row in range(rows):
        share = (row + 1) / rows
        tone = _mix(_mix(far, stage.palette.sky[2], 0.5), near, share)
        pen = Pen()
        flora.pine(pen, Inks(tone, _mix(tone, stage.palette.dark, 0.25), tone, tone, tone, tone))
        firs = [render(pen.marks, max(4, round(stage.unit * tall * (0.7 + 0.4 * share))), None) for tall in (0.38, 0.46, 0.55)]
        x = -stage.unit * 0.15
        while x < stage.size[0]:
            fir = stage.random.choice(firs)
            top = round(foot - fir.height * (1 + REACH) / (2 * REACH) + stage.random.uniform(0, 0.02) * stage.unit)
            canvas.paste(fir, (round(x), top), fir)
            x += fir.width * stage.random.uniform(0.16, 0.42) + 1
        foot += stage.unit * 0.03
    _ground(canvas, stage)


def city(canvas: Image.Image, stage: Stage) -> None:
    """Two rows of towers with lit windows, and a street."""
    far, near = stage.palette.land
    draw = ImageDraw.Draw(canvas)
    foot = stage.horizon + stage.unit * 0.08
    for row in range(2):
        tone = _mix(_mix(far, stage.palette.sky[2], 0.35), _mix(near, stage.palette.dark, 0.35), row)
        x = -stage.random.uniform(0.0, 0.1) * stage.unit
        while x < stage.size[0]:
            wide = stage.unit * stage.random.uniform(0.09, 0.17)
            tall = stage.unit * stage.random.uniform(0.18, 0.44 if row else 0.58)
            draw.rectangle((round(x), round(foot - tall), round(x + wide), stage.size[1]), fill=tone)
            if stage.random.random() < 0.3 and stage.unit >= 96:
                draw.line(
                    (x + wide / 2, foot - tall * 1.14, x + wide / 2, foot - tall), fill=tone, width=max(1, stage.unit // 160)
                )
            if row or stage.level > 1:
                _windows(draw, stage, (x, foot - tall, wide, tall), _mix(LAMP, tone, 0.15 if row else 0.6))
            x += wide * stage.random.uniform(1.0, 1.25)
    _land(canvas, stage, np.full(stage.size[0], foot, np.float32), stage.palette.ground[0], stage.palette.ground[1])


def _windows(draw: ImageDraw.ImageDraw, stage: Stage, block: tuple[float, float, float, float], lit: RGB) -> None:
    left, top, wide, tall = block
    pitch = max(stage.unit * 0.028, 4.0)
    for row in range(int(tall / pitch) - 1):
        for column in range(int(wide / pitch) - 1):
            if stage.random.random() < (0.6 if stage.night else 0.42):
                x, y = left + pitch * (column + 0.75), top + pitch * (row + 0.6)
                draw.rectangle((round(x), round(y), round(x + pitch * 0.42), round(y + pitch * 0.5)), fill=lit)


def sea(canvas: Image.Image, stage: Stage) -> None:
    """Open water to the horizon: swell, and the light's path on it."""
    if stage.level > 1:
        shape = fields.line(stage.noise, stage.size[0], 2.0, 3, jagged=False)
        middle = np.float32(stage.horizon - stage.unit * 0.015)
        _land(canvas, stage, middle + shape * np.float32(stage.unit * 0.035), stage.palette.land[0], stage.palette.sky[2])
    width, height = stage.size
    upper, lower = stage.palette.sky[2], stage.palette.ground[1]
    far = _mix(upper, stage.palette.land[1], 0.55)
    ramp = Image.linear_gradient("L").resize((width, max(1, height - stage.horizon)), Image.Resampling.BILINEAR)
    canvas.paste(fields.colour(ramp, (far, stage.palette.ground[0], lower), stage.bands), (0, stage.horizon))
    draw = ImageDraw.Draw(canvas)
    for _ in range((14, 40, 80, 130, 190)[stage.level]):
        depth = stage.random.random() ** 1.4
        y = stage.horizon + depth * (height - stage.horizon)
        near_light = stage.random.random() < 0.45
        x = (
            stage.light[0] * width + stage.random.gauss(0, 0.05 + 0.08 * depth) * width
            if near_light
            else stage.random.random() * width
        )
        long = stage.unit * stage.random.uniform(0.02, 0.06) * (0.4 + 1.6 * depth)
        tone = _mix(stage.palette.glow, far, 0.1) if near_light else _mix(far, lower, stage.random.random())
        draw.line((x - long, y, x + long, y), fill=tone, width=max(1, round(stage.unit * 0.004 * (0.5 + depth))))


def deep(canvas: Image.Image, stage: Stage) -> None:
    """Under water: shafts of light from above, weed and bubbles below."""
    width, height = stage.size
    for _ in range(3 + stage.level):
        shaft = Image.new("L", (max(2, width // 4), max(2, height // 4)))
        x, lean = stage.random.uniform(-0.1, 1.0) * shaft.width, stage.random.uniform(0.1, 0.35) * shaft.width
        wide = stage.random.uniform(0.03, 0.09) * shaft.width
        ImageDraw.Draw(shaft).polygon(
            ((x, 0), (x + wide, 0), (x + lean + wide * 3, shaft.height), (x + lean, shaft.height)), fill=46
        )
        canvas.paste(stage.palette.glow, (0, 0), shaft.resize(stage.size, Image.Resampling.BICUBIC))
    _ground(canvas, stage)
    draw = ImageDraw.Draw(canvas)
    for _ in range(8 + 6 * stage.level):
        x, y, radius = (
            stage.random.random() * width,
            stage.random.random() * height,
            stage.unit * stage.random.uniform(0.004, 0.016),
        )
        draw.ellipse(
            (x - radius, y - radius, x + radius, y + radius), outline=stage.palette.glow, width=max(1, round(radius / 4))
        )


def space(canvas: Image.Image, stage: Stage) -> None:
    stars(canvas, stage, 3.0)


def studio(canvas: Image.Image, stage: Stage) -> None:
    """A plain wall and a floor that meet in a soft curve, with a spot of light on the wall."""
    width, height = stage.size
    spot = round(stage.unit * 1.1)
    halo = fields.glow((spot, spot)).point([round(value * (0.3 if stage.level == 0 else 0.7)) for value in range(256)])
    canvas.paste(stage.palette.glow, ((width - spot) // 2, round(height * 0.42) - spot // 2), halo)
    bend = np.linspace(-1.0, 1.0, width, dtype=np.float32) ** 2
    tops = stage.horizon + stage.unit * (np.float32(0.07) - bend * np.float32(0.03))
    _land(canvas, stage, tops, _mix(stage.palette.ground[0], stage.palette.land[0], 0.5), stage.palette.ground[0])


def stars(canvas: Image.Image, stage: Stage, density: float = 1.0) -> None:
    draw = ImageDraw.Draw(canvas)
    for _ in range(round(density * (18, 30, 50, 80, 110)[stage.level] * max(stage.size) / stage.unit)):
        x, y = stage.random.random() * stage.size[0], stage.random.random() ** 1.3 * (stage.horizon or stage.size[1])
        radius = stage.unit * stage.random.uniform(0.0012, 0.0042)
        tone = _mix(stage.palette.sky[1], (255, 252, 240), stage.random.uniform(0.5, 1.0))
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=tone)


SCENES: Mapping[str, Scene] = MappingProxyType(
    {
        "hills": hills,
        "peaks": peaks,
        "dunes": dunes,
        "forest": forest,
        "city": city,
        "sea": sea,
        "deep": deep,
        "space": space,
        "studio": studio,
    }
)
