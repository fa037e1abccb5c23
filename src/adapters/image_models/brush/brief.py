"""What a prompt asks for: its colours, its subjects, its scene. Every other word counts too, by its hash."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from types import MappingProxyType

from adapters.image_models.brush.motifs import MOTIFS, TRINKETS, WORDS
from adapters.image_models.brush.pigments import PIGMENTS, Pigment

_SCENE_WORDS = {
    "hills": "hill field meadow grass garden countryside park farm land landscape valley lawn prairie",
    "peaks": "alps cliff range canyon rock",
    "dunes": "desert dune sand sahara",
    "forest": "forest wood woods jungle grove woodland",
    "city": "city town street urban skyline downtown metropolis skyscraper",
    "sea": "sea ocean lake river water beach harbour harbor coast bay wave pond",
    "deep": "underwater reef aquarium seabed",
    "space": "space galaxy cosmos universe nebula stars orbit cosmic",
    "studio": "background studio table room poster logo icon wall backdrop sticker floor",
}
SCENE_OF: Mapping[str, str] = MappingProxyType({word: scene for scene, words in _SCENE_WORDS.items() for word in words.split()})
_NATURAL = {
    "hills": Pigment(100, 0.45, 0.46),
    "peaks": Pigment(214, 0.38, 0.52),
    "dunes": Pigment(34, 0.66, 0.60),
    "forest": Pigment(140, 0.40, 0.36),
    "city": Pigment(226, 0.34, 0.46),
    "sea": Pigment(204, 0.62, 0.48),
    "deep": Pigment(196, 0.72, 0.40),
    "space": Pigment(252, 0.55, 0.20),
}
_SCENE_SUBJECT = {"dunes": "cactus", "forest": "pine", "sea": "island", "deep": "fish", "space": "planet", "city": "city"}
_SCENE_FOR = {"boat": "sea", "whale": "sea", "island": "sea", "duck": "sea", "lighthouse": "sea", "fish": "deep"} | {
    "planet": "space",
    "rocket": "space",
    "astronaut": "space",
    "cactus": "dunes",
    "pyramid": "dunes",
    "city": "city",
    "mountain": "peaks",
}


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


_PLAIN = _set("circle square cube triangle star heart hexagon pentagon octagon diamond ring spiral cross crown cup book apple")
_SNOW = _set("snow snowy winter ice icy arctic frost frozen christmas blizzard snowman snowflake penguin igloo")
_NIGHT = _set("night midnight moon stars starry moonlight moonlit dark darkness nocturnal")
_NUMBERS = {"two": 2, "pair": 2, "three": 3, "four": 4, "five": 5, "2": 2, "3": 3, "4": 4, "5": 5}
_SMALL_WORDS = _set(
    "a an the of in on at by to for from with and or but under over near above below behind between into onto is are as its it "
    "this that some very one each"
)
_BEFORE_GROUND = _set("on in under against over with and near by at behind above")


@dataclass(frozen=True, slots=True)
class Subject:
    """Something to be drawn, and the colour the prompt gave it."""

    motif: str
    pigment: Pigment | None = None


@dataclass(frozen=True, slots=True)
class Brief:
    """A prompt, understood. `dominant` is None when no colour was named; `strange` are the words nothing is known about."""

    dominant: Pigment | None
    subjects: tuple[Subject, ...]
    scene: str | None
    night: bool
    snowy: bool
    strange: tuple[str, ...]

    @property
    def natural(self) -> Pigment | None:
        """What the scene looks like when no colour is named."""
        if self.snowy:
            return Pigment(212, 0.46, 0.62)
        return _NATURAL.get(self.scene or "")


def hashed(*parts: str) -> int:
    """64 bits of the words themselves: the same in every process, unlike `hash`."""
    digest = blake2b(digest_size=8)
    for part in parts:
        digest.update(part.encode("utf-8", "surrogatepass") + b"\0")
    return int.from_bytes(digest.digest(), "big")


def read(prompt: str) -> Brief:
    """Understand a prompt. Any text will do."""
    words = [_singular(word) for word in re.findall(r"[^\W_]+", prompt.casefold())[:400]]
    subjects, ground, first = _bind(words)
    known = [subject for subject in subjects if subject.motif not in ("moon", "cloud", "city") or len(subjects) == 1]
    scene = next((SCENE_OF[word] for word in words if word in SCENE_OF), None)
    if scene is None:
        scene = next((_SCENE_FOR[subject.motif] for subject in (*known, *subjects) if subject.motif in _SCENE_FOR), None)
    if scene is None and subjects and all(subject.motif in _PLAIN for subject in subjects):
        scene = "studio"
    snowy = not _SNOW.isdisjoint(words)
    if not subjects and (scene in _SCENE_SUBJECT or snowy):
        subjects = [Subject("snowflake" if snowy else _SCENE_SUBJECT[scene or ""])]
    dominant = ground or first
    if ground is None and first is not None and first.is_neutral and (scene not in (None, "studio") or snowy):
        dominant = None  # a black cat in snow: the snow stays white
    mentioned = (word for word in words if word not in _SMALL_WORDS and word not in PIGMENTS and word not in WORDS)
    strange = tuple(dict.fromkeys(word for word in mentioned if word not in SCENE_OF and word not in _SNOW))
    return Brief(dominant, tuple(subjects[:5]), scene, not _NIGHT.isdisjoint(words), snowy, strange[:24] or (prompt[:64],))


def trinkets(strange: Sequence[str]) -> list[str]:
    """The motif that each unknown word adds."""
    return [TRINKETS[hashed("trinket", word) % len(TRINKETS)] for word in strange]


def _singular(word: str) -> str:
    if word in WORDS or word in SCENE_OF or word in PIGMENTS or word in _SNOW:
        return word
    for ending, instead in (("ies", "y"), ("ves", "f"), ("es", ""), ("s", "")):
        stem = word.removesuffix(ending) + instead
        if stem != word and (stem in WORDS or stem in SCENE_OF):
            return stem
    return {"mice": "mouse", "geese": "duck", "wolves": "wolf", "leaves": "leaf"}.get(word, word)


def _bind(words: Sequence[str]) -> tuple[list[Subject], Pigment | None, Pigment | None]:
    """The subjects with the colours standing before them, the colour of the ground, and the colour named first."""
    subjects: list[Subject] = []
    ground: Pigment | None = None
    first: Pigment | None = None
    waiting: Pigment | None = None
    count = 1
    for word in words:
        if word in PIGMENTS:
            # "a gold star on black": a colour nothing followed was the ground's
            ground = ground or waiting
            waiting = PIGMENTS[word]
            first = first or waiting
        elif word in WORDS or (word == "stars" and count > 1):
            motif = WORDS.get(word, "star")
            if motif == "city" and waiting is not None:
                ground = ground or waiting
            subjects += [Subject(motif, waiting)] * count
            waiting, count = None, 1
        elif word in SCENE_OF or word in _SNOW or word in _BEFORE_GROUND:
            ground, waiting = (ground or waiting), None
        else:
            count = _NUMBERS.get(word, count)
    return _gathered(subjects), ground or waiting, first


def _gathered(subjects: list[Subject]) -> list[Subject]:
    """What stands behind everything comes last: the tree in front of the mountain is what one looks at."""
    return sorted(subjects, key=lambda subject: MOTIFS[subject.motif].home == "far")
