"""What the provider charges for a model and what we charge: tokens, credits, and why the second always cover the first.

The provider bills tokens. Each part of a price (picture, references, partial images, prompt) is the most tokens that part can
take, at the provider's rates, times our margin, in credits, rounded up. So every part covers its own worst case, the parts add
up to the price, and a price never depends on what anyone else asks for.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from domain.capabilities import Quality, Size

_MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Work:
    """What a price depends on, for one picture. `references` counts a mask too: it is an image the model reads."""

    canvases: tuple[Size, ...]
    """What may be drawn: the picture, or the sheet that holds all frames, lying and standing; the dearest counts."""
    quality: Quality
    references: int = 0
    partial_images: int = 0
    prompt_bytes: int = 0
    """Of the prompt in UTF-8. A token stands for one byte at least, so there are never more tokens than bytes."""


@dataclass(frozen=True, slots=True)
class Grid:
    """Output tokens of a model with free sizes: a grid of cells, `edges[quality]` along the longer side, dearer with the pixels.

    The formula behind the provider's own calculator, as read from it by its customers (community.openai.com, topic 1382699).
    It gives the published 196 tokens for low 1024x1024 and 14,272 for high 2048x2048 of gpt-image-2.
    """

    edges: Mapping[Quality, int]

    def tokens(self, canvas: Size, quality: Quality) -> int:
        edge, longest = self.edges[quality], canvas.longest_side
        other = max(1, (2 * edge * canvas.shortest_side + longest) // (2 * longest))
        return -(-edge * other * (2 * _MILLION + canvas.pixels) // (4 * _MILLION))


@dataclass(frozen=True, slots=True)
class Listed:
    """Output tokens of a model with a fixed list of sizes. Another size (test mode) counts as the next larger one listed."""

    by_size: Mapping[Size, Mapping[Quality, int]]

    def tokens(self, canvas: Size, quality: Quality) -> int:
        by_pixels = sorted(self.by_size, key=lambda size: (size.pixels, size))
        size = canvas if canvas in self.by_size else next((s for s in by_pixels if s.pixels >= canvas.pixels), by_pixels[-1])
        return self.by_size[size][quality]


@dataclass(frozen=True, slots=True)
class Prices:
    """The provider's rates for one model, in millionths of a US dollar per million tokens, and what we make of them."""

    text_input: int
    image_input: int
    image_output: int
    output_tokens: Grid | Listed
    prompt_overhead_tokens: int
    """Added by the provider to every prompt."""
    reference_tokens: int
    """The most that one reference takes, however large it is."""
    partial_tokens: int
    prompt_bands: tuple[int, ...]
    """Bytes: a prompt costs what the longest of its band costs. The first band is part of the price of the picture."""
    credit: int
    """What one credit is sold for at least, in millionths of a US dollar."""
    margin_percent: int
    """Credits bring in at least so many percent of what the provider can cost."""

    def picture(self, quality: Quality, *canvases: Size) -> int:
        """Credits for one picture with a short prompt: the dearest of `canvases`."""
        text = self.prompt_overhead_tokens + self.prompt_bands[0]
        return self._credits(self.cost(text_input=text, image_output=self._output_tokens(quality, canvases)))

    def references(self, count: int) -> int:
        return self._credits(self.cost(image_input=count * self.reference_tokens))

    def partial_images(self, count: int) -> int:
        return self._credits(self.cost(image_output=count * self.partial_tokens))

    def prompt(self, length: int) -> int:
        """Credits for a prompt of `length` bytes beyond the first band."""
        return self._credits(self.cost(text_input=self.prompt_band(length) - self.prompt_bands[0]))

    def prompt_band(self, length: int) -> int:
        return next(band for band in self.prompt_bands if length <= band)

    def worst_cost(self, work: Work) -> int:
        """The most that one picture can cost us, in millionths of a US dollar."""
        return self.cost(
            text_input=self.prompt_overhead_tokens + work.prompt_bytes,
            image_input=work.references * self.reference_tokens,
            image_output=self._output_tokens(work.quality, work.canvases) + work.partial_images * self.partial_tokens,
        )

    def cost(self, *, text_input: int = 0, image_input: int = 0, image_output: int = 0) -> int:
        """What so many tokens cost us, in millionths of a US dollar, rounded up."""
        exact = text_input * self.text_input + image_input * self.image_input + image_output * self.image_output
        return -(-exact // _MILLION)

    def _output_tokens(self, quality: Quality, canvases: tuple[Size, ...]) -> int:
        return max(self.output_tokens.tokens(canvas, quality) for canvas in canvases)

    def _credits(self, cost: int) -> int:
        """Credits for a cost in millionths of a US dollar: with margin, rounded up."""
        return -(-cost * self.margin_percent // (100 * self.credit))
