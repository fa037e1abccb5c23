"""Animals. Many share parts: `_seated` is the four-legged friend that sits and looks at you, `_standing` the one
seen from the side."""

import math

from adapters.image_models.brush.pen import Pen
from adapters.image_models.brush.pigments import RGB, Inks

PAPER: RGB = (250, 248, 244)
PUPIL: RGB = (28, 24, 30)
IRIS: RGB = (236, 202, 88)
BLUSH: RGB = (232, 150, 150)


def eye(pen: Pen, x: float, y: float, size: float = 0.085, on: RGB = PAPER) -> None:
    if sum(on) < 150:  # on dark fur a pupil needs an iris around it
        pen.oval(IRIS, x, y, size * 1.3, size * 1.35)
    pen.oval(PUPIL, x, y, size * 0.85, size)
    pen.oval(PAPER, x - size * 0.25, y - size * 0.35, size * 0.3)


def _seated(pen: Pen, ink: Inks, *, ears: str, bib: RGB | None = None, muzzle: float = 0.0, nose: bool = True) -> None:
    pen.blob(ink.body, (-0.46, 1), (-0.54, 0.55), (-0.3, 0.02), (0.3, 0.02), (0.54, 0.55), (0.46, 1))
    if bib is not None:
        pen.blob(bib, (0, 0.02), (0.27, 0.2), (0.16, 0.62), (0, 0.78), (-0.16, 0.62), (-0.27, 0.2))
    pen.stroke(ink.shade, 0.03, (-0.03, 0.98), (-0.06, 0.72))
    pen.stroke(ink.shade, 0.03, (0.03, 0.98), (0.06, 0.72))
    for side in (-1, 1):
        pen.oval(ink.light if bib else ink.body, side * 0.17, 0.95, 0.17, 0.09)
        _ear(pen, ink, ears, side)
    pen.oval(ink.body, 0, -0.3, 0.52, 0.43)
    for side in (-1, 1):
        if ears == "floppy":
            pen.blob(
                ink.shade, (side * 0.36, -0.66), (side * 0.64, -0.5), (side * 0.66, -0.08), (side * 0.5, 0), (side * 0.42, -0.3)
            )
        eye(pen, side * 0.21, -0.36, on=ink.body)
    if muzzle:
        pen.oval(ink.light, 0, -0.12, muzzle, muzzle * 0.72)
    if nose:
        pen.oval(PUPIL, 0, -0.19, 0.075, 0.055)
        pen.stroke(PUPIL, 0.025, (-0.1, -0.05), (-0.04, -0.04), (0, -0.13), (0.04, -0.04), (0.1, -0.05))


def _ear(pen: Pen, ink: Inks, kind: str, side: int) -> None:
    if kind == "pointed":
        pen.poly(ink.body, (side * 0.52, -0.38), (side * 0.5, -1.02), (side * 0.1, -0.66))
        pen.poly(BLUSH, (side * 0.44, -0.56), (side * 0.44, -0.88), (side * 0.22, -0.68))
    elif kind == "long":
        pen.oval(ink.body, side * 0.22, -0.8, 0.13, 0.34, side * 10)
        pen.oval(BLUSH, side * 0.22, -0.8, 0.06, 0.25, side * 10)
    elif kind == "round":
        pen.oval(ink.body, side * 0.38, -0.64, 0.2)
        pen.oval(BLUSH, side * 0.38, -0.64, 0.11)


def fox(pen: Pen, ink: Inks) -> None:
    pen.blob(ink.body, (0.3, 0.92), (0.75, 0.98), (1.08, 0.6), (1.0, 0.05), (0.82, -0.2), (0.74, 0.2), (0.62, 0.5))
    pen.blob(PAPER, (0.82, -0.24), (1.03, 0.0), (0.97, 0.28), (0.86, 0.14), (0.76, 0.22), (0.72, 0.04))
    _seated(pen, ink, ears="pointed", bib=PAPER, nose=False)
    for side in (-1, 1):
        pen.poly(PUPIL, (side * 0.505, -0.84), (side * 0.5, -1.03), (side * 0.38, -0.915))
        pen.blob(PAPER, (0, -0.02), (side * 0.2, -0.2), (side * 0.5, -0.24), (side * 0.36, 0.02), (side * 0.12, 0.13))
        pen.oval(PUPIL, side * 0.17, 0.96, 0.16, 0.08)
    pen.oval(PUPIL, 0, -0.04, 0.09, 0.065)


def wolf(pen: Pen, ink: Inks) -> None:
    pen.blob(ink.shade, (0.35, 0.95), (0.8, 0.98), (1.0, 0.6), (0.9, 0.3), (0.6, 0.6))
    _seated(pen, ink, ears="pointed", bib=ink.light, nose=False)
    for side in (-1, 1):
        pen.poly(ink.light, (0, 0.08), (side * 0.14, -0.22), (side * 0.62, -0.1), (side * 0.36, 0.12))
    pen.oval(PUPIL, 0, -0.06, 0.1, 0.075)


def cat(pen: Pen, ink: Inks) -> None:
    pen.stroke(ink.body, 0.15, (0.35, 0.92), (0.82, 0.9), (0.98, 0.45), (0.78, 0.12), (0.92, -0.12))
    _seated(pen, ink, ears="pointed", bib=ink.light)
    for side in (-1, 1):
        for drop in (-0.02, 0.05):
            pen.stroke(ink.light, 0.018, (side * 0.16, -0.1 + drop), (side * 0.68, -0.16 + drop * 3))
    for x in (-0.13, 0, 0.13):
        pen.stroke(ink.shade, 0.035, (x, -0.7), (x * 0.8, -0.55))


def dog(pen: Pen, ink: Inks) -> None:
    pen.stroke(ink.body, 0.15, (0.38, 0.85), (0.72, 0.72), (0.86, 0.34))
    _seated(pen, ink, ears="floppy", bib=ink.light, muzzle=0.27)
    pen.oval((214, 92, 98), 0, 0.04, 0.06, 0.1)
    pen.box(ink.accent, -0.3, 0.09, 0.3, 0.17)


def rabbit(pen: Pen, ink: Inks) -> None:
    pen.oval(PAPER, 0.5, 0.8, 0.17)
    _seated(pen, ink, ears="long", bib=ink.light, muzzle=0.15)
    pen.box(PAPER, -0.05, -0.07, 0.05, 0.03)


def bear(pen: Pen, ink: Inks) -> None:
    _seated(pen, ink, ears="round", bib=ink.shade, muzzle=0.25)
    for side in (-1, 1):
        pen.blob(ink.body, (side * 0.36, 0.12), (side * 0.62, 0.4), (side * 0.5, 0.62), (side * 0.34, 0.44))


def mouse(pen: Pen, ink: Inks) -> None:
    pen.stroke(BLUSH, 0.05, (0.35, 0.93), (0.8, 0.98), (1.0, 0.7), (0.85, 0.5), (1.02, 0.3))
    for side in (-1, 1):
        pen.oval(ink.body, side * 0.5, -0.66, 0.34)
        pen.oval(BLUSH, side * 0.5, -0.66, 0.21)
    _seated(pen, ink, ears="none", bib=ink.light, muzzle=0.14)


def lion(pen: Pen, ink: Inks) -> None:
    pen.stroke(ink.body, 0.1, (0.38, 0.9), (0.85, 0.85), (0.95, 0.35))
    pen.oval(ink.shade, 0.95, 0.28, 0.13, 0.18)
    pen.fan(ink.shade, 18, 0.66, 0.84, 0, -0.26)
    _seated(pen, ink, ears="round", bib=ink.light, muzzle=0.22)


def owl(pen: Pen, ink: Inks) -> None:
    pen.blob(
        ink.body,
        (0, 1),
        (-0.55, 0.7),
        (-0.62, -0.3),
        (-0.55, -0.95),
        (-0.2, -0.75),
        (0.2, -0.75),
        (0.55, -0.95),
        (0.62, -0.3),
        (0.55, 0.7),
    )
    pen.oval(ink.light, 0, 0.42, 0.38, 0.46)
    for row in range(4):
        for x in (-0.2, 0.0, 0.2):
            pen.stroke(ink.shade, 0.035, (x - 0.06, 0.14 + row * 0.17), (x, 0.2 + row * 0.17), (x + 0.06, 0.14 + row * 0.17))
    for side in (-1, 1):
        pen.blob(ink.shade, (side * 0.6, -0.1), (side * 0.72, 0.3), (side * 0.52, 0.8), (side * 0.4, 0.3))
        pen.oval(PAPER, side * 0.27, -0.34, 0.27)
        pen.oval(ink.accent, side * 0.27, -0.34, 0.19)
        eye(pen, side * 0.27, -0.34, 0.13)
        pen.oval(ink.accent, side * 0.2, 0.98, 0.15, 0.06)
    pen.poly((232, 160, 48), (-0.09, -0.22), (0.09, -0.22), (0, 0))


def penguin(pen: Pen, ink: Inks) -> None:
    for side in (-1, 1):
        pen.blob(ink.body, (side * 0.4, -0.2), (side * 0.78, 0.3), (side * 0.66, 0.5), (side * 0.4, 0.25))
        pen.oval((238, 156, 44), side * 0.22, 0.96, 0.2, 0.07)
    pen.blob(
        ink.body,
        (0, -1),
        (0.36, -0.8),
        (0.4, -0.4),
        (0.54, 0.3),
        (0.42, 0.9),
        (-0.42, 0.9),
        (-0.54, 0.3),
        (-0.4, -0.4),
        (-0.36, -0.8),
    )
    pen.oval(PAPER, 0, 0.34, 0.37, 0.52)
    for side in (-1, 1):
        pen.oval(PAPER, side * 0.15, -0.56, 0.17, 0.2)
        eye(pen, side * 0.13, -0.58, 0.06)
    pen.poly((238, 156, 44), (-0.11, -0.48), (0.11, -0.48), (0, -0.32))


def bird(pen: Pen, ink: Inks) -> None:
    pen.poly(ink.shade, (-0.45, 0.1), (-1.08, -0.1), (-1.02, 0.16), (-1.08, 0.36), (-0.4, 0.35))
    for x in (-0.05, 0.15):
        pen.stroke((196, 120, 40), 0.05, (x, 0.5), (x, 0.95), (x + 0.14, 1))
    pen.blob(
        ink.body, (-0.62, 0.1), (-0.1, -0.3), (0.35, -0.72), (0.75, -0.6), (0.76, -0.2), (0.5, 0.4), (0, 0.62), (-0.45, 0.42)
    )
    pen.blob(ink.light, (0.66, -0.2), (0.48, 0.35), (0.05, 0.56), (0.3, 0.1))
    pen.blob(ink.shade, (0.2, -0.15), (0.1, 0.28), (-0.35, 0.36), (-0.85, 0.16), (-0.3, -0.1))
    pen.poly((238, 168, 52), (0.74, -0.56), (1.1, -0.4), (0.76, -0.28))
    eye(pen, 0.54, -0.44, 0.09, ink.body)


def duck(pen: Pen, ink: Inks) -> None:
    pen.blob(ink.body, (-0.95, 0.1), (-0.5, 0.3), (0.1, 0.2), (0.72, 0.35), (0.6, 0.85), (0, 1), (-0.65, 0.8))
    pen.blob(ink.body, (0.2, 0.4), (0.26, -0.1), (0.62, -0.1), (0.75, 0.5))
    pen.oval(ink.body, 0.42, -0.38, 0.36)
    pen.blob(ink.shade, (0.1, 0.42), (0.02, 0.8), (-0.4, 0.82), (-0.7, 0.5), (-0.3, 0.46))
    pen.blob((240, 150, 40), (0.72, -0.46), (1.08, -0.34), (1.04, -0.2), (0.7, -0.22))
    eye(pen, 0.52, -0.46, 0.08, ink.body)


def butterfly(pen: Pen, ink: Inks) -> None:
    for side in (-1, 1):
        pen.blob(ink.body, (side * 0.06, -0.1), (side * 0.3, -0.7), (side * 0.9, -0.85), (side * 1.0, -0.4), (side * 0.6, 0.0))
        pen.blob(ink.shade, (side * 0.06, 0.0), (side * 0.6, 0.1), (side * 0.8, 0.5), (side * 0.5, 0.85), (side * 0.2, 0.5))
        pen.oval(ink.light, side * 0.66, -0.48, 0.17)
        pen.oval(ink.accent, side * 0.5, 0.42, 0.13)
        pen.stroke(PUPIL, 0.035, (side * 0.03, -0.45), (side * 0.12, -0.75), (side * 0.25, -0.92))
    pen.oval(PUPIL, 0, 0.02, 0.075, 0.5)


def fish(pen: Pen, ink: Inks) -> None:
    pen.poly(ink.shade, (-0.45, 0), (-1.08, -0.48), (-0.92, 0), (-1.08, 0.48))
    pen.blob(ink.shade, (-0.3, -0.3), (-0.1, -0.75), (0.35, -0.6), (0.4, -0.35))
    pen.blob(ink.body, (-0.7, 0), (-0.2, -0.42), (0.4, -0.46), (0.9, -0.1), (0.95, 0.08), (0.5, 0.42), (-0.1, 0.44))
    pen.blob(ink.light, (-0.4, 0.18), (0.4, 0.22), (0.8, 0.14), (0.4, 0.38), (-0.1, 0.4))
    for x in (-0.3, -0.05, 0.2):
        pen.stroke(ink.shade, 0.045, (x, -0.24), (x + 0.1, 0), (x, 0.22))
    pen.blob(ink.accent, (0.15, 0.08), (-0.2, 0.34), (-0.05, 0.02))
    pen.oval(PAPER, 0.6, -0.12, 0.13)
    eye(pen, 0.62, -0.12, 0.09)


def whale(pen: Pen, ink: Inks) -> None:
    pen.blob(ink.body, (-0.72, 0.1), (-1.1, -0.35), (-0.78, -0.36), (-0.62, -0.18), (-0.48, -0.4), (-0.2, -0.46), (-0.52, 0.12))
    pen.blob(ink.body, (-0.75, 0.0), (-0.4, 0.2), (0, -0.18), (0.6, -0.24), (1.0, 0.1), (0.95, 0.5), (0.4, 0.78), (-0.3, 0.7))
    pen.blob(ink.light, (0.98, 0.34), (0.9, 0.55), (0.4, 0.77), (-0.2, 0.7), (0.3, 0.6))
    pen.blob(ink.shade, (0.15, 0.5), (0.12, 0.95), (-0.2, 0.98), (-0.05, 0.6))
    for side in (-1, 1):
        pen.stroke(PAPER, 0.055, (0.5, -0.28), (0.5 + side * 0.06, -0.6), (0.5 + side * 0.26, -0.72), (0.5 + side * 0.34, -0.56))
    eye(pen, 0.66, 0.18, 0.065, ink.body)


def turtle(pen: Pen, ink: Inks) -> None:
    for x in (-0.5, 0.38):
        pen.oval(ink.shade, x, 0.82, 0.17, 0.2)
    pen.blob(ink.light, (0.5, 0.55), (0.72, 0.1), (1.0, 0.05), (1.08, 0.32), (0.86, 0.5), (0.6, 0.75))
    pen.poly(ink.light, (-0.75, 0.6), (-1.05, 0.78), (-0.7, 0.78))
    pen.blob(ink.body, (-0.8, 0.7), (-0.62, 0.05), (-0.05, -0.25), (0.5, 0.1), (0.68, 0.7), (0, 0.78))
    for x, y in ((-0.35, 0.35), (0, 0.12), (0.3, 0.4), (-0.03, 0.5)):
        pen.ngon(ink.shade, 6, 0.15, x, y)
    eye(pen, 0.9, 0.22, 0.06)


def _standing(pen: Pen, ink: Inks, *, neck: float, head: float, bulk: float) -> None:
    """A body on four legs, seen from the side, looking right; `neck` in -1..0 is where the head is."""
    for x in (-0.52, 0.3):
        pen.box(ink.shade, x + 0.16, 0.3, x + 0.3, 1)
    pen.blob(
        ink.body,
        (-0.72, 0.2),
        (-0.5, -0.1 - bulk),
        (0.1, -0.06 - bulk),
        (0.6, -0.12),
        (0.64, 0.3),
        (0, 0.5 + bulk),
        (-0.55, 0.46),
    )
    for x in (-0.66, 0.32):
        pen.box(ink.body, x, 0.25, x + 0.17, 1)
        pen.box(ink.outline, x, 0.92, x + 0.17, 1)
    pen.blob(ink.body, (0.3, -0.05), (0.5, neck), (0.78, neck), (0.66, 0.25))
    pen.blob(
        ink.body,
        (0.42, neck - 0.1),
        (0.7, neck - 0.18),
        (1.02, neck + head * 0.55),
        (0.98, neck + head),
        (0.6, neck + head * 0.8),
    )
    eye(pen, 0.68, neck + 0.02, 0.055, ink.body)


def horse(pen: Pen, ink: Inks) -> None:
    pen.stroke(ink.shade, 0.13, (-0.68, 0.05), (-0.92, 0.2), (-0.94, 0.75))
    _standing(pen, ink, neck=-0.62, head=0.34, bulk=0.0)
    pen.blob(ink.shade, (0.24, -0.05), (0.32, -0.5), (0.46, -0.85), (0.62, -0.8), (0.54, -0.4), (0.44, 0.0))
    pen.poly(ink.body, (0.56, -0.76), (0.6, -1.0), (0.7, -0.74))


def deer(pen: Pen, ink: Inks) -> None:
    pen.oval(ink.light, -0.72, 0.08, 0.12)
    _standing(pen, ink, neck=-0.5, head=0.26, bulk=-0.03)
    for lean in (-0.18, 0.16):
        pen.stroke(ink.light, 0.06, (0.58, -0.6), (0.56 + lean, -0.82), (0.6 + lean * 1.6, -1.1))
        pen.stroke(ink.light, 0.05, (0.56 + lean, -0.82), (0.62 + lean * 2.4, -0.92))
    for x, y in ((-0.4, 0.0), (-0.15, 0.1), (0.1, 0.0), (-0.3, 0.2)):
        pen.oval(ink.light, x, y, 0.05)


def sheep(pen: Pen, ink: Inks) -> None:
    _standing(pen, ink, neck=-0.25, head=0.3, bulk=0.05)
    for i in range(11):
        angle = i / 11 * math.tau
        pen.oval(PAPER, -0.08 + 0.52 * math.cos(angle), 0.14 + 0.34 * math.sin(angle), 0.22)
    pen.oval(PAPER, -0.08, 0.14, 0.5, 0.36)


def elephant(pen: Pen, ink: Inks) -> None:
    pen.stroke(ink.shade, 0.06, (-0.76, 0.0), (-0.92, 0.3), (-0.9, 0.5))
    for x, tone in ((-0.42, ink.shade), (0.26, ink.shade), (-0.68, ink.body), (0.06, ink.body)):
        pen.box(tone, x, 0.2, x + 0.27, 1)
    pen.blob(ink.body, (-0.8, 0.1), (-0.55, -0.5), (0.1, -0.55), (0.5, -0.2), (0.3, 0.45), (-0.5, 0.5))
    pen.oval(ink.body, 0.5, -0.3, 0.38, 0.4)
    pen.stroke(ink.body, 0.2, (0.78, -0.2), (0.94, 0.2), (0.88, 0.6), (1.02, 0.8))
    pen.stroke(PAPER, 0.07, (0.66, 0.02), (0.8, 0.2), (1.02, 0.14))
    pen.blob(ink.shade, (0.36, -0.55), (0.42, -0.05), (0.16, 0.2), (-0.06, -0.1), (0.08, -0.5))
    eye(pen, 0.62, -0.34, 0.06, ink.body)
