"""What a model can do, and the words that say what a picture is to be: size, quality, background."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from typing import Self

from domain.errors import UnsupportedByModel
from domain.media import PictureFormat


class Quality(StrEnum):
    """Cheapest first; the order of the members is the order of the prices."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    XHIGH = "xhigh"
    MAX = "max"


class Background(StrEnum):
    AUTO = "auto"
    OPAQUE = "opaque"
    TRANSPARENT = "transparent"


@dataclass(frozen=True, slots=True, order=True)
class Size:
    """Pixels, as `1024x1024`."""

    width: int
    height: int

    @classmethod
    def parse(cls, text: str) -> Self:
        width, cross, height = text.partition("x")
        if not (cross and width.isascii() and height.isascii() and width.isdigit() and height.isdigit()):
            raise UnsupportedByModel("a size is written WIDTHxHEIGHT, or auto", field="size")
        if len(width) > 5 or len(height) > 5 or 0 in (int(width), int(height)):
            raise UnsupportedByModel("a side has 1 to 99999 pixels", field="size", limit=99_999)
        return cls(int(width), int(height))

    @property
    def pixels(self) -> int:
        return self.width * self.height

    @property
    def longest_side(self) -> int:
        return max(self.width, self.height)

    @property
    def shortest_side(self) -> int:
        return min(self.width, self.height)

    def fits_in(self, other: Self) -> bool:
        return self.width <= other.width and self.height <= other.height

    def shape_distance(self, other: Self) -> Fraction:
        """1 for equal proportions, more the further apart they are; exact, so that ties are ties on every machine."""
        across, down = self.width * other.height, self.height * other.width
        return Fraction(max(across, down), min(across, down))

    def nearest(self, sizes: Sequence[Self]) -> Self:
        """The one of `sizes` most like this in its proportions; the first of equals."""
        return min(sizes, key=self.shape_distance)

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"


SMALLEST_SIDE = 16
"""Pixels; the painter draws nothing smaller."""


@dataclass(frozen=True, slots=True)
class SizeRule:
    """Sizes a model takes beyond its list. Pixels, but for `widest`: the longer side is at most so many times the shorter.

    In test mode (`smaller`) the painter draws, which needs no multiple and no least number of pixels.
    """

    multiple: int
    widest: int
    longest_side: int
    least_pixels: int
    most_pixels: int

    def check_shape(self, size: Size, *, smaller: bool) -> None:
        """Raises UnsupportedByModel, as does check_extent."""
        if size.longest_side > self.widest * size.shortest_side:
            raise _size_refused(f"the longer side may be at most {self.widest} times the shorter", self.widest, "proportions")
        if smaller and size.shortest_side < SMALLEST_SIDE:
            raise _size_refused(f"a side needs at least {SMALLEST_SIDE} pixels", SMALLEST_SIDE, "shortest_side")
        if not smaller and (size.width % self.multiple or size.height % self.multiple):
            raise _size_refused(f"both sides must be divisible by {self.multiple}", self.multiple, "multiple")

    def check_extent(self, canvas: Size, *, smaller: bool) -> None:
        if canvas.longest_side > self.longest_side:
            raise _size_refused(f"no side may exceed {self.longest_side} pixels", self.longest_side, "longest_side")
        if canvas.pixels > self.most_pixels:
            raise _size_refused(f"there may be at most {self.most_pixels} pixels", self.most_pixels, "most_pixels")
        if canvas.pixels < self.least_pixels and not smaller:
            raise _size_refused(f"there must be at least {self.least_pixels} pixels", self.least_pixels, "least_pixels")


@dataclass(frozen=True, slots=True)
class Layout:
    """Up to `frames` frames are drawn on one sheet of `columns` by `rows` cells."""

    frames: int
    columns: int
    rows: int


@dataclass(frozen=True, slots=True)
class Animation:
    """A GIF of several frames, all drawn on one sheet: it is the sheet that must fit and that is billed."""

    least_frames: int
    most_frames: int
    default_frames: int
    least_milliseconds: int
    most_milliseconds: int
    default_milliseconds: int
    sizes: tuple[Size, ...]
    """Of one frame, for "auto"; the first is the default."""
    layouts: tuple[Layout, ...]
    """By ascending number of frames; the first that has room is used."""

    def layout(self, frames: int) -> Layout:
        return next(layout for layout in self.layouts if frames <= layout.frames)


@dataclass(frozen=True, slots=True)
class Capabilities:
    """All that a model can be asked for. `references` and `partial_images` are the most it takes."""

    qualities: tuple[Quality, ...]
    default_quality: Quality
    sizes: tuple[Size, ...]
    """What "auto" chooses from, the first being the default; without `free_sizes`, all there are."""
    free_sizes: SizeRule | None
    output_formats: tuple[PictureFormat, ...]
    transparent: bool
    complexities: tuple[str, ...]
    """The last is the default; none: the model has no such setting."""
    references: int
    partial_images: int
    animation: Animation | None

    def check_size(self, size: Size, *, frames: int | None, smaller: bool) -> None:
        """Whether a picture (or each frame of an animation) may be so large. Raises UnsupportedByModel."""
        if self.free_sizes is None:
            listed = size in self.sizes
            small = smaller and size.shortest_side >= SMALLEST_SIDE and any(size.fits_in(known) for known in self.sizes)
            if not (listed or small):
                raise UnsupportedByModel("the model has no such size", field="size", allowed=[str(known) for known in self.sizes])
            return
        self.free_sizes.check_shape(size, smaller=smaller)
        self.free_sizes.check_extent(self.canvases(size, frames)[0], smaller=smaller)

    def canvases(self, size: Size, frames: int | None) -> tuple[Size, ...]:
        """What is really drawn: the picture, or the sheet that holds all frames.

        The layouts of sheets are measured, not promised, so a sheet comes first lying, as measured, and then standing.
        """
        if frames is None or self.animation is None:
            return (size,)
        layout = self.animation.layout(frames)
        lying = Size(size.width * layout.columns, size.height * layout.rows)
        standing = Size(size.width * layout.rows, size.height * layout.columns)
        return (lying, standing)


def _size_refused(detail: str, limit: int, rule: str) -> UnsupportedByModel:
    return UnsupportedByModel(detail, field="size", limit=limit, rule=rule)
