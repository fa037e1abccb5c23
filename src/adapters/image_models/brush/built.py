"""Things people make, each drawn in the box from -1 to 1 with its foot on y = 1."""

import math

from adapters.image_models.brush.pen import Pen
from adapters.image_models.brush.pigments import RGB, Inks

GLASS: RGB = (196, 226, 240)
LAMP: RGB = (255, 222, 122)
WOOD: RGB = (132, 84, 52)
STEEL: RGB = (150, 158, 168)
PITCH: RGB = (34, 34, 40)
PAPER: RGB = (248, 246, 240)


def house(pen: Pen, ink: Inks) -> None:
    pen.box(ink.shade, 0.38, -0.78, 0.58, -0.2)
    pen.box(ink.body, -0.75, -0.1, 0.75, 1)
    pen.poly(ink.dark, (-0.98, -0.05), (0, -0.85), (0.98, -0.05))
    pen.box(WOOD, -0.17, 0.38, 0.17, 1)
    pen.oval(LAMP, 0.1, 0.7, 0.035)
    for x in (-0.5, 0.5):
        pen.box(PAPER, x - 0.19, 0.2, x + 0.19, 0.58)
        pen.box(LAMP, x - 0.15, 0.24, x + 0.15, 0.54)
        pen.stroke(PAPER, 0.035, (x, 0.24), (x, 0.54))
        pen.stroke(PAPER, 0.035, (x - 0.15, 0.39), (x + 0.15, 0.39))


def castle(pen: Pen, ink: Inks) -> None:
    for x, top, half in ((-0.72, -0.35, 0.24), (0.72, -0.35, 0.24), (0.0, -0.62, 0.22)):
        pen.box(ink.body, x - half, top, x + half, 1)
        pen.box(ink.shade, x + half * 0.45, top, x + half, 1)
        pen.poly(ink.accent, (x - half * 1.3, top), (x, top - 0.42), (x + half * 1.3, top))
        pen.box(ink.dark, x - 0.05, top + 0.18, x + 0.05, top + 0.42)
    pen.box(ink.body, -0.55, 0.2, 0.55, 1)
    for x in (-0.5, -0.26, -0.02, 0.22):
        pen.box(ink.body, x, 0.07, x + 0.15, 0.22)
    pen.box(ink.dark, -0.16, 0.6, 0.16, 1)
    pen.oval(ink.dark, 0, 0.6, 0.16, 0.18)
    pen.poly(ink.accent, (0, -1.02), (0, -1.15), (0.2, -1.09))


def tower(pen: Pen, ink: Inks) -> None:
    """A lighthouse."""
    pen.poly(PAPER, (-0.32, 1), (-0.2, -0.5), (0.2, -0.5), (0.32, 1))
    for top, bottom in ((-0.3, -0.02), (0.28, 0.56)):
        left, right = 0.2 + 0.08 * (top + 0.5), 0.2 + 0.08 * (bottom + 0.5)
        pen.poly(ink.body, (-left, top), (left, top), (right, bottom), (-right, bottom))
    pen.box(ink.dark, -0.28, -0.58, 0.28, -0.48)
    pen.box(LAMP, -0.15, -0.82, 0.15, -0.58)
    pen.poly(ink.body, (-0.24, -0.82), (0, -1.08), (0.24, -0.82))
    pen.poly(ink.dark, (-0.1, 1), (-0.1, 0.78), (0.1, 0.78), (0.1, 1))


def city(pen: Pen, ink: Inks) -> None:
    blocks = (
        (-1.05, -0.72, 0.0),
        (-0.76, -0.42, -0.5),
        (-0.46, -0.1, -0.1),
        (-0.16, 0.22, -0.92),
        (0.2, 0.52, -0.3),
        (0.48, 0.8, -0.62),
        (0.76, 1.08, 0.1),
    )
    for index, (left, right, top) in enumerate(blocks):
        tone = (ink.body, ink.shade)[index % 2]
        pen.box(tone, left, top, right, 1)
        rows = int((1 - top) / 0.17)
        for row in range(rows):
            for column in range(2):
                if (row * 7 + column * 3 + index * 5) % 4:
                    x = left + 0.06 + column * (right - left - 0.19)
                    pen.box(LAMP, x, top + 0.08 + row * 0.17, x + 0.07, top + 0.16 + row * 0.17)
    pen.stroke(ink.shade, 0.035, (0.03, -0.92), (0.03, -1.14))


def robot(pen: Pen, ink: Inks) -> None:
    pen.stroke(STEEL, 0.05, (0, -0.75), (0, -1.0))
    pen.oval(ink.accent, 0, -1.04, 0.08)
    for side in (-1, 1):
        pen.stroke(STEEL, 0.13, (side * 0.45, 0.02), (side * 0.74, 0.22), (side * 0.7, 0.5))
        pen.oval(ink.shade, side * 0.7, 0.55, 0.13)
        pen.box(STEEL, side * 0.22 - 0.1, 0.6, side * 0.22 + 0.1, 0.9)
        pen.box(ink.shade, side * 0.24 - 0.19, 0.86, side * 0.24 + 0.19, 1)
        pen.box(STEEL, side * 0.5 - 0.07, -0.6, side * 0.5 + 0.07, -0.36)
    pen.box(STEEL, -0.12, -0.22, 0.12, -0.02)
    pen.box(ink.body, -0.46, -0.08, 0.46, 0.64)
    pen.box(ink.light, -0.3, 0.08, 0.3, 0.46)
    for x, tone in ((-0.17, (226, 82, 72)), (0.0, LAMP), (0.17, (92, 190, 110))):
        pen.oval(tone, x, 0.36, 0.055)
    pen.stroke(ink.dark, 0.035, (-0.22, 0.2), (-0.1, 0.2), (-0.04, 0.12), (0.06, 0.26), (0.12, 0.18), (0.22, 0.18))
    pen.box(ink.body, -0.46, -0.78, 0.46, -0.2)
    pen.box(ink.dark, -0.36, -0.66, 0.36, -0.38)
    for x in (-0.17, 0.17):
        pen.oval(GLASS, x, -0.52, 0.1)
        pen.oval(PAPER, x - 0.03, -0.55, 0.035)
    for x in (-0.18, -0.06, 0.06, 0.18):
        pen.box(ink.dark, x - 0.04, -0.32, x + 0.03, -0.26)


def car(pen: Pen, ink: Inks) -> None:
    pen.blob(ink.body, (-0.6, 0.35), (-0.42, -0.1), (0.25, -0.12), (0.58, 0.35))
    pen.blob(GLASS, (-0.46, 0.32), (-0.34, 0.02), (-0.06, 0.0), (-0.06, 0.32))
    pen.blob(GLASS, (0.04, 0.32), (0.04, 0.0), (0.22, 0.02), (0.42, 0.32))
    pen.blob(ink.body, (-1.05, 0.5), (-0.9, 0.32), (0.5, 0.26), (0.98, 0.42), (1.06, 0.72), (0.9, 0.8), (-0.95, 0.8))
    pen.box(ink.shade, -1.0, 0.64, 1.04, 0.8)
    pen.oval(LAMP, 0.98, 0.52, 0.08, 0.07)
    pen.oval((224, 70, 60), -1.0, 0.5, 0.06)
    for x in (-0.56, 0.58):
        pen.oval(PITCH, x, 0.76, 0.25)
        pen.oval(STEEL, x, 0.76, 0.13)


def boat(pen: Pen, ink: Inks) -> None:
    pen.stroke(WOOD, 0.06, (0, 0.5), (0, -1.08))
    pen.poly(PAPER, (0.07, -1.0), (0.82, 0.32), (0.07, 0.38))
    pen.poly(ink.light, (-0.07, -0.82), (-0.07, 0.38), (-0.66, 0.32))
    pen.poly(ink.accent, (0, -1.12), (0.24, -1.04), (0, -0.97))
    pen.poly(ink.body, (-1.02, 0.46), (1.06, 0.46), (0.72, 0.98), (-0.64, 0.98))
    pen.poly(ink.shade, (-0.82, 0.76), (0.87, 0.76), (0.72, 0.98), (-0.64, 0.98))
    pen.poly(PAPER, (-1.02, 0.46), (1.06, 0.46), (1.02, 0.54), (-0.97, 0.54))


def rocket(pen: Pen, ink: Inks) -> None:
    pen.blob((250, 186, 66), (-0.18, 0.66), (0.18, 0.66), (0.0, 1.14))
    pen.blob((242, 106, 44), (-0.1, 0.66), (0.1, 0.66), (0.0, 0.96))
    for side in (-1, 1):
        pen.poly(ink.shade, (side * 0.26, 0.1), (side * 0.66, 0.58), (side * 0.6, 0.82), (side * 0.22, 0.62))
    pen.blob(PAPER, (0, -1.02), (0.34, -0.5), (0.36, 0.2), (0.22, 0.68), (-0.22, 0.68), (-0.36, 0.2), (-0.34, -0.5))
    pen.poly(ink.body, (0, -1.06), (0.2, -0.78), (0.29, -0.52), (-0.29, -0.52), (-0.2, -0.78))
    pen.oval(ink.body, 0, -0.16, 0.2)
    pen.oval(GLASS, 0, -0.16, 0.14)
    pen.box(ink.body, -0.27, 0.5, 0.27, 0.62)


def balloon(pen: Pen, ink: Inks) -> None:
    pen.box(WOOD, -0.18, 0.76, 0.18, 1)
    for side in (-1, 1):
        pen.stroke(WOOD, 0.03, (side * 0.16, 0.78), (side * 0.3, 0.42))
    pen.blob(
        ink.body,
        (0, -1.04),
        (0.62, -0.76),
        (0.78, -0.2),
        (0.42, 0.32),
        (0.18, 0.52),
        (-0.18, 0.52),
        (-0.42, 0.32),
        (-0.78, -0.2),
        (-0.62, -0.76),
    )
    for side in (-1, 1):
        pen.blob(ink.light, (0, -1.03), (side * 0.4, -0.7), (side * 0.48, -0.2), (side * 0.12, 0.5), (side * 0.22, -0.2))
    pen.blob(ink.shade, (0, -1.03), (0.1, -0.2), (0.05, 0.5), (-0.05, 0.5), (-0.1, -0.2))


def cup(pen: Pen, ink: Inks) -> None:
    for x in (-0.25, 0.1):
        pen.stroke(ink.light, 0.06, (x, -0.35), (x + 0.1, -0.6), (x - 0.04, -0.8), (x + 0.08, -1.0))
    pen.stroke(ink.body, 0.14, (0.5, 0.1), (0.92, 0.12), (0.9, 0.55), (0.46, 0.62))
    pen.blob(ink.body, (-0.66, -0.1), (0.62, -0.1), (0.56, 0.6), (0.3, 0.96), (-0.34, 0.96), (-0.6, 0.6))
    pen.oval(ink.light, -0.02, -0.1, 0.66, 0.14)
    pen.oval((92, 58, 38), -0.02, -0.09, 0.55, 0.1)


def book(pen: Pen, ink: Inks) -> None:
    for side in (-1, 1):
        pen.poly(ink.body, (0, -0.35), (side * 1.06, -0.6), (side * 1.06, 0.72), (0, 0.98))
        pen.blob(PAPER, (0, -0.38), (side * 0.5, -0.66), (side * 0.96, -0.6), (side * 0.96, 0.56), (side * 0.5, 0.54), (0, 0.82))
        for row in range(5):
            y = -0.32 + row * 0.17
            pen.stroke(ink.shade, 0.03, (side * 0.16, y + 0.02), (side * 0.5, y - 0.1), (side * 0.84, y - 0.08))
    pen.stroke(ink.shade, 0.04, (0, -0.36), (0, 0.9))


def umbrella(pen: Pen, ink: Inks) -> None:
    pen.stroke(WOOD, 0.07, (0, -0.6), (0, 0.82), (0.12, 0.98), (0.28, 0.84))
    dome = [(math.cos(math.radians(a)), 0.05 + 0.95 * math.sin(math.radians(a))) for a in range(180, 361, 10)]
    pen.poly(ink.body, *dome, (0.66, -0.1), (0.33, 0.08), (0, -0.1), (-0.33, 0.08), (-0.66, -0.1))
    pen.blob(ink.shade, (0, -0.9), (0.3, -0.5), (0.33, 0.04), (0, -0.1), (-0.33, 0.04), (-0.3, -0.5))
    pen.stroke(WOOD, 0.05, (0, -0.9), (0, -1.06))


def crown(pen: Pen, ink: Inks) -> None:
    pen.poly(ink.body, (-0.85, 0.8), (-1.0, -0.45), (-0.48, 0.1), (0, -0.75), (0.48, 0.1), (1.0, -0.45), (0.85, 0.8))
    pen.box(ink.shade, -0.85, 0.58, 0.85, 0.84)
    for x, y in ((-1.0, -0.5), (0, -0.8), (1.0, -0.5)):
        pen.oval(ink.light, x, y, 0.1)
    for x, tone in ((-0.5, (206, 52, 70)), (0.0, (58, 120, 200)), (0.5, (66, 158, 96))):
        pen.ngon(tone, 4, 0.15, x, 0.38)


def windmill(pen: Pen, ink: Inks) -> None:
    pen.poly(ink.body, (-0.46, 1), (-0.26, -0.3), (0.26, -0.3), (0.46, 1))
    pen.poly(ink.dark, (-0.32, -0.28), (0, -0.66), (0.32, -0.28))
    pen.box(WOOD, -0.13, 0.62, 0.13, 1)
    for turn in (20, 110, 200, 290):
        cos, sin = math.cos(math.radians(turn)), math.sin(math.radians(turn))
        blade = ((0.08, 0.0), (0.98, 0.0), (0.98, 0.24), (0.18, 0.2))
        pen.poly(PAPER, *((x * cos - y * sin, -0.24 + x * sin + y * cos) for x, y in blade))
        pen.stroke(WOOD, 0.045, (0, -0.24), (0.98 * cos, -0.24 + 0.98 * sin))
    pen.oval(WOOD, 0, -0.24, 0.09)


def tent(pen: Pen, ink: Inks) -> None:
    pen.poly(ink.body, (-0.15, -0.55), (0.4, -0.68), (1.1, 0.82), (0.55, 1))
    pen.poly(ink.light, (-0.15, -0.55), (0.55, 1), (-0.98, 1))
    pen.poly(ink.dark, (-0.15, -0.1), (0.12, 1), (-0.42, 1))
    pen.stroke(WOOD, 0.05, (-0.15, -0.55), (-0.2, -0.72))


def train(pen: Pen, ink: Inks) -> None:
    pen.oval(ink.light, 0.6, -0.85, 0.2, 0.15)
    pen.oval(ink.light, 0.32, -1.0, 0.14, 0.1)
    pen.box(ink.shade, 0.48, -0.6, 0.74, -0.05)
    pen.box(ink.body, -0.95, -0.5, -0.2, 0.62)
    pen.box(GLASS, -0.8, -0.32, -0.36, 0.06)
    pen.box(ink.shade, -1.05, -0.62, -0.1, -0.48)
    pen.blob(ink.body, (-0.25, -0.1), (0.8, -0.1), (0.95, 0.26), (0.8, 0.62), (-0.25, 0.62))
    pen.poly(PITCH, (0.85, 0.5), (1.14, 0.98), (0.7, 0.98))
    for x, radius in ((-0.62, 0.26), (0.1, 0.2), (0.56, 0.2)):
        pen.oval(PITCH, x, 1 - radius, radius)
        pen.oval(ink.accent, x, 1 - radius, radius * 0.55)


def guitar(pen: Pen, ink: Inks) -> None:
    pen.blob(
        ink.body,
        (0, 1),
        (-0.5, 0.85),
        (-0.52, 0.45),
        (-0.3, 0.22),
        (-0.36, -0.08),
        (0, -0.2),
        (0.36, -0.08),
        (0.3, 0.22),
        (0.52, 0.45),
        (0.5, 0.85),
    )
    pen.oval(PITCH, 0, 0.26, 0.16)
    pen.box(WOOD, -0.07, -0.9, 0.07, 0.2)
    pen.box(PITCH, -0.13, -1.12, 0.13, -0.86)
    pen.box(PITCH, -0.2, 0.62, 0.2, 0.7)
    for x in (-0.03, 0.03):
        pen.stroke(PAPER, 0.015, (x, -0.9), (x, 0.66))
