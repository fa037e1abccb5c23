"""Colours by name, and the few tones of one colour that a picture is made of."""

import colorsys
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

RGB = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Pigment:
    """A colour to mix tones from: hue in degrees, saturation and lightness in 0..1 (HSL)."""

    hue: float
    saturation: float
    lightness: float

    @property
    def is_neutral(self) -> bool:
        return self.saturation < 0.12

    def at(self, lightness: float, strength: float = 1.0, turn: float = 0.0) -> RGB:
        """The tone of this hue (turned by `turn` degrees) at `lightness`, its saturation scaled by `strength`."""
        saturation = min(self.saturation * strength, 1.0)
        red, green, blue = colorsys.hls_to_rgb((self.hue + turn) % 360 / 360, min(max(lightness, 0.015), 0.985), saturation)
        return round(red * 255), round(green * 255), round(blue * 255)


PIGMENTS: Mapping[str, Pigment] = MappingProxyType(
    {
        "red": Pigment(0, 0.80, 0.47),
        "crimson": Pigment(348, 0.80, 0.44),
        "scarlet": Pigment(7, 0.88, 0.48),
        "ruby": Pigment(345, 0.80, 0.40),
        "maroon": Pigment(352, 0.65, 0.27),
        "burgundy": Pigment(345, 0.60, 0.28),
        "coral": Pigment(14, 0.85, 0.64),
        "salmon": Pigment(10, 0.80, 0.70),
        "orange": Pigment(28, 0.92, 0.52),
        "amber": Pigment(40, 0.95, 0.50),
        "copper": Pigment(22, 0.60, 0.46),
        "bronze": Pigment(32, 0.58, 0.42),
        "brown": Pigment(24, 0.52, 0.30),
        "chocolate": Pigment(22, 0.55, 0.25),
        "tan": Pigment(32, 0.42, 0.64),
        "beige": Pigment(38, 0.42, 0.78),
        "cream": Pigment(45, 0.60, 0.86),
        "peach": Pigment(24, 0.85, 0.77),
        "gold": Pigment(45, 0.88, 0.50),
        "golden": Pigment(45, 0.88, 0.50),
        "yellow": Pigment(55, 0.95, 0.55),
        "lemon": Pigment(56, 0.92, 0.62),
        "olive": Pigment(64, 0.50, 0.34),
        "lime": Pigment(82, 0.75, 0.50),
        "green": Pigment(125, 0.55, 0.38),
        "emerald": Pigment(148, 0.62, 0.38),
        "mint": Pigment(155, 0.50, 0.70),
        "teal": Pigment(178, 0.72, 0.34),
        "turquoise": Pigment(174, 0.68, 0.50),
        "cyan": Pigment(187, 0.85, 0.50),
        "aqua": Pigment(184, 0.80, 0.52),
        "azure": Pigment(207, 0.85, 0.56),
        "blue": Pigment(220, 0.78, 0.48),
        "cobalt": Pigment(216, 0.80, 0.38),
        "navy": Pigment(225, 0.62, 0.21),
        "indigo": Pigment(255, 0.58, 0.36),
        "violet": Pigment(272, 0.66, 0.50),
        "lavender": Pigment(260, 0.55, 0.77),
        "lilac": Pigment(282, 0.45, 0.73),
        "purple": Pigment(281, 0.62, 0.42),
        "plum": Pigment(305, 0.42, 0.38),
        "magenta": Pigment(308, 0.80, 0.50),
        "fuchsia": Pigment(314, 0.85, 0.52),
        "pink": Pigment(338, 0.82, 0.70),
        "black": Pigment(225, 0.05, 0.08),
        "ebony": Pigment(30, 0.05, 0.09),
        "charcoal": Pigment(210, 0.07, 0.22),
        "white": Pigment(215, 0.10, 0.93),
        "ivory": Pigment(50, 0.11, 0.92),
        "grey": Pigment(215, 0.05, 0.52),
        "gray": Pigment(215, 0.05, 0.52),
        "silver": Pigment(212, 0.09, 0.73),
    }
)
"""What a prompt may name. White, grey and black are told apart by lightness alone."""


@dataclass(frozen=True, slots=True)
class Inks:
    """The tones one subject is drawn with."""

    body: RGB
    shade: RGB
    light: RGB
    dark: RGB
    accent: RGB
    outline: RGB


@dataclass(frozen=True, slots=True)
class Palette:
    """The tones of the surroundings. `sky` from the zenith down to the horizon, `land` from far to near."""

    sky: tuple[RGB, RGB, RGB]
    land: tuple[RGB, RGB]
    ground: tuple[RGB, RGB]
    glow: RGB
    dark: RGB
    outline: RGB
    level: float
    """Lightness (0..1) behind the main subject, which has to stand out from it."""


def palette(pigment: Pigment, night: bool) -> Palette:
    """A day or night of this colour, every large area within a few degrees of its hue."""
    base = pigment.lightness
    if pigment.is_neutral:
        return _neutral_palette(pigment)
    # Dark yellow is read as olive, so warm light colours are darkened less than the others.
    dim = (0.85 if 38 <= pigment.hue <= 70 else 0.55) if night else 1.0
    top, low = base * dim + 0.04, min(base * dim + 0.30, 0.90)
    if night:
        low = base * dim + 0.16
    far, near = top * 0.5 + low * 0.35, max(top * 0.72, 0.10)
    return Palette(
        sky=(pigment.at(top, 1.0, 5), pigment.at((top + low) / 2, 0.95), pigment.at(low, 0.92, -5)),
        land=(pigment.at(far, 0.85, 4), pigment.at(near, 0.92, 7)),
        ground=(pigment.at(near * 0.92, 0.9, 4), pigment.at(near * 0.62, 0.95)),
        glow=pigment.at(min(low + 0.12, 0.95), 0.95, -8),
        dark=pigment.at(0.10, 0.7),
        outline=pigment.at(0.10, 0.7),
        level=near,
    )


def _neutral_palette(pigment: Pigment) -> Palette:
    base = pigment.lightness
    lift = min(0.12, (1 - base) * 0.55)
    fall = base * 0.16 if base > 0.5 else base * 0.35
    return Palette(
        sky=(pigment.at(base - fall * 0.6), pigment.at(base), pigment.at(base + lift)),
        land=(pigment.at(base - fall * 0.4), pigment.at(base - fall)),
        ground=(pigment.at(base - fall * 0.5), pigment.at(base - fall * 1.25)),
        glow=pigment.at(min(base + lift * 1.6, 0.985)),
        dark=pigment.at(0.04 if base < 0.5 else 0.25),
        outline=pigment.at(0.55 if base < 0.2 else 0.06 if base < 0.5 else 0.25),
        level=base,
    )


def inks(pigment: Pigment, behind: float | None, accent: Pigment, outline: RGB) -> Inks:
    """The tones of a subject of this colour, told apart from a background of lightness `behind` if one is given."""
    body = pigment.lightness
    if behind is not None:
        body = _apart(body, behind, 0.14 if pigment.is_neutral else 0.20)
    lighter, darker = min(body + 0.20, 0.97), max(body - 0.16, 0.06)
    return Inks(
        body=pigment.at(body, 1.1),
        shade=pigment.at(darker, 1.05, -4),
        light=pigment.at(max(lighter, 0.80), 0.8, 3),
        dark=pigment.at(min(darker * 0.4, 0.14), 0.7),
        accent=accent.at(min(max(accent.lightness, 0.35), 0.75)),
        outline=outline,
    )


def _apart(wanted: float, behind: float, distance: float) -> float:
    """The lightness nearest to `wanted` that is at least `distance` from `behind`."""
    if abs(wanted - behind) >= distance:
        return wanted
    lighter, darker = behind + distance, behind - distance
    if lighter > 0.94 or (wanted < behind and darker > 0.10):
        return max(darker, 0.08)
    return lighter
