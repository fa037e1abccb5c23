"""Where the horizon lies, what stands where and in which tones: a brief arranged on a canvas, nothing painted yet."""

import math
from dataclasses import dataclass, replace
from random import Random

from adapters.image_models.brush import fields
from adapters.image_models.brush.brief import Brief, Subject, hashed, trinkets
from adapters.image_models.brush.fields import Extent
from adapters.image_models.brush.motifs import MOTIFS
from adapters.image_models.brush.pen import Mark, Pen
from adapters.image_models.brush.pigments import PIGMENTS, RGB, Pigment, inks, palette
from adapters.image_models.brush.scenery import Stage

_SIDES = (0.60, 0.46, 0.36, 0.30, 0.26)
"""The size of a subject, as a part of the shorter side, by how many there are."""
_SKY_TRINKETS = {
    "sea": ("bird", "cloud"),
    "deep": ("fish",),
    "space": ("star", "planet"),
    "studio": ("star", "diamond", "circle", "leaf"),
}


@dataclass(frozen=True, slots=True)
class Placed:
    """A motif on the canvas: its foot at (x, y), `side` pixels high; `rest` is what it does to the ground."""

    marks: tuple[Mark, ...]
    x: float
    y: float
    side: float
    outline: RGB | None
    rest: str = "none"
    flip: bool = False


@dataclass(frozen=True, slots=True)
class Manner:
    """How a brief is to be painted. `level` is the quality, 0..4; `extras` the number of small things around the subjects.

    `arrangement` and `touch` are seeds: where things stand, and how the brush went. Without `ground` (a transparent
    background) only the subjects are painted.
    """

    level: int
    extras: int
    ground: bool
    arrangement: int
    touch: int


class Arrangement:
    """A brief on a canvas of `size`: the `stage`, and what stands at the `front`, hangs at the `back`, lies `far` behind or
    is scattered about (`extras`). On a picture that is there already (`aside`) the subjects make room and bring nothing along.
    """

    def __init__(self, brief: Brief, size: Extent, manner: Manner, *, aside: bool) -> None:
        self._brief, self._size, self._level, self._ground = brief, size, manner.level, manner.ground
        self._random = fields.dice(manner.arrangement)
        self._pigment = pigment_of(brief, self._random)
        self._accent = Pigment((self._pigment.hue + self._random.choice((150, 180, 205, 330))) % 360, 0.72, 0.56)
        self.scene = brief.scene or self._random.choice(("hills", "peaks", "hills", "sea", "studio"))
        if brief.scene is None and brief.snowy:
            self.scene = self._random.choice(("hills", "peaks", "forest"))
        self.stage = self._set_stage()
        subjects = brief.subjects or (() if aside else (Subject("bloom"),))
        behind = [subject for subject in subjects[1:] if MOTIFS[subject.motif].home in ("sky", "far")]
        self.front = self._stand([subject for subject in subjects if subject not in behind])
        self.far = [self._loom(subject) for subject in behind if MOTIFS[subject.motif].home == "far"]
        hanging = [subject for subject in behind if MOTIFS[subject.motif].home == "sky"]
        self.back = [self._hang(subject, place) for place, subject in enumerate(hanging)]
        if aside:
            self.front = [self._step_aside(placed) for placed in self.front]
        self.extras = self._scatter(manner.extras) if self._ground and not aside else []

    def _set_stage(self) -> Stage:
        tones = palette(self._pigment, self._brief.night)
        if self.scene == "deep":  # under water the light is above
            tones = replace(tones, sky=(tones.sky[2], tones.sky[1], tones.sky[0]))
        stage = Stage(
            self._size, tones, self._level, self._brief.night, self._brief.snowy, fields.dice(self._random.getrandbits(64))
        )
        low = {"studio": 0.70, "deep": 0.86, "space": 1.0, "sea": 0.58}.get(self.scene, 0.64)
        stage.horizon = min(round(self._size[1] * (low + self._random.uniform(-0.05, 0.05))), self._size[1] - 1)
        stage.light = (self._random.choice((0.2, 0.26, 0.74, 0.8)), self._random.uniform(0.16, 0.28))
        return stage

    def _marks(self, subject: Subject) -> tuple[Mark, ...]:
        motif, tones = MOTIFS[subject.motif], self.stage.palette
        pigment = subject.pigment or (PIGMENTS[motif.nature] if motif.nature else self._pigment)
        behind = tones.level if self._ground else 0.97
        blends = pigment == self._pigment or motif.nature is None  # what has a colour of its own stands out anyway
        pen = Pen()
        motif.draw(pen, inks(pigment, behind if blends else None, self._accent, tones.outline))
        return tuple(pen.marks)

    def _stand(self, subjects: list[Subject]) -> list[Placed]:
        """The main subjects, side by side in the foreground, the first one nearest the middle."""
        width, height = self._size
        unit, count = min(self._size), max(len(subjects), 1)
        side = unit * _SIDES[count - 1] * (self._random.uniform(0.9, 1.06) if self._ground else 1.22)
        subjects = subjects if self._random.random() < 0.6 else subjects[::-1]
        room = min(width * 0.96, unit * 1.7) / count
        placed: list[Placed] = []
        for place, subject in enumerate(subjects):
            home = MOTIFS[subject.motif].home
            x = width / 2 + (place - (count - 1) / 2) * room + self._random.uniform(-0.06, 0.06) * unit / count
            y, rest, size = self.stage.horizon + unit * 0.25, "shadow", side
            if not self._ground or self.scene in ("deep", "space") or home == "sky":
                y, rest = height * (0.5 if not self._ground else 0.44) + side / 2, "none"
            elif home == "far":
                y, rest, size = self.stage.horizon + unit * 0.10, "none", side * 1.25
            elif home == "water" and self.scene == "sea":
                y, rest = self.stage.horizon + unit * 0.20, "mirror"
            elif self.scene == "sea":
                rest = "bank"
            y = min(y, height * 0.95) + (self._random.uniform(-0.03, 0.03) * unit if count > 1 else 0.0)
            marks = self._bloom() if subject.motif == "bloom" else self._marks(subject)
            flip = self._random.random() < 0.5 and subject.motif != "book"
            placed.append(Placed(marks, x, y, size, self.stage.palette.outline if self._level else None, rest, flip))
        return placed

    def _step_aside(self, placed: Placed) -> Placed:
        """On a picture that is there already a subject takes less room, to one side and at the bottom."""
        x = placed.x + (0.18 if self.stage.light[0] < 0.5 else -0.18) * min(self._size)
        return replace(placed, x=x, y=self._size[1] * 0.93, side=placed.side * 0.85, rest="shadow" if self._ground else "none")

    def _loom(self, subject: Subject) -> Placed:
        """A mountain or a city behind the subject, on the horizon."""
        unit = min(self._size)
        x = self._size[0] * (0.5 + self._random.choice((-0.15, 0.15)))
        return Placed(self._marks(subject), x, self.stage.horizon + unit * 0.08, unit * 0.95, None)

    def _hang(self, subject: Subject, place: int) -> Placed:
        """What a prompt names besides its subject and belongs in the sky: sun and moon are where the light comes from."""
        unit = min(self._size)
        side = unit * self._random.uniform(0.19, 0.24)
        across = self.stage.light[0]
        if subject.motif not in ("moon", "sun"):
            across = 0.1 + (0.9 - across + 0.37 * place) % 0.8
        x = self._size[0] * across + self._random.uniform(-0.05, 0.05) * unit
        y = self._size[1] * self.stage.light[1] + side * 0.5
        return Placed(self._marks(subject), x, max(y, side * 1.05), side, None)

    def _scatter(self, extras: int) -> list[Placed]:
        """Small things the unknown words bring along, behind the main subject and to its sides."""
        wanted = trinkets(self._brief.strange)
        own = _SKY_TRINKETS.get(self.scene)
        unit, left = min(self._size), self._random.randrange(2)
        placed = []
        for place in range(extras):
            name = wanted[place % len(wanted)] if place < len(wanted) * 2 else self._random.choice(wanted)
            name = "bird" if name == "star" and not self._brief.night else name
            name = own[hashed(name, str(place)) % len(own)] if own else name
            flying = MOTIFS[name].home == "sky" or self.scene in ("deep", "space")
            side = unit * self._random.uniform(0.09, 0.17)
            lane = (0.06 + 0.22 * (place * 0.382 % 1.0)) + self._random.uniform(-0.02, 0.02)
            x = self._size[0] * (lane if (place + left) % 2 else 1 - lane)
            y = self.stage.horizon + unit * self._random.uniform(0.05, 0.13)
            if flying:
                y = max(side, self.stage.horizon * self._random.uniform(0.14, 0.60))
            pigment = self._pigment if self._brief.dominant is not None else None
            marks = self._marks(Subject(name, pigment))
            placed.append(Placed(marks, x, y, side, self.stage.palette.outline if self._level > 1 else None, flip=place % 2 == 1))
        return sorted(placed, key=lambda item: item.y)

    def _bloom(self) -> tuple[Mark, ...]:
        """A rosette for words that name nothing: each word a ring of petals of its own number, reach and tone."""
        pen = Pen()
        words = (self._brief.strange * 3)[: max(3, min(len(self._brief.strange), 5))]
        ink = inks(self._pigment, self.stage.palette.level, self._accent, self.stage.palette.outline)
        for ring, word in enumerate(words):
            own = fields.dice(hashed("petal", word, str(ring)))
            reach = 1.02 * (1 - ring / (len(words) + 0.6))
            count, turn = own.randint(5, 12), own.uniform(0, 60)
            tone = (ink.body, ink.shade, ink.light, ink.accent)[(2 * ring + own.randrange(2)) % 4]
            if own.random() < 0.4:
                pen.fan(tone, count, reach * own.uniform(0.5, 0.75), reach, turn=turn)
                continue
            wide = min(0.30, own.uniform(1.4, 2.2) / count) * reach
            for petal in range(count):
                angle = math.tau * petal / count + math.radians(turn)
                far = reach * 0.62
                pen.oval(tone, far * math.cos(angle), far * math.sin(angle), reach * 0.38, wide, math.degrees(angle))
        pen.oval(ink.accent, 0, 0, 0.16)
        pen.oval(ink.light, -0.03, -0.03, 0.08)
        return tuple(pen.marks)


def pigment_of(brief: Brief, random: Random) -> Pigment:
    """The colour of the whole: the one named, else the scene's own, else one found in the words."""
    chosen = brief.dominant or brief.natural
    if chosen is None:
        hue = hashed("hue", *brief.strange, *(subject.motif for subject in brief.subjects)) % 360
        hue = (hue + random.choice((0, 35, -35, 150))) % 360  # another index, another mood
        return Pigment(hue, random.uniform(0.42, 0.66), random.uniform(0.40, 0.60))
    shift = 0.0 if chosen.is_neutral else random.uniform(-5, 5)
    lighter = random.uniform(-0.03, 0.03)
    return Pigment((chosen.hue + shift) % 360, chosen.saturation, min(max(chosen.lightness + lighter, 0.05), 0.95))
