"""A brief becomes a picture: arranged once, painted frame by frame."""

import math

from PIL import Image, ImageDraw

from adapters.image_models.brush import fields, finish, scenery
from adapters.image_models.brush.arrangement import Arrangement, Manner, Placed
from adapters.image_models.brush.brief import Brief
from adapters.image_models.brush.fields import Extent
from adapters.image_models.brush.pen import REACH, render
from adapters.image_models.brush.pigments import RGB
from adapters.image_models.brush.scenery import SCENES

SAND: RGB = (216, 194, 148)
FLAKE: RGB = (252, 253, 255)


class Composition:
    """A picture of `size`, ready to be painted in any phase of its motion; `over` a finished canvas, if one is given."""

    def __init__(self, brief: Brief, size: Extent, manner: Manner, over: Image.Image | None = None) -> None:
        self._size, self._level = size, manner.level
        self._arrangement = Arrangement(brief, size, manner, aside=over is not None)
        self._stage = self._arrangement.stage
        self._snowy = brief.snowy and manner.ground
        self._traces = finish.brushwork(size, manner.level, manner.touch)
        self._backdrop = over if over is not None else self._scene() if manner.ground else self._nothing()

    def frame(self, phase: float = 0.0) -> Image.Image:
        """The picture at `phase` (0..1) of its motion, in which the subjects bob: RGB, or RGBA without ground."""
        canvas = self._backdrop.copy()
        for place, placed in enumerate(self._arrangement.front):
            turn = (phase + place * 0.37) * math.tau
            lift = placed.side * 0.035 * math.sin(turn)
            self._put(canvas, placed, lift, 3.0 * math.cos(turn) - 3.0 if phase else 0.0)
        if self._snowy:
            self._snowfall(canvas, phase)
        return finish.varnish(canvas, self._level, self._traces)

    def _nothing(self) -> Image.Image:
        sheet = Image.new("RGBA", self._size)
        for placed in (*self._arrangement.far, *self._arrangement.back):
            self._put(sheet, placed)
        return sheet

    def _scene(self) -> Image.Image:
        scene = SCENES[self._arrangement.scene]
        canvas = scenery.sky(self._stage)
        if self._stage.night and scene is not scenery.space:
            scenery.stars(canvas, self._stage)
        for placed in self._arrangement.back:
            self._put(canvas, placed)
        scene(canvas, self._stage)
        for placed in (*self._arrangement.far, *self._arrangement.extras):
            self._put(canvas, placed)
        return canvas

    def _put(self, canvas: Image.Image, placed: Placed, lift: float = 0.0, tilt: float = 0.0) -> None:
        side = max(4, round(placed.side * REACH))
        layer = render(placed.marks, side, placed.outline, flip=placed.flip, tilt=tilt)
        layer = finish.relief(layer, self._level, self._stage.light[0] < 0.5)
        foot = round((1 + REACH) / (2 * REACH) * side)
        left, top = round(placed.x - side / 2), round(placed.y + lift) - foot
        if placed.rest == "shadow":
            wide, flat = max(2, round(side * 0.86)), max(2, round(side * 0.17))
            pool = fields.glow((wide, flat), 0.1 if self._level == 0 else 0.9).point(
                [round(value * 0.62) for value in range(256)]
            )
            canvas.paste(self._stage.palette.dark, (round(placed.x) - wide // 2, round(placed.y) - flat // 2 - side // 60), pool)
        if placed.rest == "bank":
            wide, flat = max(2, round(side * 1.25)), max(2, round(side * 0.2))
            where = round(placed.x) - wide // 2, round(placed.y) - flat // 2 - side // 60
            canvas.paste(SAND, where, fields.glow((wide, flat), 0.1))
        if placed.rest == "mirror":
            image = layer.transpose(Image.Transpose.FLIP_TOP_BOTTOM)
            faint = image.getchannel("A").point([round(value * 0.28) for value in range(256)])
            canvas.paste(image, (left, round(placed.y - lift) - (side - foot)), faint)
        if canvas.mode == "RGBA":
            canvas.alpha_composite(*_clipped(layer, left, top))
        else:
            canvas.paste(layer, (left, top), layer)

    def _snowfall(self, canvas: Image.Image, phase: float) -> None:
        draw = ImageDraw.Draw(canvas)
        random, unit = fields.dice(self._stage.horizon), min(self._size)
        for _ in range((24, 50, 80, 120, 160)[self._level]):
            x, y = random.random() * self._size[0], (random.random() + phase) % 1.0 * self._size[1]
            radius = max(0.5, unit * random.uniform(0.002, 0.009))
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=FLAKE)


def _clipped(layer: Image.Image, left: int, top: int) -> tuple[Image.Image, tuple[int, int]]:
    """`alpha_composite` refuses places left of or above its canvas."""
    cut = layer.crop((min(max(0, -left), layer.width), min(max(0, -top), layer.height), layer.width, layer.height))
    return cut, (max(0, left), max(0, top))
