"""Plain shapes and things of the sky, each drawn in the box from -1 to 1."""

import math

from adapters.image_models.brush.pen import Pen
from adapters.image_models.brush.pigments import Inks


def circle(pen: Pen, ink: Inks) -> None:
    pen.oval(ink.body, 0, 0, 0.95)
    pen.oval(ink.light, -0.34, -0.38, 0.24, 0.15, -42)


def square(pen: Pen, ink: Inks) -> None:
    pen.box(ink.body, -0.85, -0.7, 0.85, 1)
    pen.box(ink.shade, 0.68, -0.7, 0.85, 1)
    pen.box(ink.light, -0.85, -0.7, 0.85, -0.56)


def cube(pen: Pen, ink: Inks) -> None:
    pen.poly(ink.light, (0, -0.95), (0.85, -0.5), (0, -0.05), (-0.85, -0.5))
    pen.poly(ink.body, (-0.85, -0.5), (0, -0.05), (0, 1), (-0.85, 0.52))
    pen.poly(ink.shade, (0.85, -0.5), (0, -0.05), (0, 1), (0.85, 0.52))


def triangle(pen: Pen, ink: Inks) -> None:
    pen.poly(ink.body, (0, -0.85), (0.98, 1), (-0.98, 1))
    pen.poly(ink.shade, (0, -0.85), (0.98, 1), (0.42, 1))


def pyramid(pen: Pen, ink: Inks) -> None:
    pen.poly(ink.body, (-0.15, -0.6), (0.35, 1), (-1.05, 0.85))
    pen.poly(ink.shade, (-0.15, -0.6), (1.05, 0.75), (0.35, 1))
    for row in (0.25, 0.5, 0.75):
        pen.stroke(ink.shade, 0.02, (-0.15 - 0.9 * row, -0.6 + 1.45 * row), (-0.15 + 0.5 * row, -0.6 + 1.6 * row))


def star(pen: Pen, ink: Inks) -> None:
    pen.fan(ink.body, 5, 0.42, 1.05, 0, 0.05)
    for corner in range(5):
        angle = math.radians(corner * 72 - 90)
        half = math.radians(corner * 72 - 54)
        pen.poly(
            ink.light if corner in (0, 4) else ink.shade,
            (0, 0.05),
            (1.05 * math.cos(angle), 0.05 + 1.05 * math.sin(angle)),
            (0.42 * math.cos(half), 0.05 + 0.42 * math.sin(half)),
        )


def heart(pen: Pen, ink: Inks) -> None:
    turns = [i / 60 * math.tau for i in range(60)]
    outline = [
        (
            0.97 * math.sin(t) ** 3,
            0.02 - 0.061 * (13 * math.cos(t) - 5 * math.cos(2 * t) - 2 * math.cos(3 * t) - math.cos(4 * t)),
        )
        for t in turns
    ]
    pen.poly(ink.body, *outline)
    pen.oval(ink.light, -0.48, -0.38, 0.2, 0.12, -40)


def hexagon(pen: Pen, ink: Inks) -> None:
    pen.ngon(ink.body, 6, 1.02)
    pen.ngon(ink.shade, 6, 0.78)
    pen.ngon(ink.body, 6, 0.70)


def pentagon(pen: Pen, ink: Inks) -> None:
    pen.ngon(ink.body, 5, 1.02, 0, 0.1)
    pen.ngon(ink.light, 5, 0.4, 0, 0.1)


def octagon(pen: Pen, ink: Inks) -> None:
    pen.ngon(ink.body, 8, 1.0, turn=22.5)
    pen.ngon(ink.light, 8, 0.82, turn=22.5)
    pen.ngon(ink.body, 8, 0.76, turn=22.5)


def diamond(pen: Pen, ink: Inks) -> None:
    pen.poly(ink.body, (-0.95, -0.3), (-0.5, -0.8), (0.5, -0.8), (0.95, -0.3), (0, 1))
    pen.poly(ink.light, (-0.95, -0.3), (-0.5, -0.8), (-0.3, -0.3))
    pen.poly(ink.light, (0, -0.8), (0.3, -0.3), (-0.3, -0.3))
    pen.poly(ink.shade, (0.3, -0.3), (0.95, -0.3), (0, 1))
    pen.poly(ink.light, (-0.3, -0.3), (0.3, -0.3), (0, 1))


def ring(pen: Pen, ink: Inks) -> None:
    circle_points = [(0.78 * math.cos(i / 48 * math.tau), 0.78 * math.sin(i / 48 * math.tau)) for i in range(49)]
    pen.stroke(ink.body, 0.34, *circle_points)
    pen.stroke(ink.light, 0.07, *[(x * 0.98 - 0.03, y * 0.98 - 0.04) for x, y in circle_points[26:42]])


def spiral(pen: Pen, ink: Inks) -> None:
    path = [(0.018 * i * math.cos(i / 5.2), 0.018 * i * math.sin(i / 5.2)) for i in range(2, 52)]
    pen.stroke(ink.body, 0.2, *path)
    pen.stroke(ink.light, 0.06, *path)


def cross(pen: Pen, ink: Inks) -> None:
    pen.box(ink.body, -0.3, -0.95, 0.3, 1)
    pen.box(ink.body, -0.95, -0.32, 0.95, 0.28)
    pen.box(ink.light, -0.3, -0.95, -0.18, -0.32)


def crescent(pen: Pen, ink: Inks) -> None:
    outer = [(0.95 * math.cos(math.radians(a)), 0.95 * math.sin(math.radians(a))) for a in range(50, 311, 6)]
    inner = [(0.42 + 0.74 * math.cos(math.radians(a)), 0.74 * math.sin(math.radians(a))) for a in range(282, 77, -6)]
    pen.poly(ink.body, *outer, *inner)
    pen.oval(ink.shade, -0.62, -0.1, 0.09)
    pen.oval(ink.shade, -0.45, 0.42, 0.12)
    pen.oval(ink.shade, -0.4, -0.55, 0.07)


def sun(pen: Pen, ink: Inks) -> None:
    pen.fan(ink.accent, 14, 0.66, 1.1)
    pen.oval(ink.body, 0, 0, 0.66)
    pen.oval(ink.light, -0.16, -0.18, 0.26, 0.22, -30)


def planet(pen: Pen, ink: Inks) -> None:
    pen.oval(ink.body, 0, 0, 0.72)
    pen.oval(ink.shade, 0.12, 0.28, 0.58, 0.12, -14)
    pen.oval(ink.light, -0.12, -0.3, 0.5, 0.1, -14)
    ellipse = [(1.12 * math.cos(math.radians(a)), 0.26 * math.sin(math.radians(a))) for a in range(-35, 216, 8)]
    cos, sin = math.cos(-0.25), math.sin(-0.25)
    pen.stroke(ink.accent, 0.12, *[(x * cos - y * sin, x * sin + y * cos) for x, y in ellipse])


def cloud(pen: Pen, ink: Inks) -> None:
    for x, y, radius in ((-0.6, 0.2, 0.38), (-0.15, -0.08, 0.5), (0.42, 0.05, 0.42), (0.78, 0.28, 0.28)):
        pen.oval(ink.body, x, y, radius)
    pen.box(ink.body, -0.62, 0.15, 0.8, 0.56)
    pen.oval(ink.light, -0.25, -0.2, 0.28, 0.18, -20)
    pen.oval(ink.light, 0.35, -0.08, 0.2, 0.12, -20)


def snowflake(pen: Pen, ink: Inks) -> None:
    for arm in range(6):
        angle = math.radians(arm * 60 - 90)
        cos, sin = math.cos(angle), math.sin(angle)
        pen.stroke(ink.body, 0.11, (0, 0), (cos, sin))
        for reach, length in ((0.45, 0.24), (0.72, 0.2)):
            for side in (-1, 1):
                twig = angle + side * math.radians(55)
                tip = (reach * cos + length * math.cos(twig), reach * sin + length * math.sin(twig))
                pen.stroke(ink.body, 0.09, (reach * cos, reach * sin), tip)
    pen.ngon(ink.light, 6, 0.16)


def lightning(pen: Pen, ink: Inks) -> None:
    pen.poly(ink.body, (0.25, -1), (-0.5, 0.15), (-0.05, 0.15), (-0.3, 1), (0.55, -0.2), (0.08, -0.2), (0.5, -1))


def rainbow(pen: Pen, ink: Inks) -> None:
    bands = ((214, 64, 56), (238, 146, 52), (246, 212, 72), (92, 172, 92), (66, 124, 204), (132, 88, 176))
    for row, band in enumerate(bands):
        radius = 1.04 - row * 0.105
        arch = [
            (radius * math.cos(math.radians(a)), 0.85 + 1.35 * radius * math.sin(math.radians(a))) for a in range(180, 361, 6)
        ]
        pen.stroke(band, 0.115, *arch)
    for x in (-0.75, 0.75):
        pen.oval(ink.light, x, 0.86, 0.4, 0.16)
