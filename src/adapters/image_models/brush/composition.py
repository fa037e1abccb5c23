"""A brief becomes a picture: where the horizon lies, what stands where, in which tones; then painted, frame by frame."""

import math
from dataclasses import dataclass, replace
from random import Random

from PIL import Image, ImageDraw

from adapters.image_models.brush import fields, finish, scenery
from adapters.image_models.brush.brief import Brief, Subject, hashed, trinkets
from adapters.image_models.brush.fields import Extent
from adapters.image_models.brush.motifs import MOTIFS
from adapters.image_models.brush.pen import REACH, Mark, Pen, render
from adapters.image_models.brush.pigments import PIGMENTS, Inks, Palette, Pigment, inks, palette
from adapters.image_models.brush.scenery import SCENES, Stage

_SIDES = (0.60, 0.46, 0.36, 0.30, 0.26)
"""The size of a subject, as a part of the shorter side, by how many there are."""
_SKY_TRINKETS = {
    "sea": ("bird", "cloud"),
    "deep": ("fish",),
    "space": ("star", "planet"),
    "studio": ("star", "diamond", "circle", "leaf"),
}
SAND = (216, 194, 148)


@dataclass(frozen=True, slots=True)
class Placed:
    """A motif on the canvas: its foot at (x, y), `side` pixels high; `rest` is what it does to the ground."""

    marks: tuple[Mark, ...]
    x: float
    y: float
    side: float
    outline: tuple[int, int, int] | None
    rest: str = "none"
    flip: bool = False
    tilt: float = 0.0


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


class Composition:
    """A picture of `size`, ready to be painted in any phase of its motion; `over` a finished canvas, if one is given."""

    def __init__(self, brief: Brief, size: Extent, manner: Manner, over: Image.Image | None = None) -> None:
        self.size, self.level, self.ground = size, manner.level, manner.ground
        self._random = fields.dice(manner.arrangement)
        self._pigment = pigment_of(brief, self._random)
        self._accent = Pigment((self._pigment.hue + self._random.choice((150, 180, 205, 330))) % 360, 0.72, 0.56)
        scene = brief.scene or self._random.choice(("hills", "peaks", "hills", "sea", "studio"))
        if brief.scene is None and brief.snowy:
            scene = self._random.choice(("hills", "peaks", "forest"))
        self._stage = self._set_stage(brief, scene)
        self._snowy = brief.snowy and self.ground
        subjects = brief.subjects or (() if over else (Subject("bloom"),))
        behind = [subject for subject in subjects[1:] if MOTIFS[subject.motif].home in ("sky", "far")]
        self._front = self._stand([subject for subject in subjects if subject not in behind], brief, scene)
        self._back = [self._hang(subject) for subject in behind]
        if over:
            self._front = [self._aside(placed) for placed in self._front]
        self._extras = self._scatter(brief, scene, manner.extras) if self.ground and over is None else []
        self._traces = finish.brushwork(size, self.level, manner.touch)
        self._backdrop = over or self._paint_backdrop(SCENES[scene])

    def frame(self, phase: float = 0.0) -> Image.Image:
        """The picture at `phase` (0..1) of its motion, in which the subjects bob: RGB, or RGBA without ground."""
        canvas = self._backdrop.copy()
        for place, placed in enumerate(self._front):
            turn = (phase + place * 0.37) * math.tau
            lift = placed.side * 0.035 * math.sin(turn)
            sway = placed.tilt + (3.0 * math.cos(turn) - 3.0 if phase else 0.0)
            self._put(canvas, placed, lift, sway)
        if self._snowy:
            self._snowfall(canvas, phase)
        return finish.varnish(canvas, self.level, self._traces)

    def _set_stage(self, brief: Brief, scene: str) -> Stage:
        tones = palette(self._pigment, brief.night)
        if scene == "deep":  # under water the light is above
            tones = replace(tones, sky=(tones.sky[2], tones.sky[1], tones.sky[0]))
        stage = Stage(self.size, tones, self.level, brief.night, brief.snowy, fields.dice(self._random.getrandbits(64)))
        low = {"studio": 0.70, "deep": 0.86, "space": 1.0, "sea": 0.58}.get(scene, 0.64)
        stage.horizon = min(round(self.size[1] * (low + self._random.uniform(-0.05, 0.05))), self.size[1] - 1)
        stage.light = (self._random.choice((0.2, 0.26, 0.74, 0.8)), self._random.uniform(0.16, 0.28))
        return stage

    def _marks(self, subject: Subject, tones: Palette) -> tuple[tuple[Mark, ...], Inks]:
        motif = MOTIFS[subject.motif]
        pigment = subject.pigment or (PIGMENTS[motif.nature] if motif.nature else self._pigment)
        level = tones.level if self.ground else 0.97
        ink = inks(pigment, level if pigment == self._pigment or motif.nature is None else 1.2, self._accent, tones.outline)
        pen = Pen()
        motif.draw(pen, ink)
        return tuple(pen.marks), ink

    def _stand(self, subjects: list[Subject], brief: Brief, scene: str) -> list[Placed]:
        """The main subjects, side by side in the foreground, the first one nearest the middle."""
        width, height = self.size
        unit, count = min(self.size), max(len(subjects), 1)
        side = unit * _SIDES[count - 1] * (self._random.uniform(0.9, 1.06) if self.ground else 1.22)
        subjects = subjects if self._random.random() < 0.6 else subjects[::-1]
        room = min(width * 0.96, unit * 1.7) / count
        placed: list[Placed] = []
        for place, subject in enumerate(subjects):
            home = MOTIFS[subject.motif].home
            x = width / 2 + (place - (count - 1) / 2) * room + self._random.uniform(-0.06, 0.06) * unit / count
            y, rest, size = self._stage.horizon + unit * 0.25, "shadow", side
            if not self.ground or scene in ("deep", "space") or home == "sky":
                y, rest = height * (0.5 if not self.ground else 0.44) + side / 2, "none"
            elif home == "far":
                y, rest, size = self._stage.horizon + unit * 0.10, "none", side * 1.25
            elif home == "water" and scene == "sea":
                y, rest = self._stage.horizon + unit * 0.20, "mirror"
            elif scene == "sea":
                rest = "bank"
            y = min(y, height * 0.95) + (self._random.uniform(-0.03, 0.03) * unit if count > 1 else 0.0)
            marks, _ = self._marks(subject, self._stage.palette)
            if subject.motif == "bloom":
                marks = self._bloom(brief)
            flip = self._random.random() < 0.5 and subject.motif != "book"
            placed.append(Placed(marks, x, y, size, self._stage.palette.outline if self.level else None, rest, flip))
        return placed

    def _aside(self, placed: Placed) -> Placed:
        """On a picture that is there already a subject takes less room, to one side and at the bottom."""
        x = placed.x + (0.18 if self._stage.light[0] < 0.5 else -0.18) * min(self.size)
        return replace(placed, x=x, y=self.size[1] * 0.93, side=placed.side * 0.85, rest="shadow" if self.ground else "none")

    def _bloom(self, brief: Brief) -> tuple[Mark, ...]:
        """A rosette for words that name nothing: each word a ring of petals of its own number, reach and tone."""
        pen = Pen()
        words = (brief.strange * 3)[: max(3, min(len(brief.strange), 5))]
        ink = inks(self._pigment, self._stage.palette.level, self._accent, self._stage.palette.outline)
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

    def _hang(self, subject: Subject) -> Placed:
        """What a prompt names besides its subject: in the sky at the light's place, or far behind."""
        marks, _ = self._marks(subject, self._stage.palette)
        unit = min(self.size)
        if MOTIFS[subject.motif].home == "far":
            side = unit * 0.95
            x = self.size[0] * (0.5 + self._random.choice((-0.15, 0.15)))
            return Placed(marks, x, self._stage.horizon + unit * 0.08, side, None)
        side = unit * self._random.uniform(0.19, 0.24)
        x = self.size[0] * self._stage.light[0] + self._random.uniform(-0.05, 0.05) * unit
        y = self.size[1] * self._stage.light[1] + side * 0.5
        if subject.motif not in ("moon", "sun"):
            x = self.size[0] - x
        return Placed(marks, x, max(y, side * 1.05), side, None)

    def _scatter(self, brief: Brief, scene: str, extras: int) -> list[Placed]:
        """Small things the unknown words bring along, behind the main subject and to its sides."""
        wanted = trinkets(brief.strange)
        own = _SKY_TRINKETS.get(scene)
        unit, left = min(self.size), self._random.randrange(2)
        placed = []
        for place in range(extras):
            name = wanted[place % len(wanted)] if place < len(wanted) * 2 else self._random.choice(wanted)
            name = "bird" if name == "star" and not brief.night else name
            name = own[hashed(name, str(place)) % len(own)] if own else name
            flying = MOTIFS[name].home == "sky" or scene in ("deep", "space")
            side = unit * self._random.uniform(0.09, 0.17)
            lane = (0.06 + 0.22 * (place * 0.382 % 1.0)) + self._random.uniform(-0.02, 0.02)
            x = self.size[0] * (lane if (place + left) % 2 else 1 - lane)
            y = self._stage.horizon + unit * self._random.uniform(0.05, 0.13)
            if flying:
                y = max(side, self._stage.horizon * self._random.uniform(0.14, 0.60))
            pigment = self._pigment if brief.dominant is not None else None
            marks, _ = self._marks(Subject(name, pigment), self._stage.palette)
            placed.append(Placed(marks, x, y, side, self._stage.palette.outline if self.level > 1 else None, flip=place % 2 == 1))
        return sorted(placed, key=lambda item: item.y)

    def _paint_backdrop(self, scene: scenery.Scene) -> Image.Image:
        if not self.ground:
            sheet = Image.new("RGBA", self.size)
            for placed in self._back:
                self._put(sheet, placed, 0.0, 0.0)
            return sheet
        canvas = scenery.sky(self._stage)
        if self._stage.night and scene is not scenery.space:
            scenery.stars(canvas, self._stage)
        far = [placed for placed in self._back if placed.side > min(self.size) * 0.5]
        for placed in self._back:
            if placed not in far:
                self._put(canvas, placed, 0.0, 0.0)
        scene(canvas, self._stage)
        for placed in (*far, *self._extras):
            self._put(canvas, placed, 0.0, 0.0)
        return canvas

    def _put(self, canvas: Image.Image, placed: Placed, lift: float, tilt: float) -> None:
        side = max(4, round(placed.side * REACH))
        layer = render(placed.marks, side, placed.outline, flip=placed.flip, tilt=tilt)
        layer = finish.relief(layer, self.level, self._stage.light[0] < 0.5)
        foot = round((1 + REACH) / (2 * REACH) * side)
        left, top = round(placed.x - side / 2), round(placed.y + lift) - foot
        if placed.rest == "shadow":
            wide, flat = max(2, round(side * 0.86)), max(2, round(side * 0.17))
            pool = fields.glow((wide, flat), 0.1 if self.level == 0 else 0.9).point([round(value * 0.62) for value in range(256)])
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
        random, unit = fields.dice(self._stage.horizon), min(self.size)
        for _ in range((24, 50, 80, 120, 160)[self.level]):
            x, y = random.random() * self.size[0], (random.random() + phase) % 1.0 * self.size[1]
            radius = max(0.5, unit * random.uniform(0.002, 0.009))
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=(252, 253, 255))


def _clipped(layer: Image.Image, left: int, top: int) -> tuple[Image.Image, tuple[int, int]]:
    """`alpha_composite` refuses places left of or above its canvas."""
    cut = layer.crop((max(0, -left), max(0, -top), layer.width, layer.height))
    return cut, (max(0, left), max(0, top))


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
