"""People, each drawn in the box from -1 to 1 with their feet on y = 1."""

from adapters.image_models.brush.creatures import PAPER, PUPIL, eye
from adapters.image_models.brush.pen import Pen
from adapters.image_models.brush.pigments import RGB, Inks


def person(pen: Pen, ink: Inks) -> None:
    skin: RGB = (226, 172, 134)
    for side in (-1, 1):
        pen.box(ink.dark, side * 0.14 - 0.11, 0.4, side * 0.14 + 0.11, 0.96)
        pen.oval(PUPIL, side * 0.17, 0.96, 0.17, 0.06)
        pen.stroke(ink.shade, 0.15, (side * 0.28, -0.2), (side * 0.42, 0.12), (side * 0.38, 0.42))
        pen.oval(skin, side * 0.38, 0.46, 0.08)
    pen.blob(ink.body, (-0.2, -0.32), (0.2, -0.32), (0.36, -0.1), (0.32, 0.5), (-0.32, 0.5), (-0.36, -0.1))
    pen.box(skin, -0.08, -0.42, 0.08, -0.28)
    pen.oval(ink.dark, 0, -0.7, 0.29, 0.3)
    pen.oval(skin, 0, -0.62, 0.24, 0.26)
    for side in (-1, 1):
        eye(pen, side * 0.09, -0.62, 0.035)
    pen.stroke((170, 84, 74), 0.03, (-0.07, -0.5), (0, -0.47), (0.07, -0.5))


def astronaut(pen: Pen, ink: Inks) -> None:
    pen.box(ink.shade, -0.46, -0.3, 0.46, 0.35)
    for side in (-1, 1):
        pen.stroke(PAPER, 0.26, (side * 0.18, 0.4), (side * 0.22, 0.86))
        pen.stroke(PAPER, 0.2, (side * 0.34, -0.12), (side * 0.6, 0.1), (side * 0.66, 0.34))
        pen.oval(ink.body, side * 0.66, 0.38, 0.12)
        pen.oval(ink.body, side * 0.24, 0.93, 0.2, 0.08)
    pen.blob(PAPER, (-0.34, -0.25), (0.34, -0.25), (0.4, 0.2), (0.32, 0.58), (-0.32, 0.58), (-0.4, 0.2))
    pen.box(ink.body, -0.18, 0.08, 0.18, 0.3)
    pen.oval(PAPER, 0, -0.56, 0.44)
    pen.oval(PUPIL, 0.03, -0.55, 0.33, 0.29)
    pen.oval(ink.light, -0.1, -0.66, 0.1, 0.06, -30)
