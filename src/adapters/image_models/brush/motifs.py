"""Every motif by name, what it looks like when no colour is named, and the words that mean it."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from adapters.image_models.brush import built, creatures, flora, people, shapes
from adapters.image_models.brush.pen import Pen
from adapters.image_models.brush.pigments import Inks


class Motif(NamedTuple):
    """A silhouette, the pigment it has by nature (None: that of the picture) and where it belongs."""

    draw: Callable[[Pen, Inks], None]
    nature: str | None = None
    home: str = "ground"
    """`ground` stands, `sky` hangs, `water` floats, `far` stands behind everything."""


MOTIFS: Mapping[str, Motif] = MappingProxyType(
    {
        "circle": Motif(shapes.circle),
        "square": Motif(shapes.square),
        "cube": Motif(shapes.cube),
        "triangle": Motif(shapes.triangle),
        "pyramid": Motif(shapes.pyramid, "tan"),
        "star": Motif(shapes.star, "gold", "sky"),
        "heart": Motif(shapes.heart, "red"),
        "hexagon": Motif(shapes.hexagon),
        "pentagon": Motif(shapes.pentagon),
        "octagon": Motif(shapes.octagon),
        "diamond": Motif(shapes.diamond, "cyan"),
        "ring": Motif(shapes.ring, "gold"),
        "spiral": Motif(shapes.spiral),
        "cross": Motif(shapes.cross),
        "moon": Motif(shapes.crescent, "cream", "sky"),
        "sun": Motif(shapes.sun, "amber", "sky"),
        "planet": Motif(shapes.planet, "copper", "sky"),
        "cloud": Motif(shapes.cloud, "white", "sky"),
        "snowflake": Motif(shapes.snowflake, "white", "sky"),
        "lightning": Motif(shapes.lightning, "yellow", "sky"),
        "rainbow": Motif(shapes.rainbow, None, "far"),
        "fox": Motif(creatures.fox, "orange"),
        "wolf": Motif(creatures.wolf, "grey"),
        "cat": Motif(creatures.cat, "amber"),
        "dog": Motif(creatures.dog, "copper"),
        "rabbit": Motif(creatures.rabbit, "tan"),
        "bear": Motif(creatures.bear, "brown"),
        "mouse": Motif(creatures.mouse, "grey"),
        "lion": Motif(creatures.lion, "amber"),
        "owl": Motif(creatures.owl, "copper"),
        "penguin": Motif(creatures.penguin, "charcoal"),
        "bird": Motif(creatures.bird, "azure", "sky"),
        "duck": Motif(creatures.duck, "yellow", "water"),
        "butterfly": Motif(creatures.butterfly, "orange", "sky"),
        "fish": Motif(creatures.fish, "orange", "water"),
        "whale": Motif(creatures.whale, "cobalt", "water"),
        "turtle": Motif(creatures.turtle, "green"),
        "horse": Motif(creatures.horse, "brown"),
        "deer": Motif(creatures.deer, "copper"),
        "sheep": Motif(creatures.sheep, "charcoal"),
        "elephant": Motif(creatures.elephant, "grey"),
        "person": Motif(people.person, "blue"),
        "astronaut": Motif(people.astronaut, "orange"),
        "mountain": Motif(flora.mountain, "grey", "far"),
        "volcano": Motif(flora.volcano, "brown", "far"),
        "tree": Motif(flora.tree, "green"),
        "pine": Motif(flora.pine, "emerald"),
        "palm": Motif(flora.palm, "green"),
        "cactus": Motif(flora.cactus, "green"),
        "flower": Motif(flora.flower, "pink"),
        "tulip": Motif(flora.tulip, "crimson"),
        "leaf": Motif(flora.leaf, "green"),
        "mushroom": Motif(flora.mushroom, "red"),
        "apple": Motif(flora.apple, "red"),
        "island": Motif(flora.island, "green", "water"),
        "flame": Motif(flora.flame, "orange"),
        "snowman": Motif(flora.snowman, "red"),
        "bloom": Motif(flora.bloom),
        "house": Motif(built.house, "cream"),
        "castle": Motif(built.castle, "silver"),
        "lighthouse": Motif(built.tower, "red"),
        "city": Motif(built.city, None, "far"),
        "robot": Motif(built.robot, "teal"),
        "car": Motif(built.car, "red"),
        "boat": Motif(built.boat, "brown", "water"),
        "rocket": Motif(built.rocket, "red", "sky"),
        "balloon": Motif(built.balloon, "red", "sky"),
        "cup": Motif(built.cup, "coral"),
        "book": Motif(built.book, "blue"),
        "umbrella": Motif(built.umbrella, "red"),
        "crown": Motif(built.crown, "gold"),
        "windmill": Motif(built.windmill, "cream"),
        "tent": Motif(built.tent, "orange"),
        "train": Motif(built.train, "crimson"),
        "guitar": Motif(built.guitar, "copper"),
    }
)

_OTHER_WORDS = {
    "circle": "ball sphere disc disk dot orb bubble globe",
    "square": "rectangle box block",
    "cube": "crate dice gift",
    "triangle": "delta",
    "star": "starfish sparkle",
    "heart": "love valentine",
    "hexagon": "hex honeycomb",
    "diamond": "gem jewel crystal gemstone",
    "ring": "torus donut doughnut wheel halo",
    "spiral": "swirl snail vortex",
    "cross": "plus",
    "moon": "crescent moonlight lunar",
    "sun": "sunshine sunlight sunny",
    "planet": "saturn mars jupiter",
    "cloud": "cloudy",
    "lightning": "thunder bolt storm thunderstorm",
    "fox": "vixen",
    "wolf": "husky coyote",
    "cat": "kitten kitty feline tabby tiger panther",
    "dog": "puppy hound corgi retriever poodle pug",
    "rabbit": "bunny hare",
    "bear": "panda teddy grizzly",
    "mouse": "rat hamster",
    "bird": "robin sparrow eagle raven crow parrot dove canary chick chicken",
    "duck": "duckling goose swan",
    "butterfly": "moth",
    "fish": "goldfish koi carp shark",
    "whale": "dolphin orca",
    "turtle": "tortoise",
    "horse": "pony unicorn stallion donkey zebra",
    "deer": "stag reindeer moose elk",
    "sheep": "lamb goat",
    "person": "man woman girl boy child people portrait human king queen knight wizard",
    "astronaut": "spaceman cosmonaut",
    "mountain": "peak alp summit everest matterhorn",
    "tree": "oak maple willow",
    "pine": "fir spruce conifer",
    "flower": "daisy blossom rose sunflower poppy lily orchid dahlia",
    "leaf": "fern foliage",
    "mushroom": "toadstool fungus",
    "apple": "fruit cherry tomato",
    "flame": "fire campfire candle bonfire",
    "house": "cottage cabin home hut barn church",
    "castle": "palace fortress",
    "lighthouse": "tower beacon",
    "robot": "android cyborg droid machine",
    "car": "automobile truck taxi van bus vehicle",
    "boat": "ship sailboat yacht canoe vessel",
    "rocket": "spaceship shuttle missile",
    "cup": "mug teacup coffee tea",
    "book": "novel tome",
    "umbrella": "parasol",
    "crown": "tiara",
    "tent": "camp wigwam",
    "train": "locomotive tram",
    "guitar": "violin cello ukulele",
}
WORDS: Mapping[str, str] = MappingProxyType(
    {name: name for name in MOTIFS if name != "bloom"}
    | {word: name for name, words in _OTHER_WORDS.items() for word in words.split()}
)
"""What a word in the singular means."""

TRINKETS = ("flower", "mushroom", "pine", "tree", "butterfly", "bird", "cloud", "star", "tulip", "leaf", "rabbit", "balloon")
"""What an unknown word adds to a picture: always the same one for the same word."""
