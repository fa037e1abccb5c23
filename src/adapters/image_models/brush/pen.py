"""A pen for silhouettes: shapes are noted in a box from -1 to 1 (feet on y = 1) and rendered at any size."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from PIL import Image, ImageDraw

from adapters.image_models.brush.pigments import RGB

Point = tuple[float, float]
REACH = 1.18
"""How far from the middle a shape may reach before the layer cuts it off."""


class Mark(NamedTuple):
    """A filled outline, or (with a width) a line with round ends."""

    ink: RGB
    points: tuple[Point, ...]
    width: float


class Pen:
    """Notes filled shapes in drawing order. Coordinates: x to the right, y down, the box from -1 to 1."""

    __slots__ = ("marks",)

    def __init__(self) -> None:
        self.marks: list[Mark] = []

    def poly(self, ink: RGB, *points: Point) -> None:
        self.marks.append(Mark(ink, points, 0.0))

    def box(self, ink: RGB, left: float, top: float, right: float, bottom: float) -> None:
        self.poly(ink, (left, top), (right, top), (right, bottom), (left, bottom))

    def oval(self, ink: RGB, x: float, y: float, rx: float, ry: float | None = None, turn: float = 0.0) -> None:
        """An ellipse; `turn` in degrees, clockwise."""
        ry = rx if ry is None else ry
        cos, sin = math.cos(math.radians(turn)), math.sin(math.radians(turn))
        ring = [(rx * math.cos(i * math.tau / 40), ry * math.sin(i * math.tau / 40)) for i in range(40)]
        self.poly(ink, *((x + a * cos - b * sin, y + a * sin + b * cos) for a, b in ring))

    def blob(self, ink: RGB, *points: Point) -> None:
        """A smooth closed outline through the points."""
        self.poly(ink, *_smooth((*points[-1:], *points, *points[:2])))

    def stroke(self, ink: RGB, width: float, *points: Point) -> None:
        """A smooth line through the points with round ends."""
        path = _smooth((points[0], *points, points[-1])) if len(points) > 2 else points
        self.marks.append(Mark(ink, tuple(path), width))

    def fan(self, ink: RGB, count: int, inner: float, outer: float, x: float = 0.0, y: float = 0.0, turn: float = 0.0) -> None:
        """A star of `count` points around (x, y)."""
        ring = (
            (outer if i % 2 == 0 else inner, (i / (2 * count)) * math.tau + math.radians(turn - 90)) for i in range(2 * count)
        )
        self.poly(ink, *((x + r * math.cos(a), y + r * math.sin(a)) for r, a in ring))

    def ngon(self, ink: RGB, count: int, radius: float, x: float = 0.0, y: float = 0.0, turn: float = 0.0) -> None:
        """A regular polygon, one corner up."""
        angles = (i / count * math.tau + math.radians(turn - 90) for i in range(count))
        self.poly(ink, *((x + radius * math.cos(a), y + radius * math.sin(a)) for a in angles))


def _smooth(points: Sequence[Point]) -> list[Point]:
    """A Catmull-Rom curve through all but the first and the last point."""
    curve: list[Point] = []
    for (ax, ay), (bx, by), (cx, cy), (dx, dy) in zip(points, points[1:], points[2:], points[3:], strict=False):
        for step in range(8):
            t = step / 8
            curve.append((_spline(ax, bx, cx, dx, t), _spline(ay, by, cy, dy, t)))
    return [*curve, points[-2]]


def _spline(a: float, b: float, c: float, d: float, t: float) -> float:
    return 0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)


def render(marks: Sequence[Mark], side: int, outline: RGB | None, *, flip: bool = False, tilt: float = 0.0) -> Image.Image:
    """The noted shapes as an antialiased RGBA layer of `side` x `side` pixels; `tilt` in degrees, about the feet.

    With `outline`, the whole silhouette gets a thin dark edge, as in a printed illustration.
    """
    over = 4 if side < 160 else 2  # small pictures need finer supersampling and can afford it
    layer = Image.new("RGBA", (side * over, side * over))
    draw = ImageDraw.Draw(layer)
    unit = side * over / (2 * REACH)
    cos, sin = math.cos(math.radians(tilt)), math.sin(math.radians(tilt))
    mirror = -1.0 if flip else 1.0

    def place(point: Point) -> Point:
        x, y = point[0] * mirror, point[1] - 1
        return (x * cos - y * sin + REACH) * unit, (x * sin + y * cos + 1 + REACH) * unit

    placed = [Mark(mark.ink, tuple(map(place, mark.points)), mark.width * unit) for mark in marks]
    if outline is not None:
        edge = max(2.0, unit * 0.022)
        for _, points, width in placed:
            if width == 0 or width > 2 * edge:  # hairs stay hairs
                _line(draw, outline, points if width else (*points, *points[:2]), width + 2 * edge, round_ends=width > 0)
    for ink, points, width in placed:
        if width:
            _line(draw, ink, points, width, round_ends=True)
        else:
            draw.polygon(points, fill=ink)
    return layer.reduce(over)


def _line(draw: ImageDraw.ImageDraw, ink: RGB, points: Sequence[Point], width: float, *, round_ends: bool) -> None:
    draw.line(points, fill=ink, width=max(1, round(width)), joint=None if round_ends else "curve")
    if round_ends and width >= 3:  # a disc on every joint: Pillow's own curved joints leave dents in tight bends
        for x, y in points:
            draw.ellipse((x - width / 2, y - width / 2, x + width / 2, y + width / 2), fill=ink)
