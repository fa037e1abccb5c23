"""Smooth fields made small and drawn large: noise, glows, ridges, gradients. Arrays are float32, `[row, column]`."""

from collections.abc import Sequence
from random import Random

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from adapters.image_models.brush.pigments import RGB

Field = NDArray[np.float32]
Extent = tuple[int, int]
"""Width and height in pixels."""


def dice(seed: int) -> Random:
    """Chances that fall the same way for the same seed, in every process."""
    return Random(seed)  # noqa: S311 - pictures, not secrets


def generator(seed: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(seed))


def small(size: Extent, longest: int = 256) -> Extent:
    """The size at which a smooth field is worked out before it is enlarged: bounds time and memory for any picture."""
    scale = min(1.0, longest / max(size))
    return max(2, round(size[0] * scale)), max(2, round(size[1] * scale))


def noise(rng: np.random.Generator, size: Extent, cells: float) -> Field:
    """Smooth noise of mean 0 and deviation about 1, with `cells` bumps along the shorter side."""
    pitch = min(size) / cells
    grid = rng.standard_normal((max(2, round(size[1] / pitch)) + 1, max(2, round(size[0] / pitch)) + 1)).astype(np.float32)
    field: Field = np.asarray(Image.fromarray(grid).resize(size, Image.Resampling.BICUBIC), np.float32)
    level: Field = (field - field.mean()) / max(float(field.std()), 1e-6)
    return level


def mask(field: Field, size: Extent) -> Image.Image:
    """A field of 0..1 as an L picture of `size`."""
    levels = Image.fromarray(np.clip(field * 255 + 0.5, 0, 255).astype(np.uint8))
    return levels if levels.size == size else levels.resize(size, Image.Resampling.BICUBIC)


def colour(levels: Image.Image, stops: Sequence[RGB], steps: int | None = None) -> Image.Image:
    """An L picture through a gradient of evenly spaced stops; with `steps`, in that many flat bands."""
    position = np.linspace(0.0, 1.0, 256)
    if steps is not None:
        position = np.minimum(np.floor(position * steps), steps - 1) / max(steps - 1, 1)
    places = np.linspace(0.0, 1.0, len(stops))
    table = np.stack([np.interp(position, places, [stop[channel] for stop in stops]) for channel in range(3)], axis=1)
    painted = levels.copy()
    painted.putpalette(np.rint(table).astype(np.uint8).tobytes())
    return painted.convert("RGB")


def glow(diameter: Extent, softness: float = 1.0) -> Image.Image:
    """An L picture, 255 in the middle and 0 at the ellipse's edge. `softness` < 1 keeps a plateau in the middle."""
    rows, columns = np.mgrid[-1:1:64j, -1:1:64j].astype(np.float32)
    fall = np.clip((1 - np.sqrt(rows**2 + columns**2)) / np.float32(softness), 0, 1)
    return mask(fall * fall * (3 - 2 * fall), (max(1, diameter[0]), max(1, diameter[1])))


def line(rng: np.random.Generator, width: int, knots: float, octaves: int, *, jagged: bool) -> Field:
    """A wandering line of `width` values in about -1..1."""
    total = np.zeros(width, np.float32)
    where = np.linspace(0.0, 1.0, width)
    for octave in range(octaves):
        count = max(3, round(knots * 2**octave) + 1)
        values = rng.uniform(-1.0, 1.0, count)
        at = where * (count - 1)
        if not jagged:
            at = np.floor(at) + (1 - np.cos((at - np.floor(at)) * np.pi)) / 2
        total += (np.interp(at, np.arange(count), values) * 0.5**octave).astype(np.float32)
    return total / np.float32(1.6)


def below(tops: Field, size: Extent) -> tuple[Image.Image, int]:
    """The area under a ridge (its height at each column, in pixels from the top) as an antialiased L mask.

    The mask starts at the returned row: what lies above is empty.
    """
    width, height = size
    first = min(max(int(np.floor(tops.min())) - 1, 0), height - 1)
    last = min(max(int(np.ceil(tops.max())) + 2, first + 1), height)
    rows = np.arange(first, last, dtype=np.float32)[:, None]
    band = np.clip((rows - tops[None, :] + 1) * 255, 0, 255).astype(np.uint8)
    whole = Image.new("L", (width, height - first), 255)
    whole.paste(Image.fromarray(band), (0, 0))
    return whole, first
