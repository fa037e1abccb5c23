"""PDQ, the perceptual hash that the published lists of known pictures are made with, by its published description.

Luminance, blurred twice each way by a box as wide as what 64 x 64 leave out, sampled at 64 x 64; of its cosine transform the
16 x 16 lowest frequencies without the constant; a bit for each that is above their median.
"""

import io
import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from adapters.pictures.decoding import decoder_of
from domain.errors import BrokenImage
from domain.media import Likeness, check_pixels

Grid = NDArray[np.float64]

_SAMPLES, _FREQUENCIES = 64, 16
_MOST_SIDE = 512
"""A larger picture is shrunk first, as the reference does: its hash depends on what a thumbnail shows."""
_LEAST_SIDE = 5
"""By a smaller picture nothing is told."""
_WAVES: Grid = math.sqrt(2 / _SAMPLES) * np.cos(
    np.pi / 2 / _SAMPLES * np.outer(np.arange(1, _FREQUENCIES + 1), 2 * np.arange(_SAMPLES) + 1)
)
_MIRROR: Grid = np.where(np.arange(_FREQUENCIES) % 2, 1.0, -1.0)
"""What a mirror does to the frequencies along its axis: every other one changes its sign."""


def likeness_of(content: bytes) -> Likeness:
    """Runs in a worker: of a file's first frame. Raises BrokenImage, also if it has more pixels than any we take or make."""
    try:
        with decoder_of(content)(io.BytesIO(content)) as picture:
            check_pixels(picture.width, picture.height, 1)  # a stranger's film says thousands of megapixels as easily as ten
            picture.load()
            return likeness(picture)
    except Exception:
        raise BrokenImage("a picture cannot be decoded") from None


def likeness(picture: Image.Image) -> Likeness:
    """The hash of a decoded picture and of its turned and mirrored shapes. What is transparent is seen on white."""
    samples = _sampled(_luminance(picture))
    waves = _WAVES @ samples @ _WAVES.T
    across, down = waves * _MIRROR, waves * _MIRROR[:, None]
    shapes = (waves, across, down, across * _MIRROR[:, None])
    variants = tuple(_hexadecimal(shape) for shape in (*shapes, *(shape.T for shape in shapes)))
    return Likeness(variants[0], _quality(samples) if min(picture.size) >= _LEAST_SIDE else 0, variants)


def _luminance(picture: Image.Image) -> Grid:
    """0 to 255. Shrunk before anything else: twelve megapixels would take ten times as long in floating point."""
    if picture.has_transparency_data:
        picture = _coarse(picture.convert("RGBA"))
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("L")
    else:
        picture = picture.convert("L")
    small = (min(picture.width, _MOST_SIDE), min(picture.height, _MOST_SIDE))
    return np.asarray(picture.resize(small, Image.Resampling.BOX), np.float64)


def _coarse(picture: Image.Image) -> Image.Image:
    """Shrunk by whole numbers, to no less than twice what is needed; each band for itself, which is quick."""
    factor = (max(1, picture.width // (2 * _MOST_SIDE)), max(1, picture.height // (2 * _MOST_SIDE)))
    if factor == (1, 1):
        return picture
    return Image.merge(picture.mode, [band.reduce(factor) for band in picture.split()])


def _sampled(luminance: Grid) -> Grid:
    """64 x 64 samples of the blurred luminance."""
    down, across = (_sampling(side) for side in luminance.shape)
    samples: Grid = down @ luminance @ across.T
    return samples


@lru_cache(8)
def _sampling(side: int) -> Grid:
    """What blurs a line of so many pixels twice and samples it. A blur is each pixel's mean over a window as wide as a step
    between samples, rounded up; at the edges over what there is of it."""
    window = -(-side // (2 * _SAMPLES))
    offset = np.arange(side) - np.arange(side)[:, None]
    blur = ((offset <= window // 2) & (offset >= window // 2 + 1 - window)).astype(np.float64)
    blur /= blur.sum(axis=1, keepdims=True)
    sampled: Grid = (blur @ blur)[((np.arange(_SAMPLES) + 0.5) * side / _SAMPLES).astype(int)]
    return sampled


def _quality(samples: Grid) -> int:
    """0 to 100: how much there is to be told by, as the sum of whole steps between neighbouring samples."""
    steps = sum(np.abs(np.trunc(np.diff(samples, axis=axis) * 100 / 255)).sum() for axis in (0, 1))
    return min(100, int(steps / 90))


def _hexadecimal(waves: Grid) -> str:
    """256 bits, the highest frequency first."""
    median = np.partition(waves, (waves.size - 1) // 2, axis=None)[(waves.size - 1) // 2]
    return np.packbits((waves > median).ravel()[::-1]).tobytes().hex()
