"""Plants and landforms, each drawn in the box from -1 to 1 with its foot on y = 1."""

import math

from adapters.image_models.brush.pen import Pen
from adapters.image_models.brush.pigments import RGB, Inks

BARK: RGB = (104, 70, 46)
BARK_SHADE: RGB = (76, 50, 34)
STEM: RGB = (74, 128, 62)
SNOW: RGB = (246, 249, 252)


def mountain(pen: Pen, ink: Inks) -> None:
    pen.poly(ink.shade, (0.1, 1), (0.62, -0.25), (1.16, 1))
    pen.poly(ink.body, (-1.14, 1), (-0.55, 0.12), (-0.4, 0.2), (0, -0.9), (0.3, -0.35), (0.42, -0.2), (0.95, 1))
    pen.poly(ink.shade, (0, -0.9), (0.3, -0.35), (0.42, -0.2), (0.95, 1), (0.3, 1), (0.12, 0.2), (0.2, -0.2))
    pen.poly(SNOW, (0, -0.9), (0.3, -0.35), (0.2, -0.28), (0.1, -0.42), (0, -0.24), (-0.1, -0.4), (-0.22, -0.3))
    pen.poly(SNOW, (0.62, -0.25), (0.72, -0.02), (0.62, 0.02), (0.54, -0.06))


def volcano(pen: Pen, ink: Inks) -> None:
    pen.oval(ink.light, 0.12, -0.86, 0.26, 0.18)
    pen.oval(ink.light, -0.12, -0.7, 0.2, 0.14)
    pen.poly(ink.body, (-1.1, 1), (-0.3, -0.45), (0.3, -0.45), (1.1, 1))
    pen.poly(ink.shade, (0.1, -0.45), (0.3, -0.45), (1.1, 1), (0.4, 1))
    pen.blob(
        (232, 84, 36),
        (-0.3, -0.5),
        (0.3, -0.5),
        (0.34, -0.2),
        (0.2, -0.05),
        (0.16, 0.35),
        (0.02, -0.1),
        (-0.1, 0.15),
        (-0.32, -0.2),
    )


def tree(pen: Pen, ink: Inks) -> None:
    pen.poly(BARK, (-0.13, 1), (-0.08, 0.1), (0.08, 0.1), (0.15, 1))
    pen.stroke(BARK, 0.09, (0, 0.4), (0.26, 0.05))
    pen.stroke(BARK_SHADE, 0.03, (0.05, 0.95), (0.03, 0.3))
    for x, y, radius in ((-0.45, -0.02, 0.4), (0.46, -0.06, 0.4), (-0.2, -0.45, 0.45), (0.28, -0.5, 0.42), (0, -0.12, 0.45)):
        pen.oval(ink.body, x, y, radius)
    for x, y, radius in ((0.42, 0.1, 0.24), (0.05, 0.12, 0.26), (-0.4, 0.14, 0.22)):
        pen.oval(ink.shade, x, y, radius, radius * 0.75)
    for x, y, radius in ((-0.3, -0.58, 0.2), (0.2, -0.64, 0.15), (-0.55, -0.15, 0.13)):
        pen.oval(ink.light, x, y, radius, radius * 0.7, -25)


def pine(pen: Pen, ink: Inks) -> None:
    pen.box(BARK, -0.1, 0.7, 0.1, 1)
    for top, bottom, half in ((0.1, 0.78, 0.68), (-0.4, 0.32, 0.54), (-0.98, -0.14, 0.4)):
        pen.poly(
            ink.body,
            (0, top),
            (half, bottom),
            (half * 0.4, bottom - 0.07),
            (0, bottom),
            (-half * 0.4, bottom - 0.07),
            (-half, bottom),
        )
        pen.poly(ink.shade, (0, top), (half, bottom), (half * 0.4, bottom - 0.07))


def palm(pen: Pen, ink: Inks) -> None:
    pen.stroke(BARK, 0.15, (0.1, 0.98), (0.0, 0.4), (0.12, -0.3))
    for notch in range(5):
        pen.stroke(BARK_SHADE, 0.03, (-0.02, 0.75 - notch * 0.2), (0.14, 0.72 - notch * 0.2))
    for angle, reach in ((-172, 0.95), (-140, 0.9), (-100, 0.7), (-50, 0.85), (-12, 0.9), (18, 0.7), (160, 0.75)):
        dx, dy = math.cos(math.radians(angle)) * reach, math.sin(math.radians(angle)) * reach * 0.7
        pen.blob(
            ink.body,
            (0.12, -0.34),
            (0.12 + dx * 0.5, -0.5 + dy * 0.7),
            (0.12 + dx, -0.2 + dy),
            (0.12 + dx * 0.55, -0.3 + dy * 0.55),
        )
    for x in (0.02, 0.2):
        pen.oval(BARK_SHADE, x, -0.22, 0.09)


def cactus(pen: Pen, ink: Inks) -> None:
    pen.stroke(ink.body, 0.24, (-0.15, 0.45), (-0.58, 0.4), (-0.6, -0.05))
    pen.stroke(ink.body, 0.22, (0.15, 0.2), (0.56, 0.15), (0.58, -0.32))
    pen.stroke(ink.body, 0.42, (0, 0.9), (0, -0.7))
    for x in (-0.1, 0.1):
        pen.stroke(ink.shade, 0.035, (x, 0.85), (x, -0.7))
    pen.fan((236, 96, 140), 6, 0.07, 0.17, 0, -0.9)


def flower(pen: Pen, ink: Inks) -> None:
    pen.stroke(STEM, 0.08, (0, 0.0), (0.06, 0.5), (0, 1))
    pen.blob(STEM, (0.03, 0.75), (0.3, 0.38), (0.6, 0.36), (0.4, 0.66))
    pen.blob(STEM, (0.0, 0.88), (-0.3, 0.52), (-0.58, 0.54), (-0.36, 0.8))
    for petal in range(8):
        angle = petal * 45
        x, y = 0.4 * math.cos(math.radians(angle)), -0.35 + 0.4 * math.sin(math.radians(angle))
        pen.oval(ink.shade if petal % 2 else ink.body, x, y, 0.3, 0.19, angle)
    pen.oval((244, 196, 64), 0, -0.35, 0.22)
    pen.oval((206, 142, 42), 0.03, -0.32, 0.13)


def tulip(pen: Pen, ink: Inks) -> None:
    pen.stroke(STEM, 0.08, (0, 0.0), (0, 1))
    for side in (-1, 1):
        pen.blob(STEM, (0, 0.95), (side * 0.34, 0.5), (side * 0.5, 0.05), (side * 0.2, 0.5))
        pen.blob(ink.shade, (0, 0.05), (side * 0.44, -0.1), (side * 0.42, -0.85), (side * 0.12, -0.5))
    pen.blob(ink.body, (0, 0.08), (0.3, -0.25), (0, -0.92), (-0.3, -0.25))


def leaf(pen: Pen, ink: Inks) -> None:
    pen.blob(ink.body, (-0.75, 0.75), (-0.7, -0.1), (-0.05, -0.75), (0.9, -0.9), (0.75, 0.05), (0.1, 0.7))
    pen.stroke(ink.light, 0.06, (-1.0, 1.0), (-0.5, 0.5), (0.2, -0.2), (0.75, -0.75))
    for t in (0.15, 0.4, 0.65):
        x, y = -0.7 + 1.4 * t, 0.7 - 1.4 * t
        pen.stroke(ink.light, 0.035, (x, y), (x + 0.36, y + 0.02))
        pen.stroke(ink.light, 0.035, (x, y), (x - 0.02, y - 0.36))


def mushroom(pen: Pen, ink: Inks) -> None:
    pen.blob(SNOW, (-0.24, 0.1), (0.24, 0.1), (0.26, 0.6), (0.34, 1), (-0.34, 1), (-0.26, 0.6))
    pen.oval((222, 210, 196), 0, 0.14, 0.62, 0.12)
    pen.blob(ink.body, (-0.98, 0.12), (-0.78, -0.5), (0, -0.9), (0.78, -0.5), (0.98, 0.12), (0, 0.2))
    for x, y, radius in ((-0.42, -0.3, 0.15), (0.1, -0.56, 0.17), (0.48, -0.16, 0.14), (-0.02, -0.08, 0.1), (-0.72, 0.0, 0.08)):
        pen.oval(SNOW, x, y, radius, radius * 0.85)


def apple(pen: Pen, ink: Inks) -> None:
    pen.stroke(BARK, 0.09, (0, -0.45), (0.04, -0.72), (0.16, -0.95))
    pen.blob(STEM, (0.08, -0.66), (0.36, -0.95), (0.7, -0.86), (0.42, -0.62))
    pen.blob(
        ink.body,
        (0, -0.45),
        (0.45, -0.6),
        (0.88, -0.2),
        (0.72, 0.6),
        (0.3, 0.98),
        (0, 0.9),
        (-0.3, 0.98),
        (-0.72, 0.6),
        (-0.88, -0.2),
        (-0.45, -0.6),
    )
    pen.oval(ink.light, -0.48, -0.12, 0.13, 0.26, 22)


def island(pen: Pen, ink: Inks) -> None:
    pen.stroke(BARK, 0.09, (-0.05, 0.6), (-0.1, 0.2), (0.05, -0.2))
    for angle in (-175, -140, -95, -45, -8):
        dx, dy = math.cos(math.radians(angle)) * 0.6, math.sin(math.radians(angle)) * 0.4
        pen.blob(
            STEM, (0.05, -0.22), (0.05 + dx * 0.5, -0.36 + dy * 0.7), (0.05 + dx, -0.08 + dy), (0.05 + dx * 0.5, -0.2 + dy * 0.6)
        )
    pen.blob((232, 206, 150), (-1.05, 0.98), (-0.5, 0.62), (0.1, 0.52), (0.6, 0.68), (1.05, 0.98), (0, 1.0))
    pen.blob(ink.body, (-0.7, 0.78), (-0.2, 0.56), (0.35, 0.58), (0.62, 0.76), (0, 0.72))


def flame(pen: Pen, ink: Inks) -> None:
    pen.blob(ink.body, (0, 1), (-0.62, 0.62), (-0.5, -0.05), (-0.2, -0.35), (0.02, -1), (0.3, -0.45), (0.56, 0.05), (0.6, 0.62))
    pen.blob(ink.light, (0, 0.95), (-0.34, 0.62), (-0.24, 0.2), (0.02, -0.25), (0.3, 0.25), (0.34, 0.65))
    pen.blob((255, 246, 214), (0, 0.92), (-0.16, 0.68), (0, 0.35), (0.16, 0.68))


def snowman(pen: Pen, ink: Inks) -> None:
    for y, radius in ((0.6, 0.42), (0.02, 0.32), (-0.44, 0.24)):
        pen.oval(SNOW, 0, y, radius)
    for side in (-1, 1):
        pen.stroke(BARK, 0.05, (side * 0.28, 0), (side * 0.62, -0.2), (side * 0.8, -0.18))
        pen.oval((34, 32, 38), side * 0.09, -0.5, 0.035)
    pen.stroke(ink.body, 0.12, (-0.22, -0.24), (0, -0.2), (0.22, -0.24), (0.26, 0.1))
    pen.poly((240, 134, 40), (0, -0.45), (0.3, -0.39), (0, -0.37))
    pen.box((40, 38, 46), -0.22, -0.96, 0.22, -0.66)
    pen.box((40, 38, 46), -0.34, -0.69, 0.34, -0.62)
    for y in (-0.08, 0.06, 0.4):
        pen.oval((34, 32, 38), 0, y, 0.035)


def bloom(pen: Pen, ink: Inks) -> None:
    """What an unknown word looks like before `composition` gives it petals of its own."""
    for row, (tone, radius) in enumerate(((ink.shade, 1.0), (ink.body, 0.72), (ink.light, 0.44))):
        pen.fan(tone, 9, radius * 0.6, radius, turn=row * 20)
    pen.oval(ink.accent, 0, 0, 0.2)
